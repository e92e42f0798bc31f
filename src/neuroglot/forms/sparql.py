"""SPARQL's basic queries: SELECT, ASK and COUNT over triple patterns and filters, compared up to renamed variables and
the order of conditions. What else SPARQL has is undecided.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from neuroglot.forms.trees import require_bounded, tokens_of
from neuroglot.forms.verdicts import FormContext, InvalidFormError, UndecidedError, Verdict, of_reference, told_equal

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TOKEN = (
    r'<[^<>"{}|^`\s]*>|"(?:[^"\\\n]|\\.)*"(?:@[\w-]+|\^\^<[^>\s]*>|\^\^[\w.-]*:[\w.-]*)?|\'(?:[^\'\\\n]|\\.)*\'(?:@[\w-]+)?'
    rf"|[?$]\w+|_:\w+|[\w.-]*:[\w.%-]*(?<!\.)|{_NUMBER}|\w+|&&|\|\||[!<>]=|[{{}}()\[\].;,=<>!*+/|^-]"
)
_UNKNOWN = frozenset(
    [
        "optional",
        "union",
        "minus",
        "graph",
        "service",
        "bind",
        "values",
        "exists",
        "group",
        "having",
        "from",
        "construct",
        "describe",
        "insert",
        "delete",
        "load",
        "clear",
        "drop",
        "create",
        "with",
        "using",
    ]
)
TYPE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
_STEPS = 20_000

Triple = tuple[str, str, str]


@dataclass
class Query:
    """A query whose prefixes are written out; `filters` are tuples `(operator, left, right)` or tokens in a row."""

    kind: str = "select"
    distinct: bool = False
    shown: list[tuple[str, ...]] = field(default_factory=list)
    triples: set[Triple] = field(default_factory=set)
    filters: set[tuple[str, ...]] = field(default_factory=set)
    order: list[tuple[str, ...]] = field(default_factory=list)
    slices: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> list[str]:
        """All variables, those that are shown or ordered by first."""
        listed = [token for part in (*self.shown, *self.order) for token in part]
        listed += [token for triple in sorted(self.triples) for token in triple]
        listed += [token for part in sorted(self.filters) for token in part]
        return list(dict.fromkeys(token for token in listed if is_variable(token)))


def is_variable(token: str) -> bool:
    """Whether a token is a variable, or a blank node, which is one that is never shown."""
    return token.startswith(("?", "_:"))


@dataclass
class _Reader:
    tokens: list[str]
    next: int = 0
    prefixes: dict[str, str] = field(default_factory=dict)

    def peek(self) -> str:
        return self.tokens[self.next] if self.next < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.peek()
        if not token or (expected and token.lower() not in expected):
            raise InvalidFormError(f"{token or 'the end'!r} stands where {' or '.join(expected) or 'more'} is expected")
        self.next += 1
        return token

    def accepts(self, word: str) -> bool:
        """Take the word if it comes next."""
        is_next = self.peek().lower() == word
        self.next += is_next
        return is_next

    def query(self) -> Query:
        while self.accepts("prefix"):
            name = self.take()
            self.prefixes[name] = self.take()[1:-1]
        if self.peek().lower() in ("base", *_UNKNOWN):
            raise UndecidedError(f"{self.peek()!r} is not known")
        query = Query(self.take("select", "ask").lower())
        if query.kind == "select":
            query.distinct = self.accepts("distinct") or self.accepts("reduced")
            while self.peek() and self.peek().lower() not in ("where", "{"):
                query.shown.append(self.shown())
            if not query.shown:
                raise InvalidFormError("nothing is selected")
        self.accepts("where")
        self.take("{")
        self.group(query)
        self.modifiers(query)
        bound = {token for triple in query.triples for token in triple}
        query.shown = [("count", "*") if part[:1] == ("count",) and part[1] in bound else part for part in query.shown]
        if self.peek():
            raise InvalidFormError(f"{self.peek()!r} stands where the end is expected")
        return query

    def shown(self) -> tuple[str, ...]:
        """A variable, `*`, or `(COUNT(DISTINCT ?x) AS ?n)`, whose new name says nothing."""
        if self.accepts("*"):
            return ("*",)
        if not self.accepts("("):
            return (self.variable(),)
        words = [self.take().lower()]
        if words[0] not in ("count", "sum", "min", "max", "avg"):
            raise UndecidedError(f"{words[0]!r} is selected")
        self.take("(")
        if self.accepts("distinct"):
            words.append("distinct")
        words.append(self.take() if self.peek() == "*" else self.variable())
        self.take(")")
        self.take("as")
        self.variable()
        self.take(")")
        return tuple(words)

    def variable(self) -> str:
        token = self.take()
        if token[0] not in "?$":
            raise InvalidFormError(f"{token!r} stands where a variable is expected")
        return f"?{token[1:]}"

    def group(self, query: Query) -> None:
        while not self.accepts("}"):
            if self.accepts("filter"):
                query.filters |= set(_conditions(self.condition()))
            elif self.peek() == "{" or self.peek().lower() in _UNKNOWN:
                raise UndecidedError(f"{self.peek()!r} is not known")
            else:
                self.triples(query)
            self.accepts(".")

    def triples(self, query: Query) -> None:
        subject, more = self.term(), True
        while more:
            verb = TYPE if self.accepts("a") else self.term()
            if self.peek() in ("/", "|", "^", "*", "+"):
                raise UndecidedError("a path of properties")
            query.triples.add((subject, verb, self.term()))
            while self.accepts(","):
                query.triples.add((subject, verb, self.term()))
            more = self.accepts(";")
            more = more and self.peek() not in (".", "}")

    def term(self) -> str:
        token = self.take()
        if token[0] in "?$":
            return f"?{token[1:]}"
        if token in "[(":
            raise UndecidedError("a list or a blank node without a name")
        if token.startswith("_:") or token[0] in "<\"'" or re.fullmatch(_NUMBER, token):
            return self.literal(token)
        if token.lower() in ("true", "false"):
            return token.lower()
        prefix, colon, rest = token.partition(":")
        if not colon:
            raise InvalidFormError(f"{token!r} is no term")
        return f"<{self.prefixes[f'{prefix}:']}{rest}>" if f"{prefix}:" in self.prefixes else token

    def literal(self, token: str) -> str:
        if token.startswith("'"):
            token = '"' + token[1:].replace('"', '\\"')[::-1].replace("'", '"', 1)[::-1]
        value, mark, kind = token.rpartition("^^")
        if mark and f"{kind.partition(':')[0]}:" in self.prefixes:
            prefix, _, rest = kind.partition(":")
            return f"{value}^^<{self.prefixes[f'{prefix}:']}{rest}>"
        return token

    def condition(self) -> list[str]:
        """The tokens of a filter, brackets around the whole left out."""
        tokens, depth = [], 0
        while True:
            token = self.take()
            if token.lower() in _UNKNOWN or token in "{}":
                raise UndecidedError(f"{token!r} in a filter")
            depth += (token == "(") - (token == ")")
            is_name = re.match(r"[\w.-]*:|[<\"'?$]", token) and token not in ("<", "<=")
            if is_name:
                self.next -= 1
                token = self.term()
            tokens.append(token)
            if depth < 0:
                raise InvalidFormError("a bracket is closed that was not opened")
            if depth == 0 and token == ")":
                return tokens

    def modifiers(self, query: Query) -> None:
        if self.accepts("order"):
            self.take("by")
            while self.peek() and self.peek().lower() not in ("limit", "offset"):
                direction = self.take().lower() if self.peek().lower() in ("asc", "desc") else "asc"
                bracketed = self.accepts("(")
                query.order.append((direction, self.variable()))
                if bracketed:
                    self.take(")")
        while self.peek().lower() in ("limit", "offset"):
            query.slices[self.take().lower()] = self.take()
        if self.peek().lower() in _UNKNOWN:
            raise UndecidedError(f"{self.peek()!r} is not known")


def _conditions(tokens: list[str]) -> Iterator[tuple[str, ...]]:
    """The parts of a filter that `&&` joins, each comparison with its smaller side first."""
    tokens = _unwrapped(tokens)
    parts, depth = [[]], 0  # type: ignore[var-annotated]
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if token == "&&" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    if len(parts) > 1 and "||" not in tokens:
        for part in parts:
            yield from _conditions(part)
        return
    if len(tokens) == 3 and tokens[1] in FLIPPED:
        left, sign, right = tokens
        yield (left, sign, right) if not _flips(left, right) else (right, FLIPPED[sign], left)
        return
    yield tuple(token if token[0] in "<\"'?_" or ":" in token else token.lower() for token in tokens)


def _flips(left: str, right: str) -> bool:
    """Whether a comparison is written with the variable behind the constant, or its variables may stand either way."""
    return is_variable(right) and not is_variable(left)


def _unwrapped(tokens: list[str]) -> list[str]:
    """Without brackets around the whole."""
    while tokens and tokens[0] == "(" and tokens[-1] == ")":
        depth, ends = 0, []
        for index, token in enumerate(tokens):
            depth += (token == "(") - (token == ")")
            if depth == 0:
                ends.append(index)
        if ends[:1] != [len(tokens) - 1]:
            break
        tokens = tokens[1:-1]
    return tokens


def read_query(text: str) -> Query:
    """The query of a text; raises `InvalidFormError`, or `UndecidedError` for what is not a basic query."""
    require_bounded(text, "({[", ")}]")
    without = re.sub(r"(?m)(?:^|\s)#[^\n]*$", "", text)
    return _Reader(list(tokens_of(without, _TOKEN))).query()


def compare_queries(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal where variables can be renamed so that both have the same parts; for DISTINCT without more than triples
    also where each query holds the other (Chandra and Merlin 1977).
    """
    expected, told = of_reference(read_query, reference), read_query(answer)
    if _frame(expected) != _frame(told):
        if (("*",) in expected.shown) != (("*",) in told.shown):
            raise UndecidedError("'*', which may stand for what the other names")
        return told_equal(False)
    if _is_set(expected):
        return told_equal(_holds(expected, told) and _holds(told, expected))
    if _is_renamed(told, expected):
        return told_equal(True)
    plain = [replace(query, filters=set()) for query in (told, expected)]
    is_other = any(len(part) != 3 for query in (told, expected) for part in query.filters)
    if is_other and _is_renamed(*plain):
        raise UndecidedError("a filter that may say the same in other words")
    return told_equal(False)


