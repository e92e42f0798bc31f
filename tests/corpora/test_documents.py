"""Documents beside rows (OPUS's .ids): they are read, and rows of one are never both trained on and held out."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.corpora import load
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.corpora.documents import deal, documents_beside
from neuroglot.corpora.language_centric import read_pairs, without_texts
from neuroglot.corpora.seen import text_hashes
from neuroglot.errors import CorpusError
from neuroglot.experiments.specialization import ComparisonConfig, parts_of
from neuroglot.recipes import all_recipes
from neuroglot.runs.identity import Identity


def write(folder: Path, documents: list[tuple[str, str]], pair: str = "de-en", start: int = 0) -> Path:
    """Moses files of as many lines, each a text of its own, with their documents as OPUS has them."""
    folder.mkdir(exist_ok=True)
    for code in pair.split("-"):
        lines = [f"{code} {start + row}\n" for row in range(len(documents))]
        (folder / f"T.{pair}.{code}").write_text("".join(lines))
    rows = [f"{first}\t{second}\t{row}\t{row} {row + 1}\n" for row, (first, second) in enumerate(documents)]
    (folder / f"T.{pair}.ids").write_text("".join(rows))
    return folder


def whole(count: int, each: int) -> list[tuple[str, str]]:
    return [(f"de/{row // each}.xml", f"en/{row // each}.xml") for row in range(count)]


def names(*parts: Corpus) -> set[str]:
    return {name for part in parts for column in part.documents for name in column}


def test_documents_are_those_of_the_lines_also_where_some_are_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "t", whole(6, 2))
    assert load(folder).documents == tuple(tuple(f"{code}/{row // 2}.xml" for row in range(6)) for code in ("de", "en"))
    assert load(folder / "T.de-en").documents == load(folder).documents
    (folder / "T.de-en.de").write_text("a\nb\n\nd\ne\nf\n")
    rows = load(folder, on_missing="drop")
    assert rows.documents[0] == ("de/0.xml", "de/0.xml", "de/1.xml", "de/2.xml", "de/2.xml")
    assert rows.take([4, 0]).documents == (("de/2.xml", "de/0.xml"), ("en/2.xml", "en/0.xml"))
    assert rows.select(["en"]).documents == rows.documents
    assert rows.hash == Corpus("x", rows.ids, rows.texts).hash  # which are of the texts
    packed = gzip.compress((folder / "T.de-en.ids").read_bytes())
    (folder / "T.de-en.ids").unlink()
    assert load(folder, on_missing="drop").documents == ()
    (folder / "T.de-en.ids.gz").write_bytes(packed)
    assert documents_beside(folder / "T.de-en", 6)[1][5] == "en/2.xml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tb\n", "has 1 lines"),
        ("a\tb\n" * 4, "has 4 lines"),
        ("a\tb\n" * 2 + "c\n", ":3 reads 'c'"),
        ("a\tb\n" * 2 + "\tc\n", "both sides"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(text: str, said: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "t", whole(3, 1))
    (folder / "T.de-en.ids").write_text(text)
    for read in (load, read_pairs):
        with pytest.raises(CorpusError, match=said):
            read(folder)  # type: ignore[operator]
    with pytest.raises(CorpusError, match="documents of as many"):
        Corpus("c", ("1",), {"de": ("a",)}, documents=(("x", "y"), ("x", "y")))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 9)), min_size=4, max_size=30),
    st.integers(1, 3), st.integers(1, 3), st.integers(0, 3),
)  # fmt: skip
def test_parts_share_no_document_and_no_text(rows: Any, first: int, second: int, seed: int) -> None:
    corpus = Corpus(
        "c", tuple(map(str, range(len(rows)))), {"de": tuple(f"t{text}" for _, _, text in rows)},
        documents=tuple(tuple(f"{side}{row[side]}" for row in rows) for side in (0, 1)),
    )  # fmt: skip
    try:
        parts, left = deal(corpus, (first, second), seed)
    except CorpusError:  # too few, which other tests look at
        return
    assert [len(part) for part in parts] == [first, second]
    several = [*parts, corpus.take(left)]
    for read in (names, text_hashes):
        together = Counter(value for part in several for value in read(part))
        assert set(together.values()) == {1}


def test_rows_that_are_held_out_are_whole_documents(tmp_path: Path) -> None:
    source = load(write(tmp_path / "t", whole(60, 6)))
    config = ComparisonConfig("t", ("de", "en"), "en", 60, 4, 8)
    draws = set()
    for seed in range(6):
        train, validation, test = parts_of(config, seed, source)
        assert (len(validation), len(test), len(train)) == (4, 8, 60 - 6 - 12)  # one document, and two
        assert not names(train) & names(validation, test)
        assert not names(validation) & names(test)
        draws.add(test.ids)
    assert len(draws) > 1
    with pytest.raises(CorpusError, match="10 documents that are apart"):
        parts_of(ComparisonConfig("t", ("de", "en"), "en", 60, 4, 50), 0, source)
    chained = load(
        write(tmp_path / "chained", [(f"de/{row // 6}.xml", f"en/{(row + 3) // 6}.xml") for row in range(60)])
    )
    with pytest.raises(CorpusError, match="of 1 documents"):  # each shares one with the next
        parts_of(config, 0, chained)


def test_a_held_out_text_takes_its_document_along_in_every_pair(tmp_path: Path) -> None:
    folder = write(tmp_path / "t", whole(8, 2))
    write(folder, [(f"de/{row // 2}.xml", "fr/0.xml") for row in range(2, 6)], "de-fr", start=100)
    write(folder, [("", "")] * 3, "en-fr", start=200)
    (folder / "T.en-fr.ids").unlink()
    write(folder / "more", [("fr/7.xml", "en/1.xml"), ("fr/7.xml", "en/8.xml")], "fr-en", start=300)
    pairs = read_pairs(folder)
    held = Corpus("h", ("1",), {"de": ("de 3",)})  # of de/1.xml
    kept, left_out = without_texts(pairs, text_hashes(held))
    assert kept[Direction("de", "en")].texts["de"] == tuple(f"de {row}" for row in (0, 1, 4, 5, 6, 7))
    assert kept[Direction("en", "de")].texts["de"] == kept[Direction("de", "en")].texts["de"]
    assert kept[Direction("de", "fr")].texts["de"] == ("de 102", "de 103")  # of de/2.xml, the others of de/1.xml
    assert kept[Direction("en", "fr")].texts["en"] == ("en 200", "en 201", "en 202", "en 301")  # 300 is of en/1.xml
    assert left_out == 2 * (2 + 2 + 1)
    lone, left_out = without_texts(pairs, text_hashes(Corpus("h", ("1",), {"en": ("en 200",)})))  # of no document
    assert lone[Direction("en", "fr")].texts["en"] == ("en 201", "en 202", "en 300", "en 301")
    assert left_out == 2


def test_held_rows_of_another_corpus_are_of_documents_of_their_own(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("held"), whole(12, 3))
    write(Path("opus"), whole(12, 3), start=100)
    recipe = all_recipes()["lego train"].from_json({
        "corpus": "opus", "held": "held", "languages": ["en", "de"], "validation_rows": 4, "test_rows": 5,
    })  # fmt: skip
    train, validation, test = recipe.rows(Identity())
    assert not names(validation) & names(test)
    assert (len(validation), len(test)) == (4, 5)
    assert {len(rows) for rows in train.pairs.values()} == {12}
