"""Parts of a report: sections with a sentence, figures with their data, and the signature under them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from neuroglot.reports.tables import Table
from neuroglot.reports.wording import seen_rows
from neuroglot.signature import Signature


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


INTERVALS = "Intervals are 95% intervals over parallel rows; one row, or rows that are all alike, have none."


@dataclass(frozen=True)
class Spec:
    """A plotly figure as plain JSON, without colours: traces name a role, and the page's style sheet gives it a colour.

    `narrow` holds the parts of the layout, and `narrow_trace` those of every trace, that differ where fewer than
    `narrow_below` pixels are there, as on a phone.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    narrow: dict[str, Any] = field(default_factory=dict)
    narrow_trace: dict[str, Any] = field(default_factory=dict)
    narrow_below: int = 520


@dataclass(frozen=True)
class Plot:
    """One drawing of a figure with the table of all its numbers; `label` names it where a figure has several."""

    spec: Spec
    table: Table
    label: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure: `caption` says how to read it, `alternative` what it shows to whom cannot see it.

    Several `plots` show the same in other units, of which the reader picks one. `wide` figures take the whole width.
    """

    key: str
    title: str
    caption: str
    alternative: str
    plots: tuple[Plot, ...]
    wide: bool = True


@dataclass(frozen=True)
class KeyNumber:
    """A number to be seen first: what it is, its value, its interval and a remark; `role` picks its colour."""

    label: str
    value: str
    interval: str
    remark: str
    role: str


@dataclass(frozen=True)
class Section:
    """What is said about one result: one computed sentence, then figures, tables and the signature of all of it.

    A terminal shows the small table `summary` and the `lines`, such as texts, as they are; `headline` goes into the
    JSON as it is.
    """

    key: str
    title: str
    sentence: str
    signature: Signature
    remarks: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    summary: Table | None = None
    key_numbers: tuple[KeyNumber, ...] = ()
    headline: dict[str, Any] | None = None
    lines: tuple[str, ...] = ()

    @property
    def summary_says_all(self) -> bool:
        """Whether a terminal, where lines are few, can do without the sentence."""
        return self.summary is not None and self.headline is None and not seen_rows(self.signature)

    @property
    def choices(self) -> tuple[str, ...]:
        """What the reader can choose between in this section's figures, for example units."""
        return max((tuple(plot.label for plot in figure.plots) for figure in self.figures), key=len, default=())

    def all_tables(self) -> Iterator[Table]:
        """The tables behind the figures, then those without one."""
        for figure in self.figures:
            yield from (plot.table for plot in figure.plots)
        yield from self.tables

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "title": self.title,
            "sentence": self.sentence,
            "remarks": list(self.remarks),
            "tables": [table.to_json() for table in self.all_tables()],
            "signature": self.signature.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Section:
        """What `to_json` kept of a section; raises `KeyError` or `TypeError` on anything else."""
        tables = tuple(Table.from_json(table) for table in stored["tables"])
        return cls(
            stored["key"], stored["title"], stored["sentence"], Signature.from_json(stored["signature"]),
            tuple(stored["remarks"]), tables=tables,
        )  # fmt: skip
