"""Masked language modelling: what is hidden and asked for, and a training that goes on to the same weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.lab.encoder import EncoderConfig, masked_texts_of, new_encoder
from neuroglot.storage import Kept
from neuroglot.tokens.tokenizing import Text
from neuroglot.training.masked import Hiding, hidden, masked_collator, train_masked
from neuroglot.training.types import Training
from tests.tiny import tiny_corpus
from tests.training.stopping import stopped_after

SMALL = EncoderConfig(hidden=16, layers=2, heads=2, ffn=24, vocabulary=300, positions=80)


def test_tokens_are_hidden_in_the_shares_of_bert_and_special_ones_never() -> None:
    text = Text(0, 0, tuple(range(5, 105)), (True,) * 10 + (False,) * 90, (False,) * 100, 0)
    asked = masks = same = 0
    for seed in range(300):
        read, labels = hidden(text, seed, 3, 1000, Hiding(0.1, 0.5))
        is_asked = labels >= 0
        assert 9 <= is_asked.sum() <= 45
        assert not is_asked[:10].any()
        assert (labels[is_asked] == np.arange(5, 105)[is_asked]).all()
        assert (read[~is_asked] == np.arange(5, 105)[~is_asked]).all()
        asked += is_asked.sum()
        masks += (read[is_asked] == 3).sum()
        same += (read[is_asked] == labels[is_asked]).sum()
    assert asked / 300 == pytest.approx(27, abs=2)
    assert masks / asked == pytest.approx(0.8, abs=0.02)
    assert same / asked == pytest.approx(0.1, abs=0.02)


def test_a_batch_is_padded_and_padding_is_not_asked_for() -> None:
    texts = [Text.of((5, 6, 7)), Text.of((8,))]
    batch = masked_collator(3, 1, 20, Hiding(1, 1))([(texts[0], 0), (texts[1], 1)])
    assert batch["labels"].tolist() == [[5, 6, 7], [8, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["input_ids"][1, 1:].tolist() == [1, 1]


def test_texts_are_each_language_alone_and_joined_with_each_other() -> None:
    corpus = tiny_corpus(3)
    _, tokenizer = new_encoder(corpus, SMALL, 0)
    alone = masked_texts_of(tokenizer, corpus, 1000, joined=False)
    joined = masked_texts_of(tokenizer, corpus, 1000, joined=True)
    assert (len(alone), len(joined)) == (9, 9 + 3 * 6)
    read = tokenizer.decode(joined[3].token_ids)
    assert read == f"<s>{corpus.texts['de'][0]}</s>{corpus.texts['sw'][0]}</s>"
    assert {text.language for text in alone} == {0, 1, 2}
    assert all(len(text.token_ids) <= 30 for text in masked_texts_of(tokenizer, corpus, 30, joined=True))


def test_an_encoder_learns_and_a_stopped_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    corpus = tiny_corpus(20)
    training = Training(steps=8, learning_rate=1e-2, batch_size=8, checkpoint_every=3, seed=5)

    def train(kept: Kept, stop: int | None = None) -> tuple[dict[str, torch.Tensor], tuple[float, ...]]:
        model, tokenizer = new_encoder(corpus, SMALL, 0)
        texts = masked_texts_of(tokenizer, corpus, 80, joined=True)
        with stopped_after(stop) as on_step:
            losses = train_masked(model, tokenizer, texts, training, Hiding(0.2, 0.6), kept=kept, on_step=on_step)
        return model.state_dict(), losses

    straight, losses = train(Kept())
    assert losses[-1] < losses[0] - 0.5
    with pytest.raises(KeyboardInterrupt):
        train(Kept(tmp_path), stop=5)
    again, _ = train(Kept(tmp_path))
    assert all(torch.equal(weight, again[name]) for name, weight in straight.items())


def test_shares_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="from 0.5 to 0.2"):
        Hiding(0.5, 0.2)


def test_what_is_hidden_is_drawn_from_the_seed_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = tiny_corpus(6, ("de", "en"))
    model, tokenizer = new_encoder(corpus, SMALL, 0)
    texts, seeds = masked_texts_of(tokenizer, corpus, 80, joined=False), []

    def seen(_model: object, rows: list[tuple[Text, int]], *_: object, **__: object) -> tuple[float, ...]:
        seeds.append([seed for _, seed in rows])
        return ()

    monkeypatch.setattr("neuroglot.training.masked.fit", seen)
    for seed in range(3):
        train_masked(model, tokenizer, texts, Training(steps=4, learning_rate=1e-3, batch_size=3, seed=seed))
    assert len({seed for row in seeds for seed in row}) == 3 * 12
