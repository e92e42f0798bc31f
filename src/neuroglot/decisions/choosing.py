"""Decisions among weighted candidates: minimum Bayes risk, majority, posterior mean, and abstention."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from neuroglot import extras
from neuroglot.errors import ConfigError
from neuroglot.metrics.texts.overlap import MultilingualTokenizer

Gain = Callable[[str, str], float]  # of a text, if another one is the truth: 0 to 1
Decided = TypeVar("Decided", bound=Hashable)
EQUAL_GAINS = 1e-9  # expected gains and votes that differ by less are equal


def token_match(text: str, truth: str) -> float:
    """The share of places at which both have the same word, of those of the longer one; 1 where neither has any."""
    words, others = (MultilingualTokenizer().tokenize(side) for side in (text, truth))
    longest = max(len(words), len(others))
    return sum(map(str.__eq__, words, others)) / longest if longest else 1.0


def chrf_gain() -> Gain:
    """Sentence chrF2 by sacrebleu, as a share."""
    metric = _sacrebleu().CHRF()
    return lambda text, truth: float(metric.sentence_score(text, [truth]).score) / 100


def bleu_gain() -> Gain:
    """Sentence BLEU by sacrebleu, as a share: n-grams that the text is too short for are left out."""
    metric = _sacrebleu().BLEU(effective_order=True)
    return lambda text, truth: float(metric.sentence_score(text, [truth]).score) / 100


GAINS: Mapping[str, Callable[[], Gain]] = {"match": lambda: token_match, "chrf": chrf_gain, "bleu": bleu_gain}
_sacrebleu = partial(extras.require, "sacrebleu.metrics", extra="scores")


def weighed(candidates: Sequence[Decided], weights: Sequence[float] | None = None) -> dict[Decided, float]:
    """What each different candidate weighs of all, equal ones together; 1/n each where no weights are given.

    Raises `ConfigError` for no candidates, and for weights that are no weights.
    """
    weights = [1.0] * len(candidates) if weights is None else weights
    if not candidates or len(weights) != len(candidates) or min(weights) < 0 or not sum(weights) > 0:
        raise ConfigError(
            f"Got {len(candidates)} candidates and {len(weights)} weights.", "Expected one or more, each with a weight."
        )
    summed: dict[Decided, float] = defaultdict(float)
    for candidate, weight in zip(candidates, weights, strict=True):
        summed[candidate] += weight / sum(weights)
    return dict(summed)


def minimum_risk(
    weights: Mapping[str, float], gain: Gain, truths: Mapping[str, float] | None = None
) -> tuple[str, float]:
    """The candidate of the largest expected gain Σ P(truth)·gain(candidate, truth), and that gain.

    `truths` are the candidates themselves if not given. Equal ones are decided by their letters, so that the order in
    which they were drawn changes nothing (Kumar and Byrne 2004; Eikema and Aziz 2020).
    """
    truths = weights if truths is None else truths
    expected = {
        text: sum(weight * gain(text, truth) for truth, weight in sorted(truths.items())) for text in sorted(weights)
    }
    return _largest(expected)


def majority(weights: Mapping[Decided, float]) -> tuple[Decided, float]:
    """The answer with the most weight, and its share; equal ones are decided by their letters."""
    return _largest({answer: weights[answer] for answer in sorted(weights, key=str)})


def posterior_mean(weights: Mapping[float, float]) -> float:
    """The mean of numbers by their weights, which decides under squared error."""
    return sum(number * weight for number, weight in weights.items()) / sum(weights.values())


def unless_unsure(choice: Decided, confidence: float, least: float) -> Decided | None:
    """The choice, or None where its confidence is below the least one."""
    return choice if confidence >= least - EQUAL_GAINS else None


def _largest(values: Mapping[Decided, float]) -> tuple[Decided, float]:
    """The first of those that are as large as any, up to rounding."""
    most = max(values.values())
    return next((answer, value) for answer, value in values.items() if value >= most - EQUAL_GAINS)
