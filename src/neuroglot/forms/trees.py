"""Brackets to trees, and trees in which some parts have no order: s-expressions, calls, parses, plans' problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from neuroglot.forms.verdicts import InvalidFormError, UndecidedError

_DEEPEST = 100  # brackets within each other
_LONGEST = 20_000  # characters

Tree = str | tuple["Tree", ...]


def require_bounded(text: str, opening: str = "(", closing: str = ")") -> None:
    """Raise `UndecidedError` for a text that is too long or too deep to be read, whatever it says."""
    if len(text) > _LONGEST:
        raise UndecidedError(f"{len(text)} characters, where at most {_LONGEST} are read")
    depth = 0
    for character in text:
        depth += (character in opening) - (character in closing)
        if depth > _DEEPEST:
            raise UndecidedError(f"more than {_DEEPEST} brackets within each other")


def tokens_of(text: str, pattern: str) -> Iterator[str]:
    """The tokens of a text, white space aside; raises `InvalidFormError` at what is no token."""
    scan, end = re.compile(rf"\s*(?:({pattern})|$)", re.DOTALL), 0
    while end < len(text):
        match = scan.match(text, end)
        if match is None:
            raise InvalidFormError(f"{text[end : end + 20]!r} is no token")
        if match[1] is not None:
            yield match[1]
        end = match.end() if match.end() > end else len(text)


def nested(text: str, brackets: str = "()", atom: str | None = None) -> list[Tree]:
    """The trees of a text of nested brackets: atoms, and tuples of trees. Raises `InvalidFormError` if unbalanced."""
    opening, closing = brackets[0], brackets[1]
    require_bounded(text, opening, closing)
    both = re.escape(opening) + re.escape(closing)
    stack: list[list[Tree]] = [[]]
    for token in tokens_of(text, (atom and f"[{both}]|{atom}") or rf'[{both}]|"(?:[^"\\]|\\.)*"|[^\s{both}]+'):
        if token == opening:
            stack.append([])
        elif token == closing:
            if len(stack) == 1:
                raise InvalidFormError("a bracket is closed that was not opened")
            tree = tuple(stack.pop())
            stack[-1].append(tree)
        else:
            stack[-1].append(token)
    if len(stack) > 1:
        raise InvalidFormError("a bracket is not closed")
    return stack[0]


def single(text: str, brackets: str = "()") -> tuple[Tree, ...]:
    """The one tree that a text is."""
    trees = nested(text, brackets)
    if len(trees) != 1 or isinstance(trees[0], str):
        raise InvalidFormError("not one expression in brackets")
    return trees[0]


def unordered(trees: Sequence[Tree]) -> tuple[Tree, ...]:
    """Trees in an order of their own, each once."""
    return tuple(sorted(set(trees), key=repr))


CALL = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[(),;]|[^\s(),;'\"]+(?: +[^\s(),;'\"]+)*"


def calls(text: str) -> list[Tree]:
    """The calls `f(a, g(b))` of a text, separated by commas, semicolons or new lines, as trees `(f, a, (g, b))`.

    A call without arguments is a tuple of one; anything else that stands alone is an atom.
    """
    require_bounded(text)
    stack: list[list[Tree]] = [[]]
    expects_value, head = True, None
    for token in tokens_of(text, CALL):
        if token == "(":
            if head is None:
                raise InvalidFormError("a bracket without a name before it")
            stack[-1].pop()
            stack.append([head])
            expects_value, head = True, None
        elif token == ")":
            if len(stack) == 1 or (expects_value and len(stack[-1]) > 1):
                raise InvalidFormError("a bracket is closed too early")
            tree = tuple(stack.pop())
            stack[-1].append(tree)
            expects_value, head = False, None
        elif token in ",;":
            if expects_value:
                raise InvalidFormError("a value is missing")
            expects_value, head = True, None
        else:
            if not expects_value and len(stack) > 1:
                raise InvalidFormError("a comma is missing")
            stack[-1].append(token)
            expects_value, head = False, token
    if len(stack) > 1 or not stack[0]:
        raise InvalidFormError("a bracket is not closed" if len(stack) > 1 else "no call")
    return stack[0]


def rebuilt(tree: Tree, law: Callable[[tuple[Tree, ...]], Tree]) -> Tree:
    """The tree with a law applied to each of its tuples, the innermost first."""
    return tree if isinstance(tree, str) else law(tuple(rebuilt(part, law) for part in tree))
