"""Symbol-evol (Xu et al. 2024): symbols that a prompt defines get other names, in the definitions and in the answer."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from neuroglot.corpora.symbols.drawn import SymbolRow

LENGTH = 6  # characters of a new name, as in the published example
# Words of that length which forms know.
RESERVED = frozenset(
    ["select", "having", "offset", "except", "unique", "values", "filter", "exists", "lambda", "define", "domain",
     "import", "return", "global", "assert", "delete", "update", "insert", "create"]
)  # fmt: skip
APART = r"[\w-]"  # what belongs to a symbol, so that `on` is not renamed in `ontable`


@dataclass(frozen=True)
class Renaming:
    """New names by the old ones: both ways, and back to the same text."""

    names: Mapping[str, str]

    def apply(self, text: str) -> str:
        """The text with each whole symbol renamed."""
        return _replaced(text, self.names, apart=APART)

    def undo(self, text: str) -> str:
        """The text with the old names: new ones stand nowhere else, and may stand next to one another."""
        return _replaced(text, {new: old for old, new in self.names.items()})


def drawn_renaming(symbols: Sequence[str], texts: Iterable[str], rng: Random) -> Renaming:
    """New names of letters and digits for the symbols, none of which stands anywhere in the texts, not even within a
    word, in capitals or as a word of a form; so `undo` gives back what `apply` was given, and SQL and PDDL, which do
    not tell capitals, tell the names.
    """
    together = "\n".join((*texts, *symbols)).lower()
    names: dict[str, str] = {}
    for symbol in dict.fromkeys(symbols):
        name = _name(rng)
        while name.lower() in (*(known.lower() for known in names.values()), *RESERVED) or name.lower() in together:
            name = _name(rng)
        names[symbol] = name
    return Renaming(names)


def renamed(row: SymbolRow, rng: Random) -> tuple[SymbolRow, Renaming]:
    """The row with its symbols renamed in definitions and answer, not in meanings and sentence, and the names."""
    renaming = drawn_renaming([symbol for symbol, _ in row.terms], (row.prompt, row.answer), rng)
    return _changed(row, renaming.apply, renaming.names), renaming


def restored(row: SymbolRow, renaming: Renaming) -> SymbolRow:
    """The row that `renamed` was given."""
    return _changed(row, renaming.undo, {new: old for old, new in renaming.names.items()})


def _changed(row: SymbolRow, change: Callable[[str], str], names: Mapping[str, str]) -> SymbolRow:
    terms = tuple((names[symbol], meaning) for symbol, meaning in row.terms)
    return replace(row, terms=terms, scheme=change(row.scheme), answer=change(row.answer))


def _name(rng: Random) -> str:
    letters = string.ascii_letters + string.digits
    return rng.choice(string.ascii_letters) + "".join(rng.choice(letters) for _ in range(LENGTH - 1))


def _replaced(text: str, names: Mapping[str, str], apart: str | None = None) -> str:
    """Symbols replaced in one pass, the longest first, so that no new name is renamed again; only where none of the
    characters `apart` is next to them.
    """
    if not names:
        return text
    longest_first = sorted(names, key=len, reverse=True)
    pattern = f"(?:{'|'.join(map(re.escape, longest_first))})"
    pattern = pattern if apart is None else rf"(?<!{apart}){pattern}(?!{apart})"
    return re.sub(pattern, lambda match: names[match[0]], text)
