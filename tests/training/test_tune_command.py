"""`neuroglot tune`: on a corpus, on the lab's questions, and its exports."""

import json
from pathlib import Path

import pytest
import torch

from neuroglot.cli import app
from neuroglot.errors import ArtifactError, ConfigError, NeuroglotError
from neuroglot.models import load
from neuroglot.neurons import NeuronSet
from neuroglot.training.deltas import NeuronDeltas
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
    return lambda *words: app(["tune", *words], result_action="return_value", exit_on_error=False)


def rows_of(file: str) -> list[dict[str, str]]:
    return json.loads(Path("run", file).read_text())  # type: ignore[no-any-return]


def test_a_corpus_is_mixed_exported_and_tuned_on(run, capsys: pytest.CaptureFixture[str]) -> None:
    export = ("--export", "llama-factory", "openai")
    run(*CORPUS, *QUICK, "--originals", "de", "--languages", "es", "fr", "--direct-share", "0.5", *export, "--json")
    headline = json.loads(capsys.readouterr().out)["report"]["headline"]
    assert headline["dropped"] == {}
    assert len(headline["losses"]) == 2
    rows = rows_of("llama-factory.json")
    assert len(rows) == len(Path("run", "openai.jsonl").read_text().splitlines()) == 20
    assert {("French:" in row["instruction"]) for row in rows} == {True, False}
    assert all("English:" in row["instruction"] and "German:" in row["instruction"] for row in rows)
    assert load("run", device="cpu")[0].layout == load("model", device="cpu")[0].layout
    identity = json.loads(Path("run", "neuroglot-run.json").read_text())["identity"]
    assert {"model", "data", "examples", "versions"} <= set(identity)
    with pytest.raises(ArtifactError, match="a finished run"):
        run(*CORPUS, *QUICK, "--originals", "de")


def test_the_lab_is_tuned_on_new_questions_with_several_originals(run, capsys: pytest.CaptureFixture[str]) -> None:
    originals = ("--originals", "de", "fr", "--languages", "de", "fr", "en")
    run(*LAB, *QUICK, *originals, "--end", "newline", "--export", "llama-factory")
    assert "2 steps" in capsys.readouterr().out
    rows = rows_of("llama-factory.json")
    assert len(rows) == 24
    assert {row["output"][4] for row in rows} == {"-"}
    with pytest.raises(ConfigError, match="end='newline'"):
        run(*LAB, *QUICK[:-1], "other", "--originals", "de")
    assert not Path("other").exists()


def test_neurons_alone_are_tuned_saved_and_exported(run, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = NeuronSet.of(load("model", device="cpu")[0].layout, {("decoder", 0): [1, 4], ("decoder", 2): [0]})
    chosen.save("sets/de.safetensors")
    words = (*CORPUS, "--originals", "de", "--train-neurons", "sets", "--steps", "2", "--batch-size", "2")
    for out, more in {"alone": ("--adapter",), "merged": (), "control": ("--adapter", "--random-neurons")}.items():
        run(*words, *more, "--out", out)
    assert not list(Path("alone").glob("model*"))
    deltas = {out: NeuronDeltas.load(Path(out, "deltas.safetensors")) for out in ("alone", "merged", "control")}
    assert deltas["alone"].hash == deltas["merged"].hash
    assert deltas["alone"].neurons == chosen
    assert deltas["control"].neurons.counts_by_layer() == chosen.counts_by_layer()
    assert deltas["control"].neurons != chosen
    export = ["export", "model", "--deltas", "alone", "--out"]
    app([*export, "exported"], result_action="return_value")
    exported, merged = (load(out, device="cpu")[0].model.state_dict() for out in ("exported", "merged"))
    assert all(torch.equal(tensor, merged[name]) for name, tensor in exported.items())
    app([*export, "again", "--dry-run"], result_action="return_value")
    assert not Path("again").exists()
    for other, message in {("merged", "alone"): "have|has", ("model", None): "Expected --ablate or --deltas"}.items():
        given = ["--deltas", other[1]] if other[1] else []
        with pytest.raises(ConfigError, match=message):
            app(["export", other[0], *given, "--out", "no"], result_action="return_value", exit_on_error=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*CORPUS, "--originals", "de", "--direct-share", "2"), "direct_share of 'tune' is 2.0"),
        ((*CORPUS, "--originals", "en"), "The target 'en' was asked for, of the original 'en'"),
        ((*CORPUS, "--originals", "de", "fr", "--languages", "es", "fr"), "the same ones for each original"),
        ((*CORPUS, "--originals", "de", "--limit", "0"), "limit of 'tune' is 0"),
        ((*CORPUS[:3], "--template", "poem", "--originals", "de"), "no template 'poem'"),
        ((*CORPUS, "--originals", "de", "--max-tokens", "2"), "20 have 'too many tokens'"),
        ((*CORPUS, "--originals", "de", "--lora-rank", "0", "--adapter"), "save='adapter'"),
        ((*CORPUS, "--originals", "de", "--warmup", "2"), "warmup=2"),
        ((*CORPUS, "--originals", "de", "--train-neurons", "no.safetensors"), "no.safetensors is not a file"),
        ((*CORPUS, "--originals", "de", "--random-neurons"), "Expected --train-neurons too"),
        ((*CORPUS, "--originals", "de", "--train-modules", "poem"), "no module 'poem'"),
        (("model", "--corpus", "lab", "--task", "poetry", "--originals", "de"), "task 'poetry'"),
        (("model", "--corpus", "lab", "--originals", "de"), "one of iso_date"),
        (("model", "--corpus", "model/config.json", "--originals", "de"), "--template translation --target en"),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(run, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(NeuroglotError, match=message):
        run(*words, "--steps", "1", "--out", "run")
    assert sorted(path.name for path in Path().iterdir()) == ["model", "texts"]
