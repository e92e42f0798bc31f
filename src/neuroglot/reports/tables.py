"""Table: named columns with units and plain rows; as CSV, as JSON and on the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuroglot.extras import require
from neuroglot.reports.wording import number

if TYPE_CHECKING:
    from pandas import DataFrame as PandasFrame
    from polars import DataFrame
    from rich.table import Table as RichTable

    from neuroglot.metrics.intervals import Score

Cell = str | int | float | None


@dataclass(frozen=True)
class Column:
    """What a column holds, and in which unit ("" for text and plain counts)."""

    name: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers, as every output shows them: floats to six significant digits, None where not finite."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @classmethod
    def of(cls, key: str, title: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> Table:
        return cls(key, title, tuple(columns), tuple(tuple(_shown(cell) for cell in row) for row in rows))

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "title": self.title,
            "columns": [column.name for column in self.columns],
            "units": [column.unit for column in self.columns],
            "rows": [list(row) for row in self.rows],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Table:
        """The inverse of `to_json`; raises `KeyError` or `TypeError` on anything else."""
        columns = tuple(map(Column, stored["columns"], stored["units"]))
        return cls(stored["key"], stored["title"], columns, tuple(tuple(row) for row in stored["rows"]))

    def to_csv(self) -> str:
        """RFC 4180 with a header such as `effect (nats per token)`; the same cells as the page offers to download."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(map(_harmless, self.headings))
        writer.writerows([_harmless(cell) for cell in row] for row in self.rows)
        return text.getvalue()

    def to_polars(self) -> DataFrame:
        """The rows under their headings."""
        import polars

        return polars.DataFrame(self.rows, schema=self.headings, orient="row", infer_schema_length=None, strict=False)

    def to_pandas(self) -> PandasFrame:
        """The same for pandas; raises `MissingExtraError` if it is not installed."""
        return require("pandas", extra="notebook").DataFrame(list(self.rows), columns=self.headings)

    @property
    def headings(self) -> list[str]:
        """What stands above the columns, with units: `effect (nats per token)`."""
        return [_heading(column) for column in self.columns]

    def to_rich(self) -> RichTable:
        """For a terminal: numbers to three significant digits, right-aligned."""
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(
            title=Text(f"\n{self.title}"), title_justify="left", title_style="bold", box=None, pad_edge=False
        )
        for place, column in enumerate(self.columns):
            numeric = any(isinstance(row[place], int | float) for row in self.rows)
            table.add_column(Text(_heading(column)), justify="right" if numeric else "left")
        for row in self.rows:
            table.add_row(*(Text(cell if isinstance(cell, str) else number(cell)) for cell in row))
        return table


def score_columns(name: str, unit: str) -> tuple[Column, ...]:
    """The three columns of a Score: its value and the two ends of its interval."""
    return Column(name, unit), Column(f"{name}, low", unit), Column(f"{name}, high", unit)


def score_cells(score: Score) -> tuple[float, float, float]:
    """The cells under `score_columns`."""
    return score.value, score.low, score.high


def _shown(cell: Cell) -> Cell:
    """Six significant digits say all that an interval leaves certain, in a third of the space."""
    if isinstance(cell, float):
        return float(f"{cell:.6g}") if math.isfinite(cell) else None
    return cell


def _heading(column: Column) -> str:
    return f"{column.name} ({column.unit})" if column.unit else column.name


def _harmless(cell: Cell) -> Cell:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
