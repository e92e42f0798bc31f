"""Canonical forms: shuffled texts are equal, near misses are not; s-expressions also by evaluating them."""

import random

import pytest

from tests.forms.comparing import word

THINGS = range(6)


def drawn(rng: random.Random, depth: int) -> tuple:
    if depth == 0:
        return ("class", rng.choice("ABC"))
    kind = rng.choice(["AND", "JOIN", "AND", "OR"])
    if kind == "JOIN":
        return (kind, rng.choice(["r", "s", "(R r)", "(R (R s))"]), drawn(rng, depth - 1))
    return (kind, *(drawn(rng, depth - 1) for _ in range(rng.randint(2, 3))))


def written(tree: tuple) -> str:
    return (
        tree[1]
        if tree[0] == "class"
        else f"({tree[0]} {' '.join(t if isinstance(t, str) else written(t) for t in tree[1:])})"
    )


def shuffled(tree: tuple, rng: random.Random) -> tuple:
    """The same by laws of sets: another order, a part twice, an AND within an AND, a relation turned round twice."""
    if tree[0] == "class":
        return tree
    if tree[0] == "JOIN":
        twice = f"(R (R {tree[1]}))" if rng.random() < 0.5 else tree[1]
        return ("JOIN", twice, shuffled(tree[2], rng))
    parts = [shuffled(part, rng) for part in tree[1:]]
    rng.shuffle(parts)
    parts += [parts[0]] if rng.random() < 0.3 else []
    return (tree[0], parts[0], (tree[0], *parts[1:])) if rng.random() < 0.4 and len(parts) > 2 else (tree[0], *parts)


def evaluated(tree: tuple, world: dict) -> frozenset:
    if tree[0] == "class":
        return world[tree[1]]
    if tree[0] == "JOIN":
        is_turned = tree[1] == "(R r)"
        pairs = {(b, a) for a, b in world["r"]} if is_turned else world[tree[1].replace("(R (R s))", "s")]
        inner = evaluated(tree[2], world)
        return frozenset(a for a, b in pairs if b in inner)
    parts = [evaluated(part, world) for part in tree[1:]]
    return frozenset.intersection(*parts) if tree[0] == "AND" else frozenset.union(*parts)


def worlds(rng: random.Random) -> list[dict]:
    listed = []
    for _ in range(40):
        world = {name: frozenset(n for n in THINGS if rng.random() < 0.6) for name in "ABC"}
        world |= {name: frozenset((a, b) for a in THINGS for b in THINGS if rng.random() < 0.3) for name in "rs"}
        listed.append(world)
    return listed


def test_s_expressions_that_are_equal_give_the_same_everywhere_and_shuffled_ones_are_equal() -> None:
    rng = random.Random(0)
    everywhere, equal, unequal = worlds(rng), 0, 0
    for _ in range(120):
        tree, other = drawn(rng, 2), drawn(rng, 2)
        again = written(shuffled(tree, rng))
        assert word("x-sexpr", again, written(tree)) == "equal", (again, written(tree))
        equal += again != written(tree)
        if [evaluated(tree, world) for world in everywhere] != [evaluated(other, world) for world in everywhere]:
            assert word("x-sexpr", written(other), written(tree)) == "unequal"
            unequal += 1
    assert equal >= 60
    assert unequal >= 60


