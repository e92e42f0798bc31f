"""`neuroglot align`: the table and the JSON say what the functions give."""

import json
from pathlib import Path

import pytest
from cyclopts import App

from neuroglot import corpora
from neuroglot.activity.recording import Recording
from neuroglot.activity.text_means import record_text_means
from neuroglot.cli.alignment import ALIGN_EXAMPLES, align
from neuroglot.errors import ConfigError
from neuroglot.metrics.alignment import alignment
from neuroglot.models import load
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

RUN = ("model", "--corpus", "texts", "--device", "cpu")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    tiny_model("llama").save_pretrained("model")
    tiny_tokenizer().save_pretrained("model")
    Path("texts").mkdir()
    for language, column in tiny_corpus(30).texts.items():
        Path("texts", f"{language}.txt").write_text("\n".join(column) + "\n")
    app = App()
    app.command(align, help_epilogue=ALIGN_EXAMPLES)
    return lambda *words: app(["align", *words], result_action="return_value", exit_on_error=False)


def test_json_is_what_the_functions_give(run, capsys: pytest.CaptureFixture[str]) -> None:
    run(*RUN, "--limit", "12", "--state", "magnitude", "--site", "write", "--json")
    printed = json.loads(capsys.readouterr().out)
    located, tokenizer = load("model", device="cpu")
    parallel = corpora.load("texts").take(range(12))
    means = record_text_means(
        located, tokenizer, parallel, Recording(site="write"), quantities=["magnitude"], weights="position"
    )
    expected = alignment(means.layout, means.languages, means.values["magnitude"], means.signature)
    assert printed["languages"] == ["de", "sw", "zh"]
    assert printed["layers"] == [["decoder", 0], ["decoder", 1], ["decoder", 2]]
    assert [tuple(pair["languages"]) for pair in printed["pairs"]] == list(expected.pairs)
    for pair, score in zip(printed["pairs"], expected.scores.values(), strict=True):
        assert {name: pair[name] for name in ("value", "low", "high")} == score.to_json()
        assert sum(pair["by_layer"]) / 3 == pytest.approx(score.value)
    assert printed["mean"] == expected.mean.to_json()
    assert printed["signature"]["state"] == "magnitude"
    assert printed["signature"]["rows"] == 12


def test_the_table_has_a_cell_a_pair(run, capsys: pytest.CaptureFixture[str]) -> None:
    run(*RUN, "--json")
    pairs = json.loads(capsys.readouterr().out)["pairs"]
    run(*RUN)
    printed = capsys.readouterr().out
    for pair in pairs:
        assert f"{pair['value']:.2f}" in printed
        assert f"[{pair['low']:.2f}, {pair['high']:.2f}]" in printed
    heading = next(line for line in printed.splitlines() if "sw" in line)
    assert heading.split() == ["sw", "zh"]
    assert "Mean over pairs: " in printed
    assert "|state:fired" in printed


def test_bad_input_is_refused_before_a_model_is_loaded(run) -> None:
    for words in (("--limit", "0"), ("--limit", "1"), ("--languages", "de")):
        with pytest.raises(ConfigError):
            run("nowhere", "--corpus", "texts", *words)
