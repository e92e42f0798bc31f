"""Positions of TransNormerLLM: how fast each head forgets, and the linearised relative positions (LRPE)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Decay = Literal["paper", "hf", "none"]
DECAYS: tuple[Decay, ...] = ("paper", "hf", "none")
LRPE_BASE = 10_000


def log_decays(decay: Decay, heads: int, layer: int, layers: int) -> list[float]:
    """−ln λ of each head in a layer, at least 0, by one of the formulas in use.

    `paper`: `(8h/H)(1 − l/L)`, so that head 0 forgets nothing (arXiv:2307.14995, equation 10). `hf`: the slopes of
    ALiBi times `1 − l/(L−1) + 1e-5`, as the released weights were trained. `none`: those slopes in every layer alike,
    the paper's ablation without a temperature by layer.
    """
    if decay == "paper":
        return [8 * head / heads * (1 - layer / layers) for head in range(heads)]
    tempered = 1 - layer / max(1, layers - 1) + 1e-5 if decay == "hf" else 1.0
    return [slope * tempered for slope in alibi_slopes(heads)]


def alibi_slopes(heads: int) -> list[float]:
    """`2^(−8(h+1)/H)` for a power of two; else those of the next lower one and every second of the next higher one."""
    lower = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (head + 1) / lower) for head in range(lower)]
    if lower < heads:
        slopes += alibi_slopes(2 * lower)[::2][: heads - lower]
    return slopes


def lrpe_frequencies(heads: int, width: int) -> Tensor:
    """Where θ begins, `10000^(−2j/d)` with j over all channels of all heads: `[H, 1, K]` (Qin et al. 2023, LRPE)."""
    channels = torch.arange(heads * width, dtype=torch.float64)
    return (LRPE_BASE ** (-2 * channels / (heads * width))).float().reshape(heads, 1, width)


def finest_dtype(device: torch.device) -> torch.dtype:
    """float64, or float32 on Apple's GPUs, which have no finer one."""
    return torch.float32 if device.type == "mps" else torch.float64


def with_phase(features: Tensor, theta: Tensor, position: Tensor) -> Tensor:
    """`[x cos θt ; x sin θt]`, so that a product of two depends on their distance: `[B, H, T, K]` → `[B, H, T, 2K]`.

    `position` is `[B, T]` or `[1, T]`. The phase is computed in float64: in float32 its cosine is wrong by 6e-3 at
    position 10⁶. The result is in float32 or better.
    """
    precise = torch.promote_types(features.dtype, torch.float32)
    finest = finest_dtype(features.device)
    phase = theta.to(finest) * position.to(finest)[:, None, :, None]
    features = features.to(precise)
    return torch.cat([features * phase.cos().to(precise), features * phase.sin().to(precise)], dim=-1)
