"""Timeline: which of the frames that lie one after another belong to which clip; padding never enters a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from neuroglot.errors import ConfigError


@dataclass(frozen=True)
class Timeline:
    """Frames of B clips, one clip after another: `lengths` says how many each has, F in all.

    Networks read frames `[F, ...]` without padding, so that padding is in no batch statistic and no neighbour of a real
    frame, and what stands behind a clip's end is nothing at all.
    """

    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 1:
            raise ConfigError(f"A batch has clips of {list(self.lengths)} frames.", "Expected a frame or more in each.")

    @classmethod
    def of_mask(cls, frame_mask: Tensor) -> Timeline:
        """From a mask `[B, T]`, 0 for padding on the right; raises `ConfigError` for padding elsewhere."""
        real = frame_mask.bool()
        if bool((real[:, 1:] & ~real[:, :-1]).any()):
            raise ConfigError("The frame mask has padding before a frame.", "Expected padding on the right only.")
        return cls(tuple(real.sum(1).tolist()))

    @property
    def frames(self) -> int:
        """How many frames there are in all."""
        return sum(self.lengths)

    @property
    def halved(self) -> Timeline:
        """What is left of each clip if two frames become one; the last of an odd number stays alone."""
        return Timeline(tuple((length + 1) // 2 for length in self.lengths))

    @property
    def starts(self) -> tuple[int, ...]:
        """The first frame of each clip."""
        return tuple(accumulate(self.lengths, initial=0))[:-1]

    def beyond(self, offset: int) -> list[tuple[int, int]]:
        """Frames whose neighbour at the offset is beyond their clip, each with the clip's frame nearest to it."""
        found = []
        for start, length in zip(self.starts, self.lengths, strict=True):
            outside = range(min(-offset, length)) if offset < 0 else range(max(length - offset, 0), length)
            edge = start if offset < 0 else start + length - 1
            found += [(start + frame, edge) for frame in outside]
        return found

    def packed(self, padded: Tensor) -> Tensor:
        """The frames of all clips without padding: `[B, T, ...]` → `[F, ...]`; refuses another batch."""
        if len(padded) != len(self.lengths) or padded.shape[1] < max(self.lengths):
            raise ConfigError(
                f"A batch of {list(padded.shape[:2])} was given for clips of {list(self.lengths)} frames.",
                "Expected one mask for each clip, as long as it.",
            )
        return torch.cat([clip[:length] for clip, length in zip(padded, self.lengths, strict=True)])

    def padded(self, packed: Tensor) -> Tensor:
        """The inverse, with zeros where a clip is shorter than the longest: `[F, ...]` → `[B, T, ...]`."""
        return pad_sequence(list(packed.split(list(self.lengths))), batch_first=True)

    def pooled(self, packed: Tensor) -> Tensor:
        """The larger value of every two frames of a clip: `[F, ...]` → those of `halved`."""
        firsts: list[int] = []
        seconds: list[int] = []
        for start, length in zip(self.starts, self.lengths, strict=True):
            firsts += range(start, start + length, 2)
            seconds += [min(frame + 1, start + length - 1) for frame in range(start, start + length, 2)]
        return torch.maximum(packed[_index(firsts, packed)], packed[_index(seconds, packed)])


def _index(frames: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor(frames, dtype=torch.int64, device=like.device)
