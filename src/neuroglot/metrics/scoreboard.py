"""Scoreboard: selectors of language neurons, ranked by what switching off equally many neurons does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from scipy.stats import rankdata
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.bootstrap import Score, resampled_means, scores_from
from neuroglot.metrics.metrics import Metric
from neuroglot.signature import Signature


@dataclass(frozen=True)
class Standing:
    """One selector's effects, in the metric's unit, positive being harm; means over languages and models.

    `own`: on the language whose neurons are off; `other`: on all others; `random`: of as many random neurons a layer on
    the language. `selectivity` is own − other, `beyond_random` own − random; `rank` counts from 1 by selectivity, with
    the ranks in resamples. `by_model` has the selectivity of each model. `sizes`: the smallest and largest set.
    """

    selector: str
    own: Score
    other: Score
    random: Score
    selectivity: Score
    beyond_random: Score
    rank: Score
    by_model: tuple[float, ...]
    sizes: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Scoreboard:
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
    def metric(self) -> Metric:
        return next(iter(self.matrices.values()))[0].metric

    @property
    def languages(self) -> tuple[str, ...]:
        return next(iter(self.matrices.values()))[0].languages

    def standings(self) -> list[Standing]:
        """The best selector first. Intervals resample rows and draws within models, and models where there are several;
        all selectors see the same resamples, so that their ranks are paired.
        """
        exact, resampled = zip(*(self._means(of_models) for of_models in self.matrices.values()))
        values, resamples = _with_differences(torch.stack(exact)), _with_differences(torch.stack(resampled))
        over_models = torch.cat([values.mean(1), _ranks(values.mean(1))[:, None]], dim=1)
        resampled_ranks = _ranks(resamples.transpose(0, 1)).T[..., None]
        scores = [
            scores_from(value, spread)
            for value, spread in zip(over_models, torch.cat([resamples, resampled_ranks], dim=2), strict=True)
        ]
        names = ("own", "other", "random", "selectivity", "beyond_random", "rank")
        standings = [
            Standing(name, **dict(zip(names, one)), by_model=tuple(of_models[:, 3].tolist()), sizes=_sizes(matrices))
            for (name, matrices), one, of_models in zip(self.matrices.items(), scores, values, strict=True)
        ]
        return sorted(standings, key=lambda standing: standing.rank.value)

    def _means(self, matrices: Sequence[AblationMatrix]) -> tuple[Tensor, Tensor]:
        """Own, other and random of each model, `[M, 3]`, and over resampled models, `[resamples, 3]`."""
        exact, resampled = zip(*(matrix.means() for matrix in matrices))
        return torch.stack(exact), resampled_means(torch.stack(resampled, dim=1), "models")


def _with_differences(means: Tensor) -> Tensor:
    """Own, other, random, and own − other, own − random: `[..., 3]` → `[..., 5]`."""
    own, other, random = means.unbind(-1)
    return torch.stack([own, other, random, own - other, own - random], dim=-1)


def _ranks(values: Tensor) -> Tensor:
    """Rank of each selector by selectivity, from 1, equal ones sharing the better rank: `[..., S, 5]` → `[..., S]`."""
    return torch.from_numpy(rankdata(-values[..., 3].numpy(), method="min", axis=-1)).double()


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
    base = matrix.metric.value(matrix.baseline.sum(0))
    masked = matrix.metric.value(matrix.ablated.sum(1))
    resampled_base, resampled_masked = matrix.resampled_values()
    scores = scores_from(_langspec(base, masked), _langspec(resampled_base, resampled_masked))
    return dict(zip(matrix.languages, scores, strict=True))


def _langspec(base: Tensor, masked: Tensor) -> Tensor:
    """`[..., G]` and `[..., S, G]` → `[..., S]`."""
    harm = (base[..., None, :] - masked).clamp(min=0)
    own = torch.diagonal(harm, dim1=-2, dim2=-1)
    others = (harm.sum(-1) - own) / (harm.shape[-1] - 1)
    precision, recall = own / (own + others), own / base
    return torch.where(own > 0, 2 * precision * recall / (precision + recall), 0.0)
