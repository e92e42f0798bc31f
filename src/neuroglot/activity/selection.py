"""Selection: which positions of a batch count, worked out on the CPU so that no layer waits for the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.models.view import ModelView
from neuroglot.tokens.batches import Batch

SAMPLED_EVERY = 32  # one position in so many enters histograms


@dataclass(frozen=True, eq=False)
class Selection:
    """Flattened positions of one stack in ascending order: those `counted`, the `others`, and those `sampled`.

    `mask [positions]` says the same as `counted`.
    """

    counted: Tensor
    others: Tensor
    sampled: Tensor
    mask: Tensor

    @classmethod
    def of(cls, mask: Tensor, sampled: Tensor) -> Selection:
        """From masks `[B, T]` of what counts and of what a sample of all positions holds."""
        flat = mask.flatten()
        counted, others, chosen = (part.nonzero()[:, 0] for part in (flat, ~flat, flat & sampled.flatten()))
        return cls(counted, others, chosen, flat)

    def to(self, device: torch.device) -> Selection:
        return self if self.mask.device == device else Selection(*(part.to(device) for part in vars(self).values()))

    @property
    def is_sparse(self) -> bool:
        """Whether fewer than half of the positions count."""
        return 2 * len(self.counted) < len(self.mask)


def select(view: ModelView, batch: Batch, recording: Recording) -> dict[str, Selection]:
    """What counts in each stack of the model when it reads the batch, whose `scored` tokens were generated.

    The `last` token of a text is never one that the tokenizer put behind it: `</s>` is the same in all languages.
    """
    prefix, with_special, counted = batch.prefix_length, recording.special_tokens, batch
    if recording.tokens == "last":
        countable = batch.real if with_special else batch.real & ~batch.special
        counted, with_special = replace(batch, special=~(countable & _not_behind(batch))), False
    stacks = [stack for stack, _ in view.layout.stacks]
    masks = view.family.reads.counted(stacks, counted, with_special)
    if recording.tokens == "generated":
        masks = {stack: mask & batch.scored for stack, mask in masks.items()}
    elif recording.tokens == "steps":
        ends = {stack: last_only(mask & ~batch.scored) for stack, mask in masks.items()}
        masks = {stack: (mask & batch.scored) | ends[stack] for stack, mask in masks.items()}
    elif recording.tokens != "all":
        masks = {stack: mask & ~batch.scored for stack, mask in masks.items()}
    if recording.tokens == "last":
        masks = {stack: last_only(mask) for stack, mask in masks.items()}
    sampled = _sampled(batch, prefix)
    return {stack: Selection.of(mask, sampled) for stack, mask in masks.items()}


def nothing_selected(selected: Mapping[str, Selection]) -> dict[str, Selection]:
    """The same positions with none of them counted."""
    empty = torch.zeros(0, dtype=torch.int64)
    return {
        stack: replace(
            selection, counted=empty, sampled=empty, mask=torch.zeros_like(selection.mask),
            others=torch.arange(len(selection.mask)),
        )
        for stack, selection in selected.items()
    }  # fmt: skip


def last_only(counts: Tensor) -> Tensor:
    """Keep only the last counted token of each text: `[B, T]` → `[B, T]`."""
    positions = torch.arange(1, counts.shape[1] + 1, device=counts.device) * counts
    return (positions == positions.amax(1, keepdim=True)) & counts


def _not_behind(batch: Batch) -> Tensor:
    """Tokens with one at or after them that the tokenizer did not add: `[B, T]`."""
    own = batch.real & ~batch.special
    return own.flip(1).cumsum(1).flip(1) > 0


def _sampled(batch: Batch, prefix: int) -> Tensor:
    """A sample that depends on row, language and position only: `[B, T]`."""
    offsets = torch.tensor([7 * text.row + 3 * text.language for text in batch.texts])
    positions = torch.arange(prefix, prefix + batch.real.shape[1])
    return (offsets[:, None] + positions) % SAMPLED_EVERY == 0
