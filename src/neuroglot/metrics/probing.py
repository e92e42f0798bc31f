"""Results of probes: what each decision rule writes, how well likelihood tells quality, and how references rank."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from scipy.stats import spearmanr
from torch import Tensor

from neuroglot.metrics.intervals import (
    Estimate,
    Score,
    by_rows,
    confidence_of_each,
    mean_scores,
    row_means,
)
from neuroglot.metrics.texts.metric import TextMetric, TextOptions
from neuroglot.metrics.texts.scoring import TEXT_METRICS, Definition, choose_metrics
from neuroglot.showing import Shown, counted, languages_in_short
from neuroglot.signature import Signature

SHORT_SHARE = 0.5  # of the reference's bytes; what has fewer is short


@dataclass(frozen=True, eq=False, repr=False)
class RuleProbe(Shown):
    """What decision rules write for R rows in G languages, beside a control, which is one of them.

    * `counts[rule] [R, G, C]` of the text metric `metric`, and `costs[rule]` what a text costs, in words.
    * `empty[rule]` and `short[rule] [R, G]`: 1 where nothing was written, or less than half of the reference's bytes.
    * `beams`: the rules that are beams of different sizes, by size.
    """

    data: str
    languages: tuple[str, ...]
    metric: str
    control: str
    counts: Mapping[str, Tensor]
    empty: Mapping[str, Tensor]
    short: Mapping[str, Tensor]
    costs: Mapping[str, str]
    beams: Mapping[int, str]
    signature: Signature

    def _facts(self) -> list[str]:
        return [self.data, counted(len(self.counts), "rule"), languages_in_short(self.languages)]

    @property
    def definition(self) -> Definition:
        """The metric's name, unit and ends."""
        return TEXT_METRICS[self.metric]

    @property
    def claims(self) -> int:
        """How many differences to the control are told at once: rules × languages, and those of the means."""
        return (len(self.counts) - 1) * (len(self.languages) + 1)

    def scores(self, rule: str) -> list[Score]:
        """Quality by language."""
        values = self.values(rule)
        scores = values.share_scores(whole=100) if self._formula.right_or_wrong else values.scores()
        return [score.within(*self.definition.ends) for score in scores]

    def mean(self, rule: str) -> Score:
        """Quality, on the mean over languages."""
        values, cells = self.values(rule).map(_mean), len(self.languages)
        (score,) = values.share_scores(cells, 100) if self._formula.right_or_wrong else values.scores()
        return score.within(*self.definition.ends)

    def differences(self, rule: str, other: str, claims: int | None = None) -> list[Score]:
        """Quality less that of another rule by language, paired by row; `claims` of them hold at once (Bonferroni).

        By default they are all differences to the control.
        """
        return self._compared(self.values(rule) - self.values(other), claims)

    def mean_difference(self, rule: str, other: str, claims: int | None = None) -> Score:
        """The mean of the differences over languages, as one of the same claims."""
        change = (self.values(rule) - self.values(other)).map(_mean)
        (score,) = self._compared(change, claims, len(self.languages))
        return score

    def _compared(self, change: Estimate, claims: int | None, cells: int = 1) -> list[Score]:
        confidence = confidence_of_each(self.claims if claims is None else claims)
        if self._formula.right_or_wrong:
            return change.share_differences(cells, 100, confidence)
        return change.scores(confidence)

    def told(self) -> dict[str, tuple[list[str], list[str]]]:
        """By language the rules that are clearly better than the control, and those clearly worse."""
        rules = {rule: self.differences(rule, self.control) for rule in self.counts if rule != self.control}
        sign = 1 if self.definition.higher_is_better else -1
        signs = {rule: [_sign(score) * sign for score in scores] for rule, scores in rules.items()}
        return {
            language: tuple([rule for rule, column in signs.items() if column[place] == wanted] for wanted in (1, -1))  # type: ignore[misc]
            for place, language in enumerate(self.languages)
        }

    def on_the_mean(self, rule: str) -> int:
        """1 or −1 where the mean over languages is clearly above or below the control's, else 0."""
        return 0 if rule == self.control else _sign(self.mean_difference(rule, self.control))

    def best(self) -> dict[str, list[str]]:
        """By language the rules of the best score; several where they are equal."""
        scores = {rule: self.scores(rule) for rule in self.counts}
        best = max if self.definition.higher_is_better else min
        columns = {
            language: {rule: column[place].value for rule, column in scores.items()}
            for place, language in enumerate(self.languages)
        }
        return {
            language: [rule for rule, value in column.items() if math.isclose(value, best(column.values()))]
            for language, column in columns.items()
        }

    def shares(self, of: str, rule: str) -> list[Score]:
        """The share of texts that are `empty` or `short` by language, with Wilson's intervals."""
        values = {"empty": self.empty, "short": self.short}[of][rule]
        return row_means(values).share_scores()

    def values(self, rule: str) -> Estimate:
        """Quality by language, `[G]`."""
        return by_rows(self.counts[rule]).map(self._formula.value)

    @property
    def _formula(self) -> TextMetric:
        """The metric; none of its options enters the formula from counts to a value."""
        return choose_metrics([self.metric], TextOptions(language="en"))[self.metric]


