"""The drawing of a tree of languages, from the joins of an average linkage."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from neuroglot.neurons.comparing import Join
from neuroglot.reports.parts import Spec, escaped
from neuroglot.reports.wording import Labels


def leaf_order(joins: Sequence[Join]) -> tuple[int, ...]:
    """Leaves from top to bottom, such that no lines cross."""
    return joins[-1].first + joins[-1].second if joins else (0,)


def dendrogram(joins: Sequence[Join], leaves: Labels, *, unit: str) -> Spec:
    """Leaves below each other with their names on the left; a bracket stands where two groups join."""
    order = leaf_order(joins)
    height: dict[tuple[int, ...], float] = {(leaf,): float(row) for row, leaf in enumerate(order)}
    depth = dict.fromkeys(height, 0.0)
    x: list[float | None] = []
    y: list[float | None] = []
    said: list[str] = []
    for join in joins:
        group = join.first + join.second
        top, bottom = height[join.first], height[join.second]
        x += [depth[join.first], join.distance, join.distance, depth[join.second], None]
        y += [top, top, bottom, bottom, None]
        height[group], depth[group] = (top + bottom) / 2, join.distance
        names = " and ".join(", ".join(leaves.short[leaf] for leaf in part) for part in (join.first, join.second))
        said += [f"{escape(names)}<br>{escape(unit)} {join.distance:.3g}"] * 5
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "line": {"width": 2}, "meta": {"role": "observed"},
        "text": said, "hovertemplate": "%{text}<extra></extra>", "connectgaps": False,
    }  # fmt: skip
    full, short = ([names[leaf] for leaf in order] for names in (leaves.full, leaves.short))
    nearest, furthest = joins[0].distance, joins[-1].distance
    room = 0.3 * (furthest - nearest) or 0.1
    layout: dict[str, Any] = {
        "xaxis": {
            "title": {"text": unit}, "range": [max(0.0, nearest - room), furthest + 0.1 * room],
            "fixedrange": True, "zeroline": False,
        },
        "yaxis": {
            "tickvals": list(range(len(order))), "ticktext": escaped(full), "range": [len(order) - 0.45, -0.55],
            "automargin": True, "fixedrange": True, "zeroline": False, "showgrid": False,
        },
        "meta": {"tree": True}, "showlegend": False,
        "margin": {"t": 8, "r": 12, "b": 48, "l": 10}, "height": 90 + 24 * len(order),
    }  # fmt: skip
    narrow = {"yaxis": {"ticktext": escaped(short)}} if max(map(len, full)) > 18 else {}
    return Spec([trace], layout, narrow)
