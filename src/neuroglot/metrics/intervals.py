"""Numbers with intervals: what a number would be without each row, draw, model or seed says how sure it is.

Every number of a report is a function of counts summed over parallel rows; leaving each row out once (the jackknife)
gives its spread, whatever the function is, and Student's t an interval of it. Where rows are right or wrong, intervals
are Wilson's. `docs/statistics.md` says which interval is used where, and how often it holds the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from scipy.special import ndtri, stdtr, stdtrit
from torch import Tensor

from neuroglot.showing import in_short

CONFIDENCE = 0.95
WHOLE = 100.0  # of text metrics, which count in percent
NO_SPREAD = 1e-12  # what float64 leaves of differences of numbers that are equal
UnitLevel = Literal["rows", "draws", "models", "seeds"]


@dataclass(frozen=True)
class Score:
    """A value and the ends of its interval; NaN where one of them is not defined."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Score:
        """A number that has no interval."""
        return cls(float(value), float(value), float(value))

    def within(self, least: float = -math.inf, most: float = math.inf) -> Score:
        """The same with its ends where the number can be; what an interval holds beyond that holds no truth."""
        return Score(self.value, max(self.low, least), min(self.high, most)) if self.low <= self.high else self

    def between(self, least: float, most: float) -> Score:
        """The same of a difference of two numbers that can be so."""
        return self.within(least - most, most - least)

    @property
    def has_interval(self) -> bool:
        """Not if an end is not known, and not of an exact number."""
        return self.low <= self.high and not self.low == self.value == self.high

    def __str__(self) -> str:
        value = in_short(self.value)
        return f"{value} [{in_short(self.low)}, {in_short(self.high)}]" if self.has_interval else value

    def to_json(self) -> dict[str, float | None]:
        """The three numbers; None (JSON's null) for one that is not finite."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numbers `[...]`, and by level `[n, ...]` what they would be without each of its n rows, draws, models or seeds.

    Units of a level are independent; a level by which the numbers do not vary is left out. The variance of a level is
    (n − 1)/n · Σ (without_i − mean)², with n − 1 degrees of freedom (Efron and Stein 1981).
    """

    value: Tensor
    without: Mapping[str, Tensor]

    def map(self, function: Callable[[Tensor], Tensor]) -> Estimate:
        """A function of the numbers, which must leave leading axes alone."""
        return Estimate(function(self.value), {level: function(values) for level, values in self.without.items()})

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference, paired by all levels that both have."""
        return combined(torch.sub, self, other)

    @cached_property
    def variances(self) -> dict[str, Tensor]:
        """The variance of the numbers by level."""
        return {
            level: torch.zeros_like(self.value).masked_fill(values[0].isnan(), torch.nan)
            if _is_one_draw(level, values)
            else _variance(values)
            for level, values in self.without.items()
        }

    def squared_half_widths(self, confidence: float = CONFIDENCE) -> Tensor:
        """Σ t² variance over levels, each with the t of its own degrees of freedom; NaN where nothing varies.

        Where one level is known from few units, one t for all would hold too rarely (Graybill and Wang 1980).
        """
        squared = torch.zeros_like(self.value)
        for level, variance in self.variances.items():
            units = self.without[level]
            squared = squared + (variance if _is_one_draw(level, units) else _t(len(units), confidence) ** 2 * variance)
        return squared.masked_fill(squared.sqrt() <= NO_SPREAD * (1 + self.value.abs()), torch.nan)

    def scores(self, confidence: float = CONFIDENCE) -> list[Score]:
        """Numbers `[K]` with t intervals; without an interval where one row is there, or all rows are alike."""
        half = self.squared_half_widths(confidence).sqrt()
        return _scores(self.value, self.value - half, self.value + half)

    def share_scores(self, cells: int = 1, whole: float = 1.0) -> list[Score]:
        """Shares `[K]` of answers that are right, as parts of `whole`, with Wilson's interval.

        Each row gives `cells` answers. If it gives one, this is Wilson's interval (1927). If it gives several, the
        variance by row tells how many independent answers they are worth (Dean and Pagano 2015), with Student's t;
        at most all of them, and one a row where all are right or all are wrong.
        """
        rows = len(self.without["rows"])
        share = (self.value / whole).clamp(0, 1)
        spread = share * (1 - share)
        one_a_row, all_cells = (ndtri((1 + CONFIDENCE) / 2) ** 2 / (rows * count) for count in (1, cells))
        single = cells == 1 and set(self.without) == {"rows"}
        known = self.squared_half_widths() / whole**2 / spread
        relative = torch.where(known.isnan() & self._defined, all_cells, known.clamp(min=all_cells))
        relative = torch.where((spread < NO_SPREAD) | single, one_a_row, relative)
        relative = relative.masked_fill(~self._defined, torch.nan)
        middle = (share + relative / 2) / (1 + relative)
        half = (relative * spread + relative.square() / 4).sqrt() / (1 + relative)
        return _scores(self.value, (whole * (middle - half)).clamp(min=0), (whole * (middle + half)).clamp(max=whole))

    def share_differences(self, cells: int = 1, whole: float = 1.0, confidence: float = CONFIDENCE) -> list[Score]:
        """Differences `[K]` of two shares on the same rows, as parts of `whole`.

        As if there were two rows more, one that became right and one that became wrong (Bonett and Price 2012), so that
        answers that are all alike have an interval too. Of several `cells` a row each has such a pair.
        """
        rows = len(self.without["rows"])
        change, variance = self.value / whole, self.variances["rows"] / whole**2
        alike = variance.sqrt() <= NO_SPREAD
        pair = torch.where(alike, 1.0, 1 / cells)
        squares = rows * (rows - 1) * variance + rows * change.square() + 2 * pair
        middle = rows * change / (rows + 2)
        by_row = _t(rows, confidence) ** 2 * (squares / (rows + 2) - middle.square()) / (rows + 2)
        other = Estimate(self.value, {level: part for level, part in self.without.items() if level != "rows"})
        half = (by_row + other.squared_half_widths(confidence).nan_to_num() / whole**2).sqrt()
        half = half.masked_fill(~self._defined, torch.nan)
        low, high = (whole * (middle - half)).clamp(min=-whole), (whole * (middle + half)).clamp(max=whole)
        value = self.value.masked_fill(change.abs() < NO_SPREAD, 0.0)  # means of counts that cancel leave 1e-16
        return _scores(value, torch.minimum(low, value), torch.maximum(high, value))

    def ratio_scores(self) -> list[Score]:
        """The first of numbers `[K]` over each of the others, with Fieller's interval (1954): K − 1 ratios of harm.

        0 where there is no harm, infinite where there is harm and the reference does none; the upper end is infinite
        where the reference cannot be told from none.
        """
        return [_fieller(self, index) for index in range(1, len(self.value))]

    def p_values(self) -> Tensor:
        """Two-sided p that the numbers are 0, float64: one less the confidence at which the interval ends at 0.

        1 where there is no interval, so that nothing is claimed of one row or of rows that are all alike.
        """
        variances = torch.stack([*self.variances.values()])
        units = [len(self.without[level]) for level in self.variances]
        total = variances.sum(0)
        p = torch.ones_like(self.value)
        for count, variance in zip(units, variances, strict=True):
            alone = variance > total * (1 - NO_SPREAD)  # by one level: Student's t
            p[alone] = _t_tail(count, (self.value[alone].square() / variance[alone]).sqrt())
        mixed = variances.amax(0) <= total * (1 - NO_SPREAD)
        p[mixed] = _mixed_p(units, variances[:, mixed], self.value[mixed].square())
        return p.masked_fill(self.squared_half_widths().isnan(), 1.0)

    @property
    def _defined(self) -> Tensor:
        """Where no level is a single unit, and nothing is missing."""
        return ~sum(self.variances.values(), start=torch.zeros_like(self.value)).isnan()


def confidence_of_each(claims: int) -> float:
    """The confidence of each of so many claims at which all of them hold at once with 95 % (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / max(1, claims)


def by_rows(counts: Tensor) -> Estimate:
    """Sums over parallel rows, which are independent: `[R, ...]`, float64; a single row has no variance."""
    counts = counts.double()
    total = counts.sum(0)
    return Estimate(total, {"rows": total - counts if len(counts) > 1 else counts})


def row_means(values: Tensor) -> Estimate:
    """Means over parallel rows: `[R, ...]` → `[...]`."""
    counted = torch.stack([values.double(), torch.ones_like(values, dtype=torch.float64)], dim=-1)
    return by_rows(counted).map(lambda sums: sums[..., 0] / sums[..., 1])


def over(estimate: Estimate, level: UnitLevel) -> Estimate:
    """The mean over K draws, models or seeds in the first axis: numbers `[K, ...]` → `[...]`, with one level more.

    One random draw cannot tell how draws differ, and has no interval; one model or seed stands for itself.
    """
    units = estimate.value
    without = {name: values.mean(1) for name, values in estimate.without.items()}
    if len(units) > 1:
        without[level] = (units.sum(0) - units) / (len(units) - 1)
    elif level == "draws":
        without[level] = torch.full_like(units, torch.nan)  # of what depends on draws; all else keeps its number
    return Estimate(units.mean(0), without)


def combined(function: Callable[..., Tensor], *estimates: Estimate) -> Estimate:
    """A function of several estimates; levels of one name are the same rows, draws, models or seeds in all."""
    sizes = {level: len(values) for estimate in estimates for level, values in estimate.without.items()}
    without = {
        level: function(*(_without(estimate, level, size) for estimate in estimates)) for level, size in sizes.items()
    }
    return Estimate(function(*(estimate.value for estimate in estimates)), without)


def stacked(estimates: Sequence[Estimate]) -> Estimate:
    """Estimates of several models or seeds in one more first axis; levels of different sizes stay apart by model."""
    sizes: dict[str, set[int]] = {}
    for estimate in estimates:
        for level, values in estimate.without.items():
            sizes.setdefault(level, set()).add(len(values))
    apart = {level for level, numbers in sizes.items() if len(numbers) > 1}
    named = [_renamed(estimate, apart, index) for index, estimate in enumerate(estimates)]
    levels = dict.fromkeys(level for estimate in named for level in estimate.without)
    without = {}
    for level in levels:
        size = max(len(estimate.without.get(level, ())) for estimate in named)
        without[level] = torch.stack([_without(estimate, level, size) for estimate in named], dim=1)
    return Estimate(torch.stack([estimate.value for estimate in named]), without)


def mean_scores(by_row: Tensor) -> list[Score]:
    """Means over the rows that have a value, `[R, K]`, with t intervals: K Scores, NaN where no row has one."""
    known = ~by_row.isnan()
    rows, filled = known.sum(0), by_row.double().masked_fill(~known, 0)
    mean = filled.sum(0) / rows
    squares = ((filled - mean).square() * known).sum(0)
    half = _t_of(rows) * (squares / (rows - 1) / rows).sqrt()
    half = half.masked_fill(half <= NO_SPREAD * (1 + mean.abs()), torch.nan)
    return _scores(mean, mean - half, mean + half)


def sign_told(by_row: Tensor, confidence: float = CONFIDENCE) -> int:
    """1 or −1 where the mean over rows `[R]` can be told from 0, its sign; 0 where it cannot.

    By Student's t, and by Hall's (1992), t + γ/(6√R) + γ t²/(3√R) + γ² t³/(27R) for rows of skewness γ: where rows are
    very skewed, t alone errs in 12 % of cases at 5 rows and 8 % at 20, on the side of the longer tail's absence.
    Without its last term it is Johnson's (1978), a parabola, which tells the clearest means of skewed rows no sign.
    """
    (score,) = row_means(by_row[:, None]).scores(confidence)
    if not (score.low > 0 or score.high < 0):  # NaN too
        return 0
    rows, sign = len(by_row), 1 if score.value > 0 else -1
    deviations = by_row.double() - score.value
    skewness = float(deviations.pow(3).mean() / deviations.square().mean() ** 1.5)
    t = score.value * math.sqrt(rows) / float(deviations.std())
    bend = skewness / math.sqrt(rows)
    adjusted = t + bend / 6 + bend * t**2 / 3 + bend**2 * t**3 / 27
    return sign if sign * adjusted > _t(rows, confidence) else 0


def share_means(by_row: Tensor, cells: int = 1) -> list[Score]:
    """Means over rows of shares `[R, K]`, each of `cells` answers that are right or wrong, with Wilson's intervals."""
    return row_means(by_row).share_scores(cells)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for all of them being looked at (Holm 1979): claims at 0.05 are all true in 95 % of families.

    The k-th smallest of m is multiplied by m − k + 1, and is not smaller than those before it.
    """
    adjusted, largest = [1.0] * len(p_values), 0.0
    for position, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - position) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _fieller(estimate: Estimate, index: int) -> Score:
    """Ratio ρ of the first number a to another b: all ρ at which a − ρ b cannot be told from 0."""
    harm, reference = float(estimate.value[0]), float(estimate.value[index])
    pair = estimate.map(lambda values: torch.stack([values[..., 0], values[..., index]], dim=-1))
    sums = pair.map(lambda values: values.sum(-1, keepdim=True))
    both, (of_sum,) = pair.squared_half_widths(), sums.squared_half_widths().nan_to_num()
    ratio = 0.0 if harm <= 0 else math.inf if reference <= 0 else harm / reference
    if math.isnan(harm + reference) or bool(both.isnan().any()):
        return Score(math.nan if math.isnan(harm + reference) else ratio, math.nan, math.nan)
    of_harm, of_reference = both.tolist()
    shared = (float(of_sum) - of_harm - of_reference) / 2
    square, middle = reference**2 - of_reference, harm * reference - shared
    root = math.sqrt(max(0.0, middle**2 - square * (harm**2 - of_harm)))
    if square > 0 and reference > 0:
        return Score(ratio, max(0.0, (middle - root) / square), max(0.0, (middle + root) / square))
    harmful = harm > 0 and harm**2 > of_harm
    if square >= 0:
        return Score(ratio, math.inf if harmful else 0.0, math.inf)
    return Score(ratio, (middle - root) / square if harmful else 0.0, math.inf)


def _scores(value: Tensor, low: Tensor, high: Tensor) -> list[Score]:
    return [Score(*numbers) for numbers in zip(value.tolist(), low.tolist(), high.tolist(), strict=True)]


def _is_one_draw(level: str, values: Tensor) -> bool:
    return level.startswith("draws") and len(values) == 1


def _variance(without: Tensor) -> Tensor:
    """Of numbers without each of n units `[n, ...]`; NaN for one unit, which cannot tell how units differ."""
    if len(without) < 2:
        return torch.full_like(without[0], torch.nan)
    return (len(without) - 1) / len(without) * (without - without.mean(0)).square().sum(0)


def _t(units: int, confidence: float) -> float:
    return float(stdtrit(units - 1, (1 + confidence) / 2)) if units > 1 else math.nan


def _t_tail(units: int, t: Tensor) -> Tensor:
    return torch.from_numpy(2 * stdtr(units - 1, -t.numpy())) if units > 1 else torch.ones_like(t)


def _mixed_p(units: Sequence[int], variances: Tensor, squares: Tensor) -> Tensor:
    """p at which Σ t² variance over levels `[levels, K]` is the square of a number `[K]`, by bisection of log p."""
    low, high = torch.full_like(squares, -690.0), torch.zeros_like(squares)
    for _ in range(40 if len(squares) else 0):
        middle = (low + high) / 2
        quantiles = torch.stack([_t_at(count, middle.exp()) for count in units])
        wide = (quantiles.square() * variances).sum(0) > squares
        low, high = torch.where(wide, middle, low), torch.where(wide, high, middle)
    return high.exp()


def _t_at(units: int, p: Tensor) -> Tensor:
    return torch.from_numpy(stdtrit(units - 1, (p / 2).numpy())) if units > 1 else torch.full_like(p, torch.nan)


def _t_of(units: Tensor) -> Tensor:
    """Student's t for means of so many units each; NaN for one."""
    quantile = torch.from_numpy(stdtrit((units - 1).clamp(min=1).double().numpy(), (1 + CONFIDENCE) / 2))
    return quantile.masked_fill(units < 2, torch.nan)


def _without(estimate: Estimate, level: str, size: int) -> Tensor:
    """Numbers without each unit of a level `[size, ...]`, the same ones where they do not depend on it."""
    return estimate.without.get(level, estimate.value.expand(size, *estimate.value.shape))


def _renamed(estimate: Estimate, apart: set[str], index: int) -> Estimate:
    """Levels that are apart get the model's number; `rows` of the first model keep their name."""
    names = {level: f"{level} {index}" if level in apart and index else level for level in estimate.without}
    return Estimate(estimate.value, {names[level]: values for level, values in estimate.without.items()})
