"""What passes hand on: the memory of what was read, what was written, and losses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.sga.canvas import FrameReading
from neuroglot.models.architectures.sga.config import SGAConfig
from neuroglot.models.ctc import PADDED

ENCODE, ALIGN, DENOISE = range(3)  # the passes, as the banks of prompts count them
UNASKED = PADDED  # a label that is not asked for
DOUBLED = 2  # frames of a denoiser's canvas for each token of mask-predict


@dataclass
class SGAOutput(ModelOutput):
    """The loss in nats per target token, its parts, and the logits `[B, T, V]` of the last pass with the `frames`
    `[B]` of each row.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    frames: Tensor | None = None
    align_loss: Tensor | None = None
    denoise_loss: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Memory:
    """What was read: keys and values by layer, `[B, S, K]`, which of the S tokens are real, the state `[B, D]` of the
    first of them, and how many tokens each row has, `[B]`.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    real: Tensor
    first: Tensor
    lengths: Tensor

    def rows(self, chosen: Tensor) -> Memory:
        """The memory of some rows."""
        return Memory(
            tuple(part[chosen] for part in self.keys), tuple(part[chosen] for part in self.values),
            self.real[chosen], self.first[chosen], self.lengths[chosen],
        )  # fmt: skip

    def ablated(self, kind: str) -> Memory:
        """Each row's `own` memory, that of the row before it (`shuffled`), or none (`off`); lengths stay its own.

        Raises `ConfigError` for one row whose memory should be another's.
        """
        if kind == "off":
            nothing = tuple(part[:, :0] for part in self.keys)
            return Memory(nothing, nothing, self.real[:, :0], self.first, self.lengths)
        if kind in ("own", "encoder's"):
            return self
        if len(self.real) < 2:
            raise ConfigError("The memory of one row cannot be shuffled.", "Expected a batch of two or more.")
        other = self.rows(torch.arange(len(self.real), device=self.real.device).roll(1))
        return Memory(other.keys, other.values, other.real, self.first, self.lengths)


@dataclass(frozen=True, eq=False)
class WrittenCanvas:
    """What was written: the `reading` of each frame in the last pass of its row, the `frames` and `passes` of each row
    `[B]`, which rows are `settled`, at a fixed point that more passes would not change, and, where they were asked for,
    the log-probabilities `[B, T, V]`. A canvas with `places` is a text as it stands; of others CTC reads the text.
    """

    reading: FrameReading
    frames: Tensor
    passes: Tensor
    settled: Tensor
    log_probs: Tensor | None = None
    places: bool = False

    def texts(self, config: SGAConfig) -> list[list[int]]:
        """The token ids of each row."""
        return self.reading.places(self.frames) if self.places else self.reading.texts(config, self.frames)

    def doubled(self) -> WrittenCanvas:
        """What a denoiser behind mask-predict reads: each token twice, of which CTC reads one."""
        reading = FrameReading(*(part.repeat_interleave(DOUBLED, 1) for part in vars(self.reading).values()))
        return replace(self, reading=reading, frames=self.frames * DOUBLED, places=False)


class Looks(Protocol):
    """What writing asks of a model: its config, its mask, its head for lengths, and passes over canvases."""

    @property
    def config(self) -> SGAConfig: ...
    @property
    def mask_id(self) -> int: ...
    @property
    def length_head(self) -> nn.Linear | None: ...
    def look(self, stage: int, tokens: Tensor, real: Tensor, memory: Memory) -> Tensor: ...
    def frames_of(self, memory: Memory) -> Tensor: ...
    def ctc(self, logits: Tensor, frames: Tensor, labels: Tensor) -> Tensor: ...
