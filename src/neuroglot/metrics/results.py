"""Evaluation: the counts of one metric by row and language, and the scores with intervals that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from neuroglot.metrics.metrics import Metric
from neuroglot.metrics.score import Score, resampled_sums, scores_from
from neuroglot.signature import Signature


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Counts `[R, G, C]` of a metric on the corpus or task named `data`."""

    data: str
    languages: tuple[str, ...]
    metric: Metric
    counts: Tensor
    signature: Signature

    @property
    def scores(self) -> dict[str, Score]:
        """One Score a language, resampled by parallel row."""
        value = self.metric.value(self.counts.sum(0))
        resamples = self.metric.value(resampled_sums(self.counts))
        return dict(zip(self.languages, scores_from(value, resamples), strict=True))
