"""`neuroglot lint`: its options arrive, its files hold what was found, and its run folder is a corpus."""

import json
from pathlib import Path

import pytest

from neuroglot import corpora
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments import linting
from neuroglot.recipes.artefacts import corpus_source
from neuroglot.recipes.lint import LintCorpus
from tests.recipes.test_handed_on import Stopped, caught

ROWS = (
    ("r1", "Anna has 12 apples.", "Anna hat 12 Äpfel.", "Anna a 12 pommes."),
    ("r2", "The house is very old and large.", "The house is very old and large.", "La maison est vieille et grande."),
    ("r3", "It costs 2 dollars.", "Es kostet 3 Dollar.", "Cela coûte 2 dollars."),
    ("r4", "Two dogs play outside.", "2 Hunde spielen draußen.", "Deux chiens jouent dehors."),
    ("r5", "The teacher gives a book.", "Die Lehrerin gibt ein Buch.", "La maîtresse donne un livre."),
    ("r6", "Nobody has told us.", "", "Personne ne nous l'a dit."),
)


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = ["\t".join(("id", "en", "de", "fr")), *("\t".join(row) for row in ROWS)]
    path = tmp_path / "texts.tsv"
    path.write_text("\n".join(lines) + "\n")
    (tmp_path / "test.tsv").write_text("id\ten\n7\tthe teacher gives a BOOK\n")
    return path


def lines_of(path: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_findings_and_the_rows_without_them_are_written(texts: Path) -> None:
    report = LintCorpus(corpus=str(texts), against=("test.tsv",)).run("out")
    assert lines_of("out/findings.jsonl") == [
        {"id": "r2", "language": "de", "finding": "untranslated"},
        {"id": "r3", "language": "de", "finding": "numbers changed"},
        {"id": "r4", "language": "de", "finding": "numbers added"},
        {"id": "r5", "language": "de", "finding": "in the test set, translated"},
        {"id": "r5", "language": "en", "finding": "in the test set"},
        {"id": "r5", "language": "fr", "finding": "in the test set, translated"},
    ]
    clean = corpora.load(corpus_source("out"))
    assert clean.ids == ("r1", "r4")
    assert {language: column[1] for language, column in clean.texts.items()} == {
        "de": ROWS[3][2], "en": ROWS[3][1], "fr": ROWS[3][3],
    }  # fmt: skip
    assert report.notes == (
        "corpus.jsonl has 2 of 5 rows.", "1 rows more were not read, because a language lacked them.",
    )  # fmt: skip
    (section,) = report.to_json()["sections"]
    tables = {table["key"]: table["rows"] for table in section["tables"]}
    assert ["untranslated", "de", 1, 0.2] in [row[:4] for row in tables["lint"]]
    assert tables["lint-examples"][1] == ["numbers changed", "de", "r3", ROWS[2][2], ROWS[2][1]]
    assert section["sentence"] == (
        "Of 5 rows of texts 3 have a finding, most often: untranslated (1 row); numbers that are lost or "
        "added alone are left aside."
    )  # fmt: skip


def test_what_is_left_out_can_be_chosen(texts: Path) -> None:
    LintCorpus(corpus=str(texts), drop=("numbers added",)).run("out")
    assert corpora.load("out/corpus.jsonl").ids == ("r1", "r2", "r3", "r5")
    LintCorpus(corpus=str(texts), drop=(), languages=("fr", "en"), limit=3).run("all")
    assert corpora.load("all/corpus.jsonl").ids == ("r1", "r2", "r3")
    assert lines_of("all/findings.jsonl") == []
    for drop, message in ((("dirty",), "'dirty' was named"),):
        with pytest.raises(ConfigError, match=message):
            LintCorpus(corpus="absent.tsv", drop=drop).run()
    with pytest.raises(CorpusError):
        LintCorpus(corpus=str(texts), on_missing="refuse").run()


def test_every_option_arrives(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = caught(monkeypatch, linting, "lint")
    recipe = LintCorpus(
        corpus=str(texts), relative_to="fr", length_factor=2.5, candidates=("es", "pt"), against=("test.tsv",)
    )
    with pytest.raises(Stopped):
        recipe.run()
    ((positional, handed),) = calls
    (test,) = handed.pop("against")
    assert (positional[0].ids, test.ids) == (("r1", "r2", "r3", "r4", "r5"), ("7",))
    assert handed == {"relative_to": "fr", "length_factor": 2.5, "candidates": ("es", "pt")}


def test_where_no_row_is_left_the_findings_are_reported(texts: Path) -> None:
    Path("bad.tsv").write_text("id\ten\tde\n1\tIt costs 2 dollars.\tEs kostet 3 Dollar.\n")
    report = LintCorpus(corpus="bad.tsv").run("out")
    assert report.notes == ("No row is left for corpus.jsonl.",)
    assert not Path("out/corpus.jsonl").exists()
    assert len(lines_of("out/findings.jsonl")) == 1


def test_clean_text_says_so(texts: Path) -> None:
    report = LintCorpus(corpus=str(texts), languages=("en", "fr"), limit=3).run()
    (section,) = report.to_json()["sections"]
    assert section["sentence"] == "Nothing was found in 3 rows of texts."
    assert section["tables"] == []
