"""What tuning on one language does to the translations that a model writes, beside their bits (`metrics.quadrants`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import Estimate, by_rows, over, stacked
from neuroglot.metrics.texts.metric import TextMetric


@dataclass(frozen=True, eq=False)
class WrittenGains:
    """Counts of a text metric, `metric` by name, of the same R rows in G languages before tuning, `before [R, G, C]`,
    and after tuning on a language with each of S seeds, `after[language] [S, R, G, C]`; float64.
    """

    name: str
    metric: TextMetric
    languages: tuple[str, ...]
    before: Tensor
    after: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        wrong = [tuple(part.shape) for part in self.after.values() if part.shape[1:] != self.before.shape]
        if wrong or self.before.shape[1] != len(self.languages) or not set(self.after) <= set(self.languages):
            raise ConfigError(
                f"{self.name} before has numbers of {tuple(self.before.shape)}, after {wrong or [*self.after]}.",
                f"Expected the same rows and counts in {', '.join(self.languages)}.",
            )

    def gains(self, language: str) -> Estimate:
        """By how much the language gains, after less before, and the mean over the other languages: `[2]`, over rows,
        and over seeds if there are several.
        """
        return over(stacked([self._gains(language, after) for after in self.after[language]]), "seeds")

    def _gains(self, language: str, after: Tensor) -> Estimate:
        own = self.languages.index(language)
        others = [index for index in range(len(self.languages)) if index != own]

        def axes(sums: Tensor) -> Tensor:
            values = self.metric.value(sums)
            gains = values[..., 1] - values[..., 0]
            return torch.stack([gains[..., own], gains[..., others].mean(-1)], -1)

        return by_rows(torch.stack([self.before, after], -2)).map(axes)
