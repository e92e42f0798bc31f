"""Connectionist temporal classification (Graves et al. 2006): its loss by row, what fits, and what a path says.

A path has one symbol a frame; the text that it says is the path with repetitions merged and blanks taken away.
"""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from neuroglot.errors import ConfigError

PADDED = -100  # a label that stands behind a row's own


def padded_targets(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The targets `[B, U]` that labels say, 0 where they are padding, and how many there are in each row, `[B]`.

    Labels are numbers of symbols, `PADDED` behind them. Raises `ConfigError` for others below 0, for padding in front
    of a label, which would be read as a symbol, and for another shape.
    """
    if labels.dim() != 2 or labels.is_floating_point():
        raise ConfigError(f"Got labels {labels.dtype} {list(labels.shape)}.", "Expected integers [rows, symbols].")
    real = labels != PADDED
    lengths = real.sum(1)
    if bool((real & (labels < 0)).any()):
        raise ConfigError(
            f"Got the label {int(labels[real & (labels < 0)][0])}.",
            f"Expected symbols from 0, and {PADDED} behind them.",
        )
    gaps = real != (torch.arange(labels.shape[1], device=labels.device) < lengths[:, None])
    if bool(gaps.any()):
        raise ConfigError(
            f"In row {int(gaps.any(1).nonzero()[0])} padding ({PADDED}) stands in front of a label.",
            "Expected it behind all labels of a row.",
        )
    return labels.clamp(min=0), lengths


def ctc_losses(log_probs: Tensor, frames: Tensor, targets: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """`-log p(target)` of each row in nats, `[B]`, in float32 or better.

    `log_probs` `[B, T, V]` of which the first `frames` `[B]` of a row are real; `targets` `[B, U]` of which the first
    `lengths` `[B]` are. Raises `ConfigError` for a target that no path says, whose loss would be infinite, or silently
    nothing, for one that holds the blank, and for one with a symbol that there is not.
    """
    shown = torch.arange(targets.shape[1], device=targets.device) < lengths[:, None]
    symbols = log_probs.shape[-1]
    if bool((odd := shown & ((targets < 0) | (targets >= symbols))).any()):
        raise ConfigError(
            f"A target holds the symbol {int(targets[odd][0])}.", f"Expected symbols from 0 to {symbols - 1}."
        )
    if bool(((targets == blank) & shown).any()):
        raise ConfigError(f"A target holds the blank, token {blank}.", "Expected a blank that no target says.")
    needed = frames_needed(targets, lengths)
    if bool((needed > frames).any()):
        row = int((needed > frames).nonzero()[0])
        raise ConfigError(
            f"The target of row {row} needs {int(needed[row])} frames and has {int(frames[row])}.",
            "Expected a frame for each symbol, and one between equal symbols.",
            "Leave the row out, or give it more frames.",
        )
    precise = log_probs.to(torch.promote_types(log_probs.dtype, torch.float32)).transpose(0, 1)
    return ctc_loss(precise, targets, frames, lengths, blank=blank, reduction="none")


def frames_needed(targets: Tensor, lengths: Tensor) -> Tensor:
    """The shortest path that says each of the targets `[B, U]`: its symbols, and a blank between equal ones, `[B]`."""
    shown = torch.arange(targets.shape[1], device=targets.device) < lengths[:, None]
    repeats = (targets[:, 1:] == targets[:, :-1]) & shown[:, 1:]
    return lengths + repeats.sum(1)


def collapse(path: list[int], blank: int) -> list[int]:
    """What a path says: repetitions merged, then blanks taken away."""
    return [symbol for symbol, _ in groupby(path) if symbol != blank]


def collapsed(paths: Tensor, frames: Tensor, blank: int) -> list[list[int]]:
    """What each of the paths `[B, T]` says in its first `frames` `[B]`."""
    return [collapse(path[:count], blank) for path, count in zip(paths.tolist(), frames.tolist(), strict=True)]
