"""Canonical forms of trees: s-expressions of knowledge bases, TOP parses, map queries, programs over scenes, geometry,
PDDL problems, triples and sequences of actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence

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
        kept = _flat_parts(head.upper(), parts)
        return kept[0] if len(kept) == 1 else (head.upper(), *kept)
    return tree


def _flat_parts(head: Tree, parts: Sequence[Tree]) -> tuple[Tree, ...]:
    """The parts, and those of parts with the same head, in an order of their own, each once."""
    nested_parts = [part[1:] if isinstance(part, tuple) and part[:1] == (head,) else (part,) for part in parts]
    return unordered([inner for part in nested_parts for inner in part])


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


ANY_ORDER = {"query", "area", "nwr", "and", "or", "union", "qtype"}


def map_query(text: str) -> Hashable:
    """A query of NLmaps (Haas and Riezler 2016): the parts of a query and the conditions in any order."""
    return _one_call(text, _law_of(frozenset(ANY_ORDER)))


SETS_OF_THINGS = frozenset({"and", "or", "union", "intersect"})  # any nesting too, and no repeats
EITHER_WAY = frozenset({"equal_integer", "equal_color", "equal_shape", "equal_size",
                        "equal_material", "same", "different"})  # fmt: skip


def scene_program(text: str) -> Hashable:
    """A program of CLEVR or GQA (Johnson et al. 2017; Hudson and Manning 2019): arguments of symmetric steps in any
    order, filters too, `less_than` as `greater_than`, all else as written; also GQA's `select: dog → filter: red`.
    """
    if re.search(r"→|->|\w:\s", text):
        return tuple(_step(part) for part in re.split(r"→|->|\n|;", text) if part.strip())
    return _one_call(text, _scene_law)


def _scene_law(tree: tuple[Tree, ...]) -> Tree:
    head, *parts = tree
    if head in SETS_OF_THINGS:
        kept = _flat_parts(head, parts)
        return kept[0] if len(kept) == 1 else (head, *kept)
    if head == "less_than" and len(parts) == 2:
        return ("greater_than", *parts[::-1])
    if str(head).startswith("filter_") and len(parts) == 2 and isinstance(parts[1], str):
        things, condition = parts[0], (head, parts[1])
        if isinstance(things, tuple) and things[0] == "filters":
            return ("filters", things[1], *unordered([*things[2:], condition]))
        return ("filters", things, condition)
    return (head, *sorted(parts, key=repr)) if head in EITHER_WAY else tree


def _step(text: str) -> tuple[str, ...]:
    name, colon, arguments = text.partition(":")
    if not colon or not name.strip():
        raise InvalidFormError(f"{text.strip()[:30]!r} is no step")
    return (" ".join(name.split()), *(" ".join(part.split()) for part in arguments.split(",")))


SYMMETRIC = frozenset({"Equals", "Parallel", "Perpendicular", "Congruent", "Similar", "Triangle", "Add", "Mul", "Sum"})
MATCHED = frozenset({"Congruent", "Similar"})
REVERSIBLE = frozenset({"Line", "Angle", "Arc"})


def geometry(text: str) -> Hashable:
    """Predicates of Geometry3K (Lu et al. 2021) as a set: `Line(A, B)` is `Line(B, A)`, an angle is the same from both
    sides, and symmetric predicates have no order.
    """
    trees = calls(re.sub(r";\s*(?=;|$)", "", text.strip()))
    if any(isinstance(tree, str) for tree in trees):
        raise InvalidFormError("a word that is no predicate")
    return frozenset(rebuilt(_by_corners(tree), _geometry_law) for tree in trees)


def _by_corners(tree: Tree) -> Tree:
    """Triangles that are congruent or similar as pairs of corners: which matches which is what is said."""
    if isinstance(tree, str):
        return tree
    head, *parts = tree
    figures = [part[1:] for part in parts if isinstance(part, tuple) and part[0] == "Triangle"]
    if head not in MATCHED or len(figures) != 2 or len(parts) != 2 or len(figures[0]) != len(figures[1]):
        return (head, *map(_by_corners, parts))
    ways = [tuple(sorted((("corner", *pair) for pair in zip(*order)), key=repr)) for order in (figures, figures[::-1])]
    return (head, *min(ways, key=repr))


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


PDDL_ANY_ORDER = frozenset({":init", ":objects", ":requirements", ":goal"})


def planning(text: str) -> Hashable:
    """PDDL without regard to case: facts, objects and conditions in any order, the parts of a problem too."""
    return frozenset(rebuilt(_objects(tree), _planning_law) for tree in (single(without_comments(text)),))


def without_comments(text: str) -> str:
    """PDDL in small letters, without what stands behind a semicolon."""
    return re.sub(r";[^\n]*", "", text.lower())


def _planning_law(tree: tuple[Tree, ...]) -> Tree:
    if not tree:
        raise InvalidFormError("empty brackets")
    head, *parts = tree
    if head in ("and", "or"):
        kept = _flat_parts(head, parts)
        return kept[0] if len(kept) == 1 else (head, *kept)
    if head == "define" or head in PDDL_ANY_ORDER:
        return (head, *unordered(parts))
    return tree


def _objects(tree: Tree) -> Tree:
    """`a b - block` in `:objects` as pairs of object and type."""
    if isinstance(tree, str):
        return tree
    return (":objects", *typed(tree[1:])) if tree[:1] == (":objects",) else tuple(map(_objects, tree))


def typed(words: Iterable[Tree]) -> list[tuple[Tree, Tree]]:
    """`a b - block c` as pairs of name and type, which is `object` where none is told."""
    pairs: list[tuple[Tree, Tree]] = []
    waiting: list[Tree] = []
    listed = iter(words)
    for word in listed:
        if word == "-":
            kind = next(listed, None)
            if kind is None:
                raise InvalidFormError("a type is missing")
            pairs += [(name, kind) for name in waiting]
            waiting = []
        else:
            waiting.append(word)
    return [*pairs, *((name, "object") for name in waiting)]


def facts(text: str) -> frozenset[tuple[str, ...]]:
    """Triples `(subject, relation, object)` or lines `subject | relation | object`, as a set; `_` is a space."""
    text = text.strip()
    if text.startswith("("):
        rows = [row for row in map(_flat, nested(text, atom=r"[^()]+")) if row]
    else:
        rows = [line for line in re.split(r"[\n;]", text) if line.strip()]
    if not rows:
        raise InvalidFormError("no triple")
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
