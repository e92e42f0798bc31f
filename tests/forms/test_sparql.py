"""SPARQL: verdicts against rdflib's answers on drawn graphs."""

import random
from functools import cache

import pytest

from tests.forms.comparing import word

rdflib = pytest.importorskip("rdflib")
prepareQuery = pytest.importorskip("rdflib.plugins.sparql").prepareQuery
NAMES = [f"<http://x/{name}>" for name in "abcd"]
VERBS = [f"<http://x/{name}>" for name in "pq"]


def drawn(rng: random.Random) -> tuple[str, list[str]]:
    """The beginning of a query, and its triples, of which the first holds the variable that is shown."""
    variables = ["?x", "?y", "?z"][: rng.randint(1, 3)]
    triples = [f"?x {rng.choice(VERBS)} {rng.choice(variables + NAMES)}"]
    triples += [
        f"{rng.choice(variables)} {rng.choice(VERBS)} {rng.choice(variables + NAMES[:2])}"
        for _ in range(rng.randint(0, 2))
    ]
    return rng.choice(["SELECT ?x", "SELECT DISTINCT ?x"]), list(dict.fromkeys(triples))


def renamed(text: str) -> str:
    return text.replace("?x", "?first").replace("?y", "$x").replace("?z", "?y").replace("$x", "?z")


def graphs(rng: random.Random) -> list:
    listed = []
    for _ in range(12):
        graph = rdflib.Graph()
        for _ in range(rng.randint(2, 14)):
            triple = [rng.choice(NAMES), rng.choice(VERBS), rng.choice(NAMES)]
            graph.add(tuple(rdflib.URIRef(name[1:-1]) for name in triple))
        listed.append(graph)
    return listed


def answers(query: str, listed: list) -> list:
    prepared = parsed(query)
    return [sorted(map(str, (row[0] for row in graph.query(prepared)))) for graph in listed]


@cache
def parsed(query: str) -> object:
    return prepareQuery(query)


def test_verdicts_agree_with_answers_on_drawn_graphs() -> None:
    rng = random.Random(0)
    listed, counts = graphs(rng), {"equal": 0, "unequal": 0}
    for _ in range(60):
        (begin, triples), (other_begin, other) = drawn(rng), drawn(rng)
        first = f"{begin} WHERE {{ {' . '.join(triples)} }}"
        again = renamed(f"{begin} {{ {' . '.join(rng.sample(triples, len(triples)))} . }}")
        second = f"{other_begin} WHERE {{ {' . '.join(other)} }}"
        near = f"{begin} WHERE {{ {' . '.join([*triples, f'?x {VERBS[0]} {NAMES[3]}'])} }}"
        assert answers(again, listed) == answers(first, listed)
        assert word("x-sparql", again, first) == "equal", (again, first)
        for other_query in (second, near):
            said = word("x-sparql", other_query, first)
            same = answers(other_query, listed) == answers(first, listed)
            if said == "equal":
                assert same
            if begin == "SELECT DISTINCT ?x" or not same:
                is_other_kind = other_query is second and other_begin != begin
                assert said == ("equal" if same else "unequal") or is_other_kind or not_told(first, other_query), (
                    first,
                    other_query,
                )
            counts[said] += 1
    assert counts["unequal"] >= 50


