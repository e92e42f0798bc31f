"""The losses of a training, step by step, and those of what it did not learn from, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from neuroglot.metrics.intervals import CONFIDENCE, Estimate, Score, by_rows, confidence_of_each
from neuroglot.showing import Shown, counted, in_short
from neuroglot.signature import Signature

WINDOWS = 40


@dataclass(frozen=True, repr=False)
class LossCurve(Shown):
    """The loss of each step, in `unit`; `dropped` counts what could not be learned from, by reason."""

    losses: tuple[float, ...]
    signature: Signature
    unit: str = "nats per learned token"
    dropped: Mapping[str, int] = field(default_factory=dict)

    def _facts(self) -> list[str]:
        first, last = self.losses[0], self.losses[-1]
        return [counted(len(self.losses), "step"), f"from {in_short(first)} to {in_short(last)} {self.unit}"]

    def windows(self, most: int = WINDOWS) -> dict[tuple[int, int], Score]:
        """The mean loss, its least and its most over so many runs of steps, each by its first and last step from 1."""
        size = -(-len(self.losses) // most)
        starts = range(0, len(self.losses), size)
        parts = {
            (start + 1, min(start + size, len(self.losses))): self.losses[start : start + size] for start in starts
        }
        return {steps: Score(sum(part) / len(part), min(part), max(part)) for steps, part in parts.items()}


@dataclass(frozen=True, eq=False, repr=False)
class HeldOutLosses(Shown):
    """Nats and tokens of held-out answers by group at M moments, before and behind each stage: `[M, R, 2]`, float64."""

    moments: tuple[str, ...]
    counts: Mapping[str, Tensor]
    signature: Signature
    unit: str = "nats per learned token"

    def _facts(self) -> list[str]:
        return [counted(len(self.counts), "group"), counted(len(self.moments), "moment")]

    def score(self, group: str, moment: int) -> Score:
        """The mean loss over all tokens of the group, with an interval over its rows."""
        return _rate(self.counts[group][moment]).scores()[0]

    def change(self, group: str, moment: int, confidence: float = CONFIDENCE) -> Score:
        """How much it rose since the beginning, paired by rows: above 0 something was forgotten."""
        return (_rate(self.counts[group][moment]) - _rate(self.counts[group][0])).scores(confidence)[0]

    @property
    def risen(self) -> tuple[str, ...]:
        """The groups whose loss is clearly higher at the end than at the beginning; with `fallen` all of them are one
        family of claims (Bonferroni).
        """
        return tuple(group for group, change in self._told_changes().items() if change.low > 0)

    @property
    def fallen(self) -> tuple[str, ...]:
        """The groups whose loss is clearly lower at the end than at the beginning."""
        return tuple(group for group, change in self._told_changes().items() if change.high < 0)

    def _told_changes(self) -> dict[str, Score]:
        """How much each group's loss changed in all, at the level at which all groups are told at once."""
        confidence = confidence_of_each(len(self.counts))
        last = len(self.moments) - 1
        return {group: self.change(group, last, confidence) for group in self.counts}


@dataclass(frozen=True, repr=False)
class TriedRates(Shown):
    """The mean loss that each learning rate left of a selection, by stage; infinite where the training diverged."""

    losses: Mapping[str, Mapping[float, float]]
    signature: Signature
    unit: str = "nats per learned token"

    def _facts(self) -> list[str]:
        return [f"{stage} at {self.chosen(stage):g}" for stage in self.losses]

    def chosen(self, stage: str) -> float:
        """The rate with the lowest loss; of equal ones the first."""
        return min(self.losses[stage], key=lambda rate: self.losses[stage][rate])


def _rate(counts: Tensor) -> Estimate:
    return by_rows(counts).map(lambda sums: sums[..., :1] / sums[..., 1:])
