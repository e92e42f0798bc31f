"""First-order logic in the notation of FOLIO and MALLS, and whether two formulas are equivalent, by z3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neuroglot.forms.trees import require_bounded, tokens_of
from neuroglot.forms.verdicts import FormContext, InvalidFormError, UndecidedError, Verdict, of_reference, told_equal

_TOKEN = r"[∀∃∧∨→↔¬⊕⊻()\[\],=≠<>≤≥:]|[\w'’.\-]+"
BINARY = ({"↔": "iff", "⊕": "xor", "⊻": "xor"}, {"→": "implies"}, {"∨": "or"}, {"∧": "and"})  # the loosest first
_RELATIONS = frozenset("=≠<>≤≥")
_STEPS = 3_000_000  # of z3, which counts the same on every machine
_LARGEST = 3  # things of the finite worlds that are tried first, in which quantifiers are written out
_MOST = 1_000  # copies of a formula in them

Formula = tuple[Any, ...]


@dataclass
class _Reader:
    """A formula read from its tokens; binary operators of one kind group to the left, `→` to the right."""

    tokens: list[str]
    next: int = 0

    def peek(self) -> str:
        return self.tokens[self.next] if self.next < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise InvalidFormError(f"{token or 'the end'!r} stands where {expected or 'more'!r} is expected")
        self.next += 1
        return token

    def formula(self, level: int = 0) -> Formula:
        if level == len(BINARY):
            return self.unary()
        left = self.formula(level + 1)
        while self.peek() in BINARY[level]:
            name = BINARY[level][self.take()]
            if name == "implies":
                return (name, left, self.formula(level))
            left = (name, left, self.formula(level + 1))
        return left

    def unary(self) -> Formula:
        token = self.peek()
        if token == "¬":
            self.take()
            return ("not", self.unary())
        if token in ("∀", "∃"):
            return self.quantified()
        if token in ("(", "["):
            closing = {"(": ")", "[": "]"}[self.take()]
            inner = self.formula()
            self.take(closing)
            return inner
        return self.atom()

    def quantified(self) -> Formula:
        """`∀x (...)` binds the bracket; without a bracket, or behind `∀x.` or `∀x:`, all that follows, as people write
        it.
        """
        sign, variables = self.take(), [self.name()]
        while self.peek() == ",":
            self.take()
            variables.append(self.name())
        is_far = variables[-1].endswith(".") or self.peek() == ":"
        variables[-1] = variables[-1].rstrip(".")
        self.next += self.peek() == ":"
        inner = self.unary() if not is_far and self.peek() in ("(", "[", "∀", "∃") else self.formula()
        for variable in reversed(variables):
            inner = ("all" if sign == "∀" else "some", variable, inner)
        return inner

    def atom(self) -> Formula:
        left = self.term()
        if self.peek() in _RELATIONS:
            return ("relation", self.take(), left, self.term())
        return ("predicate", left)

    def term(self) -> Formula:
        name, arguments = self.name(), []
        if self.peek() == "(":
            self.take()
            arguments = [self.term()]
            while self.peek() == ",":
                self.take()
                arguments.append(self.term())
            self.take(")")
        return (name, *arguments)

    def name(self) -> str:
        token = self.take()
        if not any(character.isalnum() for character in token):
            raise InvalidFormError(f"{token!r} stands where a name is expected")
        return token


def read_formula(text: str) -> Formula:
    """The formula of a text: `("all", "x", ("implies", ("predicate", ("P", ("x",))), ...))`."""
    require_bounded(text, "([¬∀∃", "])")
    reader = _Reader(list(tokens_of(text.strip().rstrip("."), _TOKEN)))
    formula = reader.formula()
    if reader.peek():
        raise InvalidFormError(f"{reader.peek()!r} stands where the end is expected")
    return formula


def compare_formulas(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal where no world tells the two apart; names are as they are written, and free variables are constants."""
    import z3

    expected, told = of_reference(read_formula, reference), read_formula(answer)
    own = z3.Context()
    for size in range(1, _LARGEST + 1):
        if size ** max(_depth(expected), _depth(told)) <= _MOST:
            names = [f"thing {number} of {size}" for number in range(size)]
            world, things = z3.EnumSort(f"world of {size}", names, own)
            if _check(expected, told, world, things) == z3.sat:
                return told_equal(False)
    answered = _check(expected, told, z3.DeclareSort("thing", own), None)
    if answered == z3.unknown:
        raise UndecidedError("z3 did not come to an end")
    return told_equal(answered == z3.unsat)


def _depth(formula: Formula) -> int:
    """How many quantifiers stand within each other."""
    inner = max((_depth(part) for part in formula[1:] if isinstance(part, tuple)), default=0)
    return inner + (formula[0] in ("all", "some"))


def _check(first: Formula, second: Formula, world: Any, things: Sequence[Any] | None) -> Any:
    """Whether a world tells the two formulas apart; quantifiers go over `things`, if the world is finite."""
    import z3

    solver = z3.Solver(ctx=world.ctx)
    solver.set("rlimit", _STEPS)
    solver.add(z3.Xor(_translated(first, world, things, {}), _translated(second, world, things, {})))
    return solver.check()


def _translated(formula: Formula, world: Any, things: Sequence[Any] | None, bound: dict[str, Any]) -> Any:
    import z3

    kind, *parts = formula
    if kind in ("all", "some"):
        if things is not None:
            joined = z3.And if kind == "all" else z3.Or
            return joined([_translated(parts[1], world, things, {**bound, parts[0]: thing}) for thing in things])
        variable = z3.Const(f"{parts[0]} bound {len(bound)}", world)
        inner = _translated(parts[1], world, None, {**bound, parts[0]: variable})
        return (z3.ForAll if kind == "all" else z3.Exists)([variable], inner)
    if kind == "predicate":
        return _applied(parts[0], world, bound, z3.BoolSort(world.ctx))
    if kind == "relation":
        return _related(parts[0], [_applied(term, world, bound, world) for term in parts[1:]], world)
    inner = [_translated(part, world, things, bound) for part in parts]
    return {
        "not": lambda: z3.Not(*inner), "and": lambda: z3.And(*inner), "or": lambda: z3.Or(*inner),
        "xor": lambda: z3.Xor(*inner), "implies": lambda: z3.Implies(*inner), "iff": lambda: inner[0] == inner[1],
    }[kind]()  # fmt: skip


def _related(sign: str, sides: list[Any], world: Any) -> Any:
    """`=` and `≠` as they are; an order is a relation of its own, of which `<`, `≤` and `≥` are ways to write it."""
    import z3

    if sign in "=≠":
        return sides[0] == sides[1] if sign == "=" else sides[0] != sides[1]
    if sign in "<≥":
        sides = sides[::-1] if sign == "<" else sides
    if sign in "≤≥":
        return z3.Function("≥", world, world, z3.BoolSort(world.ctx))(*(sides[::-1] if sign == "≤" else sides))
    return z3.Function(">", world, world, z3.BoolSort(world.ctx))(*sides)


def _applied(term: Formula, world: Any, bound: dict[str, Any], sort: Any) -> Any:
    import z3

    name, *arguments = term
    if not arguments and name in bound:
        if sort != world:
            raise InvalidFormError(f"the variable {name!r} stands where a statement is expected")
        return bound[name]
    inner = [_applied(argument, world, bound, world) for argument in arguments]
    function = z3.Function(name, *[world] * len(inner), sort)
    return function(*inner)
