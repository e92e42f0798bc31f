"""Consistency: whether a system answers the same question alike in several languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import Score, row_means, share_means
from neuroglot.metrics.paired import mcnemar
from neuroglot.showing import Shown, scores_in_short
from neuroglot.signature import Signature

RIGHT, ALL_RIGHT, NONE_RIGHT = "right", "right in every language", "right in no language"
RIGHT_ALIKE, SAME_ANSWER, ALL_SAME = "right or wrong alike", "same answer", "same answer in every language"
_WHOLE = 100.0


@dataclass(frozen=True)
class ConsistencyChange:
    """A measure less a baseline's, paired by question, and the two-sided p of none by the sign test."""

    score: Score
    p: float


@dataclass(frozen=True, eq=False, repr=False)
class Consistency(Shown):
    """R questions in G languages, two or more: `right[r, g]` is 1 or 0 by the metric; `answers[g][r]` is what it read,
    None where nothing was, and empty where answers of several languages cannot be compared.
    """

    metric: str
    languages: tuple[str, ...]
    ids: tuple[str, ...]
    right: Tensor
    answers: Mapping[str, tuple[object | None, ...]]
    signature: Signature

    def __post_init__(self) -> None:
        if len(self.languages) < 2 or self.right.shape != (len(self.ids), len(self.languages)):
            raise ConfigError(
                f"Answers of the shape {list(self.right.shape)} were given for {len(self.ids)} questions in "
                f"{', '.join(self.languages) or 'no language'}.",
                "Expected one for each question in two languages or more.",
            )

    def _numbers(self) -> str:
        return scores_in_short(self.scores, "percent of questions")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All pairs of languages."""
        return tuple(combinations(self.languages, 2))

    @property
    def by_row(self) -> dict[str, tuple[Tensor, int]]:
        """Each measure by question, `[R]` from 0 to 1, and how many answers that are right or wrong it is a mean of.

        `RIGHT_ALIKE` and `SAME_ANSWER` are means over pairs of languages. What was not read is the same as nothing.
        """
        right = self.right.double()
        alike = self._over_pairs(lambda first, second: self._column(first) == self._column(second))
        measures = {
            RIGHT: (right.mean(1), len(self.languages)),
            ALL_RIGHT: (right.amin(1), 1),
            NONE_RIGHT: (1 - right.amax(1), 1),
            RIGHT_ALIKE: (alike.mean(1), len(self.pairs)),
        }
        if self.answers:
            same = self.same
            measures |= {SAME_ANSWER: (same.mean(1), len(self.pairs)), ALL_SAME: (same.amin(1), 1)}
        return measures

    @property
    def same(self) -> Tensor:
        """1 where both languages of a pair give the same answer: `[R, pairs]`, float64."""
        return self._over_pairs(lambda first, second: torch.tensor(_equal(self.answers[first], self.answers[second])))

    @property
    def scores(self) -> dict[str, Score]:
        """Each measure in percent of questions, with an interval over questions."""
        return {name: _percent(share_means(values[:, None], cells)[0]) for name, (values, cells) in self.by_row.items()}

    @property
    def same_by_pair(self) -> dict[tuple[str, str], Score]:
        """How often two languages give the same answer, in percent; none where answers cannot be compared."""
        if not self.answers:
            return {}
        return dict(zip(self.pairs, map(_percent, share_means(self.same)), strict=True))

    def minus(self, baseline: Consistency) -> dict[str, ConsistencyChange]:
        """Each measure less that of another system on the same questions; raises `ConfigError` on other ones."""
        if (baseline.ids, baseline.languages, baseline.metric) != (self.ids, self.languages, self.metric):
            raise ConfigError(
                f"The baseline has {len(baseline.ids)} questions in {', '.join(baseline.languages)}.",
                f"Expected the same {len(self.ids)} in {', '.join(self.languages)}.",
            )
        other = baseline.by_row
        return {
            name: _difference(values, other[name][0], cells)
            for name, (values, cells) in self.by_row.items()
        }  # fmt: skip

    def _column(self, language: str) -> Tensor:
        return self.right[:, self.languages.index(language)]

    def _over_pairs(self, compare: Callable[[str, str], Tensor]) -> Tensor:
        return torch.stack([compare(first, second).double() for first, second in self.pairs], dim=1)


def _equal(first: tuple[object | None, ...], second: tuple[object | None, ...]) -> list[bool]:
    return [answer is not None and answer == other for answer, other in zip(first, second, strict=True)]


def _percent(score: Score) -> Score:
    return Score(_WHOLE * score.value, _WHOLE * score.low, _WHOLE * score.high)


def _difference(values: Tensor, other: Tensor, cells: int) -> ConsistencyChange:
    (score,) = row_means((values - other)[:, None]).share_differences(cells)
    return ConsistencyChange(_percent(score), mcnemar(other, values).p)
