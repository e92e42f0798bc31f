"""Every format reads back what was written, in the order asked for; what may be dropped is dropped and counted."""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot import corpora
from neuroglot.corpora.blank import is_blank
from tests.corpora import writing

# No control characters but the line separators that `str.splitlines` knows and a file format does not.
TEXT = st.text(
    st.one_of(st.characters(exclude_categories=("Cs", "Cc")), st.sampled_from("\x0b\x0c\x1c\x85\u2028\u2029")),
    min_size=1,
    max_size=30,
).filter(lambda text: not is_blank(text))
# Formats that quote or escape take tabs, quotes and newlines too.
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)
ANY_TEXT = ANY_TEXT.filter(lambda text: not is_blank(text))
FORMATS = {
    writing.lines: TEXT,
    writing.mgsm: TEXT,
    writing.tsv: TEXT.filter(lambda text: '""' not in text),
    writing.csv_file: TEXT,
    writing.msvamp: ANY_TEXT,
    writing.xquad: ANY_TEXT,
    writing.jsonl: ANY_TEXT,
    writing.parquet: ANY_TEXT,
}


def rows_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str, str]]]:
    return st.lists(st.tuples(text, text, text), min_size=1, max_size=5)


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_was_written_is_read_back(write, data):
    rows = data.draw(rows_of(FORMATS[write]))
    texts = dict(zip(("sw", "de", "en"), map(list, zip(*rows, strict=True)), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        corpus = corpora.load(write(Path(folder), texts))
    assert {language: list(column) for language, column in corpus.texts.items()} == texts
    assert corpus.languages == ("de", "en", "sw")
    assert corpus.ids == tuple(str(n + 1) for n in range(len(rows)))
    assert corpus.dropped == 0


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_languages_come_in_the_order_asked_for(write, tmp_path):
    path = write(tmp_path, {"de": ["eins", "zwei"], "en": ["one", "two"], "sw": ["moja", "mbili"]})
    corpus = corpora.load(path, languages=["sw", "deu_Latn"])
    assert corpus.texts == {"sw": ("moja", "mbili"), "de": ("eins", "zwei")}
    assert corpus.languages == ("sw", "de")


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_rows_without_a_text_are_dropped_whole_and_counted(write, tmp_path):
    path = write(tmp_path, {"de": ["eins", " ", "drei", "vier"], "en": ["one", "two", "", "four"]})
    corpus = corpora.load(path, on_missing="drop")
    assert corpus.texts == {"de": ("eins", "vier"), "en": ("one", "four")}
    assert (corpus.ids, corpus.dropped) == (("1", "4"), 2)


def test_rows_whose_id_a_language_lacks_are_dropped(tmp_path):
    (tmp_path / "xquad.de.json").write_text(writing.squad([("a", "A?"), ("b", "B?"), ("c", "C?")]))
    (tmp_path / "xquad.en.json").write_text(writing.squad([("c", "C!"), ("d", "D!"), ("a", "A!")]))
    corpus = corpora.load(tmp_path, on_missing="drop")
    assert corpus.texts == {"de": ("A?", "C?"), "en": ("A!", "C!")}
    assert (corpus.ids, corpus.dropped) == (("a", "c"), 2)


def test_xquad_contexts_are_one_row_a_paragraph(tmp_path):
    (tmp_path / "xquad.de.json").write_text(writing.squad([("a", "A?"), ("b", "B?")], context="Ein Absatz."))
    corpus = corpora.load(tmp_path, column="context")
    assert (corpus.ids, corpus.texts) == (("a",), {"de": ("Ein Absatz.",)})


def test_other_columns_of_a_layout_can_be_chosen(tmp_path):
    assert corpora.load(writing.mgsm(tmp_path, {"de": ["x", "y"]}), column="answer").texts == {"de": ("0", "1")}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_endings_and_byte_order_mark_do_not_matter(tmp_path, ending, last, mark):
    text = mark + ending.join(["id\tde\ten", "x\teins\tone", "y\tzwei\ttwo"]) + (ending if last else "")
    (tmp_path / "a.tsv").write_bytes(text.encode())
    (tmp_path / "a.csv").write_bytes(text.replace("\t", ",").encode())
    for name in ("a.tsv", "a.csv"):
        corpus = corpora.load(tmp_path / name)
        assert (corpus.ids, corpus.texts) == (("x", "y"), {"de": ("eins", "zwei"), "en": ("one", "two")})


def test_csv_keeps_quoted_newlines_commas_and_quotes(tmp_path):
    rows = [["de", "en"], ["eins,\r\nzwei", 'she said "one"'], ["a", "x\n\ny, z, w"]]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    corpus = corpora.load(tmp_path / "a.csv")
    assert list(zip(*corpus.texts.values(), strict=True)) == [tuple(row) for row in rows[1:]]


def test_tsv_takes_quotes_as_they_stand(tmp_path):
    (tmp_path / "a.tsv").write_text('de\ten\n"Ja.\t"Yes."\nNein."\t"No," he said, "no"\n')
    assert corpora.load(tmp_path / "a.tsv").texts == {"de": ('"Ja.', 'Nein."'), "en": ('"Yes."', '"No," he said, "no"')}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "de.txt"])
