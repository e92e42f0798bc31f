"""The tree of languages in the section of neuron sets: which languages share neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neuroglot.reports.labels import language_labels
from neuroglot.reports.parts import Figure, Plot
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.tree import Join, average_linkage, dendrogram
from neuroglot.reports.wording import number

UNIT = "1 − Jaccard index"


def tree_figure(codes: Sequence[str], overlap: Sequence[Sequence[float]]) -> Figure | None:
    """Average linkage of languages by 1 − Jaccard index of their sets; None below three languages.

    A language without neurons shares none and stands at distance 1 from all.
    """
    if len(codes) < 3:
        return None
    shared = np.array([[0.0 if math.isnan(value) else value for value in row] for row in overlap])
    joins = average_linkage(1 - shared)
    spec = dendrogram(joins, language_labels(codes), unit=UNIT)
    columns = (Column("group"), Column("joins"), Column("distance", UNIT), Column("languages together"))
    rows = [
        (_named(join.first, codes), _named(join.second, codes), join.distance, len(join.first + join.second))
        for join in joins
    ]
    caption = (
        "How to read it: two branches join at the mean distance of their languages; the further left, the more neurons "
        "they share. 1 is no neuron in common; the axis need not begin at 0. Filters leave the tree whole."
    )
    plot = Plot(spec, Table.of("language-tree", "Tree of languages by shared neurons", columns, rows))
    alternative = f"Tree of {len(codes)} languages. {_first_join(joins, codes)}"
    return Figure("language-tree", "Languages that share neurons", caption, alternative, (plot,))


def _named(leaves: Sequence[int], codes: Sequence[str]) -> str:
    return ", ".join(codes[leaf] for leaf in leaves)


def _first_join(joins: Sequence[Join], codes: Sequence[str]) -> str:
    first = joins[0]
    if first.distance >= 1:
        return "No two languages share a neuron."
    return (
        f"First to join: {_named(first.first, codes)} and {_named(first.second, codes)}, at {number(first.distance)}."
    )
