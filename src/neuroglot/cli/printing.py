"""What commands print: a report and its place, a price, or one JSON object."""

from __future__ import annotations

import json as json_format
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuroglot.reports import Report
    from neuroglot.runs.price import Price


def print_finished(report: Report, out: Path | None, json: bool, following: Sequence[str] = ()) -> None:
    """The report, its place, and a command to go on with; as JSON `{"out", "report"}`, the latter as in report.json."""
    if json:
        print_json({"out": None if out is None else str(out), "report": report.to_json()})
        return
    report.print()
    if out is not None:
        print(f"\nReport: {out / 'report.html'}")
        print_next(following)


def print_next(words: Sequence[str]) -> None:
    """A command that can be pasted; nothing for no words."""
    if words:
        print(f"Next: neuroglot {shlex.join(words)}")


def print_json(value: Mapping[str, Any]) -> None:
    """One object on standard output; numbers that are not finite are refused, because JSON has none."""
    print(json_format.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_price(price: Price, json: bool) -> None:
    """What a job would cost."""
    if json:
        print_json({"dry_run": True, **price.to_json()})
        return
    from rich.console import Console

    for table in price.tables():
        Console().print(table.to_rich())
    print("\n" + "\n".join(price.notes))
