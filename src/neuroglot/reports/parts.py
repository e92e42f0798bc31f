"""Parts of a report: sections with a sentence, figures with their data, and the signature under them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from neuroglot.reports.tables import Table
from neuroglot.signature import Signature

INTERVALS = "Intervals are 95% bootstrap intervals over parallel rows."


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

    `summary` is the small table that a terminal shows; `headline` goes into the JSON as it is.
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

    @property
    def summary_says_all(self) -> bool:
        """Whether a terminal, where lines are few, can do without the sentence."""
        return self.summary is not None and self.headline is None

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
