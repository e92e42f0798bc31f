"""A model of our own that reads clips of video instead of token ids, described from outside the package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from neuroglot.models import Dense, Family, StackPlan

FRAMES_A_POSITION = 2


class ClipConfig(PreTrainedConfig):
    model_type = "test_clips"

    def __init__(self, width: int = 8, hidden: int = 12, depth: int = 2, pixels: int = 4, **options: Any) -> None:
        self.width, self.hidden, self.depth, self.pixels = width, hidden, depth, pixels
        super().__init__(**options)


class ClipBlock(nn.Module):
    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = (
            nn.Linear(config.width, config.hidden), nn.GELU(), nn.Linear(config.hidden, config.width)
        )  # fmt: skip

    def forward(self, states: Tensor) -> Tensor:
        return states + self.fc2(self.act(self.fc1(states)))


class ClipEncoder(PreTrainedModel):
    """Two frames make one position: `pixel_values [B, T, C, H, W]` → `[B, T / 2, D]`."""

    config_class = ClipConfig

    def __init__(self, config: ClipConfig) -> None:
        super().__init__(config)
        self.patches = nn.Linear(FRAMES_A_POSITION * 3 * config.pixels**2, config.width)
        self.blocks = nn.ModuleList(ClipBlock(config) for _ in range(config.depth))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.5)

    def forward(self, pixel_values: Tensor) -> Tensor:
        clips, frames = pixel_values.shape[:2]
        states = self.patches(pixel_values.reshape(clips, frames // FRAMES_A_POSITION, -1))
        for block in self.blocks:
            states = block(states)
        return states


@dataclass(frozen=True)
class ClipInputs:
    """All that the package has to know of clips: padding is counted in frames, positions hold two of them."""

    name: str = "video encoder"
    predicts_next: bool = False
    generates: bool = False

    def dummy(self, model: PreTrainedModel, rows: int = 1, length: int = 4) -> dict[str, Any]:
        shape = rows, length * FRAMES_A_POSITION, 3, model.config.pixels, model.config.pixels
        return {"pixel_values": torch.linspace(-1, 1, torch.Size(shape).numel(), device=model.device).reshape(shape)}

    def forward_kwargs(self, model: PreTrainedModel, batch: ClipBatch) -> dict[str, Any]:
        return {"pixel_values": batch.pixel_values.to(model.device)}

    def counted(self, stacks: Sequence[str], batch: ClipBatch, special_tokens: bool) -> dict[str, Tensor]:
        return dict.fromkeys(stacks, batch.real)


FAMILY = Family("test_clips", (StackPlan("encoder", "blocks", Dense("act", "fc2", width="hidden"), "depth"),),
                reads=ClipInputs(), model_class=ClipEncoder)  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """`frames [T, C, H, W]` of one row in one language of signs."""

    row: int
    language: int
    frames: Tensor


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """Clips of one language, padded with frames of zeros; masks are over positions."""

    texts: tuple[Clip, ...]
    pixel_values: Tensor
    real: Tensor
    prefix: None = None
    times: int = 1

    @property
    def special(self) -> Tensor:
        return torch.zeros_like(self.real)

    @property
    def scored(self) -> Tensor:
        return torch.zeros_like(self.real)

    @property
    def prefix_length(self) -> int:
        return 0

    def halves(self, together: int) -> tuple[ClipBatch, ClipBatch] | None:
        middle = len(self.texts) // 2
        return (padded(self.texts[:middle]), padded(self.texts[middle:])) if middle else None


def padded(clips: Sequence[Clip]) -> ClipBatch:
    longest = max(len(clip.frames) for clip in clips)
    pixels = torch.stack([
        torch.cat([clip.frames, torch.zeros(longest - len(clip.frames), *clip.frames.shape[1:])]) for clip in clips
    ])  # fmt: skip
    positions = torch.tensor([len(clip.frames) // FRAMES_A_POSITION for clip in clips])
    return ClipBatch(tuple(clips), pixels, torch.arange(longest // FRAMES_A_POSITION) < positions[:, None])


@dataclass(frozen=True)
class ClipReading:
    """Batches of two clips of one language each."""

    clips: tuple[Clip, ...]
    together: int = 1

    @property
    def texts(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[ClipBatch]:
        for language in sorted({clip.language for clip in self.clips}):
            own = [clip for clip in self.clips if clip.language == language]
            for start in range(0, len(own), 2):
                yield padded(own[start : start + 2])


def clips(rows: int = 3, languages: int = 2) -> tuple[Clip, ...]:
    generator = torch.Generator().manual_seed(0)
    lengths = [2, 6, 4, 8, 2, 4]
    return tuple(
        Clip(row, language, torch.randn(lengths[row * languages + language], 3, 4, 4, generator=generator))
        for row in range(rows) for language in range(languages)
    )  # fmt: skip


def encoder(seed: int = 0) -> ClipEncoder:
    torch.manual_seed(seed)
    return ClipEncoder(ClipConfig()).eval()