@pytest.mark.parametrize(
    ("form", "answer", "reference", "expected"),
    [
        ("x-sexpr", "(COUNT (AND a b))", "(COUNT (AND b a))", "equal"),
        ("x-sexpr", "(lt r 3)", "(lt 3 r)", "unequal"),
        ("x-sexpr", "(lambda x (f x y))", "(lambda z (f z y))", "equal"),
        ("x-sexpr", "(lambda x x)", "(lambda x y)", "unequal"),
        ("x-sexpr", "(lambda x (lambda y (f x y)))", "(lambda y (lambda x (f y x)))", "equal"),
        ("x-sexpr", "(lambda x (lambda y (f x y)))", "(lambda x (lambda y (f y x)))", "unequal"),
        ("x-sexpr", "(lambda x (lambda x x))", "(lambda y (lambda z z))", "equal"),
        ("x-sexpr", "(AND a)", "(AND a a)", "equal"),
        ("x-sexpr", "(ARGMAX a r)", "(ARGMIN a r)", "unequal"),
        ("x-sexpr", "(AND a b", "(AND a b)", "invalid"),
        ("x-sexpr", "(AND)", "(AND a b)", "invalid"),
        ("x-sexpr", "a", "(AND a b)", "invalid"),
        ("x-sexpr", "(a) (b)", "(a)", "invalid"),
        ("x-sexpr", "()", "(a)", "invalid"),
        ("x-sexpr", "(a)", "(a", "undecided"),
        ("x-sexpr", "(" * 10_000, "(a)", "undecided"),
        ("x-sexpr", "(" * 100 + "a" + ")" * 100, "(a)", "unequal"),
        ("x-top", "[IN:GO [SL:TO home ] [SL:AT noon ] ]", "[IN:GO [SL:AT noon] [SL:TO home]]", "equal"),
        ("x-top", "[IN:GO to [SL:TO home ] ]", "[IN:GO [SL:TO home ] to ]", "unequal"),
        ("x-top", "[IN:GO [SL:TO work ] ]", "[IN:GO [SL:TO home ] ]", "unequal"),
        ("x-top", "[GO home ]", "[IN:GO home ]", "invalid"),
        ("x-top", "[IN:GO [SL:TO home ]", "[IN:GO [SL:TO home ] ]", "invalid"),
        (
            "x-nlmaps",
            "query(nwr(keyval('a','b'),keyval('c','d')),area(keyval('name','X')),qtype(count))",
            "query(area(keyval('name','X')),nwr(keyval('c','d'), keyval('a','b')), qtype(count))",
            "equal",
        ),
        (
            "x-nlmaps",
            "query(area(keyval('a','b'),keyval('c','d')))",
            "query(area(keyval('c','d'),keyval('a','b')))",
            "equal",
        ),
        ("x-nlmaps", "query(nwr(keyval('b','a')))", "query(nwr(keyval('a','b')))", "unequal"),
        ("x-nlmaps", "query(nwr(keyval('a' 'b')))", "query(nwr(keyval('a','b')))", "invalid"),
        ("x-nlmaps", "query(nwr(keyval('a','b'))", "query(nwr(keyval('a','b')))", "invalid"),
        ("x-nlmaps", "query(nwr(keyval('a (b, c)','d')))", "query( nwr( keyval( 'a (b, c)' , 'd' ) ) )", "equal"),
        ("x-scene", "count(intersect(a(scene()), b(scene())))", "count(intersect(b(scene()), a(scene())))", "equal"),
        ("x-scene", "greater(a(), b())", "greater(b(), a())", "unequal"),
        ("x-scene", "select: dog → filter: red", "select:dog->filter:red", "equal"),
        ("x-scene", "filter: red → select: dog", "select: dog → filter: red", "unequal"),
        ("x-scene", "select", "count(scene())", "invalid"),
        ("x-scene", "filter_a(filter_b(scene(), x), y)", "filter_b(filter_a(scene(), y), x)", "equal"),
        ("x-scene", "filter_a(filter_b(scene(), x), y)", "filter_b(filter_a(scene(), x), y)", "unequal"),
        ("x-scene", "filter_a(same(filter_b(scene(), x)), y)", "filter_b(same(filter_a(scene(), y)), x)", "unequal"),
        ("x-scene", "filter_a(filter_a(scene(), x), x)", "filter_a(scene(), x)", "equal"),
        ("x-scene", "less_than(count(a()), count(b()))", "greater_than(count(b()), count(a()))", "equal"),
        ("x-scene", "union(a(), union(b(), c()))", "union(union(c(), a()), b())", "equal"),
        ("x-scene", "union(a(), a())", "a()", "equal"),
        (
            "x-geometry",
            "Equals(LengthOf(Line(A, B)), 5); Parallel(Line(C, D), Line(A, B))",
            "Parallel(Line(B, A), Line(D, C))\nEquals(5, LengthOf(Line(B, A)))",
            "equal",
        ),
        ("x-geometry", "Equals(MeasureOf(Angle(A, B, C)), x)", "Equals(MeasureOf(Angle(C, B, A)), x)", "equal"),
        ("x-geometry", "Equals(MeasureOf(Angle(A, B, C)), x)", "Equals(MeasureOf(Angle(B, A, C)), x)", "unequal"),
        ("x-geometry", "Equals(A, B) C", "Equals(A, B)", "invalid"),
        ("x-geometry", "A", "Equals(A, B)", "invalid"),
        ("x-geometry", "PointLiesOnLine(A, Line(B, C))", "PointLiesOnLine(A, Line(C, B))", "equal"),
        ("x-geometry", "Point(A)", "Point(B)", "unequal"),
        ("x-geometry", "Line(A,\n B);\nPoint(C);", "Point(C)\nLine(B, A)", "equal"),
        (
            "x-geometry",
            "Similar(Triangle(A,B,C), Triangle(D,E,F))",
            "Similar(Triangle(E,D,F), Triangle(B,A,C))",
            "equal",
        ),
        (
            "x-geometry",
            "Similar(Triangle(A,B,C), Triangle(D,E,F))",
            "Similar(Triangle(A,B,C), Triangle(E,D,F))",
            "unequal",
        ),
        ("x-geometry", "IsTriangle(Triangle(A,B,C))", "IsTriangle(Triangle(C,B,A))", "equal"),
        ("x-geometry", "", "Point(B)", "invalid"),
        ("x-geometry", "f(,)", "Point(B)", "invalid"),
        ("x-scan", "I_JUMP  I_WALK\n", "I_JUMP I_WALK", "equal"),
        ("x-scan", "I_WALK I_JUMP", "I_JUMP I_WALK", "unequal"),
        ("x-scan", "", "I_JUMP", "invalid"),
        ("x-scan", "I_JUMP; rm", "I_JUMP", "invalid"),
        ("x-triples", "(b, r, c), (a, s, d)", "a | s | d\nb | r | c", "equal"),
        ("x-triples", "(a_b, r, c)", "(a b, r, c)", "equal"),
        ("x-triples", "(a, r, c), (a, r, c)", "(a, r, c)", "equal"),
        ("x-triples", "(c, r, a)", "(a, r, c)", "unequal"),
        ("x-triples", "(a, r)", "(a, r, c)", "invalid"),
        ("x-triples", "(a (x), r, c)", "a (x) | r | c", "equal"),
        ("x-triples", "(a, r, c", "(a, r, c)", "invalid"),
        ("x-triples", "(a, r, c) and (d, e, f)", "(a, r, c)", "invalid"),
        ("x-triples", "(a, , c)", "(a, r, c)", "invalid"),
        ("x-triples", "", "(a, r, c)", "invalid"),
        ("x-triples", " ;\n ", "(a, r, c)", "invalid"),
    ],
)
def test_forms_as_people_write_them(form: str, answer: str, reference: str, expected: str) -> None:
    assert word(form, answer, reference) == expected


def test_facts_are_counted_for_f1() -> None:
    from neuroglot.forms.expressions import compare_facts

    told = compare_facts("(a, r, b), (c, r, d)", "(a, r, b), (e, r, f), (g, r, h)", {})
    assert (told.word, told.matched, told.answered, told.expected) == ("unequal", 1, 2, 3)
