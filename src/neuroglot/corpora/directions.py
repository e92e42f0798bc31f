"""Directions of translation: from which language into which, and on which side of the pivot they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from neuroglot.corpora.languages import known_code, language_code
from neuroglot.errors import ConfigError
from neuroglot.showing import noun_of

DirectionType = Literal["en2x", "x2en", "zero-shot"]
PIVOT = "en"


@dataclass(frozen=True, order=True)
class Direction:
    """From the language `source` into the language `target`; its text is `en-de`.

    Raises `ConfigError` where both are the same language.
    """

    source: str
    target: str

    def __post_init__(self) -> None:
        if not self.source or not self.target or self.source == self.target:
            raise ConfigError(f"Got a direction from {self.source!r} into {self.target!r}.", "Expected two languages.")

    @classmethod
    def parse(cls, text: str) -> Direction:
        """The direction that `en-de` or `en-zh-Hans` names; raises `ConfigError` where it is none, or not one only."""
        parts = text.split("-")
        splits = [("-".join(parts[:place]), "-".join(parts[place:])) for place in range(1, len(parts))]
        found = [split for split in splits if all(known_code(code) for code in split)]
        if len(found) != 1:
            readings = " or ".join(f"{source} into {target}" for source, target in found)
            raise ConfigError(
                f"{text!r} can be read as {readings}." if found else f"{text!r} is no direction.",
                "Expected two language codes with one hyphen between them, such as 'en-de'.",
                "In Python, Direction(source, target) says which is which." if found else "",
            )
        return cls(*found[0])

    def type(self, pivot: str = PIVOT) -> DirectionType:
        """Out of the pivot (`en2x`), into it (`x2en`), or past it (`zero-shot`)."""
        return "en2x" if self.source == pivot else "x2en" if self.target == pivot else "zero-shot"

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"


def directions_of(languages: Sequence[str], pivot: str = PIVOT) -> tuple[Direction, ...]:
    """Out of the pivot into every other language, and from each of them into the pivot; raises `ConfigError`."""
    others = [language for language in languages if language != pivot]
    if pivot not in languages or not others:
        raise ConfigError(
            f"Got the languages {', '.join(languages)}.",
            f"Expected {pivot!r} and one or more others.",
            "Name another pivot (--pivot), or the directions (--directions).",
        )
    return tuple(Direction(pivot, other) for other in others) + tuple(Direction(other, pivot) for other in others)


def language_compared_with(languages: Sequence[str], asked: str | None, pivot: str = PIVOT) -> str:
    """The language that is asked for, however its code is written; else the pivot if it is there, or the first.

    Raises `CorpusError` for what is no language, and `ConfigError` for one that is not among them.
    """
    found = (pivot if pivot in languages else languages[0]) if asked is None else language_code(asked)
    if found not in languages:
        raise ConfigError(
            f"Texts were to be compared with those of {asked!r}.", f"Expected one of {', '.join(languages)}."
        )
    return found


def is_direction(text: str) -> bool:
    """Whether a name is that of one direction, such as `en-de`; `pt-BR` and `zh-Hans` are languages."""
    try:
        return bool(Direction.parse(text)) and noun_of((text,)) == "direction"
    except ConfigError:
        return False


def as_direction(direction: Direction | str) -> Direction:
    """A direction, however it was given."""
    return direction if isinstance(direction, Direction) else Direction.parse(direction)
