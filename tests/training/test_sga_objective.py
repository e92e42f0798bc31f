"""SGA on the training core: pairs of directions become canvases, and a stopped training ends with the same weights."""

from pathlib import Path
from typing import Any

import pytest
import torch

from neuroglot.corpora.written import ToWrite
from neuroglot.errors import CorpusError
from neuroglot.lab.encoder import EncoderConfig, new_encoder
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.storage import Kept
from neuroglot.tokens.canvases import LONG_TARGET, canvas_batch, canvas_pairs, task_pairs, with_target_mark
from neuroglot.training.sga import sga_training, train_sga
from tests.models.sga.making import tiny_sga
from tests.tiny import masking_tokenizer, tiny_corpus
from tests.training.stopping import stopped_after

LANGUAGES = ("de", "sw", "en")
DIRECTIONS = ("en-de", "de-en", "sw-en")
SMALL = EncoderConfig(hidden=16, layers=2, heads=2, ffn=24, vocabulary=300, positions=120)


def made(**options: Any) -> tuple[SGAForConditionalGeneration, Any, Any]:
    corpus = tiny_corpus(12, LANGUAGES)
    encoder, tokenizer = new_encoder(corpus, SMALL, 0)
    torch.manual_seed(0)
    given = {"prompt_length": 4, "mask_token_id": tokenizer.mask_token_id, "pad_token_id": tokenizer.pad_token_id}
    return SGAForConditionalGeneration.over(encoder, **given | options), tokenizer, corpus


def test_sources_name_the_language_to_write_and_targets_are_bare() -> None:
    model, tokenizer, corpus = made()
    pairs = canvas_pairs(model, tokenizer, corpus, DIRECTIONS)
    assert [str(direction) for direction in pairs.directions] == list(DIRECTIONS)
    assert len(pairs.pairs) == 3 * len(pairs.ids)
    first = pairs.pairs[len(pairs.ids)]  # of the second direction
    assert tokenizer.decode(first.token_ids) == f"<s>__en__ {corpus.texts['de'][0]}</s>"
    assert tokenizer.decode(first.target_ids) == corpus.texts["en"][0]
    batch = canvas_batch(pairs.pairs[:2], pairs.pad_id)
    for row, pair in enumerate(pairs.pairs[:2]):
        assert batch["input_ids"][row][batch["attention_mask"][row].bool()].tolist() == list(pair.token_ids)
        assert batch["labels"][row][batch["labels"][row] >= 0].tolist() == list(pair.target_ids)
    assert with_target_mark(masking_tokenizer(), "de", "w1") == "German: w1"


def test_rows_that_do_not_fit_are_left_out_in_every_direction_and_counted() -> None:
    model = tiny_sga(canvas_factor=1.0)
    texts = {"de": ("w1 w2", "w1", "w1 w2"), "en": ("w1 w2", "w5 w5 w5 w5 w5 w5", "w3")}
    corpus = tiny_corpus(3, ("de", "en"))
    corpus = type(corpus)("few", corpus.ids, texts)
    pairs = canvas_pairs(model, masking_tokenizer(), corpus, ("de-en",))
    assert (pairs.ids, pairs.dropped, dict(pairs.reasons)) == (("row0", "row2"), ("row1",), {LONG_TARGET: 1})
    assert len(canvas_pairs(model, masking_tokenizer(), corpus, ("de-en",), ask_for_targets=False).ids) == 3
    blank = canvas_pairs(tiny_sga(blank_token_id=7), masking_tokenizer(), corpus, ("de-en",))  # token 7 is w3
    assert blank.reasons == {LONG_TARGET: 1, "no tokens": 1}
    with pytest.raises(CorpusError, match=r"No row of 'few' is left \(target longer than its canvas: 1\)"):
        canvas_pairs(model, masking_tokenizer(), corpus.take([1]), ("de-en",))


@pytest.mark.parametrize("writing", ["ctc", "mask-predict, denoised"])
def test_a_stopped_training_ends_with_the_same_weights_and_the_encoder_with_its_own(
    writing: str, tmp_path: Path
) -> None:
    training = sga_training(steps=7, learning_rate=2e-2, batch_size=6, seed=1, checkpoint_every=2)

    def train(kept: Kept, stop: int | None = None) -> tuple[dict[str, torch.Tensor], tuple[float, ...]]:
        model, tokenizer, corpus = made(writing=writing, max_target=60)
        pairs = canvas_pairs(model, tokenizer, corpus, DIRECTIONS)
        with stopped_after(stop) as on_step:
            losses = train_sga(model, pairs, training, kept=kept, on_step=on_step)
        return model.state_dict(), losses

    straight, losses = train(Kept())
    assert losses[-1] < losses[0]
    with pytest.raises(KeyboardInterrupt):
        train(Kept(tmp_path), stop=5)
    again, _ = train(Kept(tmp_path))
    untrained = made(writing=writing, max_target=60)[0].state_dict()
    for name, weight in straight.items():
        assert torch.equal(weight, again[name]), name
        assert torch.equal(weight, untrained[name]) == name.startswith("backbone."), name


def test_a_source_may_fill_the_context_and_a_target_its_canvas() -> None:
    model, tokenizer = tiny_sga(canvas_factor=1.0), masking_tokenizer()
    read = len(tokenizer("German: w1 w2")["input_ids"])
    corpus = tiny_corpus(3, ("en", "de"))
    full = " ".join(f"w{number}" for number in range(1, read + 1))
    longest = " ".join(["w1"] * (model.longest_canvas - len(tokenizer("German:")["input_ids"])))
    for place, (source, target, kept) in enumerate(
        [("w1 w2", full, True), ("w1 w2", f"{full} w9", False), (longest, "w1", True), (f"{longest} w1", "w1", False)]
    ):
        texts = {"en": (source, "w3", "w4"), "de": (target, "w3", "w4")}
        pairs = canvas_pairs(model, tokenizer, type(corpus)("few", corpus.ids, texts), ("en-de",))
        assert (corpus.ids[0] in pairs.ids) == kept, place


def test_sources_of_tasks_are_cut_and_targets_are_without_the_blank() -> None:
    model, tokenizer = tiny_sga(blank_token_id=7), masking_tokenizer()  # token 7 is w3
    pairs = task_pairs(model, tokenizer, ToWrite("asks", {"de": (("w1 " * 90, "w1 w3 w2"),)}), longest=5)
    assert [len(pair.token_ids) for pair in pairs.pairs] == [5]
    assert tokenizer.decode(pairs.pairs[0].target_ids) == "w1 w2"


def test_directions_are_drawn_by_temperature_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer, corpus = made()
    pairs = canvas_pairs(model, tokenizer, corpus, DIRECTIONS)
    asked: list[dict[str, Any]] = []

    def seen(parts: Any, batches: int, size: int, **options: Any) -> list[int]:
        asked.append(options)
        return [0] * batches * size

    monkeypatch.setattr("neuroglot.training.sga.drawn", seen)
    train_sga(model, pairs, sga_training(steps=1, learning_rate=1e-3, batch_size=2, seed=5), temperature=3.0)
    assert (asked[0]["temperature"], asked[0]["seed"], asked[0]["mixed"]) == (3.0, 5, True)