def not_told(first: str, second: str) -> bool:
    """Whether more graphs tell the two apart, which the first ones did not."""
    listed = [graph for seed in range(30) for graph in graphs(random.Random(seed))]
    return any(answers(first, [graph]) != answers(second, [graph]) for graph in listed)


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        (
            "PREFIX e: <http://x/> SELECT ?s WHERE { ?s e:p e:a ; e:q 3 . }",
            "SELECT ?t { ?t <http://x/q> 3 . ?t <http://x/p> <http://x/a> }",
            "equal",
        ),
        ("SELECT ?s { ?s a <c> }", "SELECT ?s { ?s <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <c> }", "equal"),
        ("SELECT ?s { ?s <p> <a>, <b> }", "SELECT ?s { ?s <p> <b> . ?s <p> <a> }", "equal"),
        ("SELECT ?s ?o { ?s <p> ?o }", "SELECT ?o ?s { ?s <p> ?o }", "unequal"),
        ("SELECT ?s { ?s <p> ?o }", "SELECT ?s { ?o <p> ?s }", "unequal"),
        ("SELECT ?s { ?s <p> ?o . FILTER(?o > 3) }", "SELECT ?a { ?a <p> ?b . FILTER ( 3 < ?b ) }", "equal"),
        ("SELECT ?s { ?s <p> ?o . FILTER(?o > 3) }", "SELECT ?s { ?s <p> ?o . FILTER(?o >= 3) }", "unequal"),
        (
            "SELECT ?s { ?s <p> ?o . FILTER(?o > 3 && ?o < 9) }",
            "SELECT ?s { ?s <p> ?o . FILTER(?o < 9) FILTER(?o > 3) }",
            "equal",
        ),
        ("SELECT ?s { ?s <p> ?o . FILTER(?s != ?o) }", "SELECT ?s { ?s <p> ?o . FILTER(?o != ?s) }", "equal"),
        ("SELECT (COUNT(?s) AS ?n) { ?s <p> <a> }", "SELECT (COUNT(?x) AS ?m) WHERE { ?x <p> <a> }", "equal"),
        ("SELECT (COUNT(?s) AS ?n) { ?s <p> <a> }", "SELECT (COUNT(DISTINCT ?s) AS ?n) { ?s <p> <a> }", "unequal"),
        (
            "SELECT ?s { ?s <p> ?o } ORDER BY DESC(?o) LIMIT 1",
            "SELECT ?a { ?a <p> ?b } ORDER BY DESC(?b) LIMIT 1",
            "equal",
        ),
        ("SELECT ?s { ?s <p> ?o } ORDER BY ?o LIMIT 1", "SELECT ?s { ?s <p> ?o } ORDER BY DESC(?o) LIMIT 1", "unequal"),
        ("SELECT ?s { ?s <p> ?o } LIMIT 1", "SELECT ?s { ?s <p> ?o } LIMIT 2", "unequal"),
        ("ASK { <a> <p> ?x . <a> <p> ?y }", "ASK { <a> <p> ?z }", "equal"),
        ("ASK { <a> <p> <b> }", "ASK { <b> <p> <a> }", "unequal"),
        ("SELECT (COUNT(*) AS ?n) { ?s <p> <a> }", "SELECT (COUNT(?s) AS ?n) { ?s <p> <a> }", "equal"),
        ("SELECT (COUNT(?z) AS ?n) { ?s <p> <a> }", "SELECT (COUNT(?s) AS ?n) { ?s <p> <a> }", "unequal"),
        ("SELECT * { ?s <p> <a> }", "SELECT ?s { ?s <p> <a> }", "undecided"),
        ("SELECT ?s { ?s <p> ?o FILTER(!(?o = 1)) }", "SELECT ?s { ?s <p> ?o FILTER(?o != 1) }", "undecided"),
        ("SELECT ?s { ?s <p> ?o FILTER(!(?o = 1)) }", "SELECT ?s { ?s <q> ?o FILTER(?o != 1) }", "unequal"),
        ("BASE <http://a/> SELECT ?s { ?s <p> ?o }", "SELECT ?s { ?s <p> ?o }", "undecided"),
        ("SELECT DISTINCT ?x { ?x <p> ?y . ?x <p> ?z }", "SELECT DISTINCT ?x { ?x <p> ?y }", "equal"),
        ("SELECT ?x { ?x <p> ?y . ?x <p> ?z }", "SELECT ?x { ?x <p> ?y }", "unequal"),
        ("SELECT ?x { ?x <p> 'a' }", 'SELECT ?x { ?x <p> "a" }', "equal"),
        ("SELECT ?x { ?x <p> _:b }", "SELECT ?x { ?x <p> ?y }", "equal"),
        ("SELECT ?x { ?x <p> ?y", "SELECT ?x { ?x <p> ?y }", "invalid"),
        ("SELECT { ?x <p> ?y }", "SELECT ?x { ?x <p> ?y }", "invalid"),
        ("SELECT ?x { ?x <p> }", "SELECT ?x { ?x <p> ?y }", "invalid"),
        ("", "SELECT ?x { ?x <p> ?y }", "invalid"),
        ("SELECT ?x { ?x <p>+ ?y }", "SELECT ?x { ?x <p> ?y }", "undecided"),
        ("SELECT ?x { OPTIONAL { ?x <p> ?y } }", "SELECT ?x { ?x <p> ?y }", "undecided"),
        ("SELECT ?x { { ?x <p> ?y } UNION { ?x <q> ?y } }", "SELECT ?x { ?x <p> ?y }", "undecided"),
        ("SELECT ?x { ?x <p> ?y } GROUP BY ?x", "SELECT ?x { ?x <p> ?y }", "undecided"),
        ("ASK { }", "ASK { OPTIONAL { ?x <p> 1 } }", "undecided"),
        ("{" * 10_000, "SELECT ?x { ?x <p> ?y }", "undecided"),
    ],
)
def test_queries_as_people_write_them(answer: str, reference: str, expected: str) -> None:
    assert word("x-sparql", answer, reference) == expected