def test_huge_lines_are_fine_and_no_setting_of_csv_stays_changed(tmp_path, name):
    limit, huge = csv.field_size_limit(), "ja " * 500_000
    (tmp_path / name).write_text(f"de\n{huge}\n")
    corpus = corpora.load(tmp_path if name == "de.txt" else tmp_path / name)
    assert corpus.texts["de"][-1] == huge
    assert csv.field_size_limit() == limit


def test_ids_may_be_numbers_and_other_columns_are_left_out_when_languages_are_named(tmp_path):
    polars.DataFrame({"id": [7, 8], "score": [0.5, 0.1], "de": ["a", "b"], "en": ["x", "y"]}).write_parquet(
        tmp_path / "a.parquet"
    )
    corpus = corpora.load(tmp_path / "a.parquet", languages=["en"])
    assert (corpus.ids, corpus.texts) == (("7", "8"), {"en": ("x", "y")})


def test_a_column_id_is_indonesian_when_it_is_asked_for(tmp_path):
    (tmp_path / "a.csv").write_text("id,en\nselamat pagi,good morning\n")
    assert corpora.load(tmp_path / "a.csv", languages=["id", "en"]).texts["id"] == ("selamat pagi",)
    (tmp_path / "b.csv").write_text("id,ind,en\nrow one,selamat pagi,good morning\n")
    corpus = corpora.load(tmp_path / "b.csv", languages=["id", "en"])
    assert (corpus.ids, corpus.texts["id"]) == (("row one",), ("selamat pagi",))


def test_null_in_jsonl_and_parquet_is_a_missing_text(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"de": "a", "en": null}\n{"de": "b", "en": "y"}\n{"de": "c"}\n')
    assert corpora.load(tmp_path / "a.jsonl", on_missing="drop").ids == ("2",)
    polars.DataFrame({"de": ["a", None], "en": ["x", "y"]}).write_parquet(tmp_path / "a.parquet")
    assert corpora.load(tmp_path / "a.parquet", on_missing="drop").dropped == 1


def test_papers_hidden_files_and_scripts_in_a_folder_are_ignored(tmp_path):
    writing.lines(tmp_path, {"de": ["a"], "en": ["b"]})
    for name in ("LICENSE", "LICENSE.txt", "README.md", "readme.txt", ".de.txt", "clean.py"):
        (tmp_path / name).write_text("x\n")
    (tmp_path / "old").mkdir()
    assert corpora.load(tmp_path).languages == ("de", "en")


def test_name_and_licence(tmp_path):
    (tmp_path / "mine").mkdir()
    plain = corpora.load(writing.lines(tmp_path / "mine", {"de": ["a"]}))
    assert (plain.name, plain.licence) == ("mine", "unknown")
    known = corpora.load(writing.mgsm(tmp_path, {"de": ["a"]}))
    assert (known.name, known.licence) == ("mgsm", "CC BY 4.0")


def test_a_link_inside_the_folder_and_a_path_of_strings_are_fine(tmp_path):
    writing.lines(tmp_path, {"de": ["a"]})
    (tmp_path / "en.txt").symlink_to(tmp_path / "de.txt")
    assert corpora.load(str(tmp_path)).languages == ("de", "en")


def test_nothing_is_written(tmp_path):
    writing.lines(tmp_path, {"de": ["a"]})
    before = sorted(tmp_path.rglob("*"))
    corpora.load(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_json_escapes_are_text(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"de": "ä\t\n\u2028😀"}) + "\n")
    assert corpora.load(tmp_path / "a.jsonl").texts["de"] == ("ä\t\n\u2028😀",)


def test_importing_reads_no_heavy_library():
    program = "import sys, neuroglot.corpora; print({'polars', 'datasets', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
