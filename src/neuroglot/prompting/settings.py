"""Settings: which versions of an input a prompt shows (direct, pivot, parallel, and controls), and a search for the
best languages and their order.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal, get_args

from neuroglot.corpora.languages import language_code
from neuroglot.corpora.parallel_inputs.items import language_of
from neuroglot.errors import ConfigError
from neuroglot.signature import Signature

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
            "Expected languages, each once, and sizes from 1 to their number.",
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
        raise ConfigError(f"The score of {', '.join(order)} is {value}.", "Expected a finite number.")
    return value


Added = Literal["own", "shuffled", "filler"]


@dataclass(frozen=True)
class Setting:
    """The columns that a prompt shows, in this order; a column may come again.

    `main` is the column of fields that are shown once (a hypothesis). The texts of the other columns are the item's
    `own`, those of another row (`shuffled`), or unrelated text of the same length (`filler`).
    """

    name: str
    columns: tuple[str, ...]
    main: str
    added: Added = "own"

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if self.main not in self.columns or self.added not in get_args(Added):
            raise ConfigError(
                f"The setting {self.name!r} has the columns {self.columns}, main {self.main!r}, added {self.added!r}.",
                f"Expected the main column among the others, and one of {', '.join(get_args(Added))}.",
            )
        for column in self.columns:
            if language_code(language_of(column)) != language_of(column):
                expected = language_code(language_of(column))
                raise ConfigError(f"The setting {self.name!r} has the column {column!r}.", f"Expected {expected!r}.")

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that are shown, each once, in the order of the prompt."""
        return tuple(dict.fromkeys(map(language_of, self.columns)))

    @property
    def signature(self) -> Signature:
        return Signature.of(setting=self.name, columns=",".join(self.columns), main=self.main, added=self.added)


def direct(original: str) -> Setting:
    """The original only."""
    return Setting("direct", (original,), original)


def pivot(language: str) -> Setting:
    """One translation instead of the original."""
    return Setting(f"pivot-{language}", (language,), language)


def pmi(original: str, languages: Sequence[str], place: int = 0) -> Setting:
    """The original and k translations, in this order, the original at `place`: PMI-k of Mu et al. 2024."""
    return _several(f"pmi-{len(languages)}", original, languages, place, "own")


def shuffled(original: str, languages: Sequence[str], place: int = 0) -> Setting:
    """As `pmi`, with the translations of another row: languages and length without the content."""
    return _several(f"shuffled-{len(languages)}", original, languages, place, "shuffled")


def filler(original: str, languages: Sequence[str], place: int = 0) -> Setting:
    """As `pmi`, with unrelated text in the original's language, as long as the translations: length and labels only."""
    return _several(f"filler-{len(languages)}", original, languages, place, "filler")


def repeated(original: str, copies: int) -> Setting:
    """The original `copies` times, 2 or more."""
    if copies < 2:
        raise ConfigError(f"copies={copies} was given.", "Expected 2 or more; `direct` shows one.")
    return Setting(f"repeated-{copies}", (original,) * copies, original)


def paraphrase(original: str, columns: Sequence[str]) -> Setting:
    """The original and other wordings of it in its language, such as `["de#2"]`."""
    return _one_language(f"paraphrase-{len(columns)}", original, columns)


def monolingual_sources(original: str, columns: Sequence[str]) -> Setting:
    """The original and translations of other languages' versions back into its language, `["de#from-es", ...]`."""
    return _one_language(f"monolingual-{len(columns)}", original, columns)


def comparison(original: str, languages: Sequence[str]) -> tuple[Setting, ...]:
    """Direct, PMI, and the controls that need no other wordings: repeated, shuffled, filler."""
    several = (pmi, shuffled, filler)
    return (
        direct(original),
        *(setting(original, languages) for setting in several),
        repeated(original, len(languages) + 1),
    )


def _several(name: str, original: str, languages: Sequence[str], place: int, added: Added) -> Setting:
    columns = _distinct(name, original, languages)
    if not 0 <= place <= len(columns):
        raise ConfigError(f"place={place} was given.", f"Expected 0 to {len(columns)}.")
    if any(language_of(column) == language_of(original) for column in columns):
        raise ConfigError(
            f"{name} got {', '.join(columns)} beside the original {original!r}.", "Expected other languages."
        )
    return Setting(name, (*columns[:place], original, *columns[place:]), original, added)


def _one_language(name: str, original: str, columns: Sequence[str]) -> Setting:
    if any(language_of(column) != language_of(original) for column in _distinct(name, original, columns)):
        raise ConfigError(
            f"{name} got {', '.join(columns)} beside the original {original!r}.",
            f"Expected columns in the original's language, such as '{language_of(original)}#2'.",
        )
    return Setting(name, (original, *columns), original)


def _distinct(name: str, original: str, columns: Sequence[str]) -> tuple[str, ...]:
    if isinstance(columns, str) or not columns or len({original, *columns}) <= len(columns):
        raise ConfigError(
            f"{name} got the columns {columns!r}.", f"Expected a list, each once, {original!r} not among them."
        )
    return tuple(columns)
