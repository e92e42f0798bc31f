"""Which languages to add, and in which order: a search with any score."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

from neuroglot.errors import ConfigError

Languages = tuple[str, ...]


@dataclass(frozen=True)
class LanguageSearch:
    """The best languages in their order, its score, all that was tried with its score, and whether that was all."""

    best: Languages
    score: float
    tried: tuple[tuple[Languages, float], ...]
    exhaustive: bool


def search_languages(
    languages: Sequence[str],
    score: Callable[[Languages], float],
    *,
    sizes: Sequence[int] | None = None,
    cap: int = 200,
) -> LanguageSearch:
    """The subset and order of `languages` with the highest score; of equal ones the first that was tried.

    Tried are all orders of all subsets of `sizes` (all sizes from 1 by default) where these are at most `cap`; else,
    greedily, the best language at the best place is added until the largest size is reached, and the best of the asked
    sizes met on the way wins. Score on other items than those you report. Raises `ConfigError` on a score that is no
    number, repeated languages, or sizes that cannot be.
    """
    wanted = range(1, len(languages) + 1) if sizes is None else sorted(set(sizes))
    if len(set(languages)) < len(languages) or not wanted or not 1 <= wanted[0] <= wanted[-1] <= len(languages):
        raise ConfigError(
            f"A search among {list(languages)} for the sizes {list(wanted)} was asked for.",
            "Expected are languages, each once, and sizes from 1 to their number.",
        )
    exhaustive = sum(math.perm(len(languages), size) for size in wanted) <= cap
    if exhaustive:
        orders = [order for size in wanted for order in permutations(languages, size)]
        tried = [(order, _scored(score, order)) for order in orders]
    else:
        tried = _greedy(languages, score, wanted[-1])
    best, value = max((pair for pair in tried if len(pair[0]) in wanted), key=lambda pair: pair[1])
    return LanguageSearch(best, value, tuple(tried), exhaustive)


def _greedy(languages: Sequence[str], score: Callable[[Languages], float], size: int) -> list[tuple[Languages, float]]:
    tried: list[tuple[Languages, float]] = []
    so_far: Languages = ()
    while len(so_far) < size:
        longer = [
            ((*so_far[:place], language, *so_far[place:]))
            for language in languages
            if language not in so_far
            for place in range(len(so_far) + 1)
        ]
        step = [(order, _scored(score, order)) for order in longer]
        so_far = max(step, key=lambda pair: pair[1])[0]
        tried += step
    return tried


def _scored(score: Callable[[Languages], float], order: Languages) -> float:
    value = float(score(order))
    if not math.isfinite(value):
        raise ConfigError(f"The score of {', '.join(order)} is {value}.", "Expected is a finite number.")
    return value
