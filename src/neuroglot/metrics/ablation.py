"""AblationMatrix: what switching off each language's neurons does to every language, beside size-matched random
sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from neuroglot.metrics.intervals import CONFIDENCE, Estimate, Score, by_rows, combined, over
from neuroglot.metrics.metrics import SHARE_RIGHT, Valued
from neuroglot.showing import Shown, counted, languages_in_short, scores_in_short
from neuroglot.signature import Signature

# All neurons on; the language's own off; another language's off, mean over them; as many random ones, mean over draws.
CONDITIONS = ("on", "own", "other", "random")


@dataclass(frozen=True)
class Headline:
    """The means that the matrix comes down to, in the metric's unit; positive is harm done.

    `diagonal`: a language's own neurons off. `off_diagonal`: another language's neurons off. `random`: as many random
    neurons a layer as the language's own set has, on that language. The last two are ratios of means.
    """

    diagonal: Score
    off_diagonal: Score
    random: Score
    diagonal_over_off_diagonal: Score
    diagonal_over_random: Score


@dataclass(frozen=True, eq=False, repr=False)
class AblationMatrix(Shown):
    """Counts of a metric with all neurons on `[R, G, C]`, with each set off `[S, R, G, C]`, and with K random draws of
    the same size a layer off `[K, S, R, G, C]`, NaN where a random set was scored on its own language only. Set s holds
    the neurons of `languages[s]`, so that S = G.

    An effect is the change of the metric in the direction of harm: loss increase, or accuracy decrease. `dropped`
    counts by reason the rows that are not among the R, `repeated` those that share a text with an earlier one and are
    counted together with it, and `seen` those on which neurons were selected.
    """

    data: str
    languages: tuple[str, ...]
    set_sizes: tuple[int, ...]
    metric: Valued
    baseline: Tensor
    ablated: Tensor
    random: Tensor
    signature: Signature
    dropped: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    seen: int = 0

    def _facts(self) -> list[str]:
        rows = counted(self.baseline.shape[0], "row")
        sizes = f"{min(self.set_sizes):,} to {max(self.set_sizes):,} neurons off"
        return [self.data, rows, languages_in_short(self.languages), sizes, f"{self.random.shape[0]} random sets each"]

    def _numbers(self) -> str:
        means = self.headline()
        off = {"own": means.diagonal, "another's": means.off_diagonal, "random": means.random}
        change = "decrease" if self.metric.higher_is_better else "increase"
        return scores_in_short(off, f"{self.metric.name} {change}, {self.metric.unit}")

    def effects(self) -> list[list[Score]]:
        """Effect of set s on language g, with intervals over rows: S lists of G scores."""
        return self._table(self._of_sets())

    def random_effects(self) -> list[list[Score]]:
        """The same for the random sets, mean over the K draws; the intervals are over rows and draws."""
        return self._table(self._of_random(), self.random.shape[0])

    def headline(self) -> Headline:
        """Means over the diagonal, off it, and over the control's diagonal, with ratios."""
        means, languages = self.means(), len(self.languages)
        return Headline(*self.differences(means, languages), *means.ratio_scores())

    def conditions(self) -> dict[str, list[Score]]:
        """The metric of every language under each of `CONDITIONS`; NaN for another's neurons if there is one language.

        Differences of these values equal the effects.
        """
        conditions = self._conditions()
        cells = {"other": max(1, len(self.languages) - 1), "random": self.random.shape[0]}
        return {
            name: self.levels(_part(conditions, index), cells.get(name, 1)) for index, name in enumerate(CONDITIONS)
        }

    def harm(self) -> dict[str, list[Score]]:
        """The effect on every language of each condition that switches something off."""
        sign = -1.0 if self.metric.higher_is_better else 1.0
        harm = self._conditions().map(lambda values: sign * (values[..., 1:, :] - values[..., :1, :]))
        cells = {"other": max(1, len(self.languages) - 1), "random": self.random.shape[0]}
        return {
            name: self.differences(_part(harm, index), cells.get(name, 1)) for index, name in enumerate(CONDITIONS[1:])
        }

    def mean_of_baseline(self) -> Score:
        """The metric with all neurons on, mean over languages."""
        mean = by_rows(self.baseline).map(self.metric.value).map(lambda values: values.mean(-1, keepdim=True))
        (score,) = self.levels(mean, len(self.languages))
        return score

    def means(self) -> Estimate:
        """The headline's three means, `[3]`, over rows and draws."""
        return combined(_means, self._of_sets(), self._of_random())

    def values(self) -> tuple[Estimate, Estimate]:
        """The metric by language with all neurons on, `[G]`, and with each set off, `[S, G]`."""
        return self._summed(self.baseline).map(self.metric.value), self._summed(self.ablated).map(self.metric.value)

    def levels(self, estimate: Estimate, cells: int = 1) -> list[Score]:
        """Scores of the metric's values, each row giving so many answers if it is of answers."""
        scores = estimate.share_scores(cells) if self._right_or_wrong else estimate.scores()
        return [score.within(*self.metric.ends) for score in scores]

    def differences(self, estimate: Estimate, cells: int = 1, confidence: float = CONFIDENCE) -> list[Score]:
        """Scores of differences of the metric's values."""
        if self._right_or_wrong:
            return estimate.share_differences(cells, confidence=confidence)
        return [score.between(*self.metric.ends) for score in estimate.scores(confidence)]

    @property
    def _right_or_wrong(self) -> bool:
        return self.metric.unit == SHARE_RIGHT

    def _table(self, estimate: Estimate, cells: int = 1) -> list[list[Score]]:
        width = len(self.languages)
        scores = self.differences(estimate.map(lambda values: values.flatten(-2)), cells)
        return [scores[start : start + width] for start in range(0, len(scores), width)]

    def _of_sets(self) -> Estimate:
        """Effects of the sets: `[S, G]`."""
        return combined(self._effect, self._summed(self.ablated), self._summed(self.baseline))

    def _of_random(self) -> Estimate:
        """Effects of the random sets, mean over draws: `[S, G]`."""
        return over(combined(self._effect, self._summed(self.random), self._summed(self.baseline)), "draws")

    def _effect(self, counts: Tensor, baseline: Tensor) -> Tensor:
        """Counts `[..., G, C]` of conditions, and `[G, C]` with all neurons on, both maybe after an axis of rows."""
        conditions, languages = counts.dim(), baseline.shape[-2:]
        leading = baseline.shape[:-2]
        alike = baseline.reshape(*leading, *(1,) * (conditions - 2 - len(leading)), *languages)
        change = self.metric.value(counts) - self.metric.value(alike)
        return -change if self.metric.higher_is_better else change

    def _summed(self, counts: Tensor) -> Estimate:
        """Over rows: `[..., R, G, C]` → `[..., G, C]`."""
        return by_rows(counts.movedim(-3, 0))

    def _conditions(self) -> Estimate:
        """The metric by condition and language: `[4, G]`."""
        own_random = torch.diagonal(self.random, dim1=1, dim2=3).movedim(-1, 1)  # [K, G, R, C]
        on, off = self.values()
        random = over(by_rows(own_random.movedim(2, 0)).map(self.metric.value), "draws")
        return combined(_stacked, on, off, random)


def _part(estimate: Estimate, index: int) -> Estimate:
    """One of the conditions: `[K, G]` → `[G]`."""
    return estimate.map(lambda values: values[..., index, :])


def _means(effect: Tensor, control: Tensor) -> Tensor:
    """Diagonal, off-diagonal and random mean: `[..., S, G]` twice → `[..., 3]`."""
    own = torch.eye(effect.shape[-1], dtype=torch.bool)
    return torch.stack([effect[..., own].mean(-1), effect[..., ~own].mean(-1), control[..., own].mean(-1)], dim=-1)


def _stacked(on: Tensor, off: Tensor, random: Tensor) -> Tensor:
    """Conditions in one axis: `[..., G]`, `[..., S, G]` and `[..., G]` → `[..., 4, G]`."""
    own = torch.diagonal(off, dim1=-2, dim2=-1)
    same = torch.eye(off.shape[-1], dtype=torch.bool)
    other = off.masked_fill(same, 0).sum(-2) / (off.shape[-1] - 1)
    return torch.stack([on, own, other, random], dim=-2)
