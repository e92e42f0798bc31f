"""Two conditions on the same rows: McNemar's exact test, the sign test it is part of, and the exchange of systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from scipy.stats import binomtest
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import Score, mean_scores


@dataclass(frozen=True)
class PairedTest:
    """Pairs in which the second condition is lower (`fell`) or higher (`rose`), and the two-sided exact `p`."""

    fell: int
    rose: int
    p: float


def mcnemar(first: Tensor, second: Tensor) -> PairedTest:
    """McNemar's exact test of two conditions on the same units, `[units]` each; ties say nothing and are left out.

    With 0 and 1 (wrong, right) it is the classical test on discordant pairs; with counts, such as right answers of a
    row over its languages, it is the sign test, which for one language is the same. Units must be independent: parallel
    rows, or the answers of one language, never answers of several languages at once. Source: McNemar 1947; the exact
    binomial form. Raises `ConfigError` where the shapes differ.
    """
    if first.shape != second.shape or first.dim() != 1:
        raise ConfigError(
            f"Two conditions of the shapes {list(first.shape)} and {list(second.shape)} were to be compared.",
            "Expected one number a unit, for the same units.",
        )
    fell, rose = int((second < first).sum()), int((second > first).sum())
    return PairedTest(fell, rose, _sign_test(fell, fell + rose) if fell + rose else 1.0)


@lru_cache(maxsize=4096)  # a page has many tests of few different counts
def _sign_test(fell: int, changed: int) -> float:
    return float(binomtest(fell, changed).pvalue)


def over_draws(p_values: Sequence[float]) -> float:
    """One p-value from K that depend on each other in any way: K/k times the k-th smallest, k = K//2 + 1, at most 1.

    Source: Rüger 1978. For the comparison with each of several random controls; the mean over draws would not do,
    because a single set and a mean of sets are not exchangeable.
    """
    ordered = sorted(p_values)
    middle = len(ordered) // 2 + 1
    return min(1.0, ordered[middle - 1] * len(ordered) / middle)


EXCHANGES = 10_000
ENUMERATED = 13  # rows of which all 2^R exchanges are tried


def exchanged(first: Tensor, second: Tensor, value: Callable[[Tensor], Tensor]) -> float:
    """Two-sided p that two systems are alike: how often they differ as much where rows are exchanged at random.

    Counts `[R, C]` of each system on the same rows, and what their sums come down to, `[..., C]` → `[...]`. Exact for
    any number of rows where a row's outputs are exchangeable: all 2^R exchanges are tried up to 13 rows, and 10,000
    drawn ones, with the one at hand, beyond. Source: Riezler and Maxwell 2005 (approximate randomisation).
    """
    middle, half = (first + second).double().sum(0) / 2, (first - second).double() / 2
    sums = _exchanges(len(first)).double() @ half
    changes = (value(middle + sums) - value(middle - sums)).abs()
    return float((changes >= changes[0] * (1 - 1e-9) - 1e-12).double().mean())


@lru_cache(maxsize=1)
def _exchanges(rows: int) -> Tensor:
    """1 where a row stays, −1 where it is exchanged, int8 `[exchanges, R]`, the rows at hand first."""
    if rows <= ENUMERATED:
        return (1 - 2 * (torch.arange(2**rows)[:, None] >> torch.arange(rows) & 1)).to(torch.int8)
    signs = 1 - 2 * torch.randint(2, (EXCHANGES, rows), generator=torch.Generator().manual_seed(0))
    signs[0] = 1
    return signs.to(torch.int8)


def paired_difference(first: Tensor, second: Tensor) -> Score:
    """Mean of `second - first` over R rows, `[R]` or `[R, G]` (over languages too), with a t interval over rows."""
    difference = (second - first).double()
    by_row = difference.reshape(len(difference), -1).mean(1, keepdim=True)
    (score,) = mean_scores(by_row)
    return score
