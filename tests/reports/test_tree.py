"""The tree of languages: average linkage against a recursive oracle, its drawing and its words."""

import itertools
import math

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.neurons.comparing import average_linkage
from neuroglot.reports.section import section_of
from neuroglot.reports.sections.sets import tree_figure
from neuroglot.reports.tree import dendrogram, leaf_order
from neuroglot.reports.wording import Labels
from tests.reports import making


@st.composite
def distances(draw: st.DrawFn) -> np.ndarray:
    size = draw(st.integers(2, 7))
    values = draw(st.lists(st.floats(0, 1), min_size=size * size, max_size=size * size))
    square = np.array(values).reshape(size, size)
    square = (square + square.T) / 2
    np.fill_diagonal(square, 0)
    return square


def test_a_tree_worked_out_by_hand() -> None:
    joins = average_linkage(np.array([[0, 4, 2, 10], [4, 0, 6, 8], [2, 6, 0, 10], [10, 8, 10, 0]], dtype=float))
    assert [(join.first, join.second, join.distance) for join in joins] == [
        ((0,), (2,), 2.0), ((0, 2), (1,), 5.0), ((0, 2, 1), (3,), pytest.approx(28 / 3)),
    ]  # fmt: skip
    assert leaf_order(joins) == (0, 2, 1, 3)


@given(distances())
def test_each_join_is_the_nearest_pair_at_its_mean_distance(square: np.ndarray) -> None:
    groups = {frozenset([leaf]) for leaf in range(len(square))}
    previous = 0.0
    for join in average_linkage(square):
        means = {
            (a, b): sum(square[i, j] for i in a for j in b) / (len(a) * len(b))
            for a, b in itertools.permutations(groups, 2)
        }
        first, second = frozenset(join.first), frozenset(join.second)
        assert {first, second} <= groups
        assert join.distance == pytest.approx(means[first, second])
        assert join.distance == pytest.approx(min(means.values()))
        assert join.distance >= previous - 1e-9
        previous = join.distance
        groups = groups - {first, second} | {first | second}
    assert groups == {frozenset(range(len(square)))}


@given(distances())
def test_the_drawing_has_each_leaf_once_and_no_line_crosses(square: np.ndarray) -> None:
    joins = average_linkage(square)
    names = tuple(f"l{leaf}" for leaf in range(len(square)))
    spec = dendrogram(joins, Labels(names, names), unit="distance")
    go.Figure({"data": spec.data, "layout": spec.layout})
    order = leaf_order(joins)
    assert sorted(order) == list(range(len(square)))
    assert spec.layout["yaxis"]["ticktext"] == [f"l{leaf}" for leaf in order]
    for join in joins:
        places = sorted(order.index(leaf) for leaf in join.first + join.second)
        assert places == list(range(places[0], places[0] + len(places)))
    assert len(spec.data[0]["x"]) == len(spec.data[0]["y"]) == 5 * len(joins)


def test_the_section_has_the_tree_with_its_table() -> None:
    figure = next(one for one in section_of(making.neuron_sets()).figures if one.key == "language-tree")
    rows = figure.plots[0].table.rows
    assert len(rows) == len(making.TEN) - 1
    assert rows[-1][3] == len(making.TEN)
    assert rows[-1][2] == 1.0  # the last language has no neurons
    assert rows[0][0] in figure.alternative
    assert figure.plots[0].spec.data[0]["meta"] == {"role": "observed"}


def test_two_languages_have_no_tree_and_sets_apart_say_so() -> None:
    assert tree_figure(("de", "fr"), [[1.0, 0.5], [0.5, 1.0]]) is None
    apart = [[1.0, 0.0, math.nan], [0.0, 1.0, 0.0], [math.nan, 0.0, math.nan]]
    figure = tree_figure(("de", "fr", "sw"), apart)
    assert figure is not None
    assert "No two languages share a neuron." in figure.alternative
