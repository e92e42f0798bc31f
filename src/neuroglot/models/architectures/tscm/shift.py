"""Temporal superposition crossover: channels of neighbouring frames side by side, by copying alone.

Source: TSCM (arXiv:2211.03387), of which a third party's notes are public; TSM (Lin et al. 2019) is the control.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.tscm.timeline import Timeline

ShiftKind = Literal["tscm", "tsm", "none", "conv3d"]
Edges = Literal["zeros", "repeat"]
TSM_PERIOD = 8  # TSM takes an eighth of the channels from each neighbour


@dataclass(frozen=True)
class ShiftPlan:
    """Which frame each channel is taken from: t + `offset(c)`, over `frames` neighbouring ones, an odd number n.

    * `tscm`: c mod n − ⌊n/2⌋, in comb order. With a `period` p above n only n of every p channels are so, and the
      others stay: each neighbour gives a share 1/p, by default 1/n.
    * `tsm`: the first p-th part of the channels from t + 1, the second from t − 1, the others stay (p is 8 by default).
    * `none`: every channel stays. `conv3d`: the control whose weights see all n frames of every channel.

    Beyond the ends of a clip there are `zeros`, or the edge frame is taken again (`repeat`). Raises `ConfigError` for
    anything else.
    """

    kind: ShiftKind = "tscm"
    frames: int = 3
    period: int | None = None
    edges: Edges = "zeros"

    def __post_init__(self) -> None:
        if self.kind not in get_args(ShiftKind) or self.edges not in get_args(Edges):
            raise ConfigError(
                f"A shift of the kind {self.kind!r} with the edges {self.edges!r} was asked for.",
                f"Expected {', '.join(get_args(ShiftKind))}, and {' or '.join(get_args(Edges))}.",
            )
        if self.frames < 1 or not self.frames % 2:
            raise ConfigError(f"A shift over {self.frames} frames was asked for.", "Expected an odd number.")
        if self.period is not None and self.period < self.frames:
            raise ConfigError(
                f"A shift over {self.frames} frames has the period {self.period}.",
                f"Expected {self.frames} or more: each frame gives one channel of every period.",
            )

    @property
    def reach(self) -> int:
        """How many frames it looks to either side."""
        return 0 if self.kind == "none" else self.frames // 2

    def groups(self, channels: int) -> Iterator[tuple[int, slice]]:
        """Offsets, each with the channels that are taken from it; a channel is in one group."""
        if self.kind == "none":
            yield 0, slice(None)
        elif self.kind == "tsm":
            part = channels // (self.period or TSM_PERIOD)
            moved = [side * far for far in range(1, self.reach + 1) for side in (1, -1)]
            yield from ((offset, slice(at * part, (at + 1) * part)) for at, offset in enumerate(moved))
            yield 0, slice(len(moved) * part, None)
        else:
            period = self.period or self.frames
            for place in range(period):
                yield (place - self.reach if place < self.frames else 0), slice(place, None, period)

    def offsets(self, channels: int) -> list[int]:
        """The offset of each channel; role in the shift: below 0 the past, 0 the present, above 0 the future."""
        found = torch.zeros(channels, dtype=torch.int64)
        for offset, part in self.groups(channels):
            found[part] = offset
        return found.tolist()


ChannelGroups = Sequence[tuple[int, slice]]  # offsets, each with channels that are taken from there


def shifted(frames: Tensor, timeline: Timeline, plan: ShiftPlan) -> Tensor:
    """y[t, c] = x[t + offset(c), c]: `[F, C, ...]` → the same shape, without a multiplication.

    Slices are copied, and what came from another clip is filled; the gradient is the adjoint, which copies back.
    """
    moved: Tensor = _Shift.apply(frames, timeline, tuple(plan.groups(frames.shape[1])), plan.edges)
    return moved


def superposed(frames: Tensor, timeline: Timeline, plan: ShiftPlan) -> Tensor:
    """All channels of n frames side by side, oldest first, as conv3d reads them: `[F, C, ...]` → `[F, n·C, ...]`."""
    offsets = range(-plan.reach, plan.reach + 1)
    return torch.cat([_Shift.apply(frames, timeline, ((at, slice(None)),), plan.edges) for at in offsets], dim=1)


def conv3d_weight(weight: Tensor, plan: ShiftPlan) -> Tensor:
    """The conv3d that shift and conv2d are together: `[O, C, k, k]` → `[O, C, n, k, k]`, one tap a channel."""
    whole = weight.new_zeros(*weight.shape[:2], plan.frames, *weight.shape[2:])
    for channel, offset in enumerate(plan.offsets(weight.shape[1])):
        whole[:, channel, offset + plan.frames // 2] = weight[:, channel]
    return whole


class _Shift(torch.autograd.Function):
    """The shift, which keeps nothing for its gradient."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, timeline: Timeline, groups: ChannelGroups, edges: Edges) -> Tensor:
        ctx.timeline, ctx.groups, ctx.edges = timeline, groups, edges
        out = torch.zeros_like(frames)
        for offset, part in groups:
            _copy(frames[:, part], out[:, part], offset)
            if places := _beyond(timeline, offset, frames):
                filled = frames[:, part].index_select(0, places[1]) if edges == "repeat" else None
                into = out[:, part]
                into.index_fill_(0, places[0], 0) if filled is None else into.index_copy_(0, places[0], filled)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = gradients
        back = torch.zeros_like(gradient)
        for offset, part in ctx.groups:
            into = back[:, part]
            _copy(gradient[:, part], into, -offset)
            if others := _beyond(ctx.timeline, -offset, gradient):
                into.index_fill_(0, others[0], 0)
            places = _beyond(ctx.timeline, offset, gradient)
            if places and ctx.edges == "repeat":
                into.index_add_(0, places[1], gradient[:, part].index_select(0, places[0]))
        return back, None, None, None


