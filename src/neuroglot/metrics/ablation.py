"""AblationMatrix: what switching off each language's neurons does to every language, beside size-matched random
sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from neuroglot.metrics.bootstrap import Score, resampled_means, resampled_sums, score_table, scores_from
from neuroglot.metrics.metrics import Metric
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


@dataclass(frozen=True, eq=False)
class AblationMatrix:
    """Counts of a metric with all neurons on `[R, G, C]`, with each set off `[S, R, G, C]`, and with K random draws of
    the same size a layer off `[K, S, R, G, C]`, NaN where a random set was scored on its own language only. Set s holds
    the neurons of `languages[s]`, so that S = G.

    An effect is the change of the metric in the direction of harm: loss increase, or accuracy decrease. `dropped`
    counts by reason the rows that are not among the R.
    """

    data: str
    languages: tuple[str, ...]
    set_sizes: tuple[int, ...]
    metric: Metric
    baseline: Tensor
    ablated: Tensor
    random: Tensor
    signature: Signature
    dropped: Mapping[str, int] = field(default_factory=dict)

    def effects(self) -> list[list[Score]]:
        """Effect of set s on language g, with intervals over rows: S lists of G scores."""
        value = self._effect(self.ablated.sum(1), self.baseline.sum(0))
        resamples = self._effect(self._resampled(self.ablated), self._resampled_baseline()[:, None])
        return score_table(value, resamples)

    def random_effects(self) -> list[list[Score]]:
        """The same for the random sets, mean over the K draws; the interval resamples rows and draws."""
        value = self._effect(self.random.sum(2), self.baseline.sum(0)).mean(0)
        return score_table(value, self._resampled_random())

    def headline(self) -> Headline:
        """Means over the diagonal, off it, and over the control's diagonal, with ratios."""
        return Headline(*scores_from(*(_with_ratios(means) for means in self.means())))

    def conditions(self) -> dict[str, list[Score]]:
        """The metric of every language under each of `CONDITIONS`; NaN for another's neurons if there is one language.

        Intervals resample rows and draws as those of the effects do, so that differences equal the effects.
        """
        return dict(zip(CONDITIONS, score_table(*self._conditions()), strict=True))

    def harm(self) -> dict[str, list[Score]]:
        """The effect on every language of each condition that switches something off."""
        sign = -1.0 if self.metric.higher_is_better else 1.0
        value, resamples = self._conditions()
        harm = score_table(sign * (value[1:] - value[:1]), sign * (resamples[:, 1:] - resamples[:, :1]))
        return dict(zip(CONDITIONS[1:], harm, strict=True))

    def mean_of_baseline(self) -> Score:
        """The metric with all neurons on, mean over languages."""
        value, resamples = self._conditions()
        (mean,) = scores_from(value[:1].mean(1), resamples[:, :1].mean(2))
        return mean

    def means(self) -> tuple[Tensor, Tensor]:
        """The headline's three means, `[3]`, and those of resampled rows and draws, `[resamples, 3]`.

        The same resamples are drawn for every matrix of as many rows and draws, so that differences are paired.
        """
        effect = self._effect(self.ablated.sum(1), self.baseline.sum(0))
        control = self._effect(self.random.sum(2), self.baseline.sum(0)).mean(0)
        resampled = self._effect(self._resampled(self.ablated), self._resampled_baseline()[:, None])
        return _means(effect[None], control[None])[0], _means(resampled, self._resampled_random())

    def resampled_values(self) -> tuple[Tensor, Tensor]:
        """The metric over resampled rows: with all neurons on, `[resamples, G]`, and with each set off, `[…, S, G]`."""
        value = self.metric.value
        return value(self._resampled_baseline()), value(self._resampled(self.ablated))

    def _effect(self, counts: Tensor, baseline: Tensor) -> Tensor:
        change = self.metric.value(counts) - self.metric.value(baseline)
        return -change if self.metric.higher_is_better else change

    def _resampled(self, counts: Tensor) -> Tensor:
        """Summed over resampled rows: `[..., R, G, C]` → `[resamples, ..., G, C]`, the same rows for every
        condition.
        """
        return resampled_sums(counts.movedim(-3, 0))

    def _resampled_baseline(self) -> Tensor:
        return self._resampled(self.baseline)

    def _resampled_random(self) -> Tensor:
        """Effects of the random sets with rows and draws resampled: `[resamples, S, G]`."""
        baseline = self._resampled_baseline()[:, None, None]
        return resampled_means(self._effect(self._resampled(self.random), baseline), "draws")

    def _conditions(self) -> tuple[Tensor, Tensor]:
        """The metric by condition and language, `[4, G]`, and that of resampled rows and draws, `[resamples, 4, G]`."""
        value, own_random = self.metric.value, torch.diagonal(self.random, dim1=1, dim2=3).movedim(-1, 1)
        on, off, random = value(self.baseline.sum(0)), value(self.ablated.sum(1)), value(own_random.sum(2))
        resampled_on, resampled_off = self.resampled_values()
        resampled_random = value(resampled_sums(own_random.movedim(2, 0)))
        return _stacked(on, off, random.mean(0)), _stacked(
            resampled_on, resampled_off, resampled_means(resampled_random, "draws")
        )


def _means(effect: Tensor, control: Tensor) -> Tensor:
    """Diagonal, off-diagonal and random mean: `[K, S, G]` twice → `[K, 3]`."""
    own = torch.eye(effect.shape[-1], dtype=torch.bool)
    return torch.stack([effect[:, own].mean(1), effect[:, ~own].mean(1), control[:, own].mean(1)], dim=1)


def _stacked(on: Tensor, off: Tensor, random: Tensor) -> Tensor:
    """Conditions in one axis: `[..., G]`, `[..., S, G]` and `[..., G]` → `[..., 4, G]`."""
    own = torch.diagonal(off, dim1=-2, dim2=-1)
    same = torch.eye(off.shape[-1], dtype=torch.bool)
    other = off.masked_fill(same, 0).sum(-2) / (off.shape[-1] - 1)
    return torch.stack([on, own, other, random], dim=-2)


def _with_ratios(means: Tensor) -> Tensor:
    """The three means and the two ratios: `[..., 3]` → `[..., 5]`."""
    diagonal, off_diagonal, random = means.unbind(-1)
    return torch.stack([*means.unbind(-1), _ratio(diagonal, off_diagonal), _ratio(diagonal, random)], dim=-1)


def _ratio(harm: Tensor, reference: Tensor) -> Tensor:
    """Harm over reference; 0 where there is no harm, infinite where there is harm and the reference does none."""
    ratio = harm / reference
    ratio = torch.where(reference > 0, ratio, torch.inf)
    return torch.where(harm > 0, ratio, 0.0)
