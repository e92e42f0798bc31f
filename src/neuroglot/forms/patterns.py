"""Regular expressions: whether two accept the same strings, by the derivatives of both (Brzozowski 1964).

The notation is that of NL-RX (Locascio et al. 2016): Python's without groups that capture, looking around and word
boundaries, and with `&` for both and `~(...)` for what does not match. A pattern matches whole strings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from neuroglot.forms.trees import require_bounded
from neuroglot.forms.verdicts import FormContext, InvalidFormError, UndecidedError, Verdict, of_reference, told_equal

STATES = 3_000  # pairs of derivatives
_LONGEST = 600  # characters of a pattern
_MOST = 200  # repetitions that are counted
_OTHER = 0x10FFFF  # stands for every character that no pattern names
ALL = frozenset(range(0x80)) | {_OTHER}
NEWLINE = frozenset({10})
LETTERS = frozenset(c for c in range(0x80) if chr(c).isalpha())
DIGITS = frozenset(map(ord, "0123456789"))
_SPACES = frozenset(map(ord, " \t\n\r\f\v"))
_CLASSES = {"d": DIGITS, "w": LETTERS | DIGITS | {ord("_")}, "s": _SPACES}
ESCAPES = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11}

Node = tuple[Any, ...]
NOTHING: Node = ("chars", frozenset())
_EMPTY: Node = ("cat",)


def _cat(*parts: Node) -> Node:
    flat = tuple(inner for part in parts for inner in (part[1:] if part[0] == "cat" else (part,)))
    if NOTHING in flat:
        return NOTHING
    return flat[0] if len(flat) == 1 else ("cat", *flat)


def _either(parts: Iterable[Node]) -> Node:
    flat = frozenset(inner for part in parts for inner in (part[1] if part[0] == "or" else (part,))) - {NOTHING}
    if ANYTHING in flat:
        return ANYTHING
    return next(iter(flat)) if len(flat) == 1 else ("or", flat) if flat else NOTHING


def _both(parts: Iterable[Node]) -> Node:
    flat = frozenset(inner for part in parts for inner in (part[1] if part[0] == "and" else (part,))) - {ANYTHING}
    if NOTHING in flat:
        return NOTHING
    return next(iter(flat)) if len(flat) == 1 else ("and", flat) if flat else ANYTHING


def _negated(part: Node) -> Node:
    return part[1] if part[0] == "not" else ("not", part)


ANYTHING = _negated(NOTHING)


def _repeated(part: Node, least: int, most: int | None) -> Node:
    if most == 0 or part == _EMPTY:
        return _EMPTY
    if part == NOTHING:
        return _EMPTY if least == 0 else NOTHING
    return part if (least, most) == (1, 1) else ("repeat", part, least, most)


@cache
def _nullable(node: Node) -> bool:
    kind = node[0]
    if kind == "chars":
        return False
    if kind == "not":
        return not _nullable(node[1])
    if kind == "repeat":
        return node[2] == 0 or _nullable(node[1])
    parts = node[1:] if kind == "cat" else node[1]
    return any(map(_nullable, parts)) if kind == "or" else all(map(_nullable, parts))


@cache
def _derived(node: Node, character: int) -> Node:
    """What has to follow after a character."""
    kind = node[0]
    if kind == "chars":
        return _EMPTY if character in node[1] else NOTHING
    if kind == "not":
        return _negated(_derived(node[1], character))
    if kind in ("or", "and"):
        return (_either if kind == "or" else _both)(_derived(part, character) for part in node[1])
    if kind == "repeat":
        _, part, least, most = node
        rest = _repeated(part, max(least - 1, 0), None if most is None else most - 1)
        return _cat(_derived(part, character), rest)
    ways = []
    for index, part in enumerate(node[1:], 1):
        ways.append(_cat(_derived(part, character), *node[index + 1 :]))
        if not _nullable(part):
            break
    return _either(ways)


@dataclass
class _Reader:
    """A pattern read from its characters."""

    text: str
    next: int = 0

    def peek(self) -> str:
        return self.text[self.next : self.next + 1]

    def take(self) -> str:
        if self.next == len(self.text):
            raise InvalidFormError("the pattern ends too early")
        self.next += 1
        return self.text[self.next - 1]

    def either(self) -> Node:
        ways = [self.both()]
        while self.peek() == "|":
            self.take()
            ways.append(self.both())
        return _either(ways)

    def both(self) -> Node:
        parts = [self.sequence()]
        while self.peek() == "&":
            self.take()
            parts.append(self.sequence())
        return _both(parts)

    def sequence(self) -> Node:
        parts = []
        while self.peek() not in ("", "|", "&", ")"):
            parts.append(self.quantified())
        return _cat(*parts)

    def quantified(self) -> Node:
        part = self.single()
        counted = False
        while self.peek() in ("*", "+", "?") or (self.peek() == "{" and self._counts() is not None):
            if counted and self.peek() == "?":  # a lazy quantifier accepts the same strings
                self.take()
                continue
            if counted and self.peek() == "+":
                raise UndecidedError("'+' behind a quantifier, which gives nothing back in some notations")
            if self.peek() == "{":
                least, most = self._counts() or (0, None)
                self.next = self.text.index("}", self.next) + 1
            else:
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[self.take()]
            part, counted = _repeated(part, least, most), True
        return part

    def _counts(self) -> tuple[int, int | None] | None:
        """The two counts of `{2}`, `{2,}` or `{2,3}`; None for a brace that stands for itself."""
        inner = self.text[self.next + 1 :].partition("}")[0]
        low, comma, high = inner.partition(",")
        if "}" not in self.text[self.next :] or not (low + high).isdigit() or not (low or comma):
            return None
        least = int(low or 0)
        most = None if comma and not high else int(high or low)
        if most is not None and most < least:
            raise InvalidFormError(f"{{{inner}}} asks for fewer than it needs")
        if max(least, most or 0) > _MOST:
            raise UndecidedError(f"{{{inner}}} counts further than {_MOST}")
        return least, most

    def single(self) -> Node:
        character = self.take()
        if character == "(":
            if self.peek() == "?":
                if self.text[self.next : self.next + 2] != "?:":
                    raise UndecidedError(f"({self.text[self.next : self.next + 2]} is not known")
                self.next += 2
            inner = self.either()
            if self.peek() != ")":
                raise InvalidFormError("a bracket is not closed")
            self.take()
            return inner
        if character == "~":
            return _negated(self.quantified())
        if character in "*+?":
            raise InvalidFormError(f"{character!r} repeats nothing")
        if character == "^" or character == "$":
            raise UndecidedError(f"{character!r} inside of a pattern")
        if character == "[":
            return ("chars", self.chosen())
        if character == ".":
            return ("chars", ALL - NEWLINE)
        return ("chars", self.escaped() if character == "\\" else frozenset({_code(character)}))

    def escaped(self) -> frozenset[int]:
        character = self.take()
        if character.lower() in _CLASSES:
            chosen = _CLASSES[character.lower()]
            return ALL - chosen if character.isupper() else chosen
        if character in ESCAPES:
            return frozenset({ESCAPES[character]})
        if character.isalnum():
            raise UndecidedError(f"\\{character} is not known")
        return frozenset({_code(character)})

    def chosen(self) -> frozenset[int]:
        """What stands in square brackets."""
        negative = self.peek() == "^"
        self.next += negative
        characters: set[int] = set()
        is_first = True
        while self.peek() != "]" or is_first:
            low, is_first = self._member(), False
            if self.peek() == "-" and self.text[self.next + 1 : self.next + 2] not in ("]", ""):
                self.take()
                high = self._member()
                if len(low) != 1 or len(high) != 1 or max(low) > max(high):
                    raise InvalidFormError("a range in square brackets has no order")
                characters |= set(range(max(low), max(high) + 1))
            else:
                characters |= low
        self.take()
        return ALL - characters if negative else frozenset(characters)

    def _member(self) -> frozenset[int]:
        character = self.take()
        if character == "[" and self.peek() in (":", ".", "="):
            raise UndecidedError(f"'[{self.peek()}' in square brackets")
        return self.escaped() if character == "\\" else frozenset({_code(character)})


def _code(character: str) -> int:
    if ord(character) >= 0x80:
        raise UndecidedError(f"{character!r} is not among the characters that are known")
    return ord(character)


def read_pattern(text: str) -> Node:
    """The pattern of a text, without `^` and `$` around it, which whole strings make idle."""
    text = text.strip()
    require_bounded(text)
    if len(text) > _LONGEST:
        raise UndecidedError(f"a pattern of {len(text)} characters, where at most {_LONGEST} are read")
    is_escaped = (len(text) - len(text[:-1].rstrip("\\"))) % 2 == 0
    inner = text.removeprefix("^")
    reader = _Reader(inner[:-1] if inner.endswith("$") and not is_escaped else inner)
    node = reader.either()
    if reader.peek():
        raise InvalidFormError("a bracket is closed that was not opened")
    return node


def _representatives(*nodes: Node) -> list[int]:
    """One character of each class that no pattern tells apart."""
    sets: set[frozenset[int]] = set()
    stack, seen = list(nodes), set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node[0] == "chars":
            sets.add(node[1])
        elif node[0] in ("not", "repeat"):
            stack.append(node[1])
        else:
            stack += node[1:] if node[0] == "cat" else node[1]
    classes: dict[tuple[bool, ...], int] = {}
    for character in sorted(ALL):
        classes.setdefault(tuple(character in part for part in sets), character)
    return list(classes.values())


def compare_patterns(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal where no string is accepted by one alone; undecided beyond `STATES` pairs of derivatives."""
    for derivatives in (_nullable, _derived):  # of other patterns, which would fill the memory
        derivatives.cache_clear()
    start = (of_reference(read_pattern, reference), read_pattern(answer))
    characters = _representatives(*start)
    seen, stack = {start}, [start]
    while stack:
        left, right = stack.pop()
        if _nullable(left) != _nullable(right):
            return told_equal(False)
        for character in characters:
            pair = (_derived(left, character), _derived(right, character))
            if pair[0] != pair[1] and pair not in seen:
                if len(seen) == STATES:
                    raise UndecidedError(f"more than {STATES} states")
                seen.add(pair)
                stack.append(pair)
    return told_equal(True)
