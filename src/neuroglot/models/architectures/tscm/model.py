"""The TSCM network as a model of transformers: frames to features at three levels, and to glosses by CTC."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.models.resnet.modeling_resnet import (
    ResNetBasicLayer,
    ResNetBottleNeckLayer,
    ResNetConvLayer,
    ResNetEmbeddings,
)
from transformers.utils import ModelOutput

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.tscm.config import TSCMConfig
from neuroglot.models.architectures.tscm.losses import clip_losses, distillation_loss
from neuroglot.models.architectures.tscm.shift import ShiftedConv2d
from neuroglot.models.architectures.tscm.timeline import Timeline


@dataclass
class TSCMOutput(ModelOutput):
    """Features of single frames `[F, C, h, w]`, without padding; pooled ones at T, T/2 and T/4, with lengths."""

    frame_features: Tensor | None = None
    levels: tuple[Tensor, ...] | None = None
    timelines: tuple[Timeline, ...] | None = None


@dataclass
class TSCMForCTCOutput(ModelOutput):
    """`logits [B, T/4, K + 1]` with `lengths [B]`; `loss` in nats a clip, where there are labels.

    `losses [B]` are those of the last level alone; `frame_features` and `last_logits` have no padding.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    lengths: Tensor | None = None
    losses: Tensor | None = None
    frame_features: Tensor | None = None
    last_logits: Tensor | None = None


class LowResolutionStem(nn.Module):
    """A 3×3 convolution that keeps the scale, in place of a ResNet's stem, which divides it by 4."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.embedder = ResNetConvLayer(
            config.num_channels, config.embedding_size, kernel_size=3, activation=config.hidden_act
        )

    def forward(self, frames: Tensor) -> Tensor:
        embedded: Tensor = self.embedder(frames)
        return embedded


def plain_block(config: Any, inputs: int, outputs: int, stride: int) -> nn.Module:
    """A residual block of a ResNet."""
    if config.layer_type == "bottleneck":
        return ResNetBottleNeckLayer(
            inputs, outputs, stride, config.hidden_act, downsample_in_bottleneck=config.downsample_in_bottleneck
        )
    return ResNetBasicLayer(inputs, outputs, stride, config.hidden_act)


class ResBlockT(nn.Module):
    """A residual block whose 3×3 convolutions shift in time first; the shortcut is not shifted.

    Its parameters have the names of the plain block.
    """

    def __init__(self, config: TSCMConfig, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        plain: Any = plain_block(config, inputs, outputs, stride)
        self.shortcut, self.layer, self.activation = plain.shortcut, plain.layer, plain.activation
        for part in self.layer:
            if part.convolution.kernel_size == (3, 3):
                part.convolution = ShiftedConv2d.of(part.convolution, config.plan)

    def forward(self, frames: Tensor, timeline: Timeline) -> Tensor:
        hidden: Any = frames
        for part in self.layer:
            convolution = part.convolution
            given = (hidden, timeline) if isinstance(convolution, ShiftedConv2d) else (hidden,)
            hidden = part.activation(part.normalization(convolution(*given)))
        summed: Tensor = self.activation(hidden + self.shortcut(frames))
        return summed


class _Stage(nn.Module):
    """Blocks under the names that a ResNet's stage gives them."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(blocks)


class _Encoder(nn.Module):
    """The stages of a ResNet; blocks from `temporal` on, by stage, shift in time."""

    def __init__(self, config: TSCMConfig) -> None:
        super().__init__()
        last = len(config.depths) - 1
        inputs = config.embedding_size
        self.stages = nn.ModuleList()
        for stage, (width, depth, stride) in enumerate(
            zip(config.hidden_sizes, config.depths, config.strides, strict=True)
        ):
            plain = depth if stage < last - 1 else config.frame_blocks if stage < last else 0
            blocks: list[nn.Module] = []
            for place in range(depth):
                make = plain_block if place < plain else ResBlockT
                blocks.append(make(config, inputs if place == 0 else width, width, stride if place == 0 else 1))
            self.stages.append(_Stage(blocks))
            inputs = width


class TSCMPreTrainedModel(PreTrainedModel):
    """What both models say of themselves to transformers."""

    config_class = TSCMConfig
    config: TSCMConfig
    base_model_prefix = "resnet"
    main_input_name = "pixel_values"
    input_modalities = ["video"]  # noqa: RUF012
    supports_gradient_checkpointing = True
    _no_split_modules = ["ResBlockT", "ResNetConvLayer", "ResNetShortCut"]  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            init.zeros_(module.bias)


