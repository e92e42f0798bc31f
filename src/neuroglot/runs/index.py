"""Run folders found in a folder, and one page that lists them side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from neuroglot.errors import ArtifactError
from neuroglot.metrics.intervals import Score
from neuroglot.reports.html import environment, template_text
from neuroglot.reports.report import SCHEMA_VERSION
from neuroglot.reports.tables import Cell, Column, Table
from neuroglot.reports.wording import UNDEFINED, bracketed, number
from neuroglot.runs.folder import MARKER
from neuroglot.storage import parse_json, write_whole

_DEEPEST = 4  # folders below the one that is searched
_LARGEST = 64 * 2**20  # bytes of a report.json
MARK = '<meta name="generator" content="neuroglot">'
EFFECTS = {"diagonal": "its own off", "off_diagonal": "another's off", "random": "random off"}


@dataclass(frozen=True)
class ListedRun:
    """A run folder, `path` below the one that was searched: what its report says, or the `problem` with it."""

    path: Path
    title: str = ""
    model: str = ""
    corpus: str = ""
    finding: str = ""
    rows: int | None = None
    unit: str = ""
    effects: Mapping[str, Score | None] | None = None
    has_page: bool = False
    problem: str = ""

    @property
    def link(self) -> str:
        """The address of its page, relative to the index."""
        return quote((self.path / "report.html").as_posix())

    def cells(self) -> list[str]:
        """The three effects with their intervals, as text."""
        effects = self.effects or {}
        scores = (effects.get(name) for name in EFFECTS)
        return [f"{number(score.value)} {bracketed(score)}" if score else UNDEFINED for score in scores]


def find_runs(folder: Path | str) -> list[ListedRun]:
    """Folders with report.json and the marker of a run in `folder`, itself included, in the order of their names.

    Links are not followed and hidden folders not read. A run that cannot be read is listed with what is wrong with it.
    Raises `ArtifactError` where `folder` is no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder.", "Expected one that holds run folders.")
    return [_run(folder, path) for path in sorted(_run_folders(folder))]


def write_index(folder: Path | str) -> tuple[Path, list[ListedRun]]:
    """Write `folder/index.html` over the runs in it; raises `ArtifactError` where there is none, or where another
    program's index.html is in the way.
    """
    folder = Path(folder)
    runs, path = find_runs(folder), folder / "index.html"
    if not runs:
        raise ArtifactError(
            f"{folder} holds no run folder.", "Expected folders that neuroglot wrote.",
            "Make one: neuroglot demo --out runs/demo",
        )  # fmt: skip
    if path.is_symlink() or (path.exists() and not (path.is_file() and MARK in _beginning(path))):
        raise ArtifactError(f"{path} was not written by neuroglot.", "", "Move it away.")
    return write_whole(path, index_page(runs, folder.resolve().name)), runs


def _beginning(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(2000)


def index_page(runs: list[ListedRun], name: str) -> str:
    """The index as one HTML document without any script."""
    template = environment().get_template("index.html.j2")
    return template.render(runs=runs, name=name, style=template_text("report.css"), effects=list(EFFECTS.values()))


def index_table(runs: list[ListedRun]) -> Table:
    """The index for a terminal."""
    columns = [Column(name) for name in ("folder", "model", "corpus", *EFFECTS.values(), "unit")]
    rows: list[list[Cell]] = [
        [str(run.path), run.problem or run.model, run.corpus, *run.cells(), run.unit] for run in runs
    ]
    return Table.of("runs", "Reports", columns, rows)


def _run_folders(folder: Path) -> Iterator[Path]:
    for place, below, files in os.walk(folder, followlinks=False):
        path = Path(place).relative_to(folder)
        below[:] = [name for name in below if not name.startswith(".") and len(path.parts) < _DEEPEST]
        if {"report.json", MARKER} <= set(files):
            yield path


def _run(folder: Path, path: Path) -> ListedRun:
    try:
        return _read(folder / path, path)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        return ListedRun(path, problem=f"its report.json cannot be read ({type(error).__name__})")


def _read(place: Path, path: Path) -> ListedRun:
    file, page = place / "report.json", place / "report.html"
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _LARGEST:
        return ListedRun(
            path, problem=f"its report.json is a link, no plain file, or larger than {_LARGEST // 2**20} MiB"
        )
    stored = parse_json(file.read_text(encoding="utf-8"))
    if stored["schema_version"] != SCHEMA_VERSION:
        return ListedRun(path, problem=f"its report.json has schema {stored['schema_version']!r}, not {SCHEMA_VERSION}")
    stated = stored["headline"]
    headline = stated if stated is not None and set(EFFECTS) <= set(stated) else None  # others have other headlines
    fields = _common(stored["sections"])
    return ListedRun(
        path,
        title=str(stored["title"]),
        model=str(fields.get("model", UNDEFINED)),
        corpus=str(fields.get("corpus", UNDEFINED)),
        finding=str(stored["sections"][0]["sentence"]) if stored["sections"] else "",
        rows=None if headline is None else int(headline["rows"]),
        unit="" if headline is None else str(headline["unit"]),
        effects=_effects(headline),
        has_page=page.is_file() and not page.is_symlink(),
    )


def _effects(headline: Mapping[str, Any] | None) -> Mapping[str, Score | None] | None:
    """The three effects; None if there are none, or none of them is defined."""
    effects = {name: _score(headline, name) for name in EFFECTS} if headline else {}
    return effects if any(effects.values()) else None


def _common(sections: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Fields of the signatures, the first section's before the others'."""
    fields: dict[str, Any] = {}
    for section in reversed(sections):
        fields |= section["signature"]
    return fields


def _score(headline: Mapping[str, Any], name: str) -> Score | None:
    low, high = headline["intervals"][name]
    numbers = (headline[name], low, high)
    return None if None in numbers else Score(*map(float, numbers))
