"""Systems that write the same rows: scores as sacrebleu gives them, ablations of one model, and baselines that begin
with the encoder's weights.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
import torch
from safetensors.torch import load_file, save_file

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, CorpusError, UnsupportedModelError
from neuroglot.experiments.writing import (
    BASELINES,
    OFF,
    SGA,
    SHUFFLED,
    WritingConfig,
    baseline,
    compared,
    over_encoder,
    write_directions,
    writing_parts,
    written_by_systems,
)
from neuroglot.experiments.writing_baselines import (
    WrittenDirections,
    encoder_decoder,
    train_encoder_decoder,
    write_with_decoder,
)
from neuroglot.lab.encoder import EncoderConfig, new_encoder
from neuroglot.models import load
from neuroglot.models.writers import load_writer
from neuroglot.reports.section import section_of
from neuroglot.signature import Signature
from neuroglot.tokens.canvases import canvas_pairs
from neuroglot.training.types import Training
from tests.families import tiny_model
from tests.models.sga.making import tiny_writer
from tests.tiny import tiny_corpus

LANGUAGES = ("en", "de", "sw")
DIRECTIONS = (Direction("en", "de"), Direction("de", "en"))
SMALL = WritingConfig(
    languages=LANGUAGES, encoder=EncoderConfig(16, 2, 2, 24, 300, 120), encoder_steps=2, steps=3, batch=4,
    prompt_length=3, canvas_factor=12.0, denoising_passes=1, max_new_tokens=4,
)  # fmt: skip


def said(corpus: Any, texts: dict[str, tuple[str, ...]], passes: float = 2.0) -> WrittenDirections:
    return WrittenDirections(corpus.ids, texts, passes, 0.01, {})


def test_scores_are_those_of_the_library_and_differences_are_paired() -> None:
    corpus = tiny_corpus(6, LANGUAGES)
    right = {"en-de": corpus.texts["de"], "de-en": corpus.texts["en"]}
    wrong = {name: tuple(text + " w1 w2" for text in column) for name, column in right.items()}
    found = compared(SMALL, {"sga": said(corpus, wrong), "other": said(corpus, right, 9)}, corpus, Signature())
    expected = [
        sacrebleu.corpus_chrf(list(wrong[name]), [list(right[name])], word_order=2).score for name in ("en-de", "de-en")
    ]
    assert [score.value for score in found.by_direction("sga").values()] == pytest.approx(expected, rel=1e-6)
    assert found.scores()["sga"].value == pytest.approx(sum(expected) / 2, rel=1e-6)
    assert found.scores()["other"].value == pytest.approx(100)
    change = found.differences()["other"]
    assert change.value == pytest.approx(100 - sum(expected) / 2, rel=1e-6)
    assert change.low < change.value < change.high
    section = section_of(found)
    assert section.sentence.startswith("The mean chrF2++ over 2 directions is")
    assert [row[0] for row in section.summary.rows] == ["sga", "other"]
    with pytest.raises(ConfigError, match="wrote other rows"):
        few = WrittenDirections(corpus.ids[:5], right, 2, 0.01, {})
        compared(SMALL, {"sga": said(corpus, right), "other": few}, corpus, Signature())


def test_one_model_writes_whole_and_without_its_parts_and_is_as_before() -> None:
    corpus = tiny_corpus(5, LANGUAGES)
    model, tokenizer = tiny_writer(corpus)
    written = written_by_systems(SMALL, model, tokenizer, corpus, DIRECTIONS)
    assert list(written) == ["sga", "alignment alone", "memory off", "memory shuffled"]
    assert model.config.memory == "own"
    assert written["alignment alone"].passes == 2
    assert all(2 <= found.passes <= 3 for found in written.values())
    assert written[SGA].texts != written[SHUFFLED].texts
    other = corpus.take([1, 0, 3, 2, 4])  # without a memory only the length of a source is known
    model.config.canvas_length = 9
    here, there = (written_by_systems(SMALL, model, tokenizer, part, DIRECTIONS)[OFF] for part in (corpus, other))
    assert here.texts == there.texts
    assert len(set(here.texts["en-de"])) == 1


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_train_what_they_say(name: str) -> None:
    corpus = tiny_corpus(6, LANGUAGES)
    torch.manual_seed(0)
    encoder, tokenizer = new_encoder(corpus, SMALL.encoder, 0)
    whole = sum(part.numel() for part in encoder.parameters())
    layers, width, prompts = 2, 16, 3
    sizes = {
        "no denoising": 2 * 2 * layers * prompts * width + 2 * (width**2 + width) + 2 + width + 1,
        "prefix tuning": 3 * 2 * layers * prompts * width + 3 + width + 1,
        "full fine-tuning": 3 * 2 * layers * prompts * width + 2 * (width**2 + width) + 3 + width + 1 + whole,
    }
    pairs = canvas_pairs(over_encoder(SMALL, encoder, tokenizer, 0), tokenizer, corpus, DIRECTIONS)
    fresh, _ = new_encoder(corpus, SMALL.encoder, 0)
    written, trained = baseline(name, SMALL, fresh, tokenizer, (pairs, corpus), DIRECTIONS, 0)
    assert written.ids == corpus.ids
    assert list(written.texts) == ["en-de", "de-en"]
    assert trained == sizes.get(name, trained)
    if name == "autoregressive":
        assert trained > 1.5 * whole
        assert 2 <= written.passes <= 1 + SMALL.max_new_tokens


def test_an_encoder_decoder_begins_with_the_encoders_weights_on_both_sides() -> None:
    corpus = tiny_corpus(6, LANGUAGES)
    encoder, tokenizer = new_encoder(corpus, SMALL.encoder, 0)
    pair = encoder_decoder(encoder, tokenizer)
    ids = torch.tensor([[0, 9, 8, 2]])
    with torch.no_grad():
        assert torch.equal(pair.encoder(ids).last_hidden_state, encoder.base_model(ids).last_hidden_state)
    weights, decoder = encoder.state_dict(), pair.decoder.state_dict()
    assert all(torch.equal(decoder[name], weight) for name, weight in weights.items())
    with pytest.raises(UnsupportedModelError, match="no decoder of the type 'modernbert'"):
        encoder_decoder(tiny_model("modernbert"), tokenizer)


def test_rows_of_the_lab_are_short_if_asked_for_and_disjoint() -> None:
    pytest.importorskip("babel")
    config = replace(SMALL, languages=("en", "de"), rows=60, test_rows=5, longest=60)
    train, test = writing_parts(config, "lab", 0)
    assert len(test) == 5
    assert not set(train.texts["en"]) & set(test.texts["en"])
    assert max(len(text) for part in (train, test) for column in part.texts.values() for text in column) <= 60
    with pytest.raises(CorpusError, match="more than 3 characters"):
        writing_parts(replace(config, longest=3), "lab", 0)


def test_a_writer_is_loaded_and_other_models_are_not(tmp_path: Path) -> None:
    model, tokenizer = tiny_writer(tiny_corpus(3, LANGUAGES))
    model.save_pretrained(tmp_path / "writer")
    tokenizer.save_pretrained(tmp_path / "writer")
    loaded, its = load_writer(str(tmp_path / "writer"), device="cpu")
    ids = torch.tensor([its("w1 w2")["input_ids"]])
    assert torch.equal(loaded.generate(ids), model.generate(ids))
    model.backbone.save_pretrained(tmp_path / "encoder")
    with pytest.raises(UnsupportedModelError, match=r"type 'xlm-roberta-xl'.*sga train --encoder"):
        load_writer(str(tmp_path / "encoder"))
    with pytest.raises(UnsupportedModelError, match="no such folder"):
        load_writer("./nowhere")
    with pytest.raises(UnsupportedModelError, match="'lab' is a decoder"):
        load_writer("lab")
    with pytest.raises(UnsupportedModelError, match="`neuroglot sga neurons`"):
        load(str(tmp_path / "writer"))
    with pytest.raises(ConfigError, match="Only the hub has revisions"):
        load_writer(str(tmp_path / "writer"), revision="main")


def test_a_writer_with_a_weight_under_two_names_is_refused(tmp_path: Path) -> None:
    model, tokenizer = tiny_writer(tiny_corpus(3, LANGUAGES))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    held = load_file(tmp_path / "model.safetensors")
    save_file(held | {"sga.prompts": held["prompts"] + 1}, tmp_path / "model.safetensors")
    with pytest.raises(UnsupportedModelError, match="holds 1 of its weights twice"):
        load_writer(str(tmp_path), device="cpu")


def test_an_unknown_baseline_is_refused() -> None:
    with pytest.raises(ConfigError, match="The baseline 'magic' was asked for"):
        WritingConfig(baselines=("magic",))


def test_rows_that_are_too_long_are_left_out_of_every_system() -> None:
    corpus = tiny_corpus(6, LANGUAGES)
    encoder, tokenizer = new_encoder(corpus, SMALL.encoder, 0)
    model = over_encoder(SMALL, encoder, tokenizer, 0)
    pairs = canvas_pairs(model, tokenizer, corpus, DIRECTIONS)
    first = next(iter(corpus.texts))
    texts = corpus.texts | {first: ("ab " * 400, *corpus.texts[first][1:])}
    long = type(corpus)("long", corpus.ids, texts)
    written = written_by_systems(SMALL, model, tokenizer, long, DIRECTIONS)
    fresh, _ = new_encoder(corpus, SMALL.encoder, 0)
    written["autoregressive"], _ = baseline(
        "autoregressive", SMALL, fresh, tokenizer, (pairs, long), DIRECTIONS, 0
    )  # fmt: skip
    assert all(found.ids == corpus.ids[1:] and found.dropped for found in written.values())
    assert compared(SMALL, written, long, Signature()).systems[SGA].shape[1] == 5


def test_references_are_those_of_the_rows_that_were_written() -> None:
    corpus = tiny_corpus(6, LANGUAGES)
    kept = corpus.take([4, 2, 5])
    texts = {name: tuple(kept.texts[name.rpartition("-")[2]]) for name in map(str, DIRECTIONS)}
    found = compared(SMALL, {"sga": WrittenDirections(kept.ids, texts, 2, 0.01, {})}, corpus, Signature())
    assert found.scores()["sga"].value == pytest.approx(100)


def test_directions_have_texts_of_their_own() -> None:
    corpus = tiny_corpus(4, LANGUAGES)
    model, tokenizer = tiny_writer(corpus)
    both = write_directions(model, tokenizer, corpus, DIRECTIONS)
    for direction in DIRECTIONS:
        alone = write_directions(model, tokenizer, corpus, [direction])
        assert alone.texts[str(direction)] == both.texts[str(direction)]
    assert len(set(both.texts.values())) == 2


def test_one_row_has_no_other_whose_memory_it_might_read() -> None:
    corpus = tiny_corpus(5, LANGUAGES)
    model, tokenizer = tiny_writer(corpus)
    assert SHUFFLED not in written_by_systems(SMALL, model, tokenizer, corpus.take([0]), DIRECTIONS)


def test_the_autoregressive_baseline_is_asked_for_an_end_and_gives_rows_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus = tiny_corpus(6, LANGUAGES)
    encoder, tokenizer = new_encoder(corpus, SMALL.encoder, 0)
    pairs = canvas_pairs(over_encoder(SMALL, encoder, tokenizer, 0), tokenizer, corpus, DIRECTIONS)
    batches = []

    def seen(_model: Any, rows: Any, collate: Any, *_: Any, **__: Any) -> None:
        batches.append(collate(rows[:3]))

    monkeypatch.setattr("neuroglot.experiments.writing_baselines.fit", seen)
    fresh, _ = new_encoder(corpus, SMALL.encoder, 0)
    pair = train_encoder_decoder(fresh, tokenizer, pairs, Training(steps=2, learning_rate=1e-3, batch_size=3))
    targets = {pair.target_ids for pair in pairs.pairs}
    for labels in batches[0]["labels"].tolist():
        *said, end = [label for label in labels if label >= 0]
        assert (tuple(said) in targets, end) == (True, tokenizer.eos_token_id)

    def echo(*, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        return input_ids

    monkeypatch.setattr(pair, "generate", echo)
    written = write_with_decoder(pair, tokenizer, corpus, DIRECTIONS[:1], 4)
    assert written.texts["en-de"] == tuple(corpus.texts["en"])