class TSCMModel(TSCMPreTrainedModel):
    """The trunk: its parameters are those of transformers' `ResNetModel`, by name and, but for `conv3d`, by shape."""

    def __init__(self, config: TSCMConfig) -> None:
        super().__init__(config)
        shape: Any = config
        self.embedder = ResNetEmbeddings(shape) if config.stem == "resnet" else LowResolutionStem(shape)
        self.encoder = _Encoder(config)
        self.gradient_checkpointing = False
        self.post_init()

    def forward(self, pixel_values: Tensor, frame_mask: Tensor | None = None) -> TSCMOutput:
        """Features of clips `[B, T, C, H, W]`, of which `frame_mask [B, T]` says with 0 what is padding on the right.

        Padding is dropped first, so that it is in no statistic of a batch and changes nothing. In training a random
        part of the frames passes no gradient to the blocks that read single frames; batch norm then sees the two parts
        one after the other, each by its own statistics, and the running ones take up both.
        """
        if pixel_values.dim() != 5:
            raise ConfigError(f"The model was given {list(pixel_values.shape)}.", "Expected clips [B, T, C, H, W].")
        whole = frame_mask is None
        timeline = (
            Timeline((pixel_values.shape[1],) * len(pixel_values)) if whole else Timeline.of_mask(frame_mask)  # type: ignore[arg-type]
        )
        frames = self.frame_features(timeline.packed(pixel_values))
        first, second, third = timeline, timeline.halved, timeline.halved.halved
        *_, middle, last = self.encoder.stages
        hidden = self._through(list(middle.layers)[self.config.frame_blocks :], frames, first)  # type: ignore[arg-type]
        hidden = first.pooled(hidden)
        at_half = hidden.mean((2, 3))
        hidden = second.pooled(self._through(list(last.layers), hidden, second))  # type: ignore[arg-type]
        levels = frames.mean((2, 3)), at_half, hidden.mean((2, 3))
        return TSCMOutput(frames, levels, (first, second, third))

    def frame_features(self, frames: Tensor) -> Tensor:
        """What the blocks that read single frames make of them: `[F, C, H, W]` → `[F, D, h, w]`."""
        share = self.config.gradient_share if self.training else 1.0
        kept = max(1, round(share * len(frames)))
        if kept == len(frames):
            return self._each(frames)
        order = torch.randperm(len(frames), device=frames.device)
        with torch.no_grad():
            stopped = self._each(frames[order[kept:]])
        return torch.cat([self._each(frames[order[:kept]]), stopped])[order.argsort()]

    def _each(self, frames: Tensor) -> Tensor:
        *before, middle, _ = self.encoder.stages
        hidden = self._run(self.embedder, frames)
        for block in [block for stage in before for block in stage.layers]:  # type: ignore[union-attr]
            hidden = self._run(block, hidden)
        for block in list(middle.layers)[: self.config.frame_blocks]:  # type: ignore[arg-type]
            hidden = self._run(block, hidden)
        return hidden

    def _through(self, blocks: list[nn.Module], hidden: Tensor, timeline: Timeline) -> Tensor:
        for block in blocks:
            hidden = self._run(block, hidden, timeline)
        return hidden

    def _run(self, block: nn.Module, *given: Any) -> Tensor:
        """The block, whose activations are computed again in the backward where that is wanted."""
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            contexts = lambda: (nullcontext(), _running_statistics_kept(block))  # noqa: E731
            again: Tensor = checkpoint(block, *given, use_reentrant=False, context_fn=contexts)
            return again
        hidden: Tensor = block(*given)
        return hidden


@contextmanager
def _running_statistics_kept(block: nn.Module) -> Iterator[None]:
    """What batch norm has counted already is not counted again when a block is computed a second time."""
    norms = [part for part in block.modules() if isinstance(part, nn.BatchNorm2d)]
    before = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    try:
        yield
    finally:
        for norm, buffers in zip(norms, before, strict=True):
            for name, buffer in buffers.items():
                norm.get_buffer(name).copy_(buffer)


class TSCMForCTC(TSCMPreTrainedModel):
    """The trunk with a linear layer to glosses at each level; label 0 is the blank, and inference reads T/4 only."""

    def __init__(self, config: TSCMConfig) -> None:
        super().__init__(config)
        self.resnet = TSCMModel(config)
        own, labels = config.feature_channels, int(config.num_labels or 0)
        self.frame_classifier = nn.Linear(own, labels)
        self.middle_classifier = nn.Linear(config.hidden_sizes[-2], labels)
        self.classifier = nn.Linear(config.hidden_sizes[-1], labels)
        differs = config.teacher_channels not in (None, own)
        self.adaptor = nn.Conv2d(own, config.teacher_channels or own, 1) if differs else nn.Identity()
        self.post_init()

    def forward(
        self,
        pixel_values: Tensor,
        frame_mask: Tensor | None = None,
        labels: Tensor | None = None,
        teacher_features: Tensor | None = None,
        teacher_logits: Tensor | None = None,
    ) -> TSCMForCTCOutput:
        """Logits of glosses; with `labels [B, S]`, −100 for padding, the loss that is learned: CTC(T/4) + CTC(T/2) +
        CTC(T), each the mean over clips, and what a teacher's features and logits of the same frames add to it.
        """
        found = self.resnet(pixel_values, frame_mask)
        first, second, third = found.timelines
        frames, middle, last = found.levels
        logits = self.classifier(last)
        output = TSCMForCTCOutput(
            logits=third.padded(logits), lengths=torch.tensor(third.lengths), frame_features=found.frame_features,
            last_logits=logits,
        )  # fmt: skip
        if labels is not None:
            output.losses = clip_losses(logits, third, labels)
            output.loss = output.losses.mean()
            if self.config.middle_losses:
                for head, level, line in (
                    (self.middle_classifier, middle, second), (self.frame_classifier, frames, first)
                ):  # fmt: skip
                    output.loss = output.loss + clip_losses(head(level), line, labels).mean()
            if teacher_features is not None or teacher_logits is not None:
                adapted = self.adaptor(found.frame_features)
                output.loss = output.loss + distillation_loss(
                    self.config, adapted, logits, teacher_features, teacher_logits
                )
        return output


def multiplications_a_frame(model: TSCMForCTC) -> int:
    """Multiply–adds of convolutions and linear layers for one frame alone, without credit for pooling in time."""
    size, was_training = model.config.image_size, model.training
    frame = torch.zeros(1, 1, model.config.num_channels, size, size, device=model.device)
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        model(frame)
    model.train(was_training)
    return int(counted.get_total_flops() // 2)
