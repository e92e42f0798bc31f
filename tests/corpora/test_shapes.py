"""Layouts that people have: whatever the file, the same rows, and a log line that says what was recognised."""

import bz2
import csv
import gzip
import io
import json
import logging
import lzma
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import polars
import pytest

from neuroglot import corpora
from neuroglot.corpora.endings import files_by_language
from neuroglot.corpora.shapes import usual
from neuroglot.corpora.tables import RawTable
from neuroglot.errors import CorpusError

LANGUAGES = ("de", "en", "fr")
TEXTS = {
    "de": ('Der Hund, "Rex", schläft.', "Ein Satz; noch einer."),
    "en": ('The dog, "Rex", sleeps.', "One sentence; one more."),
    "fr": ('Le chien, "Rex", dort.', "Une phrase; encore une."),
}
ROWS = list(zip(*TEXTS.values()))
OBJECTS = [dict(zip(LANGUAGES, row)) for row in ROWS]
Make = Callable[[Path], Path]


def lines(*texts: str) -> str:
    return "".join(f"{text}\n" for text in texts)


def folder(names: dict[str, str], encoding: str = "utf-8") -> Make:
    """A folder with a file of this name for each language."""

    def make(place: Path) -> Path:
        for language, name in names.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(lines(*TEXTS[language]).encode(encoding))
        return place

    return make


