"""`neuroglot attribute`: a run folder whole or not at all, and one message where something is wrong."""

import json
from pathlib import Path

import pytest

from neuroglot.attribution.attribution import Attribution
from neuroglot.errors import ArtifactError, ConfigError

OPTIONS = ("--task", "greater", "--languages", "en", "de", "sw", "--limit", "12", "--device", "cpu")


def test_it_ends_with_a_report(run, capsys: pytest.CaptureFixture[str]) -> None:
    run("attribute", "lab", "--corpus", "lab", "--out", "run", "--frozen-norm", *OPTIONS)
    assert "Report: run/report.html" in capsys.readouterr().out
    names = ["attribution.safetensors", "neuroglot-run.json", "recipe.json", "report.html", "report.json"]
    assert sorted(path.name for path in Path("run").iterdir()) == names
    found = Attribution.load("run/attribution.safetensors")
    assert (found.languages, found.rows, found.frozen_norm) == (("en", "de", "sw"), 12, True)
    data = json.loads(Path("run/report.json").read_text())
    assert [section["key"] for section in data["sections"]] == ["attribution"]
    assert json.loads(Path("run/recipe.json").read_text())["limit"] == 12
    with pytest.raises(ArtifactError, match="holds a finished run"):
        run("attribute", "lab", "--corpus", "lab", "--out", "run", *OPTIONS)
    run("attribute", "lab", "--corpus", "lab", "--out", "run", "--overwrite", *OPTIONS)


def test_a_task_of_ones_own_is_read(run, tmp_path: Path) -> None:
    folder = tmp_path / "mgsm"
    folder.mkdir()
    for language, word in (("de", "Summe"), ("en", "Sum")):
        (folder / f"mgsm_{language}.tsv").write_text("".join(f"{word} {n} + 1?\t{n + 1}\n" for n in range(6)))
    run("attribute", "lab", "--corpus", str(folder), "--out", "run", "--device", "cpu")
    assert Attribution.load("run/attribution.safetensors").languages == ("de", "en")


@pytest.mark.parametrize(
    "words",
    [
        ("--corpus", "lab"), ("--corpus", "lab", "--task", "chess"), ("--corpus", "elsewhere", "--task", "greater"),
        ("--corpus", "lab", "--task", "greater", "--limit", "0"),
        ("--corpus", "lab", "--task", "greater", "--contrastive"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_left(run, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        run("attribute", "lab", *words, "--out", "run", "--device", "cpu")
    assert not Path("run").exists()
