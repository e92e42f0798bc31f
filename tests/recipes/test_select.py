"""`neuroglot select`: one set a language, whole or not at all, equal to what the selector gives in Python."""

import json
from pathlib import Path

import pytest

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.experiments.scoreboard import gather
from neuroglot.models import load
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules.table import NEEDS, SELECTORS

RUN = ("select", "model", "--corpus", "texts", "--out", "run", "--device", "cpu")


def test_every_selector_runs(run, capsys: pytest.CaptureFixture[str]) -> None:
    from neuroglot import corpora

    view, tokenizer = load("model", device="cpu")
    evidence = gather(view, tokenizer, corpora.load("texts"), tuple(NEEDS))
    assert len(SELECTORS) == 13
    for selector in SELECTORS.values():
        sized = ("--top-share", "0.1") if "top_share" in selector.options else ("--depth", "5")
        run(*RUN, "--selector", selector.name, *sized, "--overwrite")
        options = {"top_share": 0.1} if "top_share" in selector.options else {"depth": 5}
        expected = selector.sets(evidence, **options)
        assert sorted(path.name for path in Path("run").iterdir()) == [
            "de.safetensors", "neuroglot-run.json", "recipe.json", "report.html", "report.json", "sw.safetensors",
            "zh.safetensors",
        ]  # fmt: skip
        printed = capsys.readouterr().out
        for language, neurons in expected.items():
            assert NeuronSet.load(f"run/{language}.safetensors") == neurons
        assert "Report: run/report.html" in printed
        stored = json.loads(Path("run/recipe.json").read_text())
        assert stored["selector"] == selector.name
        assert {name: stored[name] for name in options} == options


def test_options_reach_the_selector_and_json_says_how_many(run, capsys: pytest.CaptureFixture[str]) -> None:
    run(*RUN, "--selector", "mean-difference", "--count", "7", "--equal", "--direction", "either", "--json")
    assert json.loads(capsys.readouterr().out)["out"] == "run"
    assert [len(NeuronSet.load(f"run/{language}.safetensors")) for language in ("de", "sw", "zh")] == [7, 7, 7]
    fields = dict(NeuronSet.load("run/de.safetensors").signature.fields)
    assert (fields["count"], fields["equal"], fields["direction"]) == (7, True, "either")
    with pytest.raises(ArtifactError, match="holds a finished run"):
        run(*RUN, "--selector", "entropy")


def test_the_list_names_all(run, capsys: pytest.CaptureFixture[str]) -> None:
    run("selectors", "--json")
    rows = json.loads(capsys.readouterr().out)["selectors"]
    assert [row["name"] for row in rows] == list(SELECTORS)
    assert set(rows[0]) == {"name", "source", "needs", "description"}
    run("selectors")
    printed = capsys.readouterr().out
    assert "entropy" in printed
    assert "gradients" in printed


@pytest.mark.parametrize(
    "words",
    [
        ("select",), ("select", "model"), RUN, (*RUN, "--selector", "chess"),
        (*RUN, "--selector", "probe", "--depth", "3"),
        (*RUN, "--selector", "entropy", "--seed", "1"), (*RUN, "--selector", "entropy", "--count", "0"),
        (*RUN, "--selector", "entropy", "--languages", "de"), (*RUN, "--selector", "entropy", "--top-share", "2"),
    ],
)  # fmt: skip
def test_what_is_missing_or_does_not_fit_is_refused_and_nothing_is_left(run, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        run(*words)
    assert not list(Path().glob("run/[!.]*"))
