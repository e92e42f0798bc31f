"""AMR: the counts of Smatch against the package `smatch`, and equality of renamed and reordered graphs."""

import random
import re

import pytest

from neuroglot.forms import graphs, verdicts
from neuroglot.forms.graphs import compare_graphs, matched_triples, read_graph
from tests.forms.comparing import word

ROLES = ["ARG0", "ARG1", "mod", "time", "ARG0-of", "consist-of", "location"]
CONCEPTS = ["boy", "girl", "want-01", "go-02", "city", "red"]


def drawn(rng: random.Random, size: int) -> str:
    """A tree of nodes with attributes, and now and then a node that is there already."""
    texts = [f"(v{node} / {rng.choice(CONCEPTS)}" for node in range(size)]
    for node in reversed(range(1, size)):
        parent = rng.randrange(node)
        extra = rng.choice(["", "", " :polarity -", f" :quant {rng.randrange(3)}", ' :name "A b"'])
        texts[parent] += f" :{rng.choice(ROLES)} {texts[node]}{extra})"
        if rng.random() < 0.3:
            texts[parent] += f" :{rng.choice(ROLES[:2])} v{rng.randrange(size)}"
    return texts[0] + ")"


def without_repeats(rng: random.Random, size: int) -> str:
    """A graph that has no triple twice: of those the package counts every pair, so that more match than there are."""
    while True:
        text = drawn(rng, size)
        graph = read_graph(text)
        if len(set(graph.relations)) == len(graph.relations) and len(set(graph.attributes)) == len(graph.attributes):
            return text


def test_counts_are_those_of_smatch() -> None:
    smatch = pytest.importorskip("smatch")
    rng = random.Random(0)
    smatch.iteration_num = 30
    for _ in range(120):
        first, second = (without_repeats(rng, rng.randint(1, 6)) for _ in range(2))
        told = compare_graphs(first, second, {})
        smatch.match_triple_dict.clear()
        matched, answered, expected = smatch.get_amr_match(first, second)
        assert (told.answered, told.expected) == (answered, expected), (first, second)
        assert told.matched == matched, (first, second)


def test_roles_that_only_look_inverse_stay() -> None:
    assert read_graph("(r / ring :consist-of (g / gold))").relations == (("r", "consist-of", "g"),)
    assert read_graph("(b / boy :ARG0-of (g / go-02))").relations == (("g", "arg0", "b"),)


def test_a_climb_finds_what_the_search_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    pairs = [tuple(read_graph(drawn(rng, 6)) for _ in range(2)) for _ in range(30)]
    exact, certain = zip(*(matched_triples(*pair) for pair in pairs))
    assert all(certain)
    monkeypatch.setattr(graphs, "_EXACT", 1)
    climbed, certain = zip(*(matched_triples(*pair) for pair in pairs))
    assert not any(certain)
    assert all(found <= best for found, best in zip(climbed, exact))
    assert sum(found == best for found, best in zip(climbed, exact)) >= 29


def test_renamed_and_reordered_graphs_are_equal_and_near_misses_are_not() -> None:
    rng = random.Random(2)
    for _ in range(100):
        text = drawn(rng, rng.randint(2, 7))
        renamed = re.sub(r"\bv(\d)\b", lambda match: f"n{int(match[1]) * 7 % 10}", text)
        assert word("x-amr", renamed, text) == "equal"
        concept = re.search(r"/ ([\w-]+)", text)[1]
        assert word("x-amr", text.replace(f"/ {concept}", "/ other", 1), text) == "unequal"
        assert word("x-amr", text[:-1], text) == "invalid"


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        (
            "(w / want-01 :ARG0 (b / boy) :ARG1 (g / go-02 :ARG0 b))",
            "(x / want-01 :ARG1 (y / go-02 :ARG0 z) :ARG0 (z / boy))",
            "equal",
        ),
        ("(b / boy :ARG0-of (g / go-02))", "(g / go-02 :ARG0 (b / boy))", "unequal"),  # another top
        ("(b / boy :mod (r / red))", "(b / boy)", "unequal"),
        ("(b / boy)", "(b / boy :mod (r / red))", "unequal"),
        ("(b / boy :mod (r / red))", "(b / boy :domain-of (r / red))", "equal"),
        ("(b / boy~e.3)", "(b / boy)", "equal"),
        ("# ::id 1\n(b / boy)", "(b / boy)", "equal"),
        ("(b / boy :quant 1)", "(b / boy :quant 2)", "unequal"),
        ("(b/boy :ARG0-of(g/go-02))", "(b / boy :ARG0-of (g / go-02))", "equal"),
        ('(b/boy :wiki "a/b")', '(b / boy :wiki "a/b")', "equal"),
        ("(b boy)", "(b / boy)", "invalid"),
        ("(b / boy :ARG0)", "(b / boy)", "invalid"),
        ("(b / boy ARG0 c)", "(b / boy)", "invalid"),
        ("(b / boy :ARG0 (b / girl))", "(b / boy)", "invalid"),
        ("(b / boy) (c / boy)", "(b / boy)", "invalid"),
        ("(b / boy :ARG0 :ARG1 c)", "(b / boy)", "invalid"),
        ("", "(b / boy)", "invalid"),
        ("(b / boy)", "(b", "undecided"),
        ("(b / boy" + " :mod (a / a" * 3000, "(b / boy)", "undecided"),
    ],
)
def test_graphs_as_people_write_them(answer: str, reference: str, expected: str) -> None:
    assert word("x-amr", answer, reference) == expected


@pytest.mark.parametrize("size", [12, 30, 60])
def test_large_graphs_are_counted_in_time(size: int) -> None:
    """Two drawn graphs of 30 variables took longer than the cage allows, and counted as nothing matched."""
    rng = random.Random(size)
    first, second = (drawn(rng, size) for _ in range(2))
    (told,) = verdicts("x-amr", [(first, second, {})])
    assert told.word == "unequal"
    assert told.matched >= len(read_graph(first).variables) / 3


def test_a_search_that_was_cut_says_unequal_only_of_graphs_with_other_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "_EXACT", 1)
    monkeypatch.setattr(graphs, "_CLIMBED", 0)
    ring = [f"(v{node} / boy" for node in range(12)]
    text = " :ARG0 ".join(ring) + " :ARG1 v3" + ")" * 12
    other = text.replace("v3)", "v4)")
    said = [compare_graphs(text, reference, {}) for reference in (other, text.replace("ARG1", "ARG2"))]
    assert [told.word for told in said] == ["undecided", "unequal"]
    assert said[0].matched > 0
