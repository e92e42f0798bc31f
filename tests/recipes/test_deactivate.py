"""`neuroglot deactivate`: a run folder with every option in the signature, and refusals before anything is loaded."""

import json
from pathlib import Path

import pytest

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.metrics.deactivation import Deactivation

LAB = ("deactivate", "lab", "--corpus", "lab")


def test_it_writes_a_run_folder(run) -> None:
    words = (*LAB, "--languages", "en", "de", "sw", "--task", "currency", "--limit", "3", "--random-draws", "1")
    run(*words, "--out", "run")
    result = Deactivation.load("run/deactivation.safetensors")
    assert (result.languages, len(result.ids), result.draws) == (("en", "de", "sw"), 3, 1)
    written = json.loads(Path("run/report.json").read_text())
    assert [section["key"] for section in written["sections"]] == ["deactivation"]
    assert json.loads(Path("run/recipe.json").read_text())["task"] == "currency"
    with pytest.raises(ArtifactError, match="holds a finished run"):
        run(*words, "--out", "run")


def test_every_option_enters_the_signature(run) -> None:
    words = (
        "--task sum --languages en de --limit 2 --random-draws 1 --level corpus --equal-size --by-generation --seed 3"
    )
    run(*LAB, *words.split(), "--value", "mean of other languages", "--out", "run")
    fields = Deactivation.load("run/deactivation.safetensors").signature.to_json()
    assert [fields[name] for name in ("level", "value", "equal_size", "seed", "random_draws")] == [
        "corpus", "mean of other languages", True, 3, 1,
    ]  # fmt: skip


def test_bad_input_is_refused_before_the_model_is_loaded(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuroglot.models.load", None)
    with pytest.raises(ConfigError, match="Expected task to be one of iso_date"):
        run(*LAB, "--out", "run")
    assert not Path("run").exists()
