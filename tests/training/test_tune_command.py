"""`neuroglot tune`: on a corpus, on the lab's questions, and its exports."""

import json
from pathlib import Path

import pytest
from cyclopts import App

from neuroglot.cli.tuning import TUNE_EXAMPLES, tune
from neuroglot.errors import ArtifactError, ConfigError, NeuroglotError
from neuroglot.models import load
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = ("model", "--corpus", "texts", "--template", "translation", "--target", "en", "--device", "cpu")
QUICK = ("--steps", "2", "--batch-size", "2", "--lora-rank", "2", "--out", "run")
LAB = ("lab", "--corpus", "lab", "--task", "iso_date", "--limit", "24", "--device", "cpu")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    tiny_model("llama").save_pretrained("model")
    tiny_tokenizer().save_pretrained("model")
    Path("texts").mkdir()
    for language, column in tiny_corpus(20, ("de", "en", "es", "fr")).texts.items():
        Path("texts", f"{language}.txt").write_text("\n".join(" ".join(text.split()[:4]) for text in column) + "\n")
    app = App()
    app.command(tune, help_epilogue=TUNE_EXAMPLES)
    return lambda *words: app(["tune", *words], result_action="return_value", exit_on_error=False)


def test_a_corpus_is_mixed_exported_and_tuned_on(run, capsys: pytest.CaptureFixture[str]) -> None:
    exports = ("--export-llama-factory", "data.json", "--export-openai", "data.jsonl")
    run(*CORPUS, *QUICK, "--original", "de", "--languages", "es", "fr", "--direct-share", "0.5", *exports, "--json")
    printed = json.loads(capsys.readouterr().out)
    assert (printed["examples"], printed["dropped"], len(printed["losses"])) == (20, {}, 2)
    rows = json.loads(Path("data.json").read_text())
    assert len(rows) == len(Path("data.jsonl").read_text().splitlines()) == 20
    assert {("French:" in row["instruction"]) for row in rows} == {True, False}
    assert all("English:" in row["instruction"] and "German:" in row["instruction"] for row in rows)
    record = json.loads(Path("run", "neuroglot.json").read_text())
    assert set(record["data"]["settings"]) == {"direct", "pmi-2"}
    assert record["provenance"]["original"] == ["de"]
    assert load("run", device="cpu")[0].layout == load("model", device="cpu")[0].layout
    with pytest.raises(ArtifactError, match="exists already"):
        run(*CORPUS, *QUICK, "--original", "de")


def test_the_lab_is_tuned_on_new_questions_with_several_originals(run, capsys: pytest.CaptureFixture[str]) -> None:
    originals = ("--original", "de", "fr", "--languages", "de", "fr", "en")
    run(*LAB, *QUICK, *originals, "--end", "newline", "--export-llama-factory", "data.json")
    assert "Model: run" in capsys.readouterr().out
    rows = json.loads(Path("data.json").read_text())
    assert len(rows) == 24
    assert {row["output"][4] for row in rows} == {"-"}
    with pytest.raises(ConfigError, match="end='newline'"):
        run(*LAB, *QUICK[:-1], "other", "--original", "de")
    assert not Path("other").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*CORPUS, "--original", "de", "--direct-share", "2"), "got the shares"),
        ((*CORPUS, "--original", "en"), "The target 'en' was asked for, of the original 'en'"),
        ((*CORPUS, "--original", "de", "fr", "--languages", "es", "fr"), "the same ones for each original"),
        ((*CORPUS, "--original", "de", "--limit", "0"), "--limit 0"),
        ((*CORPUS[:3], "--template", "poem", "--original", "de"), "no template 'poem'"),
        ((*CORPUS, "--original", "de", "--max-tokens", "2"), "20 have 'too many tokens'"),
        ((*CORPUS, "--original", "de", "--lora-rank", "0", "--adapter"), "save='adapter'"),
        ((*CORPUS, "--original", "de", "--resume"), "no checkpoint of this job"),
        (("model", "--corpus", "lab", "--task", "poetry", "--original", "de"), "task 'poetry'"),
        (("model", "--corpus", "lab", "--original", "de"), "one of iso_date"),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(run, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(NeuroglotError, match=message):
        run(*words, "--steps", "1", "--out", "run")
    assert sorted(path.name for path in Path().iterdir()) == ["model", "texts"]
