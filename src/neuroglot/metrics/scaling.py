"""How quality grows with the data, and how a budget of data is best spent over languages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import CONFIDENCE, NO_SPREAD, Score, confidence_of_each
from neuroglot.showing import Shown, counted, languages_in_short
from neuroglot.signature import Signature

EXPONENTS = -np.geomspace(0.01, 3.0, 400)  # that are tried
LIMITS = 400
LEAST_SIZES = 3  # with two the line passes through both, and nothing says how sure it is


@dataclass(frozen=True, eq=False, repr=False)
class ScalingLaw(Shown):
    """upper − S(X) = α X^β, fitted as a line in logarithms: `intercept` is log α, `slope` β, below 0 where data help.

    `covariance [2, 2]` is of both, with n − 2 degrees of freedom where there are n sizes. A similarity to English, γ in
    x-LLM, is a part of α while there is one language (α γ^β), and cannot be told from it.
    """

    intercept: float
    slope: float
    covariance: np.ndarray
    sizes: tuple[float, ...]
    upper: float
    left_out_error: float
    signature: Signature

    def _facts(self) -> list[str]:
        return [
            f"{self.upper:g} - S = {math.exp(self.intercept):.3g} X^{self.slope:.3g}",
            counted(len(self.sizes), "size"),
        ]

    @property
    def exponent(self) -> Score:
        """β with its t interval."""
        return self._interval(self.slope, float(self.covariance[1, 1]))

    @property
    def factor(self) -> Score:
        """α with its t interval."""
        return self._interval(self.intercept, float(self.covariance[0, 0]), exponential=True)

    def quality(self, size: float) -> Score:
        """What quality is expected at a size, on the mean over seeds, with its t interval."""
        at = np.array([1.0, math.log(size)])
        rest = self._interval(
            float(at @ [self.intercept, self.slope]), float(at @ self.covariance @ at), exponential=True
        )
        return Score(self.upper - rest.value, self.upper - rest.high, self.upper - rest.low)

    def rises(self, confidence: float = CONFIDENCE) -> bool:
        """Whether quality clearly rises with the data; never of points that lie on the line to the last digit."""
        return self._interval(self.slope, float(self.covariance[1, 1]), confidence=confidence).high < 0

    def _interval(
        self, value: float, variance: float, *, exponential: bool = False, confidence: float = CONFIDENCE
    ) -> Score:
        half = float(stdtrit(len(self.sizes) - 2, (1 + confidence) / 2)) * math.sqrt(variance)
        if half <= NO_SPREAD * (1 + abs(value)):
            half = math.nan
        ends = (value, value - half, value + half)
        return Score(*map(math.exp, ends)) if exponential else Score(*ends)


@dataclass(frozen=True, eq=False)
class SaturatingLaw:
    """S(X) = limit − α X^β with a limit that is fitted: its interval is that of the profile, infinite upwards where the
    points do not tell whether quality ends anywhere, and NaN where they tell nothing.
    """

    limit: Score
    factor: float
    exponent: float


@dataclass(frozen=True, eq=False, repr=False)
class ScalingLaws(Shown):
    """The law of each language, with a limit that is fitted too, and what each gets of a budget, if there is one."""

    laws: Mapping[str, ScalingLaw]
    saturating: Mapping[str, SaturatingLaw | None]
    allocation: Mapping[str, float]

    def _facts(self) -> list[str]:
        return [languages_in_short(list(self.laws))]

    @property
    def rising(self) -> tuple[str, ...]:
        """The languages whose quality clearly rises with the data; all of them are one family of claims."""
        confidence = confidence_of_each(len(self.laws))
        return tuple(language for language, law in self.laws.items() if law.rises(confidence))


def fit_law(
    sizes: Sequence[float], qualities: Sequence[float], *, upper: float = 100.0, signature: Signature | None = None
) -> ScalingLaw:
    """The law of one language from points (X, S), by least squares in logarithms.

    Points of one size are seeds: their mean of log(upper − S) is one observation, so that seeds do not pass for sizes.
    `left_out_error` is the mean error of S at each size, predicted from the others. Source: x-LLM (Zhu et al. 2023),
    S = 100 − α (γ X)^β; how it was fitted there is not said. Raises `ConfigError` for fewer than 3 sizes, a size that
    is not above 0, or a quality that is not below `upper`.
    """
    by_size: dict[float, list[float]] = {}
    for size, quality in zip(sizes, qualities, strict=True):
        if not size > 0 or not quality < upper:
            raise ConfigError(
                f"Got a quality of {quality:g} at the size {size:g}.",
                f"Expected a size above 0 and less than {upper:g}.",
            )
        by_size.setdefault(float(size), []).append(math.log(upper - quality))
    if len(by_size) < LEAST_SIZES:
        raise ConfigError(
            f"Got {len(by_size)} sizes.", f"Expected {LEAST_SIZES} or more, or nothing says how sure it is."
        )
    x = np.log(list(by_size))
    y = np.array([float(np.mean(part)) for part in by_size.values()])
    (intercept, slope), covariance = _line(x, y)
    kept = [np.arange(len(x)) != index for index in range(len(x))]
    lines = [_line(x[part], y[part])[0] for part in kept]
    errors = [math.exp(a + b * at) - math.exp(seen) for (a, b), at, seen in zip(lines, x, y, strict=True)]
    left_out = float(np.mean(np.abs(errors)))
    made = signature or Signature()
    return ScalingLaw(intercept, slope, covariance, tuple(by_size), upper, left_out, made)


def fit_saturating(sizes: Sequence[float], qualities: Sequence[float], *, upper: float = 100.0) -> SaturatingLaw | None:
    """The law of one language with a limit of its own, by least squares of S; None for fewer than 4 sizes.

    The limit is sought between the best point and `upper`, the exponent between -3 and -0.01. The interval holds the
    limits whose least sum of squares is at most 1 + F / (n - 3) times the smallest one, for n sizes.
    """
    by_size: dict[float, list[float]] = {}
    for size, quality in zip(sizes, qualities, strict=True):
        by_size.setdefault(float(size), []).append(quality)
    if len(by_size) <= LEAST_SIZES:
        return None
    powers = np.array(list(by_size))[None, :] ** EXPONENTS[:, None]
    powers /= powers.max(axis=1, keepdims=True)
    means = np.array([float(np.mean(part)) for part in by_size.values()])
    limits = np.linspace(float(means.max()), upper, LIMITS + 1)[1:]
    fits = [_at_limit(limit - means, powers) for limit in limits]
    squares = np.array([part[0] for part in fits])
    best, freedom = int(squares.argmin()), len(means) - 3
    factor = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) ** 2
    held = limits[squares <= squares[best] * (1 + factor / freedom)]
    _, scaled, row = fits[best]
    exponent = float(EXPONENTS[row])
    low, high = float(held[0]), float(held[-1])
    ends = (math.nan, math.nan) if len(held) == LIMITS else (low, math.inf if high == limits[-1] else high)
    return SaturatingLaw(Score(float(limits[best]), *ends), scaled / _largest(by_size, exponent), exponent)


def _largest(sizes: Mapping[float, object], exponent: float) -> float:
    return float(max(size**exponent for size in sizes))


def _at_limit(rest: np.ndarray, powers: np.ndarray) -> tuple[float, float, int]:
    """The least sum of squares of `rest - a p` over the rows p of `powers`, that a, and the row."""
    factors = (powers @ rest) / (powers**2).sum(axis=1)
    squares = ((rest[None, :] - factors[:, None] * powers) ** 2).sum(axis=1)
    row = int(squares.argmin())
    return float(squares[row]), float(factors[row]), row


def _line(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], np.ndarray]:
    design = np.stack([np.ones_like(x), x], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    fitted = inverse @ design.T @ y
    freedom = len(x) - 2
    variance = float(((y - design @ fitted) ** 2).sum()) / freedom if freedom else math.nan
    return (float(fitted[0]), float(fitted[1])), inverse * variance


def allocate(laws: Mapping[str, ScalingLaw], budget: float) -> dict[str, float]:
    """How much data each language gets of a budget so that the sum of qualities is largest.

    At the optimum one more example helps every language alike: α |β| X^(β − 1) = λ, the same for all, and λ is found so
    that the sizes add up. Raises `ConfigError` for no budget, and for a language whom data do not help.
    """
    harmed = [language for language, law in laws.items() if law.slope >= 0]
    if harmed or not laws or not budget > 0:
        raise ConfigError(
            f"A budget of {budget:g} was to be spent on {', '.join(laws) or 'no language'}"
            + (f", and {', '.join(harmed)} gains nothing by data." if harmed else "."),
            "Expected a budget above 0 and languages whose quality rises.",
        )
    gains = {language: law.intercept + math.log(-law.slope) for language, law in laws.items()}

    def sizes(log_price: float) -> dict[str, float]:
        return {language: math.exp((gains[language] - log_price) / (1 - law.slope)) for language, law in laws.items()}

    def excess(log_price: float) -> float:
        return math.log(sum(sizes(log_price).values()) / budget)

    middle = max(gains.values()) - math.log(budget)
    width = 10.0
    while excess(middle - width) < 0 or excess(middle + width) > 0:
        width *= 2
    found = sizes(float(brentq(excess, middle - width, middle + width, xtol=1e-13)))
    total = sum(found.values())
    return {language: size * budget / total for language, size in found.items()}
