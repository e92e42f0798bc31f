"""TranslationComparison: systems that translate the same rows in the same directions, over several seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import WHOLE, Estimate, Score, by_rows, over
from neuroglot.showing import Shown, counted, scores_in_short
from neuroglot.signature import Signature


class ComparedSystems(Shown):
    """Scores of systems that wrote the same texts: counts of a metric by system, `[S, R, D, C]`, the first is the base.

    S seeds, R rows, D directions, C counts, of which `value` makes the metric.
    """

    metric: str
    unit: str
    value: Callable[[Tensor], Tensor]
    directions: tuple[str, ...]
    systems: Mapping[str, Tensor]
    right_or_wrong: bool
    ends: tuple[float, float]

    def __post_init__(self) -> None:
        shapes = {tuple(counts.shape) for counts in self.systems.values()}
        if len(shapes) != 1 or next(iter(shapes))[2] != len(self.directions):
            raise ConfigError(f"Systems have counts {sorted(shapes)}.", f"Expected {len(self.directions)} directions.")

    def _facts(self) -> list[str]:
        sizes = {"direction": len(self.directions), "system": len(self.systems), "seed": self.seeds}
        return [counted(size, noun) for noun, size in sizes.items()]

    def _numbers(self) -> str:
        return scores_in_short(self.scores(), f"{self.metric}, {self.unit}")

    @property
    def base(self) -> str:
        return next(iter(self.systems))

    @property
    def seeds(self) -> int:
        return int(self.systems[self.base].shape[0])

    def scores(self) -> dict[str, Score]:
        """The mean over directions and seeds, with intervals over rows and seeds."""
        return {
            name: self._scored(self._mean(counts), len(self.directions))[0] for name, counts in self.systems.items()
        }

    def differences(self, to: str | None = None) -> dict[str, Score]:
        """Every other system less the base, or less another, paired by row and seed."""
        base = self._mean(self.systems[to or self.base])
        return {
            name: self._scored_difference(self._mean(counts) - base)
            for name, counts in self.systems.items()
            if name != (to or self.base)
        }

    def by_direction(self, name: str) -> dict[str, Score]:
        """One system's score in each direction."""
        return dict(zip(self.directions, self._scored(self._by_direction(self.systems[name])), strict=True))

    def by_seed(self, name: str) -> list[float]:
        """One system's mean over directions, seed by seed."""
        values: list[float] = self.value(self.systems[name].sum(1)).mean(1).tolist()
        return values

    def _by_direction(self, counts: Tensor) -> Estimate:
        """Mean over seeds: `[D]`."""
        return over(by_rows(counts.transpose(0, 1)).map(self.value), "seeds")

    def _mean(self, counts: Tensor) -> Estimate:
        """Mean over seeds and directions: `[1]`."""
        return self._by_direction(counts).map(lambda values: values.mean(-1, keepdim=True))

    def _scored(self, values: Estimate, directions: int = 1) -> list[Score]:
        """Of so many directions: each row gives an answer in each of them by each seed."""
        cells = self.seeds * directions
        scores = values.share_scores(cells, WHOLE) if self.right_or_wrong else values.scores()
        return [score.within(*self.ends) for score in scores]

    def _scored_difference(self, change: Estimate) -> Score:
        cells = self.seeds * len(self.directions)
        (score,) = change.share_differences(cells, WHOLE) if self.right_or_wrong else change.scores()
        return score.between(*self.ends)


@dataclass(frozen=True, eq=False, repr=False)
class TranslationComparison(ComparedSystems):
    """Counts of a text metric by system, `[S, R, D, C]` for S seeds, R rows, D directions; the first is the base.

    `right_or_wrong`: whether the metric is the percentage of translations that are right, so that intervals are those
    of answers; `ends`: the least and the most that it can be. `overlap [S, L]`: mean intersection over union of the
    masks of each two directions into or out of the pivot, in the `layers`. `removed [S, L]`: the mean share of neurons
    that a direction's mask removes.
    """

    metric: str
    unit: str
    value: Callable[[Tensor], Tensor]
    directions: tuple[str, ...]
    systems: Mapping[str, Tensor]
    layers: tuple[str, ...]
    overlap: Tensor
    removed: Tensor
    signature: Signature
    right_or_wrong: bool = False
    ends: tuple[float, float] = (-math.inf, math.inf)