def _frame(query: Query) -> tuple[object, ...]:
    """What variables do not change, but for the names of variables."""
    shown = [tuple("?" if is_variable(token) else token for token in part) for part in query.shown]
    return (query.kind, query.distinct, shown, [part[0] for part in query.order], query.slices)


def _is_set(query: Query) -> bool:
    is_plain = not (query.filters or query.order or query.slices) and ("*",) not in query.shown
    return is_plain and (query.kind == "ask" or (query.distinct and all(len(part) == 1 for part in query.shown)))


def _holds(first: Query, second: Query) -> bool:
    """Whether the triples of the first map into those of the second, what is shown on what is shown."""
    start = _ends(first, second)
    return start is not None and _search(sorted(first.triples), second, start, injective=False, filters=())


def _is_renamed(first: Query, second: Query) -> bool:
    start = _ends(first, second)
    if len(first.triples) != len(second.triples):
        return False
    if start is None or len(set(start.values())) < len(start) or len(first.filters) != len(second.filters):
        return False
    return _search(sorted(first.triples), second, start, injective=True, filters=tuple(sorted(first.filters)))


def _ends(first: Query, second: Query) -> dict[str, str] | None:
    """The mapping of what is shown and ordered by; None where it contradicts itself."""
    mapping: dict[str, str] = {}
    for part, other in zip((*first.shown, *first.order), (*second.shown, *second.order)):
        for token, image in zip(part, other):
            if is_variable(token) and mapping.setdefault(token, image) != image:
                return None
    return mapping


