"""A drawn row: a sentence, and what it says in a formal language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class SymbolRow:
    """What a model is told to do, the symbols with their meanings, the sentence, and the right answer.

    `terms` are pairs of symbol and meaning, and `scheme` is a text of symbols, such as CREATE TABLE.
    """

    instruction: str
    input: str
    answer: str
    terms: tuple[tuple[str, str], ...] = ()
    scheme: str = ""

    @property
    def definitions(self) -> str:
        """The scheme, and each symbol with its meaning."""
        listed = ", ".join(f"{symbol}: {meaning}" for symbol, meaning in self.terms)
        return "\n".join(part for part in (self.scheme, listed) if part)

    @property
    def prompt(self) -> str:
        """All that is told, a part a line, which ends without a space."""
        return "\n".join(part for part in (self.instruction, self.definitions, self.input, "Answer:") if part)


Draw = Callable[[Random], SymbolRow]


def capital(sentence: str) -> str:
    """The sentence with its first letter in capitals."""
    return sentence[:1].upper() + sentence[1:]
