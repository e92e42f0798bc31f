"""Scoreboard: selectors of language neurons, ranked by what switching off equally many neurons does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.intervals import CONFIDENCE, Estimate, Score, combined, confidence_of_each, holm, over, stacked
from neuroglot.metrics.metrics import Valued
from neuroglot.showing import Shown, counted, languages_in_short, scores_in_short
from neuroglot.signature import Signature


@dataclass(frozen=True)
class Standing:
    """One selector's effects, in the metric's unit, positive being harm; means over languages and models.

    `own`: on the language whose neurons are off; `other`: on all others; `random`: of as many random neurons a layer on
    the language. `selectivity` is own − other, `beyond_random` own − random, with intervals that hold at once for all
    selectors of a board; `rank` counts from 1 by selectivity, from
    the number of selectors that are more selective to that of those that are not less, by tests of all pairs. `p` is
    that of `beyond_random` being 0. Rank and p are adjusted for the number of tests (Holm): all claims of a board hold
    in 95 % of boards. `by_model` has the selectivity of each model. `sizes`: the smallest and largest set.
    """

    selector: str
    own: Score
    other: Score
    random: Score
    selectivity: Score
    beyond_random: Score
    rank: Score
    p: float
    by_model: tuple[float, ...]
    sizes: tuple[int, int]

    @property
    def more_than_random(self) -> bool:
        """Whether its own neurons do more harm than random ones, claimed for all selectors of the board at once."""
        return self.beyond_random.value > 0 and self.p <= 1 - CONFIDENCE


@dataclass(frozen=True, eq=False, repr=False)
class Scoreboard(Shown):
    """Ablation matrices by selector, one a model, and why other selectors have none."""

    models: tuple[str, ...]
    count: int
    matrices: Mapping[str, Sequence[AblationMatrix]]
    refused: Mapping[str, str]
    signature: Signature

    def __post_init__(self) -> None:
        if not self.matrices or any(len(of_models) != len(self.models) for of_models in self.matrices.values()):
            raise ConfigError(
                f"A scoreboard of {len(self.models)} model(s) got {len(self.matrices)} selectors.",
                "Expected one selector or more, each with a matrix a model.",
            )

    @property
    def metric(self) -> Valued:
        return next(iter(self.matrices.values()))[0].metric

    @property
    def languages(self) -> tuple[str, ...]:
        return next(iter(self.matrices.values()))[0].languages

    def _facts(self) -> list[str]:
        size = f"{counted(self.count, 'neuron')} a language"
        return [*self.models, counted(len(self.matrices), "selector"), size, languages_in_short(self.languages)]

    def _numbers(self) -> str:
        best = {standing.selector: standing.selectivity for standing in self.standings()}
        return scores_in_short(best, f"own less other, {self.metric.unit}")

    def standings(self) -> list[Standing]:
        """The best selector first. Intervals are over rows and draws, and over models where there are several; the
        differences of selectors, by which they are ranked, are paired by all of these.
        """
        estimates = stacked([self._means(of_models) for of_models in self.matrices.values()])
        values = estimates.map(_with_differences)  # [S, 5]
        means = self._scored(estimates, CONFIDENCE)
        differences = self._scored(values.map(lambda numbers: numbers[..., 3:]), self.confidence_at_once)
        p_values = holm(values.map(lambda numbers: numbers[..., 4]).p_values().tolist())
        ranks = _ranks(values.map(lambda numbers: numbers[..., 3]))
        standings = [
            Standing(
                selector,
                **dict(zip(("own", "other", "random"), means[index], strict=True)),
                **dict(zip(("selectivity", "beyond_random"), differences[index], strict=True)),
                rank=ranks[index],
                p=p_values[index],
                by_model=tuple(float(_with_differences(matrix.means().value)[3]) for matrix in matrices),
                sizes=_sizes(matrices),
            )
            for index, (selector, matrices) in enumerate(self.matrices.items())
        ]
        return sorted(standings, key=lambda standing: standing.rank.value)

    @property
    def confidence_at_once(self) -> float:
        """Of each difference, so that those of all selectors hold at once, the first one's too (Bonferroni)."""
        return confidence_of_each(len(self.matrices))

    def _scored(self, estimate: Estimate, confidence: float) -> list[list[Score]]:
        """A list of scores for each selector: `[S, K]`."""
        matrix, width = next(iter(self.matrices.values()))[0], estimate.value.shape[-1]
        flat = estimate.map(lambda numbers: numbers.flatten(-2))
        scores = matrix.differences(flat, len(self.languages) * len(self.models), confidence)
        return [scores[start : start + width] for start in range(0, len(scores), width)]

    def _means(self, matrices: Sequence[AblationMatrix]) -> Estimate:
        """Own, other and random, mean over models: `[3]`."""
        return over(stacked([matrix.means() for matrix in matrices]), "models")


