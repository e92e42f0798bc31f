"""Scores of texts with intervals, and beside a baseline: bootstrap by row, the same rows for both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.paired import mcnemar
from neuroglot.metrics.score import Score, resampled_sums, scores_from
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts
from neuroglot.metrics.texts.table import TEXT_METRICS, choose_metrics
from neuroglot.signature import Signature


@dataclass(frozen=True)
class Comparison:
    """A baseline's score, the difference of the score to it, and the two-sided `p` of no difference by `test`."""

    score: float
    difference: Score
    p: float
    test: str

    def __str__(self) -> str:
        return f"baseline {self.score:.2f}, difference {_interval(self.difference)}, p = {self.p:.3g} ({self.test})"


@dataclass(frozen=True)
class TextScore:
    """One metric's score of a system's R `rows`, in the metric's unit, with its signature."""

    metric: str
    score: Score
    signature: Signature
    verbose: str
    rows: int
    baseline: Comparison | None = None

    def __str__(self) -> str:
        name = TEXT_METRICS[self.metric].name
        text = f"{name}|{self.signature} = {_interval(self.score)} {self.verbose}".rstrip()
        return text if self.baseline is None else f"{text}\n  {self.baseline}"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings; None for a number that is not finite."""
        score = {"score": self.score.value, "low": self.score.low, "high": self.score.high}
        found: dict[str, Any] = {
            "metric": self.metric, "name": TEXT_METRICS[self.metric].name, **_finite(score),
            "signature": str(self.signature), "verbose": self.verbose, "rows": self.rows,
        }  # fmt: skip
        if self.baseline is not None:
            change = self.baseline.difference
            numbers = {"score": self.baseline.score, "difference": change.value, "low": change.low, "high": change.high}
            found["baseline"] = {**_finite({**numbers, "p": self.baseline.p}), "test": self.baseline.test}
        return found


def score_texts(
    texts: Texts,
    metrics: Sequence[str],
    options: TextOptions | None = None,
    baseline: Sequence[str] | None = None,
) -> list[TextScore]:
    """Scores of the hypotheses by metrics of the table, beside those of a `baseline`'s hypotheses where given.

    The value is the library's corpus score; the interval is a bootstrap over rows (`resampled_sums`). Raises
    `ConfigError` on a wrong choice of metrics or options and where a metric needs sources, `CorpusError` where the
    baseline has other rows, `MissingExtraError` without a metric's library.
    """
    others = None if baseline is None else replace(texts, hypotheses=tuple(baseline))
    for name in metrics:
        if name in TEXT_METRICS and TEXT_METRICS[name].needs_source and texts.sources is None:
            raise ConfigError(
                f"The metric {name!r} needs the sources.", "None were given.", "Give them: --source FILE."
            )
    chosen = choose_metrics(metrics, options or TextOptions())
    return [_score(name, metric, texts, others) for name, metric in chosen.items()]


def _score(name: str, metric: TextMetric, texts: Texts, baseline: Texts | None) -> TextScore:
    counts = metric.counts(texts)
    value, resamples = _values(metric, counts)
    (score,) = scores_from(value, resamples)
    return TextScore(
        name,
        score,
        metric.signature(texts),
        metric.verbose(counts.sum(0)),
        len(counts),
        None if baseline is None else _compare(metric, counts, metric.counts(baseline)),
    )


def _compare(metric: TextMetric, counts: Tensor, baseline: Tensor) -> Comparison:
    """Paired by row: McNemar's exact test where a row is right or wrong, else a bootstrap test of the difference."""
    (value, resamples), (other, other_resamples) = _values(metric, counts), _values(metric, baseline)
    change, changes = value - other, resamples - other_resamples
    (difference,) = scores_from(change, changes)
    if metric.right_or_wrong:
        return Comparison(float(other), difference, mcnemar(baseline[:, 0], counts[:, 0]).p, "McNemar, exact")
    return Comparison(float(other), difference, _bootstrap_p(change, changes), "paired bootstrap")


def _values(metric: TextMetric, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The value `[1]`, and of resampled rows `[resamples, 1]`."""
    return metric.value(counts.sum(0))[None], metric.value(resampled_sums(counts))[:, None]


def _bootstrap_p(change: Tensor, changes: Tensor) -> float:
    """How often resampled differences lie as far from the difference as it lies from 0 (Efron and Tibshirani 1993).

    At least 1 / (resamples + 1). sacrebleu centres the absolute differences on their mean instead.
    """
    as_far = int(((changes - change).abs() >= change.abs()).sum())
    return (as_far + 1) / (len(changes) + 1)


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def _interval(score: Score) -> str:
    return f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"
