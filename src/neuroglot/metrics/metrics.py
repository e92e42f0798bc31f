"""Metrics: a text is reduced to a few counts, and summed counts to a number; so intervals and paired tests come
free.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.metrics.intervals import Estimate, Score, by_rows
from neuroglot.showing import Shown, counted, languages_in_short, scores_in_short
from neuroglot.signature import Signature

SHARE_RIGHT = "share right"  # the unit of answers that are right or wrong


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model said of a batch, computed when it is asked for: a metric pays for what it reads.

    `logits()` gives those of the M tokens that `scored [B, T]` marks, some tokens at a time, `[tokens, V]`; `targets
    [M]` are the right ones, and `text_bytes [B]` how many bytes of UTF-8 they make up in each text.
    """

    logits: Callable[[], Iterable[Tensor]]
    targets: Tensor
    scored: Tensor
    text_bytes: Tensor

    def losses(self) -> Tensor:
        """Negative natural log probability of each scored token, 0 elsewhere: `[B, T]`."""
        losses = torch.zeros(self.scored.shape, device=self.targets.device)
        return self._filled(losses, partial(torch.nn.functional.cross_entropy, reduction="none"))

    def ranked_first(self) -> Tensor:
        """Whether greedy decoding would write this token, for scored tokens; True elsewhere: `[B, T]`."""
        return self._filled(torch.ones_like(self.scored), lambda logits, targets: logits.argmax(-1) == targets)

    def _filled(self, values: Tensor, of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The values with those of scored tokens computed from logits and targets."""
        parts, start = [], 0
        for logits in self.logits():
            parts.append(of(logits, self.targets[start : start + len(logits)]))
            start += len(logits)
        values[self.scored] = torch.cat(parts)
        return values


class Valued(Protocol):
    """A number that is computed from summed counts."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def higher_is_better(self) -> bool: ...
    @property
    def ends(self) -> tuple[float, float]:
        """The least and the most that the number can be; no interval goes beyond."""
        ...

    def value(self, counts: Tensor) -> Tensor:
        """The number from summed counts: `[..., C]` → `[...]`; NaN where nothing was counted."""
        ...


class Metric(Valued, Protocol):
    """A number about what a model predicts, from counts of each text."""

    @property
    def reads(self) -> type[Corpus] | type[Task]:
        """What the metric is computed on."""
        ...

    def counts(self, predictions: Predictions) -> Tensor:
        """Counts of each text: `[B, C]`, float64."""
        ...


def _loss_counts(predictions: Predictions) -> Tensor:
    """Negative log probability, tokens and bytes of each text: `[B, 3]`."""
    losses = predictions.losses().double().sum(1)
    return torch.stack([losses, predictions.scored.sum(1).double(), predictions.text_bytes.double()], dim=1)


@dataclass(frozen=True)
class NatsPerToken:
    """Mean negative log probability of a token given those before it, in nats; comparable within one tokenizer only."""

    name: str = "loss"
    unit: str = "nats per token"
    higher_is_better: bool = False
    ends: tuple[float, float] = (0.0, math.inf)
    reads: type[Corpus] | type[Task] = Corpus

    def counts(self, predictions: Predictions) -> Tensor:
        return _loss_counts(predictions)

    def value(self, counts: Tensor) -> Tensor:
        return counts[..., 0] / counts[..., 1]


@dataclass(frozen=True)
class BitsPerByte:
    """Negative log₂ probability of a text over its bytes of UTF-8: comparable between tokenizers.

    Scripts differ in bytes a character, so that languages are comparable to themselves only.
    """

    name: str = "loss"
    unit: str = "bits per byte"
    higher_is_better: bool = False
    ends: tuple[float, float] = (0.0, math.inf)
    reads: type[Corpus] | type[Task] = Corpus

    def counts(self, predictions: Predictions) -> Tensor:
        return _loss_counts(predictions)

    def value(self, counts: Tensor) -> Tensor:
        return counts[..., 0] / math.log(2) / counts[..., 2]


@dataclass(frozen=True)
class ExactAnswer:
    """Share of questions whose whole answer the model ranks first, token by token: what greedy decoding would write."""

    name: str = "accuracy"
    unit: str = SHARE_RIGHT
    higher_is_better: bool = True
    ends: tuple[float, float] = (0.0, 1.0)
    reads: type[Corpus] | type[Task] = Task

    def counts(self, predictions: Predictions) -> Tensor:
        right = predictions.ranked_first().all(1)
        return torch.stack([right.double(), torch.ones_like(right, dtype=torch.float64)], dim=1)

    def value(self, counts: Tensor) -> Tensor:
        return counts[..., 0] / counts[..., 1]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Shown):
    """Counts `[R, G, C]` of a metric on the corpus or task named `data`; `dropped` counts its other rows by reason, and
    `repeated` those that share a text with an earlier one and are counted together with it.
    """

    data: str
    languages: tuple[str, ...]
    metric: Metric
    counts: Tensor
    signature: Signature
    dropped: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0

    def _facts(self) -> list[str]:
        rows = counted(self.counts.shape[0], "row")
        return [self.data, self.metric.name, rows, languages_in_short(self.languages)]

    def _numbers(self) -> str:
        return scores_in_short(self.scores, self.metric.unit, self.mean)

    @property
    def scores(self) -> dict[str, Score]:
        """One Score a language, with an interval over parallel rows."""
        return dict(zip(self.languages, self._scored(self._values()), strict=True))

    @property
    def mean(self) -> Score:
        """The mean over languages."""
        mean = self._values().map(lambda values: values.mean(-1, keepdim=True))
        (score,) = self._scored(mean, len(self.languages))
        return score

    def _scored(self, values: Estimate, cells: int = 1) -> list[Score]:
        scores = values.share_scores(cells) if self.metric.unit == SHARE_RIGHT else values.scores()
        return [score.within(*self.metric.ends) for score in scores]

    def _values(self) -> Estimate:
        """The metric by language, `[G]`."""
        return by_rows(self.counts).map(self.metric.value)
