"""Selection: which positions of a batch count, worked out on the CPU so that no layer waits for the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.models.view import ModelView
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.pairs import PairBatch, read_positions

SAMPLED_EVERY = 32  # one position in so many enters histograms


@dataclass(frozen=True, eq=False)
class Selection:
    """Flattened positions of one stack in ascending order: those `counted`, the `others`, and those `sampled`.

    `mask [positions]` says the same as `counted`; `shape` is (B, T), which stacks that read different texts differ in.
    """

    counted: Tensor
    others: Tensor
    sampled: Tensor
    mask: Tensor
    shape: tuple[int, ...]

    @classmethod
    def of(cls, mask: Tensor, sampled: Tensor) -> Selection:
        """From masks `[B, T]` of what counts and of what a sample of all positions holds."""
        flat = mask.flatten()
        counted, others, chosen = (part.nonzero()[:, 0] for part in (flat, ~flat, flat & sampled.flatten()))
        return cls(counted, others, chosen, flat, tuple(mask.shape))

    def to(self, device: torch.device) -> Selection:
        if self.mask.device == device:
            return self
        moved = {name: getattr(self, name).to(device) for name in ("counted", "others", "sampled", "mask")}
        return replace(self, **moved)

    @property
    def is_sparse(self) -> bool:
        """Whether fewer than half of the positions count."""
        return 2 * len(self.counted) < len(self.mask)


def select(view: ModelView, batch: Batch, recording: Recording) -> dict[str, Selection]:
    """What counts in each stack of the model when it reads the batch, whose `scored` tokens were generated.

    The `last` token of a text is never one that the tokenizer put behind it: `</s>` is the same in all languages. Of
    pairs each stack counts what it reads (`tokens.pairs.read_positions`).
    """
    if isinstance(batch, PairBatch):
        return _select_pairs(view, batch, recording)
    prefix, with_special, counted = batch.prefix_length, recording.special_tokens, batch
    if recording.tokens == "last":
        countable = batch.real if with_special else batch.real & ~batch.special
        not_behind = _not_behind(batch.real & ~batch.special)
        counted, with_special = replace(batch, special=~(countable & not_behind)), False
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
    return {stack: Selection.of(mask, _sampled(batch, mask.shape[1], prefix)) for stack, mask in masks.items()}


def _select_pairs(view: ModelView, batch: PairBatch, recording: Recording) -> dict[str, Selection]:
    """`all` tokens that a stack reads, or the `last` one of each text."""
    selected = {}
    for stack, (read, special) in read_positions(view, batch).items():
        mask = read if recording.special_tokens else read & ~special
        if recording.tokens == "last":
            mask = last_only(mask & _not_behind(read & ~special))
        elif batch.count_padding:
            mask = torch.ones_like(mask)
        selected[stack] = Selection.of(mask, _sampled(batch, mask.shape[1]))
    return selected


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


def _not_behind(own: Tensor) -> Tensor:
    """Tokens with one of the text's `own` at or after them, one that the tokenizer did not add: `[B, T]`."""
    return own.flip(1).cumsum(1).flip(1) > 0


def _sampled(batch: Batch, length: int, prefix: int = 0) -> Tensor:
    """A sample that depends on row, language and position only: `[B, T]`."""
    offsets = torch.tensor([7 * text.row + 3 * text.language for text in batch.texts])
    positions = torch.arange(prefix, prefix + length)
    return (offsets[:, None] + positions) % SAMPLED_EVERY == 0
