"""Programs: Python by its syntax tree, solutions of sums by what they give, and shells and others by their words."""

from __future__ import annotations

import ast
import io
import math
import shlex
import warnings
from collections.abc import Hashable
from contextlib import redirect_stdout
from typing import Any

from neuroglot.forms.trees import require_bounded
from neuroglot.forms.verdicts import FormContext, InvalidFormError, UndecidedError, Verdict, of_reference, told_equal


def read_python(text: str) -> ast.Module:
    """The syntax tree; raises `InvalidFormError` where there is none."""
    require_bounded(text, "([{", ")]}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.strip())
    except (SyntaxError, ValueError) as error:
        raise InvalidFormError(str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise UndecidedError("the program is nested too deeply") from error


class _Renamed(ast.NodeTransformer):
    """Names that a program itself assigns, numbered in the order in which they are first met."""

    def __init__(self, tree: ast.AST) -> None:
        own = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        own += [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
        self.own, self.numbers = set(own), dict[str, str]()

    def number(self, name: str) -> str:
        return self.numbers.setdefault(name, f"\0{len(self.numbers)}") if name in self.own else name

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.number(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self.number(node.arg), node.annotation and self.visit(node.annotation))


def python_tree(text: str) -> Hashable:
    """The syntax tree with the program's own variables numbered; comments and layout say nothing."""
    tree = read_python(text)
    return ast.dump(_Renamed(tree).visit(tree))


def compare_python(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal trees are equal, and what is no Python is invalid; other programs are undecided."""
    expected = of_reference(python_tree, reference)
    if python_tree(answer) == expected:
        return told_equal(True)
    raise UndecidedError("other programs, which may do the same")


def compare_solutions(answer: str, reference: str, context: FormContext) -> Verdict:
    """As `compare_python`; if the context says `run`, by the number that each gives when it is run.

    A solution gives what its function `solution()` returns, else its variable `answer`, else the last number that it
    prints. The cage (`forms.cage`) must be the strict one.
    """
    of_reference(python_tree, reference)
    if python_tree(answer) == python_tree(reference):
        return told_equal(True)
    if not context.get("run"):
        raise UndecidedError("other programs, which were not run")
    try:
        expected = _given(reference)
    except InvalidFormError as error:
        raise UndecidedError(f"the reference: {error}") from error
    return told_equal(math.isclose(_given(answer), expected, rel_tol=1e-6, abs_tol=1e-9))


def _given(program: str) -> float:
    """The number that a program gives, run here: only inside of the cage."""
    names: dict[str, Any] = {"__name__": "__solution__"}
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            exec(compile(program, "<solution>", "exec"), names)
            value = names["solution"]() if callable(names.get("solution")) else names.get("answer")
        return float(printed.getvalue().split()[-1]) if value is None else float(value)
    except MemoryError as error:
        raise UndecidedError("out of memory") from error
    except Exception as error:
        raise InvalidFormError(f"it gives no number: {type(error).__name__}") from error


def compare_words(answer: str, reference: str, context: FormContext) -> Verdict:
    """For languages without a parser here: equal where the words are, white space aside, else undecided."""
    if answer.split() == reference.split():
        return told_equal(True)
    raise UndecidedError("other programs, which may do the same")


def compare_shell(answer: str, reference: str, context: FormContext) -> Verdict:
    """As `compare_words` by the words of a POSIX shell; open quotation marks are invalid."""
    if _shell_words(answer) == of_reference(_shell_words, reference):
        return told_equal(True)
    raise UndecidedError("other commands, which may do the same")


def _shell_words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError as error:
        raise InvalidFormError(str(error)) from error