def _copy(source: Tensor, out: Tensor, offset: int) -> None:
    """Frames at the offset, of whichever clip."""
    near = len(source) - abs(offset)
    if near > 0:
        first, into = max(0, offset), max(0, -offset)
        out[into : into + near].copy_(source[first : first + near])


def _beyond(timeline: Timeline, offset: int, like: Tensor) -> tuple[Tensor, ...]:
    """Frames without a neighbour at the offset in their clip, and the nearest ones; nothing if there are none."""
    found = timeline.beyond(offset)
    return torch.tensor(found, dtype=torch.int64).to(like.device).unbind(1) if found else ()


class TemporalShift(nn.Module):
    """The plan as a module, without a parameter: frames `[F, C, H, W]` of clips → the same shape."""

    def __init__(self, plan: ShiftPlan) -> None:
        super().__init__()
        if plan.kind == "conv3d":
            raise ConfigError("A shift of the kind 'conv3d' has weights.", "Expected 'tscm', 'tsm' or 'none'.")
        self.plan = plan

    def forward(self, frames: Tensor, timeline: Timeline) -> Tensor:
        return frames if self.plan.kind == "none" else shifted(frames, timeline, self.plan)

    def extra_repr(self) -> str:
        return str(self.plan)


class ShiftedConv2d(nn.Conv2d):
    """A `Conv2d` that shifts first; parameters keep their names and, but for `conv3d`, their shapes."""

    def __init__(self, channels: int, *args: Any, plan: ShiftPlan, **options: Any) -> None:
        super().__init__(channels * (plan.frames if plan.kind == "conv3d" else 1), *args, **options)
        self.plan = plan

    @classmethod
    def of(cls, plain: nn.Conv2d, plan: ShiftPlan) -> ShiftedConv2d:
        """A new one in place of a plain convolution."""
        return cls(
            plain.in_channels, plain.out_channels, plain.kernel_size, plain.stride, plain.padding,
            plain.dilation, plain.groups, plain.bias is not None, plan=plan,
        )  # fmt: skip

    def forward(self, frames: Tensor, timeline: Timeline) -> Tensor:  # type: ignore[override]
        if self.plan.kind == "conv3d":
            return super().forward(superposed(frames, timeline, self.plan))
        return super().forward(frames if self.plan.kind == "none" else shifted(frames, timeline, self.plan))
