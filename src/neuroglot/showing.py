"""How results show themselves: in up to three lines as text, and in a notebook as their section of a report.

What a report says of a result stands in `reports`, above all results; the methods that fetch it are the only
ones that reach up, and they do so if they are called (`docs/decisions.md`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten, wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame as PandasFrame
    from plotly.graph_objects import Figure
    from polars import DataFrame

WIDTH = 118  # characters of a line
NAMED = 6  # languages that are named in a line
# `en-de`, `zh-Hans-en`: behind the first, no part of a language's canonical code is as short and in lower case.
_DIRECTION = re.compile(r".+-[a-z]{2,3}(-.+)?")


class Described:
    """What has a short repr: its type and the facts about it, and in two more lines its numbers with their unit."""

    __slots__ = ()

    def _facts(self) -> Iterable[str]:
        """What it is, in a few words each."""
        return known_facts(self)

    def _numbers(self) -> str:
        """The numbers that matter; empty if there are none."""
        return ""

    def __repr__(self) -> str:
        head = shorten(f"{type(self).__name__}: {', '.join(self._facts())}", WIDTH, placeholder=" …")
        return "\n  ".join([head, *wrap(self._numbers(), WIDTH, max_lines=2, placeholder=" …")])


class Shown(Described):
    """A result that a report can show, and therefore a notebook, a data frame and a figure."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentences, figures and tables that a report has of it, drawn apart from the
        notebook.
        """
        from neuroglot.reports.notebook import html_of

        return html_of(self)

    def plot(self, figure: str | None = None) -> Figure:
        """A figure of its report as plotly's, to be changed or saved: the first, or the one of this key.

        Raises `ConfigError` if there is no such figure, `MissingExtraError` without plotly.
        """
        from neuroglot.reports.notebook import figure_of

        return figure_of(self, figure)

    def show(self) -> None:
        """Show its report: in a notebook below the cell, else as a page in the browser."""
        from neuroglot.reports.notebook import show

        show(self)

    def to_polars(self, table: str | None = None) -> DataFrame:
        """A table of its report, a row an observation, units in the headings: the first, or the one of this key.

        Numbers have six digits, as in the report. Raises `ConfigError` if there is no such table.
        """
        from neuroglot.reports.notebook import table_of

        return table_of(self, table).to_polars()

    def to_pandas(self, table: str | None = None) -> PandasFrame:
        """The same for pandas; raises `MissingExtraError` if pandas is not installed."""
        from neuroglot.reports.notebook import table_of

        return table_of(self, table).to_pandas()


def known_facts(thing: Any) -> list[str]:
    """Whatever a thing says of its name, rows, languages, neurons and model, in this order."""
    named = getattr(thing, "name", None) or getattr(thing, "data", None)
    languages, layout = getattr(thing, "languages", ()), getattr(thing, "layout", None)
    signature = getattr(thing, "signature", None)
    known = {} if signature is None else signature.to_json()
    rows = len(thing.ids) if hasattr(thing, "ids") else known.get("rows")
    facts = [str(named) if named else "", counted(rows, "row") if isinstance(rows, int) else ""]
    facts += [languages_in_short(languages) if len(languages) else "", str(layout) if layout else ""]
    return [fact for fact in (*facts, f"model {known['model']}" if known.get("model") else "") if fact]


def counted(number: int, noun: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def in_short(value: float, form: str = ".3g") -> str:
    """Three digits; `–` for a number that is not defined."""
    return "–" if math.isnan(value) else format(value, form)


def counted_codes(codes: Sequence[str]) -> str:
    """`3 languages`, `2 directions`."""
    return counted(len(codes), noun_of(codes))


def noun_of(codes: Sequence[str]) -> str:
    """What these codes are of: `language`, or `direction` of translations."""
    return "direction" if len(codes) and all(_DIRECTION.fullmatch(str(code)) for code in codes) else "language"


def languages_in_short(codes: Sequence[str]) -> str:
    """`3 languages (de, sw, zh)`, `2 directions (en-de, de-en)`; of many the first ones."""
    named = [*codes] if len(codes) <= NAMED else [*codes[: NAMED - 1], "…"]
    return f"{counted_codes(codes)} ({', '.join(map(str, named))})"


def scores_in_short(scores: Mapping[Any, Any], unit: str, mean: Any = None) -> str:
    """`nats per token: mean 2.31 [2.2, 2.4]; de 2.1 [2, 2.2], …`."""
    each = [f"{name if isinstance(name, str) else '–'.join(name)} {score}" for name, score in scores.items()]
    listed = ", ".join(each[: NAMED - 1] + ["…"] * (len(each) > NAMED - 1))
    return f"{unit}: {f'mean {mean}; ' if mean is not None else ''}{listed}"
