"""Numbers and findings in words: what came out, never what one hoped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuroglot.metrics.ablation import Headline
    from neuroglot.metrics.metrics import Metric
    from neuroglot.metrics.score import Score

UNDEFINED = "–"
OTHER, RANDOM = "another language's neurons", "as many random neurons"


def number(value: float | None) -> str:
    """Three significant digits without an exponent where that is readable: `0.0230`, `1,234`, `−0.500`."""
    if value is None or math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "unbounded"
    if isinstance(value, int) or abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:#.3g}".rstrip(".") if value else "0"
    return text.replace("-", "−")


def percent(value: float) -> str:
    """A share as a percentage: `12.3%`."""
    return f"{100 * value:.1f}%".replace("-", "−") if math.isfinite(value) else UNDEFINED


def multiple(value: float) -> str:
    """A ratio to be read aloud: `7.9`, `23`, `unbounded`."""
    if not math.isfinite(value):
        return number(value)
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"


def bracketed(score: Score, write: Callable[[float], str] = number) -> str:
    """The interval of a score: `[0.02, 0.03]`."""
    return f"[{write(score.low)}, {write(score.high)}]"


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def plural(count: int, noun: str) -> str:
    """`1 neuron`, `1,234 neurons`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def harm_sentence(headline: Headline, metric: Metric, data: str, languages: int) -> str:
    """What switching off a language's own neurons does to it, and how that compares with the two controls.

    The comparison is made only where harm was done: a ratio to no harm at all says nothing.
    """
    own = headline.diagonal
    finding = f"Switching off a language's own neurons {_effect(own, metric)}, on average over {_languages(languages)}"
    finding = f"{finding} of {data}"
    if not own.low > 0:
        return f"{finding}{_without_harm(headline, metric)}."
    compared = [
        _comparison(headline.diagonal_over_off_diagonal, headline.off_diagonal, OTHER, metric),
        _comparison(headline.diagonal_over_random, headline.random, RANDOM, metric),
    ]
    compared = [part for part in compared if part]
    return f"{finding}: {', and '.join(compared)}." if compared else f"{finding}."


def in_unit(score: Score, metric: Metric) -> str:
    """A score with unit and interval; shares as percentage points."""
    scale, unit = (100.0, "percentage points") if metric.unit == "share right" else (1.0, metric.unit)
    value, low, high = (number(scale * end) for end in (score.value, score.low, score.high))
    return f"{value} {unit} [{low}, {high}]"


def _effect(own: Score, metric: Metric) -> str:
    """The verb and the amount; an interval that holds 0 is no effect, whatever its middle."""
    worse, better = ("lowers", "raises") if metric.higher_is_better else ("raises", "lowers")
    if math.isnan(own.value):
        return f"has an effect on its {metric.name} that is not defined"
    if own.low > 0:
        return f"{worse} its {metric.name} by {in_unit(own, metric)}"
    if own.high < 0:
        gain = replace(own, value=-own.value, low=-own.high, high=-own.low)
        return f"does the opposite of harm, it {better} its {metric.name} by {in_unit(gain, metric)}"
    return f"has no effect on its {metric.name} that can be told from zero: {in_unit(own, metric)}"


def _without_harm(headline: Headline, metric: Metric) -> str:
    """The controls beside an effect that is absent or negative: amounts, no ratios."""
    controls = ((OTHER, headline.off_diagonal), (RANDOM, headline.random))
    amounts = [f"{in_unit(score, metric)} with {name} off" for name, score in controls if not math.isnan(score.value)]
    return f" (effect {joined(amounts)})" if amounts else ""


def _comparison(ratio: Score, reference: Score, name: str, metric: Metric) -> str:
    """One clause on how many times the reference's effect was reached; empty where there is no reference."""
    if math.isnan(reference.value) or math.isnan(ratio.value):
        return ""
    if math.isinf(ratio.value):
        return f"{name} do no such harm when switched off ({in_unit(reference, metric)})"
    times = f"{multiple(ratio.value)} times {bracketed(ratio, multiple)} the effect of {name}"
    if ratio.low > 1:
        return times
    if ratio.high < 1:
        return f"only {times}, which is less"
    return f"{times}, an interval that includes 1"


def _languages(count: int) -> str:
    return "one language" if count == 1 else f"the {count} languages"
