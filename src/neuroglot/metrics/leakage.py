"""Rows of a corpus that a test set holds: the same text, the same row in translation, or what looks like one."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

from neuroglot.corpora.corpus import Corpus
from neuroglot.metrics.texts.changed_numbers import WrittenNumbers, written_numbers

IN_TEST_SET, TRANSLATED, LIKE = "in the test set", "in the test set, translated", "like a row of the test set"
LEAST_CHARACTERS = 10  # of a text that is no coincidence, without spaces and punctuation
LEAST_NUMBERS = 2  # different ones that the same row of two corpora hardly shares by chance


def leaked(corpus: Corpus, test: Corpus) -> dict[str, dict[str, tuple[int, ...]]]:
    """Rows by kind and language that a test set holds too.

    `IN_TEST_SET`: the text equals one of the test set in the same language, but for case, spaces and punctuation.
    `TRANSLATED`: another language of the row does, so that this one says the same. `LIKE`: none does, but the row has
    the id of a row of the test set and, in this language, the numbers of that row in some language: all of them, two
    different ones or more.
    """
    same = {language: _equal(corpus, test, language) for language in corpus.languages}
    anywhere = set().union(*same.values())
    translated = {language: tuple(sorted(anywhere - {*rows})) for language, rows in same.items()}
    like = _like(corpus, test, anywhere)
    return {IN_TEST_SET: same, TRANSLATED: translated, LIKE: like}


def _equal(corpus: Corpus, test: Corpus, language: str) -> tuple[int, ...]:
    if language not in test.texts:
        return ()
    known = {folded for text in test.texts[language] if len(folded := folded_text(text)) >= LEAST_CHARACTERS}
    return tuple(row for row, text in enumerate(corpus.texts[language]) if folded_text(text) in known)


def _like(corpus: Corpus, test: Corpus, known: set[int]) -> dict[str, tuple[int, ...]]:
    row_of = {row_id: row for row, row_id in enumerate(test.ids)}
    pairs = [(row, row_of[row_id]) for row, row_id in enumerate(corpus.ids) if row_id in row_of and row not in known]
    return {
        language: tuple(row for row, other in pairs if _same_numbers(column[row], language, test.texts, other))
        for language, column in corpus.texts.items()
    }


def _same_numbers(text: str, language: str, texts: Mapping[str, Sequence[str]], row: int) -> bool:
    numbers = written_numbers(text, language)
    if len(numbers.known) < LEAST_NUMBERS or numbers.unread:
        return False
    return any(written_numbers(column[row], code) == WrittenNumbers(numbers.known, 0) for code, column in texts.items())


def folded_text(text: str) -> str:
    """The text without case, spaces, punctuation and symbols, in one form of Unicode (NFKC)."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_left_out())


@cache
def _left_out() -> dict[int, None]:
    return {code: None for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in "PZSC"}