def file(name: str, content: str | bytes, encoding: str = "utf-8") -> Make:
    def make(place: Path) -> Path:
        (place / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return place / name

    return make


def table(separator: str, header: tuple[str, ...] = LANGUAGES, number: bool = False) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(("", *header) if number else header)
    writer.writerows([(index, *row) if number else row for index, row in enumerate(ROWS)])
    return out.getvalue()


def parquet(place: Path) -> Path:
    polars.DataFrame({"translation": OBJECTS}).write_parquet(place / "a.parquet")
    return place / "a.parquet"


def saved(splits: bool, nested: bool) -> Make:
    """What `datasets` writes, made without it: Arrow's stream format and two small files."""

    def make(place: Path) -> Path:
        inner = place / "train" if splits else place
        inner.mkdir(exist_ok=True)
        frame = polars.DataFrame({"translation": OBJECTS} if nested else TEXTS)
        frame.write_ipc_stream(inner / "data-00000-of-00001.arrow")
        (inner / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
        (inner / "dataset_info.json").write_text("{}")
        if splits:
            (place / "dataset_dict.json").write_text('{"splits": ["train"]}')
        return place

    return make


def tmx() -> str:
    units = "".join(
        "<tu>" + "".join(f'<tuv xml:lang="{g}"><seg>{escape(text)}</seg></tuv>' for g, text in row.items()) + "</tu>"
        for row in OBJECTS
    )
    return f'<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx version="1.4"><body>{units}</body></tmx>'


NAMES = {"de": "German", "en": "English", "fr": "français"}
LONG = "".join(
    json.dumps({"id": row, "lang": language, "text": text}) + "\n"
    for row, texts in enumerate(OBJECTS)
    for language, text in texts.items()
)
NESTED = lines(*(json.dumps({"id": index, "translation": row}) for index, row in enumerate(OBJECTS)))
BESIDE = lines("id\tdomain\tde\ten\tfr", *("\t".join((f"s{row}", "news", *texts)) for row, texts in enumerate(ROWS)))
LAYOUTS: dict[str, Make] = {
    "UTF-16": folder({g: f"{g}.txt" for g in LANGUAGES}, "utf-16"),
    "names in full": folder({g: f"{name}.txt" for g, name in NAMES.items()}),
    "FLORES devtest": folder({"de": "deu_Latn.devtest", "en": "eng_Latn.devtest", "fr": "fra_Latn.devtest"}),
    "FLORES dev": folder({"de": "deu_Latn.dev", "en": "eng_Latn.dev", "fr": "fra_Latn.dev"}),
    "NTREX": folder({
        "de": "newstest2019-ref.deu.txt", "en": "newstest2019-src.eng.txt", "fr": "newstest2019-ref.fra.txt",
    }),
    "WMT": folder({g: f"train.{g}" for g in LANGUAGES}),
    "Moses": folder({g: f"Europarl.de-en.{g}" for g in LANGUAGES}),
    "Moses, compressed": lambda place: _compressed(place, folder({g: f"train.{g}" for g in LANGUAGES})),
    "Moses with ids": lambda place: _with_ids(place, folder({g: f"Tatoeba.de-en.{g}" for g in LANGUAGES})),
    "Moses by its prefix": lambda place: folder({g: f"news.de-en.{g}" for g in LANGUAGES})(place) / "news.de-en",
    "a folder a language": folder({g: f"{g}/text.txt" for g in LANGUAGES}),
    "Excel's CSV": file("a.csv", table(";"), "utf-8-sig"),
    "Excel's Unicode text": file("a.txt", table("\t"), "utf-16"),
    "TSV as pandas writes it": file("a.tsv", table("\t")),
    "CSV of pandas with its index": file("a.csv", table(",", number=True)),
    "names in a header": file("a.csv", table(",", ("German", "English", "French"))),
    "blanks in a header": file("a.csv", table(",", ("DE", " EN ", "Fr "))),
    "columns that are no texts": file("a.tsv", BESIDE),
    "gzip": file("a.tsv.gz", gzip.compress(table("\t").encode())),
    "bzip2": file("a.csv.bz2", bz2.compress(table(",").encode())),
    "xz": file("a.jsonl.xz", lzma.compress(lines(*map(json.dumps, OBJECTS)).encode())),
    "JSON": file("a.json", json.dumps(OBJECTS)),
    "translation in JSON lines": file("a.jsonl", NESTED),
    "long JSON lines": file("a.jsonl", LONG),
    "translation in Parquet": parquet,
    "TMX": file("a.tmx", tmx()),
    "saved by datasets": saved(splits=False, nested=False),
    "saved by datasets as splits": saved(splits=True, nested=False),
    "saved by datasets as translation": saved(splits=False, nested=True),
}  # fmt: skip


def _compressed(place: Path, make: Make) -> Path:
    for path in sorted(make(place).iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return place


def _with_ids(place: Path, make: Make) -> Path:
    (place / "Tatoeba.de-en.ids").write_text("".join(f"de.xml\ten.xml\t{row}\t{row}\n" for row in range(len(ROWS))))
    (place / "README").write_text("hello")
    return make(place)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_gives_the_same_rows(layout: str, tmp_path: Path) -> None:
    corpus = corpora.load(LAYOUTS[layout](tmp_path))
    assert dict(corpus.texts) == TEXTS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_languages_can_be_asked_for_in_any_layout(layout: str, tmp_path: Path) -> None:
    corpus = corpora.load(LAYOUTS[layout](tmp_path), languages=["fr", "German"])
    assert list(corpus.texts.items()) == [("fr", TEXTS["fr"]), ("de", TEXTS["de"])]


PLAIN = {"blanks in a header", "JSON", "TMX"}
PLAIN |= {"saved by datasets", "saved by datasets as splits", "Moses by its prefix"}


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - PLAIN))
def test_what_was_recognised_is_logged(layout: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "neuroglot"):
        corpora.load(LAYOUTS[layout](tmp_path))
    assert caplog.messages


def test_inline_markup_of_tmx_is_left_out(tmp_path: Path) -> None:
    unit = '<tu><tuv lang="de"><seg>Ein <bpt i="1"/>Wort</seg></tuv><tuv lang="en"><seg>A word</seg></tuv></tu>'
    (tmp_path / "a.tmx").write_text(f"<tmx><body>{unit}</body></tmx>")
    assert dict(corpora.load(tmp_path / "a.tmx").texts) == {"de": ("Ein Wort",), "en": ("A word",)}


def test_what_unpacks_to_more_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neuroglot.corpora import textfiles

    monkeypatch.setattr(textfiles, "MOST_UNPACKED", 1000)
    rows = json.dumps([{"de": "a"}] * 1000)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(rows.encode()))
    with pytest.raises(corpora.loading.CorpusError, match="unpacks to more than"):
        corpora.load(tmp_path / "a.json.gz")
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"de\n" + b"a\n" * 1000))
    assert len(corpora.load(tmp_path / "a.tsv.gz")) == 1000  # which is never held whole


