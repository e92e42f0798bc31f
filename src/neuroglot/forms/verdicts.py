"""What is said of an answer in a formal language, beside a reference."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

VerdictWord = Literal["equal", "unequal", "invalid", "undecided"]
VERDICT_WORDS: tuple[VerdictWord, ...] = get_args(VerdictWord)
OUT_OF_MEMORY = "out of memory"
FormContext = Mapping[str, str]  # what a metric may need beside: `prompt`, `database`, `run`


@dataclass(frozen=True)
class Verdict:
    """Whether an answer means what the reference means, and why it is not said.

    `matched`, `answered` and `expected` count parts (AMR triples, facts) that both, the answer and the reference have.
    """

    word: VerdictWord
    reason: str = ""
    matched: int = 0
    answered: int = 0
    expected: int = 0


class InvalidFormError(ValueError):
    """A text is not of its form."""


class UndecidedError(ValueError):
    """It cannot be said whether two texts mean the same, within the bounds of the method."""


Read = TypeVar("Read")
Comparing = Callable[[str, str, FormContext], Verdict]


def by_canonical(canonical: Callable[[str], Hashable]) -> Comparing:
    """Equal where the canonical forms are; a reference that has none decides nothing."""

    def compare(answer: str, reference: str, context: FormContext) -> Verdict:
        expected = of_reference(canonical, reference)
        return told_equal(canonical(answer) == expected)

    return compare


def of_reference(read: Callable[[str], Read], reference: str) -> Read:
    """What a reference says; raises `UndecidedError` if it is not of its form."""
    try:
        return read(reference)
    except InvalidFormError as error:
        raise UndecidedError(f"the reference: {error}") from error


def told_equal(is_equal: bool) -> Verdict:
    """Equal or unequal."""
    return Verdict("equal" if is_equal else "unequal")
