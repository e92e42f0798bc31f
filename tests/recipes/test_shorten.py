"""`neuroglot shorten`: a model whose texts lose a token in every command, and get it back in what it writes."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from neuroglot.activity.record import record
from neuroglot.corpora import Corpus, load
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.fertility import fertility
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.models import load as load_model
from neuroglot.models.loading import load_tokenizer
from neuroglot.models.shortened import left_out_token
from neuroglot.models.shortening import Shortening
from neuroglot.prompting.prompt import Prompt, Span
from neuroglot.recipes.shorten import Shorten
from neuroglot.recipes.tune import Tune
from neuroglot.tokens.spans import token_spans
from tests.families import tiny_model
from tests.prompting.tokenizers import tokenizer

TEXT = "తెలుగు భాష"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = tiny_model("llama")
    model.resize_token_embeddings(len(tokenizer("bpe")))
    model.config.max_position_embeddings = 512
    model.save_pretrained("model")
    tokenizer("bpe").save_pretrained("model")
    Path("texts").mkdir()
    for language, text in (("te", TEXT), ("en", "the quick dog")):
        lines = [f"{text} {row} {text[: 3 + row % 5]}" for row in range(20)]
        Path("texts", f"{language}.txt").write_text("".join(f"{line}\n" for line in lines))


def codec() -> Shortening:
    """The token that the rows of the selection have most: counted anew."""
    chosen_on, _ = load("texts").split(0.25)
    lead = Shortening.of(tokenizer("bpe"), [text for column in chosen_on.texts.values() for text in column])
    assert lead is not None
    return lead


def test_the_token_is_of_one_part_and_is_counted_on_the_other() -> None:
    report = Shorten(model="model", corpus="texts", split=0.25).run("short")
    _, counted_on = load("texts").split(0.25)
    short = load_tokenizer("short")
    assert left_out_token(short) == codec().lead
    ids = [tokenizer("bpe")(text)["input_ids"] for text in counted_on.texts["te"]]
    saved = 1 - sum(len(codec().shorten(row)) for row in ids) / sum(len(row) for row in ids)
    assert f"{saved:.1%} [" in report.notes[0]
    for found, counted in zip(report.results, (tokenizer("bpe"), short), strict=True):
        assert torch.equal(found.tokens, fertility(counted, counted_on).tokens)
    assert "saves 0.0% (no interval) in en" in report.notes[0]
    old, new = (AutoModelForCausalLM.from_pretrained(name).state_dict() for name in ("model", "short"))
    assert all(torch.equal(old[name], new[name]) for name in old | new)


def test_the_rows_that_choose_the_token_are_not_those_that_count() -> None:
    """Of most rows another token is the commonest: those that are counted on must not be asked."""
    telugu = load("texts").split(0.25)[0].texts["te"]
    lines = [
        f"{row} 🙂🙃🙂🙃🙂🙃🙂🙃" if line not in telugu else line for row, line in enumerate(load("texts").texts["te"])
    ]
    Path("texts/te.txt").write_text("".join(f"{line}\n" for line in lines))
    of_all = Shortening.of(tokenizer("bpe"), lines)
    Shorten(model="model", corpus="texts", split=0.25).run("short")
    assert left_out_token(load_tokenizer("short")) == codec().lead
    assert of_all is not None
    assert of_all.lead != codec().lead


def test_every_part_of_the_house_reads_the_short_texts() -> None:
    Shorten(model="model", corpus="texts", split=0.25).run("short")
    view, short = load_model("short", device="cpu")
    corpus = Corpus("one", ("0",), {"te": (f"{TEXT} a",)})
    ids = codec().shorten(tokenizer("bpe")(corpus.texts["te"][0])["input_ids"])
    activity = record(view, short, corpus)
    assert activity.tokens.tolist() == [len(ids)]
    read = generate(view, short, corpus, Decoding(max_new_tokens=6)).token_ids["te"][0]
    assert generate(view, short, corpus, Decoding(max_new_tokens=6)).texts["te"][0] == tokenizer("bpe").decode(
        codec().expand(read), skip_special_tokens=True
    )
    span = Span("segment", 5, 5 + len(TEXT))
    encoded = token_spans(Prompt(f"Say: {TEXT}. End", (span, Span("answer", 20, 20))), short)
    assert short.decode([encoded.token_ids[index] for index in encoded.spans[span]]).strip() == TEXT


def test_a_tuned_model_stays_shortened() -> None:
    Shorten(model="model", corpus="texts", split=0.25).run("short")
    Path("texts/de.txt").write_text("".join(f"der Hund {row}\n" for row in range(20)))
    Tune(
        model="short", corpus="texts", template="translation", target="te", originals=("en",), languages=("de",),
        steps=2, batch_size=2, lora_rank=0, end="newline", device="cpu",
    ).run("tuned")  # fmt: skip
    assert left_out_token(load_tokenizer("tuned")) == codec().lead


def test_characters_with_tokens_of_their_own_leave_nothing_out() -> None:
    Path("texts/te.txt").unlink()
    Path("texts/de.txt").write_text("".join(f"Hund {row}\n" for row in range(20)))
    Path("model/model.safetensors").unlink()  # refused before weights are read
    with pytest.raises(CorpusError, match="has a token for every character of de, en"):
        Shorten(model="model", corpus="texts").run("short")
    assert not Path("short").exists()


def test_a_model_is_shortened_once() -> None:
    Shorten(model="model", corpus="texts", split=0.25).run("short")
    with pytest.raises(ConfigError, match="leaves a token out already"):
        Shorten(model="short", corpus="texts", split=0.25).run("again")
    stored = json.loads(Path("short/tokenizer_config.json").read_text())
    assert stored["neuroglot_left_out"] == codec().lead


def test_rows_that_cannot_be_counted_are_refused_before_weights_are_read() -> None:
    for path in Path("texts").iterdir():
        path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:2]))
    Path("model/model.safetensors").unlink()
    with pytest.raises(CorpusError, match="a split at 0.5 leaves nothing"):
        Shorten(model="model", corpus="texts", split=0.5).run("out")
    assert not Path("out").exists()
