"""`neuroglot select`: one set a language, whole or not at all, equal to what the selector gives in Python."""

import json
from pathlib import Path

import pytest
from cyclopts import App

from neuroglot.cli.selecting import SELECT_EXAMPLES, select
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.experiments.scoreboard import gather
from neuroglot.models import load
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules.table import NEEDS, SELECTORS
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

RUN = ("model", "--corpus", "texts", "--out", "run", "--device", "cpu")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    tiny_model("llama").save_pretrained("model")
    tiny_tokenizer().save_pretrained("model")
    Path("texts").mkdir()
    for language, column in tiny_corpus(30).texts.items():
        Path("texts", f"{language}.txt").write_text("\n".join(column) + "\n")
    app = App()
    app.command(select, help_epilogue=SELECT_EXAMPLES)
    return lambda *words: app(["select", *words], result_action="return_value", exit_on_error=False)


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
            "config.json", "de.safetensors", "sw.safetensors", "zh.safetensors",
        ]  # fmt: skip
        printed = capsys.readouterr().out
        for language, neurons in expected.items():
            assert NeuronSet.load(f"run/{language}.safetensors") == neurons
            assert f"{language:8}{len(neurons):>9,} neurons" in printed
        config = json.loads(Path("run/config.json").read_text())
        assert (config["selector"], config["options"]) == (selector.name, options)


def test_options_reach_the_selector_and_json_says_how_many(run, capsys: pytest.CaptureFixture[str]) -> None:
    run(*RUN, "--selector", "mean-difference", "--count", "7", "--equal", "--direction", "either", "--json")
    assert json.loads(capsys.readouterr().out) == {"out": "run", "neurons": {"de": 7, "sw": 7, "zh": 7}}
    fields = dict(NeuronSet.load("run/de.safetensors").signature.fields)
    assert (fields["count"], fields["equal"], fields["direction"]) == (7, True, "either")
    with pytest.raises(ArtifactError, match="exists already"):
        run(*RUN, "--selector", "entropy")


def test_the_list_names_all(run, capsys: pytest.CaptureFixture[str]) -> None:
    run("--list", "--json")
    rows = json.loads(capsys.readouterr().out)["selectors"]
    assert [row["name"] for row in rows] == list(SELECTORS)
    assert set(rows[0]) == {"name", "source", "needs", "description"}
    run("--list")
    printed = capsys.readouterr().out
    assert "entropy" in printed
    assert "gradients" in printed


@pytest.mark.parametrize(
    "words",
    [
        (), ("model",), RUN, (*RUN, "--selector", "chess"), (*RUN, "--selector", "probe", "--depth", "3"),
        (*RUN, "--selector", "entropy", "--seed", "1"), (*RUN, "--selector", "entropy", "--count", "0"),
        (*RUN, "--selector", "entropy", "--languages", "de"), (*RUN, "--selector", "entropy", "--top-share", "2"),
    ],
)  # fmt: skip
def test_what_is_missing_or_does_not_fit_is_refused_and_nothing_is_left(run, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        run(*words)
    assert sorted(path.name for path in Path().iterdir()) == ["model", "texts"]
