"""Whether a translation has the numbers of its source: those that digits write, whatever the notation."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from neuroglot.metrics.texts.notations import AMBIGUOUS, NUMBER, SEPARATORS, ascii_digits, decimal_mark, value

CHANGED, LOST, ADDED = "numbers changed", "numbers lost", "numbers added"


@dataclass(frozen=True)
class WrittenNumbers:
    """The numbers that a text writes in digits, without their signs, and how many more have no one meaning."""

    known: Counter[Decimal]
    unread: int


def written_numbers(text: str, language: str) -> WrittenNumbers:
    """The numbers of a text in the notation of its language, any code.

    Signs are left out, because a hyphen and a minus are written alike. What has no one meaning (`1.234` in French, or
    in a language whose notation is not known; `3万`) is unread. Words such as `two` are no numbers here.
    """
    base = language.partition("-")[0]
    text = ascii_digits(text)
    shown = decimal_mark(text)
    values = [_value(match, base, shown) for match in NUMBER.finditer(text)]
    known = [abs(number) for number in values if number is not None]
    return WrittenNumbers(Counter(known), len(values) - len(known))


def changed_numbers(source: WrittenNumbers, text: WrittenNumbers) -> str | None:
    """`CHANGED` where each side has a number that the other lacks, `LOST` or `ADDED` where one side has, else None.

    An unread number may be any that the other side has more. What is lost or added alone is often written as a word on
    the other side; what is changed rarely is.
    """
    lost = (source.known - text.known).total() > text.unread
    added = (text.known - source.known).total() > source.unread
    if lost and added:
        return CHANGED
    return LOST if lost else ADDED if added else None


def _value(match: re.Match[str], language: str, shown: str | None) -> Decimal | None:
    if language not in SEPARATORS and AMBIGUOUS.fullmatch(match["digits"]):
        return None
    return value(match, language, shown)
