"""Channels of a TSCM network as neurons: what a residual block's first convolution gives its last 3×3 one.

They are to a block what neurons are to a feed-forward network: written by one convolution, fired by a nonlinearity, and
read by the next alone, which for blocks of the temporal part shifts them first. So a `ModelView` of them is recorded,
selected on and switched off like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer, Layout, Site
from neuroglot.models.architectures.tscm import ResBlockT, TSCMForCTC
from neuroglot.models.architectures.tscm.shift import ShiftedConv2d
from neuroglot.models.families import Family
from neuroglot.models.inputs import ReadBatch
from neuroglot.models.modelview import ModelView
from neuroglot.models.points import Tap

FRAME, TEMPORAL = "frame", "temporal"  # stacks: blocks that read single frames, and those that shift
SHIFT_ROLES = {-1: "past", 0: "present", 1: "future"}  # of a channel, by the sign of its offset
ALONE = "single frame"  # the role of channels that are not shifted in time


class ClipsRead(ReadBatch, Protocol):
    """What is asked of a batch of clips: frames `[B, T, C, H, W]`, and which are no padding, `real [B, T]`."""

    @property
    def pixel_values(self) -> Tensor: ...


@dataclass(frozen=True)
class VideoInputs:
    """A clip is read at once, with a mask over padding; positions are frames."""

    name: str = "video recogniser"
    predicts_next: bool = False
    generates: bool = False

    def dummy(self, model: PreTrainedModel, rows: int = 1, length: int = 4) -> dict[str, Any]:
        config: Any = model.config
        size = (rows, length, config.num_channels, config.image_size, config.image_size)
        return {"pixel_values": torch.linspace(-1, 1, torch.Size(size).numel(), device=model.device).reshape(size)}

    def forward_kwargs(self, model: PreTrainedModel, batch: ClipsRead) -> dict[str, Any]:
        return {
            "pixel_values": batch.pixel_values.to(model.device), "frame_mask": batch.real.to(model.device).long()
        }  # fmt: skip

    def counted(self, stacks: Sequence[str], batch: ReadBatch, special_tokens: bool) -> dict[str, Tensor]:
        return dict.fromkeys(stacks, batch.real)


@dataclass(frozen=True, eq=False)
class ChannelPoint:
    """The channels that a convolution reads; its rows are pixels of frames, `[F · h · w, C]`."""

    convolution: nn.Conv2d
    channels: int

    @property
    def output_module(self) -> nn.Module:
        return self.convolution

    @property
    def width(self) -> int:
        return self.channels

    def written(self, output: Tensor) -> Tensor:
        return output.movedim(1, -1).reshape(-1, output.shape[1])

    def install(self, site: Site, layer: Layer, tap: Tap, hooks: ExitStack) -> None:
        """Both sites are the same: between the nonlinearity and the convolution lies nothing but the shift."""

        def before(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
            changed = tap(layer, inputs[0].movedim(1, -1), None)
            return None if changed is None else (changed.movedim(-1, 1), *inputs[1:])

        hooks.callback(self.convolution.register_forward_pre_hook(before).remove)

    def value_vectors(self) -> Tensor:
        """The kernels that read each channel: `[C, O · k · k]`, for `conv3d` those of all frames."""
        weight = self.convolution.weight
        by_channel = weight.unflatten(1, (-1, self.channels)).movedim(2, 0)
        return by_channel.reshape(self.channels, -1)

    def biases(self) -> Tensor | None:
        return None


def channels(model: TSCMForCTC) -> ModelView:
    """A view of all channels: a stack of the blocks that read single frames, and one of those that shift.

    Raises `UnsupportedModelError` for another model.
    """
    if not isinstance(model, TSCMForCTC):
        raise UnsupportedModelError(
            f"Got a {type(model).__name__}.", "Expected a TSCMForCTC, whose channels are known."
        )
    found: dict[str, list[ChannelPoint]] = {FRAME: [], TEMPORAL: []}
    for stage in model.resnet.encoder.stages:
        for block in stage.layers:  # type: ignore[union-attr]
            found[TEMPORAL if isinstance(block, ResBlockT) else FRAME].append(_point(block))
    layout = Layout(tuple((stack, tuple(point.width for point in points)) for stack, points in found.items() if points))
    points = {layer: found[layer.stack][layer.index] for layer in layout.layers}
    return ModelView(model, Family("tscm", (), reads=VideoInputs(), model_class=TSCMForCTC), layout, points)


def roles(view: ModelView) -> dict[str, Tensor]:
    """Which channels have each role in the shift, bool `[N]`: `past`, `present`, `future`, and `single frame`."""
    members = {name: torch.zeros(view.layout.neuron_count, dtype=torch.bool) for name in (*SHIFT_ROLES.values(), ALONE)}
    for layer, point in view.points.items():
        assert isinstance(point, ChannelPoint)
        if layer.stack == FRAME or not isinstance(point.convolution, ShiftedConv2d):
            members[ALONE][layer.neurons] = True
            continue
        plan = point.convolution.plan
        offsets = [0] * point.width if plan.kind == "conv3d" else plan.offsets(point.width)
        for sign, name in SHIFT_ROLES.items():
            members[name][layer.neurons] = torch.tensor([(at > 0) - (at < 0) == sign for at in offsets])
    return members


def _point(block: Any) -> ChannelPoint:
    """The last 3×3 convolution of a block, and how many channels the one before it writes."""
    parts = list(block.layer)
    place = max(at for at, part in enumerate(parts) if part.convolution.kernel_size == (3, 3))
    return ChannelPoint(parts[place].convolution, parts[place - 1].convolution.out_channels)
