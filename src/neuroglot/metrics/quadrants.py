"""Quadrants: what tuning on one language gives that language and gives the others, with what can be told of it.

A language is tuned on alone, from a pivot into it. Its two gains span a plane, whose four regions are those of Yuan et
al. 2023 (arXiv 2311.09071). The paper gives neither thresholds nor noise: both are here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import Estimate, Score, by_rows, confidence_of_each, over, sign_told, stacked
from neuroglot.metrics.written import WrittenGains
from neuroglot.showing import Shown, counted
from neuroglot.signature import Signature

Quadrant = Literal["reciprocal", "altruistic", "selfish", "stagnant", "cannot be told"]
UNTOLD: Quadrant = "cannot be told"
# By the signs of the language's own gain and of the others' gain, each less its threshold.
QUADRANTS: Mapping[tuple[int, int], Quadrant] = {
    (1, 1): "reciprocal", (-1, 1): "altruistic", (1, -1): "selfish", (-1, -1): "stagnant",
}  # fmt: skip
AXES = 2
LEAST_GAIN = 0.01
FACTORS = (0.0, 0.5, 1.0, 2.0, 5.0)  # of the thresholds, in the table of how much depends on them
UNIT = "bits per target byte"


@dataclass(frozen=True, eq=False, repr=False)
class QuadrantMap(Shown):
    """Bits of the same R held-out answers in G languages before tuning, `before [R, G]`, and after tuning on a
    language with each of S seeds, `after[language] [S, R, G]`; `target_bytes [R, G]` are those of the answers. Float64.

    `written` has the gains of translations that the models wrote, if they did; labels are of bits alone. A gain below
    `least_own` or `least_others`, in bits per target byte, is none worth having.
    """

    languages: tuple[str, ...]
    before: Tensor
    target_bytes: Tensor
    after: Mapping[str, Tensor]
    signature: Signature
    least_own: float = LEAST_GAIN
    least_others: float = LEAST_GAIN
    notes: tuple[str, ...] = ()
    written: WrittenGains | None = None

    def __post_init__(self) -> None:
        shape = (len(self.before), len(self.languages))
        parts = [self.before, self.target_bytes, *self.after.values()]
        if len(self.languages) < 2 or any(part.shape[-2:] != shape for part in parts):
            raise ConfigError(
                f"{len(self.languages)} languages have numbers of {[tuple(part.shape) for part in parts]}.",
                "Expected two languages or more, and a number for each row and language.",
            )
        if unknown := [language for language in self.after if language not in self.languages]:
            raise ConfigError(f"{unknown[0]} was tuned on.", f"Expected {', '.join(self.languages)}.")

    def _facts(self) -> list[str]:
        counts = self.counts(1.0)
        return [f"{counts[name]} {name}" for name in (*QUADRANTS.values(), UNTOLD)] + [counted(len(self.before), "row")]

    @property
    def confidence(self) -> float:
        """That of each interval at which those of all languages and both axes hold at once with 95 % (Bonferroni)."""
        return confidence_of_each(AXES * len(self.languages))

    def gains(self, language: str) -> Estimate:
        """By how many bits per target byte the language gains, and the mean over the other languages: `[2]`, over the
        rows that all languages share, and over seeds if there are several.
        """
        return over(stacked([self._gains(language, after) for after in self.after[language]]), "seeds")

    def _gains(self, language: str, after: Tensor) -> Estimate:
        own = self.languages.index(language)
        saved = torch.stack([self.before - after, self.target_bytes], -1)
        others = [index for index in range(len(self.languages)) if index != own]

        def axes(sums: Tensor) -> Tensor:
            gains = sums[..., 0] / sums[..., 1]
            return torch.stack([gains[..., own], gains[..., others].mean(-1)], -1)

        return by_rows(saved).map(axes)

    def scores(self, language: str) -> tuple[Score, Score]:
        """Both gains, with intervals that hold for all languages and both axes at once."""
        own, others = self.gains(language).scores(self.confidence)
        return own, others

    def quadrant(self, language: str, factor: float = 1.0) -> Quadrant:
        """The region of the plane in which the language is told to be, with its thresholds times a factor.

        Both gains must be told from their thresholds; as intervals are the same at any factor, all labels hold at once.
        """
        own, others = self.signs(language, factor)
        return QUADRANTS.get((own, others), UNTOLD)

    def signs(self, language: str, factor: float = 1.0) -> tuple[int, int]:
        """1 where the gain is told to be above its threshold, −1 below it, 0 where neither can be told; own, others.

        By the interval, and by Hall's test over rows, which skewed rows do not fool (`sign_told`).
        """
        gains = self.gains(language)
        scores = gains.scores(self.confidence)
        values, without = gains.value, gains.without["rows"]
        rows = len(without)
        by_row = rows * values - (rows - 1) * without  # the jackknife's pseudo-values: their mean is the gain
        thresholds = (factor * self.least_own, factor * self.least_others)
        own, others = (
            _sign(score, threshold, by_row[:, axis], self.confidence)
            for axis, (score, threshold) in enumerate(zip(scores, thresholds, strict=True))
        )
        return own, others

    def counts(self, factor: float) -> Counter[Quadrant]:
        """How many languages are in each quadrant."""
        return Counter(self.quadrant(language, factor) for language in self.after)


def _sign(score: Score, threshold: float, by_row: Tensor, confidence: float) -> int:
    """Where the interval lies, unless the rows alone, with their skewness, do not tell the same."""
    sign = 1 if score.low > threshold else -1 if score.high < threshold else 0
    if not sign or math.isnan(score.value) or len(by_row) < 2:
        return 0
    return sign if sign_told(by_row - threshold, confidence) == sign else 0
