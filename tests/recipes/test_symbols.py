"""Formal languages through the commands: tuned on, asked, scored, and mixed in curricula."""

import json
from pathlib import Path
from typing import Any

import pytest

from neuroglot import corpora
from neuroglot.corpora.symbols import symbol_rows
from neuroglot.errors import ConfigError
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.recipes.answers import Answers
from neuroglot.recipes.curriculum_file import CurriculumFile
from neuroglot.recipes.generate import Generate
from neuroglot.recipes.mixing import read_data
from neuroglot.recipes.score import Score
from neuroglot.recipes.tune import Tune
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scores(report: Any) -> dict[str, tuple[float, str]]:
    tables = {table["key"]: table for section in report.to_json()["sections"] for table in section["tables"]}
    names = [column["name"] if isinstance(column, dict) else column for column in tables["scores-of-texts"]["columns"]]
    rows = [dict(zip(names, row)) for row in tables["scores-of-texts"]["rows"]]
    return {row[names[0]]: (row["score"], row["more"]) for row in rows}


def test_answers_are_scored_by_the_metric_of_their_form(here: Path) -> None:
    task = corpora.load_task("symbols:4", languages=["x-sexpr", "x-sql"])
    right = {form: list(column) for form, column in task.answers.texts.items()}
    right["x-sql"][1] = "SELECT"
    right["x-sexpr"][2] = "(AND nothing (JOIN lies_in Nowhere))"
    texts = {form: tuple(column) for form, column in right.items()}
    GeneratedTexts(tuple(task.ids), texts, {}, Signature.of(model="m")).save(Path("new/generated.jsonl"))
    report = Answers(generated=Path("new"), task="symbols:4", metrics=("form",)).run()
    told = scores(report)
    assert [section.key for section in report.sections] == ["scores-of-texts"]  # rows of forms are no translations
    assert told == {
        "x-sql": (75.0, "equal 3, unequal 0, invalid 1, undecided 0"),
        "x-sexpr": (75.0, "equal 3, unequal 1, invalid 0, undecided 0"),
    }


def test_what_follows_texts_in_forms_is_whether_they_are_right() -> None:
    asked = Generate(model="lab", corpus="symbols:9", column="prompt", languages=("x-sql",))
    assert asked.following(Path("out")) == ("answers", "out", "--task", "symbols:9", "--metrics", "form")
    assert Generate(model="lab", corpus="lab", languages=("de",)).following(Path("out"))[0] == "identify"


def test_lines_are_scored_with_the_form_that_is_given(here: Path) -> None:
    Path("sys.txt").write_text("answer = 1 + 1\nanswer = (\n")
    Path("ref.txt").write_text("answer = 2\nanswer = 2\n")
    options = {"hypotheses": Path("sys.txt"), "references": (Path("ref.txt"),), "metrics": ("form",), "form": "x-maths"}
    executed = scores(Score(**options, execute=True).run())["sys.txt"]
    assert executed == (50.0, "equal 1, unequal 0, invalid 1, undecided 0")
    assert scores(Score(**options).run())["sys.txt"] == (0.0, "equal 0, unequal 0, invalid 1, undecided 1")
    with pytest.raises(ConfigError, match="The form 'sql' was asked for"):
        Score(**options | {"form": "sql"}).run()


def test_the_folder_of_databases_arrives(here: Path) -> None:
    for name, text in {"sys": "SELECT 1", "ref": "SELECT 1", "prompts": "Database: here Say one"}.items():
        Path(f"{name}.txt").write_text(f"{text}\n")
    Path("prompts.txt").write_text("Database: here\n")
    options = {"hypotheses": Path("sys.txt"), "references": (Path("ref.txt"),), "sources": Path("prompts.txt")}
    with pytest.raises(ConfigError, match="There is no database 'here' in stored"):
        Score(**options, metrics=("form",), form="x-sql", databases=Path("stored")).run()


