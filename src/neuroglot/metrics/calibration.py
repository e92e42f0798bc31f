"""Whether a model is as often right as it is sure: calibration of choices, by language and transform of scores.

Choices are reduced to counts by row, so that every number has an interval over rows, whatever the number of choices a
row gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import Estimate, Score, by_rows, combined, confidence_of_each
from neuroglot.showing import Shown, counted, languages_in_short
from neuroglot.signature import Signature

CONFIDENCE_BINS = 10  # of equal width (Guo et al. 2017)
COVERAGES = tuple(share / 10 for share in range(1, 11))
_SUMS = 3  # behind the bins: squared errors, losses, choices
UNCHANGED, CONTROL = "identity", "temperature"


def calibration_counts(log_probabilities: Tensor, chosen: Tensor, rows: Tensor, row_count: int) -> Tensor:
    """Counts by row of N choices among C candidates, `[R, 3 · 10 + 3]`, float64.

    Of each of ten bins of confidence, which is the largest probability: choices, the sum of confidence, and how many
    are right; then Brier's squared errors over all candidates (1950), losses in nats, and choices. `log_probabilities`
    are `[N, C]`, `chosen` and `rows` `[N]`.
    """
    log_probabilities = log_probabilities.double()
    probabilities = log_probabilities.exp()
    confidence, first = probabilities.max(-1)
    right = (first == chosen).double()
    bins = (confidence * CONFIDENCE_BINS).long().clamp(max=CONFIDENCE_BINS - 1)
    inside = torch.nn.functional.one_hot(bins, CONFIDENCE_BINS).double()
    binned = torch.stack([torch.ones_like(right), confidence, right], -1)[:, None] * inside[..., None]
    picked = probabilities.gather(-1, chosen[:, None])[:, 0]
    brier = probabilities.square().sum(-1) - 2 * picked + 1
    losses = -log_probabilities.gather(-1, chosen[:, None])[:, 0]
    sums = torch.stack([brier, losses, torch.ones_like(right)], -1)
    counts = torch.cat([binned.flatten(1), sums], -1)
    return torch.zeros(row_count, counts.shape[1], dtype=torch.float64).index_add(0, rows, counts)


def expected_error(counts: Tensor) -> Tensor:
    """Expected calibration error, Σ over bins |right − confidence| over choices: `[..., 33]` → `[...]`."""
    bins = _bins(counts)
    return (bins[..., 2] - bins[..., 1]).abs().sum(-1) / counts[..., -1]


def brier_score(counts: Tensor) -> Tensor:
    """Brier's mean squared error over all candidates, 0 to 2: `[..., 33]` → `[...]`."""
    return counts[..., -3] / counts[..., -1]


def mean_loss(counts: Tensor) -> Tensor:
    """Nats a choice: `[..., 33]` → `[...]`."""
    return counts[..., -2] / counts[..., -1]


def share_right(counts: Tensor) -> Tensor:
    """The share of choices of which the likeliest candidate is right: `[..., 33]` → `[...]`."""
    return _bins(counts)[..., 2].sum(-1) / counts[..., -1]


def mean_confidence(counts: Tensor) -> Tensor:
    """The mean of the largest probability: `[..., 33]` → `[...]`."""
    return _bins(counts)[..., 1].sum(-1) / counts[..., -1]


def reliability(counts: Tensor) -> tuple[list[Score], list[Score]]:
    """Of counts `[R, 33]` by bin the share that is right, and the mean confidence, NaN where no choice is."""
    values = by_rows(counts).map(lambda summed: _bins(summed)[..., 1:] / _bins(summed)[..., :1])
    confidence, right = (values.map(lambda pairs, index=index: pairs[..., index]) for index in (0, 1))  # type: ignore[misc]
    return [score.within(0, 1) for score in right.scores()], confidence.scores()


def risks(confidence: Tensor, right: Tensor, rows: Tensor, row_count: int) -> Estimate:
    """The share that is wrong among the surest choices, at each of ten coverages `[10]`, with each row left out.

    Choices `[N]` as sure as each other are right as often as they are on average, so that their order changes nothing
    (El-Yaniv and Wiener 2010).
    """
    order = confidence.argsort(descending=True, stable=True)
    sure, rows = confidence[order], rows[order]
    _, group = torch.unique_consecutive(sure, return_inverse=True)
    sums, sizes = (torch.zeros(int(group[-1]) + 1, dtype=torch.float64) for _ in range(2))
    wrong = 1 - right[order].double()
    sums, sizes = sums.index_add(0, group, wrong), sizes.index_add(0, group, torch.ones_like(wrong))
    wrong = (sums / sizes)[group]
    present = torch.ones(row_count + 1, len(rows), dtype=torch.float64)
    present[rows + 1, torch.arange(len(rows))] = 0  # the first line has all rows
    among = present.cumsum(1)
    needed = (among[:, -1:] * torch.tensor(COVERAGES, dtype=torch.float64)).ceil().clamp(min=1)
    last = torch.searchsorted(among, needed).clamp(max=len(rows) - 1)
    curves = (present * wrong).cumsum(1).gather(1, last) / needed
    return Estimate(curves[0], {"rows": curves[1:] if row_count > 1 else curves[:1]})