def test_rows_of_a_long_table_are_put_together_by_id(tmp_path: Path) -> None:
    """Whatever their order, and where a language lacks one."""
    rows = ["id\tlanguage\ttext", "b\tde\tB", "a\tde\tA", "a\ten\ta", "b\ten\tb", "c\ten\tc", "c\tde\tC"]
    (tmp_path / "t.tsv").write_text("\n".join(rows) + "\n")
    corpus = corpora.load(tmp_path / "t.tsv")
    by_id = {row_id: (corpus.texts["de"][row], corpus.texts["en"][row]) for row, row_id in enumerate(corpus.ids)}
    assert by_id == {"a": ("A", "a"), "b": ("B", "b"), "c": ("C", "c")}
    (tmp_path / "t.tsv").write_text("\n".join([*rows, "d\tde\tD", "e\ten\te"]) + "\n")
    assert set(corpora.load(tmp_path / "t.tsv", on_missing="drop").ids) == {"a", "b", "c"}


def test_a_first_column_that_does_not_number_the_rows_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Unnamed: 0,de,en\n0,eins,one\n1,zwei,two\n")
    assert corpora.load(tmp_path / "t.csv").languages == ("de", "en")
    (tmp_path / "t.csv").write_text("Unnamed: 0,de,en\n7,eins,one\n1,zwei,two\n")
    with pytest.raises(CorpusError, match="Unnamed: 0"):
        corpora.load(tmp_path / "t.csv")


def test_an_ending_that_is_a_word_or_stands_alone_names_no_language() -> None:
    """`tag` and `src` are codes of languages too; another corpus has one file only."""
    names = ["train.de", "train.en", "train.tag", "train.src", "train.ids", "other.fr"]
    assert files_by_language(Path("x"), names) == {"train.de": "de", "train.en": "en"}


@pytest.mark.parametrize("head", ["", '<!DOCTYPE tmx SYSTEM "tmx14.dtd">'])
def test_a_name_that_only_html_knows_is_refused_with_what_to_write(head: str, tmp_path: Path) -> None:
    unit = '<tu><tuv lang="de"><seg>10&nbsp;km</seg></tuv><tuv lang="en"><seg>10 km</seg></tuv></tu>'
    (tmp_path / "a.tmx").write_text(f"{head}<tmx><body>{unit}</body></tmx>")
    with pytest.raises(CorpusError, match=r"names a character as HTML does.*&nbsp; for example by &#160;"):
        corpora.load(tmp_path / "a.tmx")


def test_texts_of_a_memory_are_in_the_column_of_their_language_whatever_their_order(tmp_path: Path) -> None:
    def unit(**texts: str) -> str:
        return "<tu>" + "".join(f'<tuv xml:lang="{c}"><seg>{text}</seg></tuv>' for c, text in texts.items()) + "</tu>"

    units = (
        unit(de="eins", en="one") + unit(en="two", de="zwei") + unit(de='<bpt i="1">&lt;b&gt;</bpt>drei', en="three")
    )
    (tmp_path / "a.tmx").write_text(f"<tmx><body>{units}</body></tmx>")
    assert dict(corpora.load(tmp_path / "a.tmx").texts) == {
        "de": ("eins", "zwei", "drei"),
        "en": ("one", "two", "three"),
    }


def test_a_table_with_other_columns_than_language_and_text_is_not_turned_round() -> None:
    columns = {"lang": ["de", "en"], "text": ["a", "b"], "note": ["x", "y"]}
    assert list(usual(RawTable("a", columns, range(1, 3))).values) == list(columns)
