"""The bootstrap: values with percentile intervals, and the one place where anything is drawn with replacement.

Rows are drawn for every number. Where a number is also a mean over random control sets, models or training seeds, those
are drawn too, each level by itself. All seeds are fixed: two numbers over as many rows see the same resamples, so that
their difference is paired.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

CONFIDENCE = 0.95
RESAMPLES = 1000
ResamplingLevel = Literal["draws", "models", "seeds"]
RESAMPLING_SEEDS: dict[ResamplingLevel | Literal["rows"], int] = {
    "rows": 0,  # one for all metrics and conditions, whose differences are paired by row
    "draws": 1,  # not that of rows: with as many draws as rows, both would be drawn in step
    "models": 2,  # not that of draws, which are drawn within each model
    "seeds": 3,  # of training; in a comparison of its own today, apart from the others in case they meet
}


@dataclass(frozen=True)
class Score:
    """A value and the ends of its bootstrap percentile interval; NaN where it is not defined."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Score:
        """A number that has no interval."""
        return cls(float(value), float(value), float(value))

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def to_json(self) -> dict[str, float | None]:
        """The three numbers; None (JSON's null) for one that is not finite."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def resampled_sums(counts: Tensor, resamples: int = RESAMPLES, seed: int = RESAMPLING_SEEDS["rows"]) -> Tensor:
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


def resampled_means(values: Tensor, over: ResamplingLevel) -> Tensor:
    """Means over K draws, models or seeds drawn with replacement, of values that are resampled by row already.

    `[resamples, K, ...]` → `[resamples, ...]`. Models and seeds are drawn once for all other axes. Draws are of the
    shape `[resamples, K, S, ...]`, and each of the S sets has its own, because its random controls are its own.
    """
    shape = values.shape[:3] if over == "draws" else values.shape[:2]
    generator = torch.Generator().manual_seed(RESAMPLING_SEEDS[over])
    drawn = torch.randint(values.shape[1], shape, generator=generator)
    return values.gather(1, drawn.reshape(*shape, *(1,) * (values.dim() - len(shape))).expand_as(values)).mean(1)


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


def score_table(value: Tensor, resamples: Tensor) -> list[list[Score]]:
    """A list of Scores for each row of `value [J, K]`, from `resamples [resamples, J, K]`."""
    return [scores_from(row, resamples[:, index]) for index, row in enumerate(value)]


def mean_scores(by_row: Tensor) -> list[Score]:
    """Means over the rows that have a value, `[R, K]`: one Score for each of K, NaN where no row has one."""
    known = ~by_row.isnan()
    filled = by_row.double().masked_fill(~known, 0)
    return scores_from(filled.sum(0) / known.sum(0), resampled_sums(filled) / resampled_sums(known))
