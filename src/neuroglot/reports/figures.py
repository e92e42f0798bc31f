"""Figures as plain plotly JSON: dots with intervals and small multiples; heat maps have their own file.

Nothing here imports plotly: a specification is data, and the tests let plotly check it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Any

from neuroglot.metrics.intervals import Score
from neuroglot.reports.parts import Spec, axis_key, domain, escaped, numbers, panel_title, reference, thinned
from neuroglot.reports.wording import Labels, bracketed

SYMBOLS = {
    "own": "circle", "other": "diamond", "random": "square-open", "on": "line-ns-open", "observed": "circle",
    "all-shared": "circle", "partial-shared": "diamond", "specific": "square", "non-activated": "x",
}  # fmt: skip

NARROW_TITLE = 34  # letters of an axis's name that a phone has room for
NARROW_LETTERS, LEAST_TITLE = 42, 14  # of a phone's page, labels and all; below the least, words would stand alone
NARROW_GAP = 66  # pixels between panels one below the other: ticks, the axis's name and the next title


@dataclass(frozen=True)
class Series:
    """One row of dots or one line: a value with an interval at each place; `role` gives colour and symbol."""

    name: str
    role: str
    scores: Sequence[Score]


def dots(series: Sequence[Series], rows: Labels, *, unit: str, zero: bool = True) -> Spec:
    """One line a row, one dot with its interval a series; the series of a row stand one below the other."""
    step = 0.62 / max(1, len(series))
    offsets = [(place - (len(series) - 1) / 2) * step for place in range(len(series))]
    data = [_dot_trace(one, offset, rows, unit) for one, offset in zip(series, offsets)]
    axis = {"title": {"text": unit}, "zeroline": zero, "rangemode": "tozero" if zero else "normal", "fixedrange": True}
    layout: dict[str, Any] = {
        "xaxis": axis,
        "yaxis": {
            "tickvals": list(range(len(rows))), "ticktext": escaped(rows.full), "range": [len(rows) - 0.45, -0.55],
            "automargin": True, "fixedrange": True, "zeroline": False,
        },
        "legend": {"orientation": "h", "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"},
        "showlegend": len(series) > 1,
        "margin": {"t": 34 if len(series) > 1 else 8, "r": 12, "b": 48, "l": 10},
        "height": 90 + len(rows) * (14 + 10 * len(series) if len(rows) <= 15 else 10 + 6 * len(series)),
    }  # fmt: skip
    narrow: dict[str, Any] = {"margin": {"t": 20 + 22 * len(series)}} if len(series) > 1 else {}
    is_short = max(map(len, rows.full), default=0) > 18
    if is_short:
        narrow["yaxis"] = {"ticktext": escaped(rows.short)}
    beside = max(map(len, rows.short if is_short else rows.full), default=0)  # letters, which narrow the axis
    room = max(LEAST_TITLE, min(NARROW_TITLE, NARROW_LETTERS - beside))
    if len(unit) > room:
        margin = narrow.get("margin", {}) | {"b": 64}
        narrow |= {"xaxis": {"title": {"text": "<br>".join(wrap(escape(unit), room))}}, "margin": margin}
    return Spec(data, layout, narrow)


def small_multiples(panels: Sequence[tuple[str, Sequence[Series]]], places: Labels, *, unit: str, axis: str) -> Spec:
    """A panel for each title with one line a series over `places`, all panels on one scale; two in a row on a phone."""
    data = [
        _line_trace(one, panel, places, unit)
        for panel, (_, series) in enumerate(panels)
        for one in series
    ]  # fmt: skip
    layout: dict[str, Any] = {
        "annotations": [panel_title(title, panel) for panel, (title, _) in enumerate(panels)],
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "margin": {"t": 34, "r": 8, "b": 86, "l": 48},
        "height": 330,
    }
    rows = -(-len(panels) // 2)
    narrow: dict[str, Any] = {"height": 260 * rows, "margin": {"b": 92}}
    gap = NARROW_GAP / (260 * rows - 34 - 92)
    tall = (1 - gap * (rows - 1)) / rows
    for panel in range(len(panels)):
        wide_place, narrow_place = domain(panel, len(panels)), domain(panel, min(2, len(panels)))
        layout |= _multiple_axes(panel, wide_place, places, unit, axis)
        top = 1 - (panel // 2) * (tall + gap)
        narrow[axis_key("x", panel)] = {"domain": narrow_place}
        narrow[axis_key("y", panel)] = {
            "domain": [round(max(0.0, top - tall), 4), round(top, 4)],
            "showticklabels": panel % 2 == 0,
        }
    return Spec(data, layout, narrow)


def _dot_trace(one: Series, offset: float, rows: Labels, unit: str) -> dict[str, Any]:
    above, below = _arms(one.scores)
    return {
        "type": "scatter", "mode": "markers", "name": escape(one.name), "meta": {"role": one.role},
        "cliponaxis": False,  # a dot at the end of the axis is whole
        "x": numbers(score.value for score in one.scores), "y": [place + offset for place in range(len(rows))],
        "error_x": {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 0},
        "marker": {"symbol": SYMBOLS.get(one.role, "circle"), "size": 9},
        "customdata": [[name, bracketed(score)] for name, score in zip(escaped(rows.full), one.scores)],
        "hovertemplate": f"<b>%{{customdata[0]}}</b><br>%{{x:.3~g}} %{{customdata[1]}} {escape(unit)}"
        f"<extra>{escape(one.name)}</extra>",
    }  # fmt: skip


def _line_trace(one: Series, panel: int, places: Labels, unit: str) -> dict[str, Any]:
    above, below = _arms(one.scores)
    expected = one.role == "random"
    trace: dict[str, Any] = {
        "type": "scatter", "mode": "lines" if expected else "lines+markers", "name": escape(one.name),
        "meta": {"role": one.role}, "legendgroup": one.role, "showlegend": panel == 0, "cliponaxis": False,
        "x": escaped(places.full), "y": numbers(score.value for score in one.scores),
        "xaxis": reference("x", panel), "yaxis": reference("y", panel),
        "line": {"dash": "dot" if expected else "solid", "width": 2},
        "marker": {"size": 6, "symbol": SYMBOLS.get(one.role, "circle")},
        "customdata": [[bracketed(score)] for score in one.scores],
        "hovertemplate": f"<b>%{{x}}</b><br>%{{y:.3~g}} {escape(unit)}<extra>{escape(one.name)}</extra>",
    }  # fmt: skip
    if not expected:
        trace["error_y"] = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 0}
        trace["hovertemplate"] = str(trace["hovertemplate"]).replace("<extra>", " %{customdata[0]}<extra>")
    return trace


def _multiple_axes(panel: int, place: list[float], places: Labels, unit: str, title: str) -> dict[str, Any]:
    across = {
        "type": "category", "domain": place, "anchor": reference("y", panel), "title": {"text": title, "standoff": 6},
        "tickvals": escaped(places.full), "ticktext": thinned(escaped(places.short), 8),
        "fixedrange": True, "showgrid": False, "range": [-0.5, len(places) - 0.5], "tickangle": 0,
    }  # fmt: skip
    down = {
        "anchor": reference("x", panel), "rangemode": "tozero", "fixedrange": True, "showticklabels": panel == 0,
        "tickformat": ".0%" if unit == "share of the layer's neurons" else "", "nticks": 6,
    }  # fmt: skip
    if panel:
        down["matches"] = "y"
    return {axis_key("x", panel): across, axis_key("y", panel): down}


def _arms(scores: Sequence[Score]) -> tuple[list[float | None], list[float | None]]:
    """Lengths of the error bars; an interval need not be around its value, so none is below 0."""
    above = numbers(max(0.0, score.high - score.value) for score in scores)
    return above, numbers(max(0.0, score.value - score.low) for score in scores)
