"""`neuroglot answers` on MGSM, MSVAMP and XQuAD as `generate` answers them."""

import json
from pathlib import Path
from typing import Any

import pytest

from neuroglot.corpora import load_task
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.metrics import identification
from neuroglot.recipes.answers import Answers
from neuroglot.signature import Signature
from tests.corpora.writing import squad
from tests.recipes.test_handed_on import Stopped, caught

TEXTS = {
    "de": ("Die Antwort ist 1.234. (Schritt 2)", "Das sind 8.", "Ich weiß nicht."),
    "en": ("The answer is 1,234.", "It is 8.", "It is 11."),
}
BEFORE = {"de": ("1.234", "7", "10"), "en": ("1,234", "7", "10")}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mgsm").mkdir()
    Path("msvamp").mkdir()
    for language, name in (("de", "German"), ("en", "English")):
        Path(f"mgsm/mgsm_{language}.tsv").write_text("How many?\t1,234\nHow much?\t8\nHow long?\t10\n")
        rows = [{"m_query": f"q{row}", "response": number} for row, number in enumerate(("1234.0", "8.0", "10.0"))]
        Path(f"msvamp/test_{name}.json").write_text("\n".join(map(json.dumps, rows)) + "\n")
    GeneratedTexts(("1", "2", "3"), TEXTS, {}, Signature.of(model="m")).save(Path("new/generated.jsonl"))
    reordered = {language: column[::-1] for language, column in BEFORE.items()}
    GeneratedTexts(("3", "2", "1"), reordered, {}, Signature.of(model="o")).save(Path("old/generated.jsonl"))
    return tmp_path


def tables(report: Any) -> dict[str, list[list[Any]]]:
    return {table["key"]: table["rows"] for section in report.to_json()["sections"] for table in section["tables"]}


@pytest.mark.parametrize("task", ["mgsm", "msvamp"])
def test_both_rules_stand_side_by_side(here: Path, task: str) -> None:
    """By the published rule the German 1.234 of a step is 2, and the English 1,234 is right."""
    rows = tables(Answers(generated=Path("new"), task=task).run())
    found = {(row[0], row[1]): row[3] for row in rows["scores-of-texts"]}
    assert found == {
        ("de", "numeric answer"): pytest.approx(200 / 3, abs=1e-3),
        ("en", "numeric answer"): pytest.approx(200 / 3, abs=1e-3),
        ("de", "numeric answer, published rule"): pytest.approx(100 / 3, abs=1e-3),
        ("en", "numeric answer, published rule"): pytest.approx(200 / 3, abs=1e-3),
    }
    measures = {(row[0], row[1]): row[2] for row in rows["consistency"]}
    assert measures["numeric answer", "same answer"] == pytest.approx(200 / 3, abs=1e-3)
    assert measures["numeric answer", "right in every language"] == pytest.approx(200 / 3, abs=1e-3)
    assert measures["numeric answer, published rule", "same answer"] == pytest.approx(100 / 3, abs=1e-3)
    assert rows["same-answers-numeric"][0][:3] == ["de", "en", pytest.approx(200 / 3, abs=1e-3)]


def test_a_baseline_is_paired_by_the_ids_of_questions(here: Path) -> None:
    rows = tables(Answers(generated=Path("new"), task="mgsm", baseline=Path("old")).run())
    german = rows["scores-of-texts"][0]
    assert german[:4] == ["de", "numeric answer", "percent", pytest.approx(200 / 3, abs=1e-3)]
    assert german[6:8] == [pytest.approx(200 / 3, abs=1e-3), 0.0]  # one question rose, one fell
    right = next(row for row in rows["consistency"] if row[1] == "right")
    assert right[2] == pytest.approx(200 / 3, abs=1e-3)
    assert (right[5], right[8]) == (0.0, 1.0)


def test_what_is_scored_can_be_chosen(here: Path) -> None:
    report = Answers(
        generated=Path("new/generated.jsonl"), task="mgsm", languages=("en",), limit=2, metrics=("numeric",)
    ).run()
    (section,) = report.to_json()["sections"]  # of one language nothing is consistent
    assert [row[0] for row in section["tables"][0]["rows"]] == ["en"]
    assert section["tables"][0]["rows"][0][3] == 100.0
    assert {"model": "m", "rows": 2}.items() <= section["signature"].items()


def test_questions_and_answers_that_do_not_fit_are_refused(here: Path) -> None:
    other = GeneratedTexts(("1", "9"), {"en": ("1", "2")}, {}, Signature())
    other.save(Path("other/generated.jsonl"))
    with pytest.raises(CorpusError, match="1 of 2 answers have ids that 'mgsm' lacks, such as '9'"):
        Answers(generated=Path("other"), task="mgsm").run()
    few = GeneratedTexts(("1",), {"en": ("1",)}, {}, Signature())
    few.save(Path("few/generated.jsonl"))
    with pytest.raises(CorpusError, match="2 of 3 questions have no answer, and de has none"):
        Answers(generated=Path("new"), task="mgsm", baseline=Path("few")).run()
    with pytest.raises(ConfigError, match="metrics 'guess'"):
        Answers(generated=Path("absent"), task="absent", metrics=("guess",)).run()


