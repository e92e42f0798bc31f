"""One panel a language, rows of five (of two on a phone), over all layers: stacked bars or lines, one a type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from neuroglot.reports.figures import Series
from neuroglot.reports.labels import Labels
from neuroglot.reports.parts import Spec
from neuroglot.reports.pieces import axis_key, domain, escaped, numbers, panel_title, reference, thinned

COLUMNS, NARROW_COLUMNS = 5, 2
PANEL_HEIGHT, GAP = 170, 72  # pixels; a gap holds layer numbers, the axis's name and the next panel's title
TOP, BELOW = 34, 92
SYMBOLS = ("circle", "diamond", "triangle-up", "square-open")


def panels_by_language(
    panels: Sequence[tuple[str, Sequence[Series]]], places: Labels, *, unit: str, stacked: bool = False, axis: str
) -> Spec:
    """A panel for each title with one line or one part of a bar a series over `places`; all on one scale."""
    make = _bar if stacked else _line
    data = [
        make(one, number, panel, places, unit)
        for panel, (_, series) in enumerate(panels)
        for number, one in enumerate(series)
    ]
    columns = min(COLUMNS, len(panels))
    layout: dict[str, Any] = {
        "annotations": [panel_title(title, panel) for panel, (title, _) in enumerate(panels)],
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "margin": {"t": TOP, "r": 8, "b": BELOW, "l": 52},
        "height": _height(len(panels), columns),
    }
    if stacked:
        layout |= {"barmode": "stack", "bargap": 0.12}
    narrow: dict[str, Any] = {"height": _height(len(panels), NARROW_COLUMNS)}
    for panel in range(len(panels)):
        layout[axis_key("x", panel)] = _across(panel, columns, places, axis)
        layout[axis_key("y", panel)] = _down(panel, columns, len(panels), stacked)
        narrow[axis_key("x", panel)] = {"domain": domain(panel, NARROW_COLUMNS)}
        tall = _tall(panel, NARROW_COLUMNS, len(panels))
        narrow[axis_key("y", panel)] = {"domain": tall, "showticklabels": panel % NARROW_COLUMNS == 0}
    return Spec(data, layout, narrow)


def _bar(one: Series, _number: int, panel: int, places: Labels, unit: str) -> dict[str, Any]:
    return {"type": "bar", **_common(one, panel, places, unit)}


def _line(one: Series, number: int, panel: int, places: Labels, unit: str) -> dict[str, Any]:
    above, below = (
        numbers(max(0.0, sign * (end - score.value)) for score, end in ends)
        for sign, ends in ((1, [(s, s.high) for s in one.scores]), (-1, [(s, s.low) for s in one.scores]))
    )
    return {
        "type": "scatter", "mode": "lines+markers", **_common(one, panel, places, unit),
        "line": {"width": 1.5}, "marker": {"size": 5, "symbol": SYMBOLS[number % len(SYMBOLS)]},
        "error_y": {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 0},
    }  # fmt: skip


def _common(one: Series, panel: int, places: Labels, unit: str) -> dict[str, Any]:
    value = "%{y:.1%}" if unit.startswith("share") else "%{y:.3~g}"
    form = ".1%" if unit.startswith("share") else ".3~g"
    ends = f"[%{{customdata[0]:{form}}}, %{{customdata[1]:{form}}}]"
    return {
        "name": escape(one.name), "meta": {"role": one.role}, "legendgroup": one.role, "showlegend": panel == 0,
        "x": escaped(places.full), "y": numbers(score.value for score in one.scores),
        "xaxis": reference("x", panel), "yaxis": reference("y", panel),
        "customdata": [numbers((score.low, score.high)) for score in one.scores],
        "hovertemplate": f"<b>%{{x}}</b><br>{value} {ends} {escape(unit)}<extra>{escape(one.name)}</extra>",
    }  # fmt: skip


def _across(panel: int, columns: int, places: Labels, axis: str) -> dict[str, Any]:
    return {
        "type": "category", "domain": domain(panel, columns), "anchor": reference("y", panel),
        "title": {"text": axis, "standoff": 6}, "tickvals": escaped(places.full),
        "ticktext": thinned(escaped(places.short), 8), "fixedrange": True, "showgrid": False, "tickangle": 0,
        "range": [-0.5, len(places) - 0.5],
    }  # fmt: skip


def _down(panel: int, columns: int, panels: int, stacked: bool) -> dict[str, Any]:
    down: dict[str, Any] = {
        "domain": _tall(panel, columns, panels), "anchor": reference("x", panel), "fixedrange": True, "nticks": 6,
        "showticklabels": panel % columns == 0, "tickformat": ".0%" if stacked else "",
    }  # fmt: skip
    down |= {"range": [0, 1]} if stacked else {}
    return down | ({"matches": "y"} if panel else {})


def _height(panels: int, columns: int) -> int:
    rows = math.ceil(panels / columns)
    return TOP + BELOW + rows * PANEL_HEIGHT + (rows - 1) * GAP


def _tall(panel: int, columns: int, panels: int) -> list[float]:
    """Where the panel stands from bottom to top, as shares of the figure."""
    rows = math.ceil(panels / columns)
    whole = rows * PANEL_HEIGHT + (rows - 1) * GAP
    upper = panel // columns * (PANEL_HEIGHT + GAP)
    return [round(max(0.0, 1 - (upper + PANEL_HEIGHT) / whole), 4), round(1 - upper / whole, 4)]
