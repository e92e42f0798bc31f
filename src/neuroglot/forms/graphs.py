"""AMR graphs in PENMAN notation, and Smatch: the most triples that a mapping of variables can match (Cai and Knight
2013)."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass

from neuroglot.forms.trees import Tree, single
from neuroglot.forms.verdicts import FormContext, InvalidFormError, UndecidedError, Verdict, of_reference

NOT_INVERSE = frozenset({"consist-of", "prep-on-behalf-of", "prep-out-of"})
RESTARTS = 8
_EXACT = 500_000  # targets that the exact search tries, after which the best mapping so far counts
_CLIMBED = 120_000  # changes that the climbs try
_LARGEST = 200  # variables


@dataclass(frozen=True)
class Graph:
    """Variables, attributes `(variable, role, value)`, the concepts among them, and relations between variables."""

    variables: tuple[str, ...]
    attributes: tuple[tuple[str, str, str], ...]
    relations: tuple[tuple[str, str, str], ...]

    def __len__(self) -> int:
        return len(self.attributes) + len(self.relations)


def read_graph(text: str) -> Graph:
    """The graph of a text, with the top as an attribute and inverse roles turned round, as Smatch has them."""
    without = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    tree = single(re.sub(r"(\(\s*[^\s()/:\"]+)/(?=[^\s()/\"])", r"\1 / ", without))
    concepts: dict[str, str] = {}
    edges: list[tuple[str, str, str]] = []
    stack = [tree]
    while stack:
        variable, concept, children = _node(stack.pop())
        if variable in concepts:
            raise InvalidFormError(f"the variable {variable!r} has two concepts")
        concepts[variable] = _plain(concept)
        for role, child in children:
            edges.append((variable, role, child if isinstance(child, str) else str(child[0])))
            stack += [] if isinstance(child, str) else [child]
    attributes = [(variable, "instance", concept) for variable, concept in concepts.items()]
    attributes.append((str(tree[0]), "top", "top"))
    relations = []
    for source, role, value in edges:
        target = value.partition("~")[0] if value.partition("~")[0] in concepts else None
        if target is None:
            attributes.append((source, role, _plain(value)))
        elif role == "mod":
            relations.append((target, "domain", source))
        elif role.endswith("-of") and role not in NOT_INVERSE:
            relations.append((target, role[:-3], source))
        else:
            relations.append((source, role, target))
    return Graph(tuple(concepts), tuple(attributes), tuple(relations))


def _node(tree: tuple[Tree, ...]) -> tuple[str, str, list[tuple[str, Tree]]]:
    """The variable, the concept, and the roles with their values, of a node `(v / concept :role value ...)`."""
    names = [part for part in tree[:3] if isinstance(part, str)]
    if len(names) < 3 or names[1] != "/" or names[2].startswith(":") or len(tree) % 2 == 0:
        raise InvalidFormError("a node without variable and concept, or a role without value")
    children = []
    for role, value in zip(tree[3::2], tree[4::2]):
        if not isinstance(role, str) or not role.startswith(":") or len(role) < 2 or value == ():
            raise InvalidFormError(f"{str(role)[:20]!r} is no role with a value")
        if isinstance(value, str) and value.startswith(":"):
            raise InvalidFormError(f"the role {role!r} has no value")
        children.append((role[1:].lower().partition("~")[0], value))
    return names[0], names[2], children


def _plain(value: str) -> str:
    """A constant without quotation marks, case and alignment."""
    quoted = value.startswith('"')
    return (value.strip('"') if quoted else value.partition("~")[0]).lower().rstrip("_")


def matched_triples(first: Graph, second: Graph) -> tuple[int, bool]:
    """The most triples that any injective mapping of variables matches, and whether that is certain.

    It is exact unless the search tries more than `_EXACT` targets; then it is the best of that and of hill climbing.
    Raises `UndecidedError` for more than `_LARGEST` variables.
    """
    if max(len(first.variables), len(second.variables)) > _LARGEST:
        raise UndecidedError(f"more than {_LARGEST} variables")
    gains = _gains(first, second)
    best, is_exact = _exact(gains, len(second.variables))
    return (best, True) if is_exact else (max(best, _climbed(gains, len(second.variables))), False)


@dataclass(frozen=True)
class _Gains:
    """`own[i][j]`: attributes that mapping i to j matches; `pair[i, k][j, l]`: relations, if k is mapped to l too."""

    own: list[dict[int, int]]
    pair: dict[tuple[int, int], dict[tuple[int, int], int]]

    def of(self, mapping: list[int], variable: int, target: int) -> int:
        """What the variable adds to the mapping of those before it."""
        total = self.own[variable].get(target, 0)
        for other, image in enumerate(mapping):
            table = self.pair.get((other, variable))
            if table and image >= 0:
                total += table.get((image, target), 0)
        return total

    def total(self, mapping: list[int]) -> int:
        return sum(self.of(mapping[:variable], variable, target) for variable, target in enumerate(mapping))


def _gains(first: Graph, second: Graph) -> _Gains:
    number, other = ({v: n for n, v in enumerate(graph.variables)} for graph in (first, second))
    own: list[dict[int, int]] = [{} for _ in first.variables]
    left, right = Counter(first.attributes), Counter(second.attributes)
    for (variable, role, value), count in left.items():
        for (target, its_role, its_value), its_count in right.items():
            if (role, value) == (its_role, its_value):
                row = own[number[variable]]
                row[other[target]] = row.get(other[target], 0) + min(count, its_count)
    pair: dict[tuple[int, int], dict[tuple[int, int], int]] = {}
    for (source, role, target), count in Counter(first.relations).items():
        for (its_source, its_role, its_target), its_count in Counter(second.relations).items():
            if role == its_role:
                ends = sorted([(number[source], other[its_source]), (number[target], other[its_target])])
                (earlier, image), (later, its_image) = ends
                weight = min(count, its_count)
                if earlier != later:
                    table = pair.setdefault((earlier, later), {})
                    table[image, its_image] = table.get((image, its_image), 0) + weight
                elif image == its_image:
                    own[earlier][image] = own[earlier].get(image, 0) + weight
    return _Gains(own, pair)


def _exact(gains: _Gains, targets: int) -> tuple[int, bool]:
    """Branch and bound over the variables in their order: the best total, and whether the search came to its end."""
    size = len(gains.own)
    most = [0] * (size + 1)  # what the variables from here on can add at most
    for variable in reversed(range(size)):
        tables = [table for (_, second), table in gains.pair.items() if second == variable]
        most[variable] = most[variable + 1] + max(gains.own[variable].values(), default=0)
        most[variable] += sum(max(table.values()) for table in tables)
    best, steps = 0, 0
    stack: list[tuple[list[int], int]] = [([], 0)]
    while stack:
        mapping, total = stack.pop()
        best = max(best, total)
        if steps > _EXACT:
            return best, False
        variable = len(mapping)
        if variable == size or total + most[variable] <= best:
            continue
        steps += targets
        options = [(0, -1), *((gains.of(mapping, variable, t), t) for t in range(targets) if t not in mapping)]
        stack += [([*mapping, target], total + gain) for gain, target in sorted(options)]
    return best, True


def _climbed(gains: _Gains, targets: int) -> int:
    """The best of several climbs by moves and swaps, from mappings drawn with seed 0, the first of which maps each
    variable to one with the same attributes where it can.
    """
    rng, best, tried = random.Random(0), 0, 0
    size = len(gains.own)
    at: list[list[tuple[int, dict[tuple[int, int], int], bool]]] = [[] for _ in range(size)]
    for (earlier, later), table in gains.pair.items():
        at[earlier].append((later, table, True))
        at[later].append((earlier, table, False))

    def worth(variable: int, target: int, mapping: list[int]) -> int:
        """What a variable adds if it is mapped to the target and the others as they are."""
        if target < 0:
            return 0
        total = gains.own[variable].get(target, 0)
        for other, table, is_first in at[variable]:
            image = mapping[other]
            total += table.get((target, image) if is_first else (image, target), 0)
        return total

    def both(first: int, second: int, mapping: list[int]) -> int:
        shared = gains.pair.get((first, second), {}).get((mapping[first], mapping[second]), 0)
        return worth(first, mapping[first], mapping) + worth(second, mapping[second], mapping) - shared

    for restart in range(RESTARTS):
        mapping = _start(gains, targets, rng, restart == 0)
        free = set(range(targets)) - set(mapping)
        better = True
        while better and tried < _CLIMBED:
            better = False
            for n in range(size):
                for target in sorted(free):
                    tried += 1
                    if worth(n, target, mapping) > worth(n, mapping[n], mapping):
                        free ^= {target} | ({mapping[n]} - {-1})
                        mapping[n], better = target, True
                        break
                for m in range(n):
                    tried += 1
                    before = both(m, n, mapping)
                    mapping[n], mapping[m] = mapping[m], mapping[n]
                    if both(m, n, mapping) > before:
                        better = True
                    else:
                        mapping[n], mapping[m] = mapping[m], mapping[n]
        best = max(best, gains.total(mapping))
    return best


def _start(gains: _Gains, targets: int, rng: random.Random, is_greedy: bool) -> list[int]:
    """A mapping in which no target stands twice."""
    images = [*range(targets), *[-1] * len(gains.own)]
    rng.shuffle(images)
    if not is_greedy:
        return images[: len(gains.own)]
    mapping = [-1] * len(gains.own)
    free = set(range(targets))
    for variable, own in enumerate(gains.own):
        target = max(sorted(free & own.keys()), key=own.__getitem__, default=-1)
        mapping[variable] = target
        free -= {target}
    rest = iter([image for image in images if image in free])
    return [next(rest, -1) if target < 0 else target for target in mapping]


def compare_graphs(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal where a mapping matches all triples, with the counts for Smatch's F1."""
    expected, told = of_reference(read_graph, reference), read_graph(answer)
    matched, is_certain = matched_triples(told, expected)
    counts = (matched, len(told), len(expected))
    if matched == len(expected) == len(told):
        return Verdict("equal", "", *counts)
    if is_certain or _parts(told) != _parts(expected):
        return Verdict("unequal", "", *counts)
    return Verdict("undecided", "the search for a mapping did not come to its end", *counts)


def _parts(graph: Graph) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """What no mapping of variables changes: attributes and roles, without those whose they are."""
    roles = Counter(role for _, role, _ in graph.relations)
    return Counter((role, value) for _, role, value in graph.attributes), roles
