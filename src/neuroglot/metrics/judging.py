"""Judgements: which of two systems' answers a judge prefers, shown in both orders, a question counting once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.metrics.intervals import Score, share_means
from neuroglot.metrics.paired import mcnemar
from neuroglot.showing import Shown, scores_in_short
from neuroglot.signature import Signature

ASKED, ANSWERED_ALIKE, ONE_WRONG, BOTH_WRONG, WITHOUT_VERDICT = (
    "judged", "equal texts", "one in another language", "both in another language", "undecided",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Judgements(Shown):
    """What each of R questions in G languages gave the system: 1 for a win, 0.5 for a tie, 0 for a loss.

    `shown_first[language]` and `shown_second[language]`, `[R]`, are its worth when it was shown as the first and as the
    second answer; NaN in both where a verdict is missing. `reasons[language][r]` says how the question was decided;
    `failures` counts what replies were instead of a verdict.
    """

    languages: tuple[str, ...]
    ids: tuple[str, ...]
    shown_first: Mapping[str, Tensor]
    shown_second: Mapping[str, Tensor]
    reasons: Mapping[str, tuple[str, ...]]
    failures: Mapping[str, Mapping[str, int]]
    signature: Signature

    def _numbers(self) -> str:
        return scores_in_short(self.win_rates, "win rate")

    def worth(self, language: str) -> Tensor:
        """The mean of both orders, of the questions that were decided: `[decided]`."""
        both = torch.stack([self.shown_first[language], self.shown_second[language]], 1).double().mean(1)
        return both[~both.isnan()]

    @property
    def win_rates(self) -> dict[str, Score]:
        """Wins and half of the ties over the questions that were decided; an interval over questions."""
        return {language: _share(self.worth(language)) for language in self.languages}

    def p(self, language: str) -> float:
        """Of both systems being alike: the sign test over questions; what orders contradict is a tie."""
        worth = self.worth(language)
        return mcnemar(1 - worth, worth).p

    @property
    def first_place(self) -> dict[str, Score]:
        """How often the answer that was shown first was preferred, ties as halves, over judged questions: 0.5 if the
        order is nothing to the judge.
        """
        return {language: _share(self._first(language)) for language in self.languages}

    @property
    def contradictions(self) -> dict[str, Score]:
        """The share of judged questions of which the two orders gave the win to different systems."""
        return {
            language: _share((self._orders(language)[0] - self._orders(language)[1]).abs().eq(1).double(), 1)
            for language in self.languages
        }

    def _first(self, language: str) -> Tensor:
        first, second = self._orders(language)
        return (first + 1 - second) / 2

    def _orders(self, language: str) -> tuple[Tensor, Tensor]:
        """Both orders of the questions that the judge decided."""
        judged = torch.tensor([reason == ASKED for reason in self.reasons[language]], dtype=torch.bool)
        return self.shown_first[language].double()[judged], self.shown_second[language].double()[judged]


def _share(worth: Tensor, cells: int = 2) -> Score:
    """The mean over questions; none if there are none."""
    if not len(worth):
        return Score(torch.nan, torch.nan, torch.nan)
    return share_means(worth[:, None], cells)[0]
