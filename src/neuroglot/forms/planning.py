"""Plans: PDDL by its canonical form, and a sequence of actions by carrying it out (STRIPS, with `and` and `not`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from neuroglot.forms.expressions import planning, typed, without_comments
from neuroglot.forms.trees import Tree, nested
from neuroglot.forms.verdicts import FormContext, InvalidFormError, UndecidedError, Verdict, of_reference, told_equal

Fact = tuple[Tree, ...]


def compare_planning(answer: str, reference: str, context: FormContext) -> Verdict:
    """A reference of several expressions is a plan: an answer that reaches the goal of the prompt's problem is equal.

    The prompt then holds `(define (domain ...))` and `(define (problem ...))`. All else is compared by canonical form.
    """
    expected = of_reference(_expressions, reference)
    is_plan = not any(isinstance(part, str) or part[0] in ("define", "and", "not") or str(part[0]).startswith(":")
                      for part in expected)  # fmt: skip
    defined = _definitions(context.get("prompt", ""))
    if is_plan and {"domain", "problem"} <= set(defined):
        if not _reaches(expected, defined):
            raise UndecidedError("the reference does not reach the goal")
        return told_equal(_reaches(_expressions(answer), defined))
    return told_equal(planning(answer) == of_reference(planning, reference))


def _expressions(text: str) -> list[Tree]:
    trees = nested(without_comments(text))
    if not trees or any(isinstance(tree, str) or not tree for tree in trees):
        raise InvalidFormError("not a list of expressions in brackets")
    return trees


def _definitions(prompt: str) -> dict[str, Tree]:
    """`domain` and `problem` of a prompt, which may hold other words around them."""
    defined: dict[str, Tree] = {}
    lowered = without_comments(prompt)
    start = lowered.find("(define")
    while start >= 0:
        depth = 0
        for end in range(start, len(lowered)):
            depth += (lowered[end] == "(") - (lowered[end] == ")")
            if depth == 0:
                tree = nested(lowered[start : end + 1])[0]
                defined[str(tree[1][0])] = tree
                break
        start = lowered.find("(define", start + 1)
    return defined


def _part(tree: Tree, name: str) -> Sequence[Tree]:
    return next((part[1:] for part in tree if not isinstance(part, str) and part[0] == name), ())


def _reaches(plan: Sequence[Tree], defined: Mapping[str, Tree]) -> bool:
    """Whether every action can be done where it stands, and the goal holds in the end."""
    actions = {str(part[1]): part for part in defined["domain"] if not isinstance(part, str) and part[0] == ":action"}
    state: set[Tree] = set(_part(defined["problem"], ":init"))
    kinds = _kinds(defined)
    for step in plan:
        action = actions.get(str(step[0]))
        if action is None:
            return False
        named = dict(zip(action[2::2], action[3::2]))
        parameters = typed(named.get(":parameters", ()))
        if len(parameters) != len(step) - 1:
            return False
        if not all(_is_of(kind, str(thing), kinds) for (_, kind), thing in zip(parameters, step[1:])):
            return False
        bound = {str(name): str(thing) for (name, _), thing in zip(parameters, step[1:])}
        if not _holds(named.get(":precondition", ("and",)), bound, state):
            return False
        effects = list(_literals(named.get(":effect", ("and",)), bound))
        state -= {fact for fact, is_true in effects if not is_true}
        state |= {fact for fact, is_true in effects if is_true}
    return all(_holds(goal, {}, state) for goal in _part(defined["problem"], ":goal"))


def _kinds(defined: Mapping[str, Tree]) -> dict[str, list[Tree]]:
    """The types that things, and types, are said to be of; none where the domain has no types."""
    listed = [_part(defined["domain"], ":types"), _part(defined["domain"], ":constants")]
    kinds: dict[str, list[Tree]] = {}
    for part in (*listed, _part(defined["problem"], ":objects")) if listed[0] else ():
        for name, kind in typed(part):
            kinds.setdefault(str(name), []).append(kind)
    return kinds


def _is_of(kind: Tree, thing: str, kinds: Mapping[str, list[Tree]]) -> bool:
    """Whether a thing is of a type, or of one that is of it; of `(either ...)`, of any of them."""
    wanted: set[Tree] = {kind} if isinstance(kind, str) else set(kind[1:])
    found, waiting = set[Tree](), [thing]
    while waiting:
        for parent in kinds.get(waiting.pop(), ()):
            parents = [parent] if isinstance(parent, str) else [part for part in parent[1:] if isinstance(part, str)]
            waiting += [name for name in parents if name not in found]
            found |= set(parents)
    return not kinds or kind == "object" or bool(wanted & found)


def _holds(condition: Tree, bound: Mapping[str, str], state: set[Tree]) -> bool:
    return all((fact in state) == is_true for fact, is_true in _literals(condition, bound))


def _literals(tree: Tree, bound: Mapping[str, str]) -> Iterator[tuple[Fact, bool]]:
    """The facts of a conjunction, and whether each is to hold."""
    if isinstance(tree, str) or (tree and tree[0] in ("or", "forall", "exists", "when", "imply", "=")):
        raise UndecidedError(f"{tree if isinstance(tree, str) else tree[0]!r} in a condition")
    if not tree or tree[0] == "and":
        for part in tree[1:]:
            yield from _literals(part, bound)
    elif tree[0] == "not":
        for fact, is_true in _literals(tree[1], bound):
            yield fact, not is_true
    else:
        yield tuple(bound.get(str(word), str(word)) for word in tree), True
