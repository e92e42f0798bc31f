"""Canonical forms of trees: s-expressions of knowledge bases, TOP parses, map queries, programs over scenes, geometry,
PDDL problems, triples and sequences of actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable

from neuroglot.forms.trees import Tree, calls, nested, rebuilt, single, unordered
from neuroglot.forms.verdicts import FormContext, InvalidFormError, Verdict, of_reference

SETS = frozenset({"AND", "OR"})  # of GrailQA's s-expressions (Gu et al. 2021): any order, any nesting, no repeats


def s_expression(text: str) -> Hashable:
    """AND and OR in any order; `(R (R r))` is `r`; variables of `lambda` by where they are bound."""
    return rebuilt(_numbered(single(text), ()), _set_law)


def _set_law(tree: tuple[Tree, ...]) -> Tree:
    if not tree:
        raise InvalidFormError("empty brackets")
    head, *parts = tree
    if head == "R" and len(parts) == 1 and isinstance(parts[0], tuple) and parts[0][0] == "R":
        return parts[0][1]
    if isinstance(head, str) and head.upper() in SETS:
        if not parts:
            raise InvalidFormError(f"{head} of nothing")
        flat = [inner for part in parts for inner in (part[1:] if part[0] == head.upper() else (part,))]
        kept = unordered(flat)
        return kept[0] if len(kept) == 1 else (head.upper(), *kept)
    return tree


def _numbered(tree: Tree, bound: tuple[str, ...]) -> Tree:
    """Bound variables by the distance to their `lambda` (de Bruijn)."""
    if isinstance(tree, str):
        return f"\0{bound[::-1].index(tree)}" if tree in bound else tree
    if len(tree) == 3 and tree[0] == "lambda" and isinstance(tree[1], str):
        return ("lambda", _numbered(tree[2], (*bound, tree[1])))
    return tuple(_numbered(part, bound) for part in tree)


def top_parse(text: str) -> Hashable:
    """A parse of TOP (Gupta et al. 2018): white space aside, and slots in any order where no word stands between."""
    tree = single(text, "[]")
    return rebuilt(tree, _slot_law)


def _slot_law(tree: tuple[Tree, ...]) -> Tree:
    if not tree or not isinstance(tree[0], str) or not re.fullmatch(r"(IN|SL):\w+", tree[0]):
        raise InvalidFormError("a bracket without an intent or a slot")
    head, *parts = tree
    if any(isinstance(part, str) for part in parts):
        return tree
    return (head, *sorted(parts, key=repr))


ANY_ORDER = {"query", "nwr", "and", "or", "union", "qtype"}


def map_query(text: str) -> Hashable:
    """A query of NLmaps (Haas and Riezler 2016): the parts of a query and the conditions in any order."""
    return _one_call(text, _law_of(frozenset(ANY_ORDER)))


EITHER_WAY = frozenset({"and", "or", "union", "intersect", "equal_integer", "equal_color", "equal_shape", "equal_size",
                        "equal_material", "same", "different"})  # fmt: skip


def scene_program(text: str) -> Hashable:
    """A program of CLEVR or GQA (Johnson et al. 2017; Hudson and Manning 2019): arguments of symmetric steps in any
    order, all else as written; also GQA's steps `select: dog → filter: red`.
    """
    if re.search(r"→|->|\w:\s", text):
        return tuple(_step(part) for part in re.split(r"→|->|\n|;", text) if part.strip())
    return _one_call(text, _law_of(EITHER_WAY))


def _step(text: str) -> tuple[str, ...]:
    name, colon, arguments = text.partition(":")
    if not colon or not name.strip():
        raise InvalidFormError(f"{text.strip()[:30]!r} is no step")
    return (" ".join(name.split()), *(" ".join(part.split()) for part in arguments.split(",")))


SYMMETRIC = frozenset({"Equals", "Parallel", "Perpendicular", "Congruent", "Similar", "Triangle", "Add", "Mul", "Sum"})
REVERSIBLE = frozenset({"Line", "Angle", "Arc"})


def geometry(text: str) -> Hashable:
    """Predicates of Geometry3K (Lu et al. 2021) as a set: `Line(A, B)` is `Line(B, A)`, an angle is the same from both
    sides, and symmetric predicates have no order.
    """
    trees = calls(text.replace("\n", ";").strip("; \n"))
    if any(isinstance(tree, str) for tree in trees):
        raise InvalidFormError("a word that is no predicate")
    return frozenset(rebuilt(tree, _geometry_law) for tree in trees)


def _geometry_law(tree: tuple[Tree, ...]) -> Tree:
    head, *parts = tree
    if head in REVERSIBLE:
        return (head, *min(parts, parts[::-1], key=repr))
    return (head, *sorted(parts, key=repr)) if head in SYMMETRIC else tree


def _law_of(any_order: frozenset[str]) -> Callable[[tuple[Tree, ...]], Tree]:
    def law(tree: tuple[Tree, ...]) -> Tree:
        head, *parts = tree
        return (head, *sorted(parts, key=repr)) if head in any_order else tree

    return law


def _one_call(text: str, law: Callable[[tuple[Tree, ...]], Tree]) -> Tree:
    trees = calls(text)
    if len(trees) != 1 or isinstance(trees[0], str):
        raise InvalidFormError("not one call")
    return rebuilt(trees[0], law)


def actions(text: str) -> Hashable:
    """Actions of SCAN (Lake and Baroni 2018) in their order."""
    words = tuple(text.split())
    if not words or not all(re.fullmatch(r"\w+", word) for word in words):
        raise InvalidFormError("not a sequence of actions")
    return words


PDDL_ANY_ORDER = frozenset({"and", "or", ":init", ":objects", ":requirements", ":goal"})


def planning(text: str) -> Hashable:
    """PDDL without regard to case: facts, objects and conditions in any order, the parts of a problem too."""
    lowered = re.sub(r";[^\n]*", "", text.lower())
    return frozenset(rebuilt(_objects(tree), _planning_law) for tree in (single(lowered),))


def _planning_law(tree: tuple[Tree, ...]) -> Tree:
    if not tree:
        raise InvalidFormError("empty brackets")
    head, *parts = tree
    if head == "and" and len(parts) == 1:
        return parts[0]
    if head == "define" or head in PDDL_ANY_ORDER:
        return (head, *unordered(parts))
    return tree


def _objects(tree: Tree) -> Tree:
    """`a b - block` in `:objects` as pairs of object and type."""
    if isinstance(tree, str):
        return tree
    if tree[:1] != (":objects",):
        return tuple(map(_objects, tree))
    pairs: list[Tree] = []
    waiting: list[Tree] = []
    words = iter(tree[1:])
    for word in words:
        if word == "-":
            kind = next(words, None)
            if kind is None:
                raise InvalidFormError("a type is missing")
            pairs += [(name, kind) for name in waiting]
            waiting = []
        else:
            waiting.append(word)
    return (":objects", *pairs, *((name, "object") for name in waiting))


def facts(text: str) -> frozenset[tuple[str, ...]]:
    """Triples `(subject, relation, object)` or lines `subject | relation | object`, as a set; `_` is a space."""
    text = text.strip()
    if text.startswith("("):
        rows = [row for row in map(_flat, nested(text, atom=r"[^()]+")) if row]
    else:
        rows = [line for line in re.split(r"[\n;]", text) if line.strip()]
    return frozenset(map(_fact, rows))


def _flat(tree: Tree) -> str:
    """The text of a triple in brackets, in which brackets may stand; what separates triples is none."""
    if isinstance(tree, str):
        if tree.strip(" ,;\n"):
            raise InvalidFormError(f"{tree.strip()[:20]!r} is no triple")
        return ""
    return "".join(part if isinstance(part, str) else f"({_flat(part)})" for part in tree) or "()"


def _fact(row: str) -> tuple[str, ...]:
    parts = tuple(" ".join(part.replace("_", " ").split()) for part in row.split("|" if "|" in row else ","))
    if len(parts) != 3 or not all(parts):
        raise InvalidFormError(f"{row.strip()[:40]!r} is no triple")
    return parts


def compare_facts(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal where all facts are, with the counts for F1."""
    expected, told = of_reference(facts, reference), facts(answer)
    word = "equal" if told == expected else "unequal"
    return Verdict(word, "", len(told & expected), len(told), len(expected))  # type: ignore[arg-type]
