"""Masked language modelling (Devlin et al. 2019): an encoder learns the tokens that are hidden from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neuroglot.errors import ConfigError
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.examples import IGNORED
from neuroglot.tokens.masking import mask_id
from neuroglot.tokens.mixtures import drawn
from neuroglot.tokens.tokenizing import Text
from neuroglot.training.sharing import Collate
from neuroglot.training.trainer import fit
from neuroglot.training.types import OnStep, Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KEPT_AS_IT_IS, AT_RANDOM = 0.1, 0.1  # of what is asked for; the rest is hidden


@dataclass(frozen=True)
class Hiding:
    """The share of a text's tokens that is asked for, drawn between `least` and `most`; both 0.15 in BERT."""

    least: float = 0.15
    most: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.most <= 1:
            raise ConfigError(f"Got shares from {self.least} to {self.most}.", "Expected 0 < least ≤ most ≤ 1.")


def train_masked(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[Text],
    training: Training,
    hiding: Hiding | None = None,
    *,
    temperature: float = 5.0,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
) -> tuple[float, ...]:
    """Train an encoder with a masked-LM head in place; returns the losses by step in nats per token asked for.

    Texts are drawn by their `language` with p ∝ n^(1/temperature), and what is hidden in them is drawn with them, from
    the training's seed. Of the tokens asked for 80 % are hidden, 10 % are another one, 10 % as they are. Raises
    `ConfigError` for a tokenizer without a mask, and as `trainer.fit`.
    """
    order = drawn(
        [text.language for text in texts], training.steps * training.accumulation, training.batch_size,
        temperature=temperature, mixed=True, lengths=[len(text.token_ids) for text in texts], seed=training.seed,
    )  # fmt: skip
    rows = [(texts[row], training.seed * len(order) + place) for place, row in enumerate(order)]
    collate = masked_collator(mask_id(tokenizer), tokenizer.pad_token_id or 0, len(tokenizer), hiding or Hiding())
    losses = fit(model, rows, collate, training, kept=kept, on_step=on_step)
    model.eval()
    return losses


def masked_collator(mask: int, pad_id: int, vocabulary: int, hiding: Hiding) -> Collate:
    """What turns texts, each with the seed of what is hidden in it, into a batch; special tokens are not asked for."""

    def collate(rows: Sequence[tuple[Text, int]]) -> dict[str, Any]:
        width = max(len(text.token_ids) for text, _ in rows)
        ids, labels = torch.full((len(rows), width), pad_id), torch.full((len(rows), width), IGNORED)
        real = torch.zeros(len(rows), width, dtype=torch.long)
        for place, (text, seed) in enumerate(rows):
            read, asked = hidden(text, seed, mask, vocabulary, hiding)
            ids[place, : len(read)] = torch.from_numpy(read)
            labels[place, : len(asked)] = torch.from_numpy(asked)
            real[place, : len(read)] = 1
        return {"input_ids": ids, "attention_mask": real, "labels": labels}

    return collate


def hidden(text: Text, seed: int, mask: int, vocabulary: int, hiding: Hiding) -> tuple[np.ndarray, np.ndarray]:
    """What is read of a text, and what is asked for, `IGNORED` elsewhere; one token at the least."""
    generator = np.random.default_rng(seed)
    tokens = np.array(text.token_ids, dtype=np.int64)
    own = np.flatnonzero(~np.array(text.special, dtype=bool))
    share = generator.uniform(hiding.least, hiding.most)
    count = min(len(own), max(1, round(share * len(own))))
    asked = generator.choice(own, size=count, replace=False) if len(own) else own
    read, labels = tokens.copy(), np.full_like(tokens, IGNORED)
    labels[asked] = tokens[asked]
    kind = generator.random(len(asked))
    drawn_ids = generator.integers(0, vocabulary, len(asked))
    read[asked] = np.where(
        kind < KEPT_AS_IT_IS, tokens[asked], np.where(kind < KEPT_AS_IT_IS + AT_RANDOM, drawn_ids, mask)
    )
    return read, labels
