"""Tiny networks, and batches of clips of random frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neuroglot.models.architectures.tscm import TSCMConfig, TSCMForCTC

TINY = {
    "embedding_size": 4, "hidden_sizes": (4, 6, 6), "depths": (1, 2, 1), "strides": (1, 1, 2), "frame_blocks": 1,
    "stem": "low resolution", "image_size": 8, "num_labels": 4, "gradient_share": 1.0,
}  # fmt: skip


def network(seed: int = 0, **options: Any) -> TSCMForCTC:
    torch.manual_seed(seed)
    return TSCMForCTC(TSCMConfig(**{**TINY, **options}))


def clips(*lengths: int, size: int = 8, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Frames `[B, T, 3, size, size]`, noise where padding is, and their mask."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randn(len(lengths), max(lengths), 3, size, size, generator=generator)
    return frames, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
