"""Lint: what is wrong with rows of parallel text, by kind and language, and the rows without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.suspicion import LETTERS_NEEDED, SUSPICIONS, Context, kinds_of
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.metrics.intervals import Score, share_means
from neuroglot.metrics.leakage import IN_TEST_SET, LIKE, TRANSLATED
from neuroglot.metrics.texts.changed_numbers import ADDED, CHANGED, LOST, changed_numbers, written_numbers
from neuroglot.showing import Shown, counted, languages_in_short
from neuroglot.signature import Signature

TOO_SHORT, TOO_LONG, REPEATED, ELSEWHERE = "too short", "too long", "repeated", "another language"
FINDING_KINDS = (
    *SUSPICIONS, CHANGED, LOST, ADDED, TOO_SHORT, TOO_LONG, REPEATED, ELSEWHERE, IN_TEST_SET, TRANSLATED, LIKE,
)  # fmt: skip
HARMLESS = (LOST, ADDED)  # mostly numbers that one language writes as words
LEAST_LENGTH = 20  # characters of a text, or expected of it, of which a length says something
LintedRows = Mapping[str, Sequence[int]]  # by language


@dataclass(frozen=True)
class FoundText:
    """A text of a kind, and the text that it should translate."""

    language: str
    kind: str
    row_id: str
    text: str
    source: str


@dataclass(frozen=True, eq=False, repr=False)
class Lint(Shown):
    """Findings in R parallel rows: `findings[kind][language]` are numbers of rows, from 0; kinds without any are not
    there. Texts are held against those of the language `relative_to`.
    """

    corpus: Corpus
    relative_to: str
    findings: Mapping[str, LintedRows]
    signature: Signature

    @property
    def languages(self) -> tuple[str, ...]:
        return self.corpus.languages

    def _facts(self) -> list[str]:
        return [self.corpus.name, counted(len(self.corpus), "row"), languages_in_short(self.languages)]

    def _numbers(self) -> str:
        return ", ".join(f"{kind} {sum(map(len, rows.values())):,}" for kind, rows in self.findings.items())

    def counts(self, kind: str) -> dict[str, int]:
        """How many texts of each language are of a kind."""
        return {language: len(self.findings.get(kind, {}).get(language, ())) for language in self.languages}

    def shares(self, kind: str) -> dict[str, Score]:
        """The share of texts of each language that are of a kind, with an interval over rows (Wilson)."""
        flags = torch.zeros(len(self.corpus), len(self.languages), dtype=torch.float64)
        for index, language in enumerate(self.languages):
            flags[list(self.findings.get(kind, {}).get(language, ())), index] = 1
        return dict(zip(self.languages, share_means(flags), strict=True))

    def rows(self, kinds: Sequence[str]) -> tuple[int, ...]:
        """The rows that have a text of one of the kinds in some language; raises `ConfigError` on an unknown kind."""
        require_kinds(kinds)
        found = {row for kind in kinds for rows in self.findings.get(kind, {}).values() for row in rows}
        return tuple(sorted(found))

    def clean(self, kinds: Sequence[str]) -> Corpus:
        """The rows that have no text of these kinds; raises `CorpusError` if none is left."""
        left_out = self.rows(kinds)
        kept = np.setdiff1d(np.arange(len(self.corpus)), left_out)
        if not len(kept):
            raise CorpusError(
                f"All {len(self.corpus):,} rows of {self.corpus.name!r} are of a kind to leave out.",
                "Expected one row or more that is not.",
                "Leave out fewer kinds: --drop KIND ...",
            )
        return self.corpus.take(kept)

    def examples(self, most: int = 3) -> list[FoundText]:
        """The first texts of each kind and language, at most so many."""
        texts, ids = self.corpus.texts, self.corpus.ids
        return [
            FoundText(language, kind, ids[row], texts[language][row], texts[self.relative_to][row])
            for kind, by_language in self.findings.items()
            for language, rows in by_language.items()
            for row in rows[:most]
        ]


def require_kinds(kinds: Sequence[str]) -> None:
    """Raise `ConfigError` for what is no kind of finding."""
    unknown = [kind for kind in kinds if kind not in FINDING_KINDS]
    if unknown:
        raise ConfigError(f"The kind {unknown[0]!r} was named.", f"Expected {', '.join(map(repr, FINDING_KINDS))}.")


def text_findings(corpus: Corpus, relative_to: str) -> dict[str, dict[str, list[int]]]:
    """By kind and language the rows whose text is perhaps none, or has other numbers than its source."""
    findings: dict[str, dict[str, list[int]]] = {}
    for language, column in corpus.texts.items():
        for row, (source, text) in enumerate(zip(corpus.texts[relative_to], column)):
            kinds = list(kinds_of(text, Context(language, source, relative_to)))
            if language != relative_to:
                kinds += _numbers_of(source, relative_to, text, language)
            for kind in kinds:
                findings.setdefault(kind, {}).setdefault(language, []).append(row)
    return findings


def _numbers_of(source: str, source_language: str, text: str, language: str) -> list[str]:
    kind = changed_numbers(written_numbers(source, source_language), written_numbers(text, language))
    return [] if kind is None else [kind]


def length_findings(corpus: Corpus, relative_to: str, factor: float) -> dict[str, dict[str, list[int]]]:
    """Rows whose text is more than `factor` times shorter or longer than its source lets expect.

    What is expected is the source's length in characters times the language's median ratio to it; texts of which
    fewer than 20 characters are there and expected are left out.
    """
    sources = _lengths(corpus.texts[relative_to])
    findings: dict[str, dict[str, list[int]]] = {TOO_SHORT: {}, TOO_LONG: {}}
    for language, column in corpus.texts.items():
        lengths = _lengths(column)
        expected = sources * np.median(lengths / sources)
        tells = np.maximum(lengths, expected) >= LEAST_LENGTH
        findings[TOO_SHORT][language] = np.flatnonzero(tells & (lengths * factor < expected)).tolist()
        findings[TOO_LONG][language] = np.flatnonzero(tells & (lengths > factor * expected)).tolist()
    return findings


def _lengths(column: Sequence[str]) -> NDArray[np.float64]:
    return np.fromiter((len(text.strip()) for text in column), np.float64, len(column))


def rows_repeated(column: Sequence[str]) -> list[int]:
    """The rows whose text an earlier row has, but for case and spaces."""
    seen: Counter[str] = Counter()
    repeated = []
    for row, text in enumerate(column):
        key = " ".join(text.casefold().split())
        seen[key] += 1
        if seen[key] > 1:
            repeated.append(row)
    return repeated


def can_tell(text: str) -> bool:
    """Whether a text is long enough to tell its language."""
    return sum(map(str.isalpha, text)) >= 2 * LETTERS_NEEDED
