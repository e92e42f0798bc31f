"""`neuroglot select`: one set a language, whole or not at all, equal to what the selector gives in Python."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from neuroglot.activity.activity import Activity
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.experiments.scoreboard import gather
from neuroglot.headers import NOTHING_READ
from neuroglot.models import load
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules.table import NEEDS, SELECTORS
from neuroglot.recipes.select import Select
from neuroglot.runs.identity import Identity

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
    assert set(rows[0]) == {"name", "source", "needs", "activity", "share", "description"}
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


# ---- from a recorded activity

STATISTICS = ("--statistics", "moments", "magnitude", "histogram")


def test_what_was_recorded_gives_the_same_sets_without_the_model(run, monkeypatch) -> None:
    rows = ("--corpus", "texts", "--part", "selection")
    run("record", "model", *rows, *STATISTICS, "--device", "cpu", "--out", "counts")
    able = [name for name, selector in SELECTORS.items() if selector.recording != "none"]
    assert able == ["entropy", "penalised-entropy", "percentile", "overlap", "mean-difference", "coverage", "magnitude",
                    "random"]  # fmt: skip
    for name in able:
        options = ("--count", "3", *(("--penalty", "0.1") if name == "penalised-entropy" else ()))
        run(*RUN, "--part", "selection", "--selector", name, *options, "--overwrite")
        expected = {code: NeuronSet.load(f"run/{code}.safetensors") for code in ("de", "sw", "zh")}
        with monkeypatch.context() as patched:
            patched.setattr("neuroglot.models.load", None)
            run("select", "--activity", "counts", "--selector", name, *options, "--out", "from", "--overwrite")
        for code, neurons in expected.items():
            selected = NeuronSet.load(f"from/{code}.safetensors")
            assert selected == neurons
            assert selected.read.tolist() == neurons.read.tolist() != []
    with pytest.raises(CorpusError, match="Select on one part"):
        run("ablate", "model", "--corpus", "texts", "--neurons", "from", "--device", "cpu", "--out", "proof")
    run("select", "--activity", "counts", "--selector", "random", "--out", "priced", "--dry-run")
    assert not Path("priced").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--selector", "probe"), "needs the mean activation on each text. An activity is enough for entropy,"),
        (("--selector", "gradient"), "Give the model and a corpus instead"),
        (("--selector", "magnitude"), "Record it with --statistics magnitude"),
        (("--selector", "random", "--limit", "3"), "An activity was given, and limit"),
        (("model", "--selector", "random", "--corpus", "texts", "--fires", "0.5"), "and corpus, fires, model"),
        (("--selector", "random", "--count", "0"), "count"),
        (("--selector", "random", "--count", "100000"), "Expected a whole number from 1"),
    ],
)
def test_an_activity_that_is_not_enough_is_refused(run, words: tuple[str, ...], said: str) -> None:
    run("record", "model", "--corpus", "texts", "--device", "cpu", "--out", "counts")
    with pytest.raises(ConfigError, match=said):
        run("select", "--activity", "counts", *words, "--out", "run")
    assert not Path("run").exists()


def test_without_an_activity_a_model_and_a_corpus_are_needed(run) -> None:
    with pytest.raises(ConfigError, match="lacks model, corpus.*or an activity"):
        run("select", "--selector", "random", "--out", "run")


def test_an_activity_that_does_not_know_its_texts_says_so(run) -> None:
    run("record", "model", "--corpus", "texts", "--device", "cpu", "--out", "counts")
    old = replace(Activity.load("counts/activity.safetensors"), read=NOTHING_READ)
    old.save("old.safetensors")
    run("select", "--activity", "old.safetensors", "--selector", "random", "--out", "run")
    assert "does not know its texts" in Path("run/report.json").read_text()


def test_added_activities_know_the_texts_of_both_or_say_that_they_do_not(run) -> None:
    for part in ("selection", "rest"):
        run("record", "model", "--corpus", "texts", "--part", part, "--device", "cpu", "--out", part)
    first, second = (Activity.load(f"{part}/activity.safetensors") for part in ("selection", "rest"))
    assert (first + second).read.tolist() == sorted({*first.read.tolist(), *second.read.tolist()})
    assert (first + replace(second, read=NOTHING_READ)).read.tolist() == []


def test_from_texts_to_a_proof_by_pasting_what_is_printed(run, capsys) -> None:
    rows = ("--corpus", "texts", "--part", "selection", "--split", "0.6")
    run("record", "model", *rows, "--device", "cpu", "--out", "my run")
    words = printed_next(capsys)
    assert words == ["select", "--activity", "my run", "--selector", "entropy", "--out", "my run-selected"]
    run(*words)
    words = printed_next(capsys)
    assert words == ["ablate", "model", "--neurons", "my run-selected", "--out", "my run-selected-ablated", "--corpus",
                     "texts", "--split", "0.6", "--part", "rest"]  # fmt: skip
    run(*words, "--device", "cpu", "--limit", "4", "--random-draws", "1")
    assert Path("my run-selected-ablated/report.html").exists()


def printed_next(capsys: pytest.CaptureFixture[str]) -> list[str]:
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Next: neuroglot ")]
    return shlex.split(line)[2:]


def test_more_neurons_than_there_are_are_refused_before_anything_is_recorded(here: Path) -> None:
    """The tiny model has three layers of 24 neurons."""
    given = {"model": "model", "corpus": "texts", "selector": "random", "device": "cpu"}
    Select(**given, count=72).read(Identity())
    with pytest.raises(ConfigError, match="count=73"):
        Select(**given, count=73).read(Identity())
