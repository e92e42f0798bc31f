"""Programs in Python: by their syntax trees, and solutions of sums by what they give."""

from __future__ import annotations

import ast
import builtins
import io
import math
import warnings
from collections.abc import Hashable
from contextlib import redirect_stdout, suppress
from typing import Any, NoReturn

from neuroglot.forms.trees import require_bounded
from neuroglot.forms.verdicts import (
    OUT_OF_MEMORY,
    FormContext,
    InvalidFormError,
    UndecidedError,
    Verdict,
    of_reference,
    told_equal,
)

GIVING = frozenset({"answer", "solution"})  # the names by which a program says what it gives
LOOKING_UP = frozenset({"eval", "exec", "locals", "globals", "vars", "dir", "getattr", "setattr"})
FOR_PROGRAMS = ("math", "cmath", "fractions", "decimal", "itertools", "functools", "collections", "statistics",
                "datetime", "re", "random", "heapq", "bisect", "string", "operator", "typing")  # fmt: skip
THEY_IMPORT = ("_strptime", "linecache")  # when they are used


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

    def __init__(self, tree: ast.AST, kept: frozenset[str]) -> None:
        own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        self.own, self.numbers = own - _named_elsewhere(tree) - kept, dict[str, str]()

    def number(self, name: str) -> str:
        return self.numbers.setdefault(name, f"\0{len(self.numbers)}") if name in self.own else name

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.number(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self.number(node.arg), node.annotation and self.visit(node.annotation))


def _named_elsewhere(tree: ast.AST) -> set[str]:
    """Names that are more than variables of the program: attributes, keywords of calls, functions, `global` ones, and
    those of Python; all, where a program can look them up by their texts.
    """
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if names & LOOKING_UP:
        return names | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    others = [node for node in ast.walk(tree) if not isinstance(node, (ast.Name, ast.arg, ast.Constant))]
    fields = [value for node in others for _, value in ast.iter_fields(node)]
    listed = [part for value in fields for part in (value if isinstance(value, list) else [value])]
    return {part for part in listed if isinstance(part, str)} | set(dir(builtins))


def python_tree(text: str, kept: frozenset[str] = frozenset()) -> Hashable:
    """The syntax tree with the program's own variables numbered, but for those `kept`; comments say nothing."""
    tree = read_python(text)
    return ast.dump(_Renamed(tree, kept).visit(tree))


def _solution_tree(text: str) -> Hashable:
    return python_tree(text, GIVING)


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
    expected_tree = of_reference(_solution_tree, reference)
    if _solution_tree(answer) == expected_tree:
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
    known = {**vars(builtins), "__import__": _imported, "input": _at_the_end}
    names: dict[str, Any] = {"__name__": "__solution__", "__builtins__": known}
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            with suppress(SystemExit):
                exec(compile(program, "<solution>", "exec"), names)
            value = names["solution"]() if callable(names.get("solution")) else names.get("answer")
        return float(printed.getvalue().split()[-1]) if value is None else float(value)
    except MemoryError as error:
        raise UndecidedError(OUT_OF_MEMORY) from error
    except BaseException as error:  # a program may raise what it likes
        raise InvalidFormError(f"it gives no number: {type(error).__name__}") from error


def _imported(name: str, *options: Any, **named: Any) -> Any:
    """What `import` does in a program, of the modules that it may have."""
    if name.partition(".")[0] not in (*FOR_PROGRAMS, *THEY_IMPORT):
        raise PermissionError(f"{name} is not among {', '.join(FOR_PROGRAMS)}")
    return __import__(name, *options, **named)


def _at_the_end(*_: Any) -> NoReturn:
    raise EOFError("nothing is told to programs")
