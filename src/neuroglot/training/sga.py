"""The objective of SGA: CTC of the alignment and of the denoised canvas, on pairs of many directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.canvases import canvas_batch
from neuroglot.tokens.mixtures import drawn
from neuroglot.tokens.pairs import Pair, Pairs
from neuroglot.training.sharing import Collate
from neuroglot.training.trainer import fit
from neuroglot.training.types import OnStep, Training


def train_sga(
    model: SGAForConditionalGeneration,
    pairs: Pairs,
    training: Training,
    *,
    temperature: float = 5.0,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
) -> tuple[float, ...]:
    """Train what is new in the model, in place; returns the losses by step, both passes in sum, in nats per token.

    Batches are of all directions, which are drawn with p ∝ n^(1/temperature) before the start and from the training's
    seed; noise is drawn on the way and its generator kept with every checkpoint, so that one that goes on from there
    ends with the same weights. The encoder's weights stay as they are, to the bit, unless they take gradients. Raises
    as `trainer.fit`.
    """
    order = drawn(
        [pair.language for pair in pairs.pairs], training.steps * training.accumulation, training.batch_size,
        temperature=temperature, mixed=True,
        lengths=[len(pair.token_ids) for pair in pairs.pairs], seed=training.seed,
    )  # fmt: skip
    rows = [pairs.pairs[row] for row in order]
    losses = fit(model, rows, canvas_collator(pairs.pad_id), training, kept=kept, on_step=on_step)
    model.eval()
    return losses


def canvas_collator(pad_id: int) -> Collate:
    """What turns pairs into a batch of the model."""

    def collate(pairs: Sequence[Pair]) -> dict[str, Any]:
        return canvas_batch(pairs, pad_id)

    return collate


def sga_training(
    *, steps: int, learning_rate: float, batch_size: int, seed: int, checkpoint_every: int | None = None
) -> Training:
    """The schedule of SGA (Wu et al. 2023): inverse square root behind a tenth of the steps of warm-up, β₂ 0.98."""
    return Training(
        steps=steps, learning_rate=learning_rate, batch_size=batch_size, schedule="inverse_sqrt",
        warmup=max(1, steps // 10), beta2=0.98, seed=seed, checkpoint_every=checkpoint_every,
    )  # fmt: skip
