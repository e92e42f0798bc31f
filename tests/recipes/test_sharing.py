"""The recipes on a tiny task, on the lab model and, where it is there, on real data."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.recipes.compare import Compare
from neuroglot.recipes.sharing import Sharing
from tests.training.test_low_rank import lab_shortened


def parallel_texts(folder: Path) -> Path:
    folder.mkdir()
    for language, words in (("en", ("one two", "three", "four")), ("de", ("eins zwei", "drei", "vier"))):
        (folder / f"{language}.txt").write_text("".join(f"{word}\n" for word in words))
    return folder


def test_a_study_shows_every_reading(tmp_path: Path) -> None:
    corpus = parallel_texts(tmp_path / "texts")
    recipe = Sharing(model="lab", corpus=(str(corpus), "lab"), limit=3, languages=("en", "de"), new_tokens=3)
    report = recipe.run(tmp_path / "run")
    keys = [section.key for section in report.sections]
    assert sorted(keys) == sorted([
        *(f"sharing{suffix}" for suffix in ("", "-2", "-3", "-4", "-5", "-6")),
        "sharing-thresholds", "sharing-thresholds-2", "sharing-tasks",
    ])  # fmt: skip
    stored = json.loads((tmp_path / "run" / "report.json").read_text())
    assert len(stored["sections"]) == len(keys)
    files = {path.name for path in (tmp_path / "run").iterdir()}
    recorded = {f"{name}-{number}.safetensors" for name in ("sharing", "generated") for number in (1, 2)}
    assert files == {"report.html", "report.json", "recipe.json", "neuroglot-run.json"} | recorded
    with pytest.raises(ArtifactError, match="holds a finished run"):
        recipe.run(tmp_path / "run")
    again = recipe.run(tmp_path / "run", resume=True)  # each corpus is remembered for itself
    assert [section.key for section in again.sections] == keys


def test_a_model_compared_with_itself_does_not_change(tmp_path: Path) -> None:
    recipe = Compare(before="lab", after="lab", corpus="lab", limit=5, languages=("en", "de", "zh"))
    report = recipe.run(tmp_path / "run")
    (section,) = report.sections
    assert "no category of neurons is clearly larger or smaller" in section.sentence
    changes = [row[2:] for table in section.all_tables() for row in table.rows]
    assert {number for row in changes for number in row} == {0.0, None}  # rows that are all alike have no interval
    assert not any("tokenizers" in note for note in report.notes)
    short = lab_shortened(str(tmp_path / "short"))
    other = Compare(before="lab", after=short, corpus="lab", limit=5, languages=("en", "zh")).run(tmp_path / "other")
    assert any("tokenizers differ" in note for note in other.notes)


def test_what_a_study_cannot_do_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(ConfigError, match="two languages"):
        Sharing(model="lab", corpus="lab", languages=("en",), limit=2).run(out)
    with pytest.raises(CorpusError):
        Sharing(model="lab", corpus=("nowhere",)).run(out)
    with pytest.raises(ConfigError, match="corpus"):
        Compare(before="lab", after="lab", corpus=("lab", "lab"))  # type: ignore[arg-type]
    assert not out.exists()


@pytest.mark.parametrize(
    ("source", "languages", "rows"), [("mpararel", ("de", "en", "fr", "zh-Hans"), 20), ("mgsm", None, 20)]
)
def test_real_tasks_give_a_report_and_say_what_was_left_out(
    tmp_path: Path, real_data: Callable[[str], Path], source: str, languages: tuple[str, ...] | None, rows: int
) -> None:
    report = Sharing(
        model="lab", corpus=(str(real_data(source)),), languages=languages, on_missing="drop", limit=rows,
        fires=(0.0, 0.5),
    ).run(tmp_path / "run")  # fmt: skip
    assert dict(report.sections[0].signature.fields)["rows"] == rows
    if source == "mpararel":
        assert any("left out" in note for note in report.notes)