def _mean(values: Tensor) -> Tensor:
    return values.mean(-1, keepdim=True)


def _sign(score: Score) -> int:
    return 1 if score.low > 0 else -1 if score.high < 0 else 0


def rank_correlation(likelihood: Sequence[float], quality: Sequence[float]) -> float:
    """Spearman's rank correlation (1904); NaN where one of them does not vary."""
    if len(set(likelihood)) < 2 or len(set(quality)) < 2:
        return math.nan
    return float(spearmanr(likelihood, quality).statistic)


@dataclass(frozen=True, eq=False, repr=False)
class LikelihoodProbe(Shown):
    """How likely texts and references are: R rows in G languages.

    * `correlations[of] [R, G]`: of a row's candidates, Spearman's correlation of quality with their log-probability
      (`whole`) or with that of a token (`token`); NaN where they do not vary.
    * `ranks [R, G, 4]`: of a reference's tokens Σ log rank, how many rank first, how many are among the first ten, and
      how many there are.
    """

    data: str
    languages: tuple[str, ...]
    correlations: Mapping[str, Tensor]
    ranks: Tensor
    signature: Signature

    def _facts(self) -> list[str]:
        return [self.data, counted(len(self.ranks), "row"), languages_in_short(self.languages)]

    def correlation(self, of: str) -> list[Score]:
        """The mean over rows whose candidates vary, by language; their number is `varying`."""
        return [score.within(-1, 1) for score in mean_scores(self.correlations[of])]

    @property
    def varying(self) -> list[int]:
        """By language the rows whose candidates differ in quality."""
        return [int(count) for count in (~self.correlations["whole"].isnan()).sum(0)]

    @property
    def mean_ranks(self) -> list[Score]:
        """The geometric mean of the ranks of reference tokens, by language; 1 is the best."""
        return [score.within(1) for score in self._summed.map(lambda s: (s[..., 0] / s[..., 3]).exp()).scores()]

    @property
    def first(self) -> list[Score]:
        """The share of reference tokens that rank first."""
        return [score.within(0, 1) for score in self._summed.map(lambda s: s[..., 1] / s[..., 3]).scores()]

    @property
    def among_ten(self) -> list[Score]:
        """The share of reference tokens among the ten likeliest."""
        return [score.within(0, 1) for score in self._summed.map(lambda s: s[..., 2] / s[..., 3]).scores()]

    @property
    def _summed(self) -> Estimate:
        return by_rows(self.ranks)


def rank_counts(logits: Tensor, targets: Tensor) -> Tensor:
    """Of M tokens log rank, whether it is 1, whether it is at most 10, and 1: `[M, 4]`, float64.

    The rank is one more than how many tokens have a larger score.
    """
    rank = 1 + (logits > logits.gather(-1, targets[:, None])).sum(-1).double()
    return torch.stack([rank.log(), (rank == 1).double(), (rank <= 10).double(), torch.ones_like(rank)], -1)