def test_extracted_answers_are_scored_by_normalised_words(here: Path) -> None:
    Path("xquad").mkdir()
    for language, answer in (("de", "der Turm"), ("en", "the tower")):
        data = json.loads(squad([("a", "What?"), ("b", "Who?")], context=f"{answer} Anna"))
        for paragraph in data["data"][0]["paragraphs"]:
            for question, right in zip(paragraph["qas"], (answer, "Anna")):
                question["answers"] = [{"text": right, "answer_start": 0}]
        Path(f"xquad/xquad.{language}.json").write_text(json.dumps(data))
    assert load_task("xquad").ids == ("a", "b")
    texts = {"de": ("Turm.", "Es ist ANNA"), "en": ("Tower!", "Bert")}
    GeneratedTexts(("a", "b"), texts, {}, Signature()).save(Path("qa/generated.jsonl"))
    metrics = ("exact-match", "f1", "containment")
    rows = tables(Answers(generated=Path("qa"), task="xquad", metrics=metrics, normalization="mlqa").run())
    found = {(row[0], row[1]): row[3] for row in rows["scores-of-texts"]}
    assert found["de", "exact match"] == 50
    assert found["de", "F1"] == pytest.approx(75, abs=1e-3)  # the whole, and 2 · 1/3 / (1 + 1/3)
    assert (found["de", "containment"], found["en", "containment"]) == (50, 0)
    assert found["en", "exact match"] == 50
    assert {row[0] for row in rows["consistency"]} == {"exact match", "containment"}
    assert {row[1] for row in rows["consistency"]} == {
        "right", "right in every language", "right in no language", "right or wrong alike",
    }  # fmt: skip
    squads = tables(Answers(generated=Path("qa"), task="xquad", metrics=metrics).run())
    assert squads["scores-of-texts"][0][:4] == ["de", "exact match", "percent", 0.0]


def test_the_languages_of_answers_are_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = caught(monkeypatch, identification, "language_forcing")
    with pytest.raises(Stopped):
        Answers(generated=Path("new"), task="mgsm", candidates=("fr", "en")).run()
    (((texts, ids), handed),) = calls
    assert (dict(texts), ids, handed["candidates"]) == (TEXTS, ("1", "2", "3"), ("de", "en", "fr"))


def test_right_answers_of_mgsm_and_msvamp_are_right(real_data, tmp_path: Path) -> None:
    for name in ("mgsm", "msvamp"):
        task = load_task(real_data(name), languages=["bn", "en", "ja"])
        texts = {
            language: tuple(f"#### {text.strip()}" for text in task.answers.texts[language])
            for language in task.languages
        }
        GeneratedTexts(tuple(task.ids), texts, {}, Signature()).save(tmp_path / name / "generated.jsonl")
        rows = tables(Answers(generated=tmp_path / name, task=str(real_data(name))).run())
        assert {row[3] for row in rows["scores-of-texts"]} == {100.0}
        assert {row[2] for row in rows["consistency"] if row[1] != "right in no language"} == {100.0}


def test_answers_are_compared_by_the_rule_of_the_language_of_the_passage(here: Path) -> None:
    """As MLQA's script, which is given the language of the passages: German questions on English ones."""
    passage = squad([("a", "Was?"), ("b", "Wo?")], context="the tower die Anna")
    data = json.loads(passage)
    for paragraph in data["data"][0]["paragraphs"]:
        for question, right in zip(paragraph["qas"], ("the tower", "die Anna")):
            question["answers"] = [{"text": right, "answer_start": 0}]
    Path("test-context-en-question-de.json").write_text(json.dumps(data))
    GeneratedTexts(("a", "b"), {"de": ("tower", "Anna")}, {}, Signature()).save(Path("qa/generated.jsonl"))
    job = Answers(
        generated=Path("qa"), task="test-context-en-question-de.json", metrics=("exact-match", "f1"),
        normalization="mlqa", baseline=Path("qa"),
    )  # fmt: skip
    found = {row[1]: row[3] for row in tables(job.run())["scores-of-texts"]}
    # `the` is an article and `die` a word: one of both is equal, and 2 · 1/1 · 1/2 / (1 + 1/2) = 2/3 of the other
    assert found == {"exact match": 50.0, "F1": pytest.approx(100 * (1 + 2 / 3) / 2, abs=1e-3)}
