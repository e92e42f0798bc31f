"""Training on with direction masks: batches that name their rows' directions, and the gate around the training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from neuroglot.interventions.gating import DIRECTION_IDS, Semantics, gating
from neuroglot.models.view import ModelView
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.mixtures import drawn
from neuroglot.tokens.pairs import Pair, Pairs, labels, pad_pairs, translation_inputs
from neuroglot.training.sharing import Collate
from neuroglot.training.trainer import fit
from neuroglot.training.types import OnStep, Training


def train_specialized(
    view: ModelView,
    masks: DirectionMasks,
    pairs: Pairs,
    training: Training,
    *,
    semantics: Semantics = "activation",
    temperature: float = 5.0,
    mixed: bool = False,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
) -> tuple[float, ...]:
    """Train the model on, in place, with each row's direction masks in force; returns the losses by step, in nats.

    Batches are of one direction each, or `mixed`; directions are drawn with p ∝ n^(1/temperature) (5 in Neuron
    Specialization, Tan et al. 2024), all before the start and from the training's seed, so that one that goes on from
    a checkpoint in `kept` gives the same weights. Afterwards the model is no longer gated.

    Adam moves weights of removed neurons on for some steps after a batch of another direction: what is exactly zero is
    their gradient. Raises `ConfigError` for pairs of a direction without masks, and as `trainer.fit`.
    """
    rows = in_drawn_order(masks, pairs, training, temperature, mixed)
    with gating(view, masks, semantics=semantics):
        return fit(view.model, rows, collator(view, pairs.pad_id), training, kept=kept, on_step=on_step)


def translation_training(
    *, steps: int, learning_rate: float, batch_size: int, seed: int, checkpoint_every: int | None = None
) -> Training:
    """The options of Neuron Specialization (Tan et al. 2024): inverse square root behind a tenth of the steps of
    warm-up, β₂ 0.98, label smoothing 0.1.
    """
    return Training(
        steps=steps, learning_rate=learning_rate, batch_size=batch_size, schedule="inverse_sqrt",
        warmup=max(1, steps // 10), beta2=0.98, label_smoothing=0.1, seed=seed, checkpoint_every=checkpoint_every,
    )  # fmt: skip


Numbered = tuple[Pair, int]  # a pair, and the index of its direction among the masks


def collator(view: ModelView, pad_id: int) -> Collate:
    """What turns pairs, each with the index of its direction's mask, into a batch of the model with `direction_ids`."""

    def collate(numbered: Sequence[Numbered]) -> dict[str, Any]:
        batch = pad_pairs([pair for pair, _ in numbered], pad_id)
        indices = torch.tensor([index for _, index in numbered])
        return translation_inputs(view, batch) | {"labels": labels(batch), DIRECTION_IDS: indices}

    return collate


def numbered(masks: DirectionMasks, pairs: Pairs) -> list[Numbered]:
    """The pairs, each with the index of its direction's mask; raises `ConfigError` for a direction without one."""
    indices = [masks.place(direction) for direction in pairs.directions]
    return [(pair, indices[pair.language]) for pair in pairs.pairs]


def in_drawn_order(
    masks: DirectionMasks, pairs: Pairs, training: Training, temperature: float, mixed: bool
) -> list[Numbered]:
    """The pairs in the order in which they are trained on, each with the index of its direction's mask."""
    rows = numbered(masks, pairs)
    order = drawn(
        [pair.language for pair in pairs.pairs], training.steps * training.accumulation, training.batch_size,
        temperature=temperature, mixed=mixed,
        lengths=[len(pair.token_ids) + len(pair.target_ids) for pair in pairs.pairs], seed=training.seed,
    )  # fmt: skip
    return [rows[row] for row in order]