def _with_differences(means: Tensor) -> Tensor:
    """Own, other, random, and own − other, own − random: `[..., 3]` → `[..., 5]`."""
    own, other, random = means.unbind(-1)
    return torch.stack([own, other, random, own - other, own - random], dim=-1)


def _ranks(selectivity: Estimate) -> list[Score]:
    """Rank of each of S selectors from 1, equal ones sharing the better rank, with the ranks that cannot be excluded.

    A selector's best rank is one more than the number of selectors that are better by the tests of all pairs, adjusted
    for their number (Holm), its worst S less the number of worse ones; so all ranks hold at once in 95 % of boards
    (Al Mohamad et al. 2022).
    """
    count = len(selectivity.value)
    first, second = torch.triu_indices(count, count, 1)
    differences = selectivity.map(lambda values: values[..., first] - values[..., second])
    told = torch.tensor(holm(differences.p_values().tolist())) <= 1 - CONFIDENCE
    better, worse = torch.zeros(count, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
    above = differences.value > 0
    winners, losers = torch.where(above, first, second)[told], torch.where(above, second, first)[told]
    worse.index_add_(0, winners, torch.ones_like(winners))
    better.index_add_(0, losers, torch.ones_like(losers))
    value = 1 + (selectivity.value[None] > selectivity.value[:, None]).sum(1)
    ends = zip(value.tolist(), (1 + better).tolist(), (count - worse).tolist(), strict=True)
    return [Score(float(rank), float(low), float(high)) for rank, low, high in ends]


def _sizes(matrices: Sequence[AblationMatrix]) -> tuple[int, int]:
    sizes = [size for matrix in matrices for size in matrix.set_sizes]
    return min(sizes), max(sizes)


def langspec_f1(matrix: AblationMatrix) -> dict[str, Score]:
    """LangSpec-F1 of each language's set, for a metric of which more is better (CRANE 2026, 2601.04664).

    With d_l = max(base_l − masked_l, 0) the harm to language l when the set of t is off, P = d_t / (d_t + mean_{l≠t}
    d_l), R = d_t / base_t, F1 = 2PR / (P + R); 0 where the set does no harm to its language. Raises `ConfigError` for a
    loss, which has no base that could be lost.
    """
    if not matrix.metric.higher_is_better:
        raise ConfigError(
            f"LangSpec-F1 was asked for of the metric {matrix.metric.name}.", "Expected one of which more is better."
        )
    return dict(zip(matrix.languages, combined(_langspec, *matrix.values()).scores(), strict=True))


def _langspec(base: Tensor, masked: Tensor) -> Tensor:
    """`[..., G]` and `[..., S, G]` → `[..., S]`."""
    harm = (base[..., None, :] - masked).clamp(min=0)
    own = torch.diagonal(harm, dim1=-2, dim2=-1)
    others = (harm.sum(-1) - own) / (harm.shape[-1] - 1)
    precision, recall = own / (own + others), own / base
    return torch.where(own > 0, 2 * precision * recall / (precision + recall), 0.0)