def _search(
    triples: list[Triple], target: Query, start: dict[str, str], injective: bool, filters: tuple[tuple[str, ...], ...]
) -> bool:
    """Whether the mapping can be continued so that all triples, and filters, are among the target's."""
    stack, steps = [(0, start)], 0
    while stack:
        row, mapping = stack.pop()
        steps += 1
        if steps > _STEPS:
            raise UndecidedError(f"more than {_STEPS} steps of a search")
        if row == len(triples):
            if all(_mapped(part, mapping) & _both_ways(target.filters) for part in filters):
                return True
            continue
        for other in target.triples:
            continued = _continued(mapping, triples[row], other, injective)
            if continued is not None:
                stack.append((row + 1, continued))
    return False


def _continued(mapping: dict[str, str], triple: Triple, other: Triple, injective: bool) -> dict[str, str] | None:
    grown = dict(mapping)
    for token, image in zip(triple, other):
        if not is_variable(token):
            if token != image:
                return None
            continue
        if injective and (not is_variable(image) or image in {v for k, v in grown.items() if k != token}):
            return None
        if grown.setdefault(token, image) != image:
            return None
    return grown


def _mapped(part: tuple[str, ...], mapping: dict[str, str]) -> set[tuple[str, ...]]:
    return {tuple(mapping.get(token, token) for token in part)}


def _both_ways(filters: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """The filters, and comparisons of two variables turned round."""
    turned = {(right, FLIPPED[sign], left) for left, sign, right in (f for f in filters if len(f) == 3)
              if sign in FLIPPED}  # fmt: skip
    return filters | turned
