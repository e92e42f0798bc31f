"""Heat maps as plain plotly JSON: one panel or two on one colour scale, with room for thirty languages.

Margins are computed rather than left to plotly, so that the colour scale, the names and the titles never meet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from neuroglot.reports.parts import Spec, axis_key, domain, escaped, numbers, panel_title, reference, thinned
from neuroglot.reports.wording import Labels

WRITTEN_IN_CELLS = 12  # rows and columns up to which there is room for values in the cells
SCALE_HEIGHT, TITLE_HEIGHT = 56, 26  # pixels of the colour scale with its name, and of a panel's title
VALUE_WIDTH, NAMES_WIDTH = 36, 150  # pixels of a value in a cell, and of the names of rows
NARROW_WIDTH = 280  # pixels that a phone leaves for the cells
CellValues = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Panel:
    """One heat map of a figure: `values` by row and column, `details` what else a hover tells: numbers, or texts."""

    title: str
    values: CellValues
    details: Sequence[Sequence[Sequence[float | str]]] = ()


def heat_maps(
    panels: Sequence[Panel],
    rows: Labels,
    columns: Labels,
    *,
    unit: str,
    hover: str,
    axis: str,
    diverging: bool = False,
    outline: bool = False,
) -> Spec:
    """Panels side by side (stacked on a phone) on one colour scale, and the diagonal outlined where asked.

    A diverging scale has its neutral colour at 0 and equal strength for equal amounts on both sides.
    """
    written = f"%{{z:.{_decimals(panels)}f}}" if max(len(rows), len(columns)) <= WRITTEN_IN_CELLS else ""
    top = SCALE_HEIGHT + (TITLE_HEIGHT if panels[0].title else 0)
    names, turned, below = _column_names(columns, 420, 12, bool(axis))
    height = top + below + len(rows) * (30 if len(rows) <= WRITTEN_IN_CELLS else 18)
    titles = [panel_title(panel.title, place) for place, panel in enumerate(panels) if panel.title]
    layout: dict[str, Any] = {
        "coloraxis": {**_bounds(panels, diverging), "colorbar": _color_bar(height)},
        "meta": {"diverging": diverging},
        "annotations": [*titles, _scale_name(unit, top)],
        "shapes": [_outline(place, cell) for place in range(len(panels)) for cell in range(len(rows)) if outline],
        "margin": {"t": top, "r": 8, "b": below, "l": 10},
        "height": height,
    }
    across = {"ticktext": names, "tickangle": turned, "title": {"text": axis, "standoff": 6}}
    for place in range(len(panels)):
        layout |= _axes(place, len(panels), rows, columns, across)
    data = [_trace(panel, place, rows, columns, hover, written) for place, panel in enumerate(panels)]
    narrow = _narrow(len(panels), rows, columns, axis, top)
    return Spec(data, layout, narrow, {"texttemplate": ""}, narrow_below=_least_width(len(panels), columns))


def _least_width(panels: int, columns: Labels) -> int:
    """Pixels below which panels side by side would be too small to read, or the values in their cells would touch."""
    cells = len(columns) * panels * VALUE_WIDTH if len(columns) <= WRITTEN_IN_CELLS else 0
    return max(620 if panels > 1 else 420, cells + NAMES_WIDTH if panels > 1 else 0)


def _trace(
    panel: Panel, place: int, rows: Labels, columns: Labels, hover: str, written: str
) -> dict[str, Any]:  # fmt: skip
    trace: dict[str, Any] = {
        "type": "heatmap", "coloraxis": "coloraxis", "xgap": 1, "ygap": 1, "hoverongaps": False,
        "x": escaped(columns.full), "y": escaped(rows.full), "z": _rounded(panel.values),
        "xaxis": reference("x", place), "yaxis": reference("y", place),
        "hovertemplate": f"{hover}<extra>{escape(panel.title)}</extra>",
    }  # fmt: skip
    if len(panel.details):
        trace["customdata"] = [[[*map(_told, cell)] for cell in row] for row in panel.details]
    if written:
        trace |= {"texttemplate": written, "textfont": {"size": 11}}
    return trace


def _decimals(panels: Sequence[Panel]) -> int:
    """Decimals that give the largest value three digits, so that all cells can be compared at a glance."""
    largest = max(map(abs, _finite(panels)), default=0)
    return min(5, max(0, 2 - math.floor(math.log10(largest)))) if largest else 0


def _finite(panels: Sequence[Panel]) -> Iterator[float]:
    return (value for panel in panels for row in panel.values for value in row if math.isfinite(value))


def _bounds(panels: Sequence[Panel], diverging: bool) -> dict[str, float]:
    """The ends of the common scale, 0 always within it."""
    values = [0.0, *_finite(panels)]
    low, high = min(values), max(values)
    if low == high:
        low, high = (-1.0, 1.0) if diverging else (0.0, 1.0)
    return {"cmin": low, "cmax": high}


def _color_bar(height: int) -> dict[str, Any]:
    """The scale stands above the panels, under its name; a place in the container moves no margin."""
    return {
        "orientation": "h", "x": 0, "xanchor": "left", "xpad": 0, "ypad": 0,
        "y": 1 - 20 / height, "yref": "container", "yanchor": "top",
        "thickness": 8, "len": 240, "lenmode": "pixels", "outlinewidth": 0, "nticks": 5,
    }  # fmt: skip


def _scale_name(unit: str, top: int) -> dict[str, Any]:
    return {
        "text": escape(unit), "xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": 1, "yanchor": "top",
        "yshift": top, "showarrow": False,
    }  # fmt: skip


def _axes(panel: int, panels: int, rows: Labels, columns: Labels, across: dict[str, Any]) -> dict[str, Any]:
    """Columns are named by code below, rows in full on the left; the panels share the row names."""
    common = {"type": "category", "fixedrange": True, "showgrid": False, "zeroline": False}
    x = {
        **common, **across, "tickvals": escaped(columns.full),
        "domain": domain(panel, panels, 0.03), "anchor": reference("y", panel),
    }  # fmt: skip
    y = {
        **common, "tickvals": escaped(rows.full), "ticktext": escaped(rows.full), "autorange": "reversed",
        "automargin": True, "showticklabels": panel == 0, "anchor": reference("x", panel),
    }  # fmt: skip
    return {axis_key("x", panel): x, axis_key("y", panel): y}


def _column_names(columns: Labels, width: int, size: int, titled: bool) -> tuple[list[str], int, int]:
    """Names under the columns of a map `width` pixels wide, their angle, and the pixels that they and a title need.

    Codes are turned where they would touch each other. Numbers are thinned out instead, as a reader can count.
    """
    short, title = escaped(columns.short), 24 if titled else 4
    if short and short[0].isdigit():
        return thinned(short, max(1, width // 24)), 0, size + 10 + title
    longest = max(map(len, short), default=0) * size * 0.62
    if longest + 4 <= width / max(1, len(short)):
        return short, 0, size + 10 + title
    return short, 90, round(longest) + 12 + title


def _narrow(panels: int, rows: Labels, columns: Labels, axis: str, top: int) -> dict[str, Any]:
    """Panels one below the other, names by code, cells as wide as the phone allows."""
    cell = min(26, max(11, NARROW_WIDTH // max(1, len(columns))))
    size = min(11, max(7, cell - 3))
    names, turned, below = _column_names(columns, NARROW_WIDTH, size, bool(axis))
    height, gap = len(rows) * cell, below + TITLE_HEIGHT + 6
    total = panels * height + (panels - 1) * gap
    full = total + top + below
    narrow: dict[str, Any] = {
        "height": full, "margin": {"b": below}, "coloraxis": {"colorbar": {"y": 1 - 20 / full, "len": 200}}
    }  # fmt: skip
    font = {"tickfont": {"size": size}}
    for panel in range(panels):
        upper = 1 - panel * (height + gap) / total
        tall = {"domain": [max(0.0, upper - height / total), upper], "ticktext": escaped(rows.short)}
        narrow[axis_key("x", panel)] = {"domain": [0, 1], "ticktext": names, "tickangle": turned, **font}
        narrow[axis_key("y", panel)] = {**tall, "showticklabels": True, **font}
    return narrow


def _outline(panel: int, cell: int) -> dict[str, Any]:
    return {
        "type": "rect", "xref": reference("x", panel), "yref": reference("y", panel),
        "x0": cell - 0.5, "x1": cell + 0.5, "y0": cell - 0.5, "y1": cell + 0.5, "line": {"width": 1},
    }  # fmt: skip


def _told(detail: float | str) -> float | str | None:
    return detail if isinstance(detail, str) else numbers([detail])[0]


def _rounded(rows: CellValues) -> list[list[float | None]]:
    return [numbers(row) for row in rows]