def area(curve: Estimate) -> Score:
    """The mean risk over coverages (AURC; Geifman et al. 2019)."""
    (score,) = curve.map(lambda values: values.mean(-1, keepdim=True)).scores()
    return score.within(0, 1)


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Shown):
    """Choices of one `kind` in G languages on the same R rows, under each transform of the scores.

    * `counts[transform] [R, G, 33]` as `calibration_counts` gives them.
    * `curves[transform][g]`: risks at ten coverages.
    * `parameters[transform][g]`: of a fitted transform its parameters; rows that they were fitted on are others.
    """

    kind: str
    data: str
    languages: tuple[str, ...]
    counts: Mapping[str, Tensor]
    curves: Mapping[str, tuple[Estimate, ...]]
    parameters: Mapping[str, tuple[Mapping[str, Score], ...]]
    signature: Signature
    left_out: int = 0

    def __post_init__(self) -> None:
        if UNCHANGED not in self.counts or CONTROL not in self.counts:
            raise ConfigError(
                f"Transforms are {', '.join(self.counts)}.", f"Expected {UNCHANGED} and {CONTROL} among them."
            )

    def _facts(self) -> list[str]:
        return [self.data, self.kind, counted(len(self.counts), "transform"), languages_in_short(self.languages)]

    @property
    def claims(self) -> int:
        """How many differences to the tuned temperature are told at once."""
        return (len(self.counts) - 1) * len(self.languages)

    def errors(self, transform: str) -> list[Score]:
        """The expected calibration error by language."""
        return [score.within(0, 1) for score in by_rows(self.counts[transform]).map(expected_error).scores()]

    def briers(self, transform: str) -> list[Score]:
        """Brier's score by language."""
        return [score.within(0, 2) for score in by_rows(self.counts[transform]).map(brier_score).scores()]

    def losses(self, transform: str) -> list[Score]:
        """Nats a choice by language."""
        return [score.within(0) for score in by_rows(self.counts[transform]).map(mean_loss).scores()]

    def right(self, transform: str) -> list[Score]:
        """The share that is right by language."""
        return [score.within(0, 1) for score in by_rows(self.counts[transform]).map(share_right).scores()]

    def overconfidence(self, transform: str) -> list[Score]:
        """Mean confidence less the share that is right, by language: above 0 the model is too sure."""
        values = by_rows(self.counts[transform]).map(lambda summed: mean_confidence(summed) - share_right(summed))
        return [score.within(-1, 1) for score in values.scores()]

    def areas(self, transform: str) -> list[Score]:
        """The mean risk over coverages by language."""
        return [area(curve) for curve in self.curves[transform]]

    def beside_control(self, transform: str) -> list[Score]:
        """Losses less those under the tuned temperature by language; all of them hold at once (Bonferroni)."""
        both = combined(
            lambda own, other: mean_loss(own) - mean_loss(other),
            by_rows(self.counts[transform]), by_rows(self.counts[CONTROL]),
        )  # fmt: skip
        return both.scores(confidence_of_each(self.claims))

    def error_beside_control(self, transform: str) -> list[Score]:
        """Calibration errors less those under the tuned temperature by language; all hold at once (Bonferroni)."""
        both = combined(
            lambda own, other: expected_error(own) - expected_error(other),
            by_rows(self.counts[transform]), by_rows(self.counts[CONTROL]),
        )  # fmt: skip
        return [score.within(-1, 1) for score in both.scores(confidence_of_each(self.claims))]

    def beside_languages(self, transform: str) -> list[Score]:
        """Each language's calibration error less the mean of all, on the same rows; all hold at once (Bonferroni)."""
        values = by_rows(self.counts[transform]).map(
            lambda summed: expected_error(summed) - expected_error(summed).mean(-1, keepdim=True)
        )
        return [score.within(-1, 1) for score in values.scores(confidence_of_each(len(self.languages)))]


def _bins(counts: Tensor) -> Tensor:
    """`[..., 33]` → `[..., 10, 3]`: choices, confidence and right ones."""
    return counts[..., :-_SUMS].unflatten(-1, (CONFIDENCE_BINS, 3))
