"""Score: a number with its interval; and the bootstrap over parallel rows that gives it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

CONFIDENCE = 0.95
RESAMPLES = 1000


@dataclass(frozen=True)
class Score:
    """A value and the ends of its bootstrap percentile interval; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def to_json(self) -> dict[str, float | None]:
        """The three numbers; None (JSON's null) for one that is not finite."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def resampled_sums(counts: Tensor, resamples: int = RESAMPLES, seed: int = 0) -> Tensor:
    """Sums over rows drawn with replacement: `[R, ...]` → `[resamples, ...]`, float64.

    The parallel row is the unit, because its texts in all languages say the same thing and its tokens depend on each
    other. The same `seed` and R draw the same rows, so that differences between conditions are paired.
    """
    rows = counts.shape[0]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(rows, (resamples, rows), generator=generator)
    weights = torch.zeros(resamples, rows, dtype=torch.float64)
    weights.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    return (weights @ counts.double().reshape(rows, -1)).reshape(resamples, *counts.shape[1:])


def interval(values: Tensor, confidence: float = CONFIDENCE) -> tuple[Tensor, Tensor]:
    """Percentile interval of `[resamples, ...]` along the first axis: two tensors `[...]`.

    Its ends are resampled values, the next one outwards, without interpolation: ratios may be infinite.
    """
    tail = (1 - confidence) / 2
    low = torch.quantile(values, tail, dim=0, interpolation="lower")
    return low, torch.quantile(values, 1 - tail, dim=0, interpolation="higher")


def scores_from(value: Tensor, resamples: Tensor) -> list[Score]:
    """One Score for each element of `value [K]`, from `resamples [resamples, K]`."""
    low, high = interval(resamples)
    return [Score(*numbers) for numbers in zip(value.tolist(), low.tolist(), high.tolist())]
