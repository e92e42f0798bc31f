"""Pieces of a plotly figure that heat maps, dots and lines have in common: axes, titles, names and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


def thinned(names: list[str], most: int) -> list[str]:
    """Every n-th name, so that no more than `most` stand on a small axis."""
    step = math.ceil(len(names) / most)
    return [name if place % step == 0 else "" for place, name in enumerate(names)]


def panel_title(text: str, panel: int) -> dict[str, Any]:
    """A title above the panel's upper left corner, wherever the panel stands."""
    return {
        "text": f"<b>{escape(text)}</b>", "xref": f"{reference('x', panel)} domain", "x": 0, "xanchor": "left",
        "yref": f"{reference('y', panel)} domain", "y": 1, "yanchor": "bottom", "yshift": 6, "showarrow": False,
    }  # fmt: skip


def axis_key(letter: str, panel: int) -> str:
    """What plotly calls a panel's axis in a layout: `xaxis`, `xaxis2`, …"""
    return f"{letter}axis{panel + 1 if panel else ''}"


def reference(letter: str, panel: int) -> str:
    """What plotly calls the same axis elsewhere: `x`, `x2`, …"""
    return f"{letter}{panel + 1 if panel else ''}"


def domain(panel: int, columns: int, gap: float = 0.04) -> list[float]:
    """Where the panel stands from left to right, as shares of the figure."""
    width = (1 - gap * (columns - 1)) / columns
    start = (panel % columns) * (width + gap)
    return [round(start, 4), round(min(1.0, start + width), 4)]


def numbers(values: Iterable[float]) -> list[float | None]:
    """Six significant digits, far more than a screen shows; None for what is not finite."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values]


def escaped(names: Sequence[str]) -> list[str]:
    """Plotly reads some HTML in its texts; names must not be any."""
    return [escape(name, quote=False) for name in names]
