"""Scores of tasks at several moments of a training: before it, between its stages, and behind the last one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from neuroglot.metrics.intervals import CONFIDENCE, Estimate, Score, by_rows, confidence_of_each
from neuroglot.metrics.paired import exchanged, mcnemar
from neuroglot.metrics.texts.metric import TextMetric, TextOptions
from neuroglot.metrics.texts.scoring import TEXT_METRICS, choose_metrics
from neuroglot.showing import Shown, counted
from neuroglot.signature import Signature


class Group(NamedTuple):
    """What is scored: a task in a language by a metric of `TEXT_METRICS`."""

    task: str
    language: str
    metric: str

    def __str__(self) -> str:
        return f"{self.task}, {self.language}, {TEXT_METRICS[self.metric].name}"


@dataclass(frozen=True, eq=False, repr=False)
class TaskMoments(Shown):
    """Counts of R answers by group at M moments: `counts[group] [M, R, C]`, float64, as the group's metric has them."""

    moments: tuple[str, ...]
    counts: Mapping[Group, Tensor]
    signature: Signature

    def _facts(self) -> list[str]:
        return [counted(len(self.counts), "score"), counted(len(self.moments), "moment")]

    def score(self, group: Group, moment: int) -> Score:
        """The score at a moment, with an interval over questions (Wilson's if they are right or wrong)."""
        value = self._value(group, moment)
        is_share = _formula(group).right_or_wrong
        (score,) = value.share_scores(whole=100) if is_share else value.scores()
        return score.within(*TEXT_METRICS[group.metric].ends)

    def change(self, group: Group, moment: int, confidence: float = CONFIDENCE) -> Score:
        """The score less that of the first moment, paired by question."""
        change = self._value(group, moment) - self._value(group, 0)
        if _formula(group).right_or_wrong:
            return change.share_differences(whole=100, confidence=confidence)[0]
        return change.scores(confidence)[0]

    def p(self, group: Group, moment: int) -> float:
        """Of no change since the first moment: McNemar's exact test, or their exchange where a row is a share."""
        before, now = self.counts[group][0], self.counts[group][moment]
        metric = _formula(group)
        return mcnemar(before[:, 0], now[:, 0]).p if metric.right_or_wrong else exchanged(now, before, metric.value)

    def changed(self, moment: int) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
        """The groups that are clearly better and those clearly worse than at first; all are one family of claims
        (Bonferroni).
        """
        confidence = confidence_of_each(len(self.counts))
        changes = {group: self.change(group, moment, confidence) for group in self.counts}
        better = {group: TEXT_METRICS[group.metric].higher_is_better for group in changes}
        rose = tuple(group for group, score in changes.items() if score.low > 0)
        fell = tuple(group for group, score in changes.items() if score.high < 0)
        gained = tuple(group for group in self.counts if group in (rose if better[group] else fell))
        lost = tuple(group for group in self.counts if group in (fell if better[group] else rose))
        return gained, lost

    def _value(self, group: Group, moment: int) -> Estimate:
        metric = _formula(group)
        return by_rows(self.counts[group][moment]).map(lambda summed: metric.value(summed)[..., None])


def _formula(group: Group) -> TextMetric:
    """The metric with its options by default, none of which enters the formula from counts to a value."""
    return choose_metrics([group.metric], TextOptions(language="en"))[group.metric]