def test_a_model_is_tuned_on_rows_that_are_not_held_out(here: Path) -> None:
    recipe = Tune(model="lab", corpus="symbols", originals=("x-sql",), languages=("x-fol",), limit=12, steps=1,
                  direct_share=1.0, end="newline", seed=3, device="cpu")  # fmt: skip
    inputs = recipe.read(Identity())
    expected = [row.answer for row in symbol_rows("x-sql", 12, seed=3, held_out=False)]
    assert {example.completion.strip() for example in inputs.examples} <= set(expected)
    assert len(inputs.examples) >= 12
    renamed = Tune(**{**vars(recipe), "corpus": "symbols-renamed"}).read(Identity())
    plain = {example.completion for example in inputs.examples}
    assert not plain & {example.completion for example in renamed.examples}


CURRICULUM = {
    "data": {
        "symbols": {"languages": ["x-sql", "x-scan"], "rows": "symbols:30", "held_out": 4,
                    "template": {"prompts": ["{prompt}"], "answer": " {answer}"}},
        "renamed": {"languages": ["x-sql"], "rows": "symbols-renamed:30", "template": "alpaca"},
        "unseen": {"languages": ["x-sql"], "rows": "symbols:10", "held_out": "all",
                   "template": {"prompts": ["{prompt}"], "answer": " {answer}"}},
    },
    "stages": [{"name": "one", "counts": {"symbols": 8, "renamed": 4}}],
}  # fmt: skip


def test_generated_rows_are_data_of_a_curriculum(here: Path) -> None:
    Path("stages.yaml").write_text(json.dumps(CURRICULUM))
    file = CurriculumFile.load(Path("stages.yaml"))
    data = read_data(file, here, 0)
    rows = symbol_rows("x-sql", 30, held_out=False)
    prompts = {row.prompt: f" {row.answer}" for row in rows}
    learned = data["symbols"].training["x-sql"]
    assert len(learned) == 26
    assert {example.prompt: example.completion for example in learned}.items() <= prompts.items()
    assert {example.completion for example in data["unseen"].held_out["x-sql"]} == {
        f" {row.answer}" for row in symbol_rows("x-sql", 10)
    }
    assert data["unseen"].training["x-sql"] == ()
    alpaca = data["renamed"].training["x-sql"][0].prompt
    assert "### Instruction:\nWrite an SQL query.\nCREATE TABLE" in alpaca
    assert f"### Input:\n{rows[0].input}\n" in alpaca


def test_questions_of_the_lab_are_data_of_a_curriculum(here: Path) -> None:
    pytest.importorskip("babel")
    stored = json.loads(json.dumps(CURRICULUM))
    template = {"prompts": ["{prompt}"], "answer": " {answer}"}
    stored["data"]["general"] = {"languages": ["de", "en"], "rows": "lab:20", "template": template}
    stored["data"]["test"] = {"languages": ["de"], "rows": "lab:9", "template": template, "held_out": "all"}
    Path("stages.yaml").write_text(json.dumps(stored))
    data = read_data(CurriculumFile.load(Path("stages.yaml")), here, 0)
    assert {language: len(part) for language, part in data["general"].training.items()} == {"de": 20, "en": 20}
    assert len(data["test"].held_out["de"]) == 9
    asked = [example.prompt.split(":")[0] for example in data["general"].training["en"]]
    assert len(set(asked)) > 5  # all tasks in turn


def test_the_shipped_curriculum_has_the_published_ratio() -> None:
    file = CurriculumFile.load(Path(__file__).parents[2] / "examples" / "symbol-llm.yaml")
    injection, infusion = file.stages
    assert infusion.weights == {"symbols": 46, "general": 54}
    assert injection.counts["renamed"] / sum(injection.counts.values()) == pytest.approx(0.059, abs=0.001)
    share = infusion.examples * 0.46 / sum(injection.counts.values())
    assert share == pytest.approx(0.3, abs=0.01)
