"""What commands with a run folder do alike: refuse early, write whole or not at all, and say where the result is."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuroglot.reports import Report
    from neuroglot.runs.price import Price


def write_run(
    out: Path, overwrite: bool, json: bool, config: Mapping[str, Any], work: Callable[[Path], Report]
) -> None:
    """Do the work, which may save artefacts in the folder it is given; write its report and the config; print it.

    Raises `ArtifactError` before the work where `out` is in the way or cannot be written.
    """
    from neuroglot.storage import whole_folder

    with whole_folder(out) as folder:
        report = work(folder)
        report.save(folder / "report.html")
        report.save(folder / "report.json")
        write_config(folder, config)
    print_report(report, out, json)


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """The options of a run, as config.json."""
    from neuroglot.storage import write_whole

    write_whole(folder / "config.json", json_format.dumps(config, indent=2, ensure_ascii=False) + "\n")


def print_report(report: Report, out: Path, json: bool) -> None:
    """The report and its place; as JSON `{"out", "report"}`, the report being what report.json holds."""
    if json:
        print_json({"out": str(out), "report": report.to_json()})
        return
    report.print()
    print(f"\nReport: {out / 'report.html'}")


def print_json(value: Mapping[str, Any]) -> None:
    """One object on standard output; numbers that are not finite are refused rather than written as no JSON."""
    print(json_format.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_price(price: Price, json: bool) -> None:
    """What a job would cost."""
    if json:
        print_json({"dry_run": True, **price.to_json()})
        return
    from rich.console import Console

    for part in price.tables():
        Console().print(part.to_rich())
    print("\n" + "\n".join(price.notes))
