"""Lego-MT's result tables: a line a direction, `src,trg,spm-sacre`, and their means as the release gives them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuroglot.corpora.directions import Direction
from neuroglot.corpora.textfiles import read_text
from neuroglot.errors import ArtifactError, ConfigError

TABLE_COLUMNS = ["src", "trg", "spm-sacre"]


@dataclass(frozen=True)
class CoreMeans:
    """Means over the other languages, out of each core language (`out_of`) and into it (`into`), and over all cores.

    `mean_out_of` and `mean_into` are means of these, `mean` is that of both: each direction between two cores counts
    twice in it, as in the release.
    """

    out_of: Mapping[str, float]
    into: Mapping[str, float]

    @property
    def mean_out_of(self) -> float:
        return sum(self.out_of.values()) / len(self.out_of)

    @property
    def mean_into(self) -> float:
        return sum(self.into.values()) / len(self.into)

    @property
    def mean(self) -> float:
        return (self.mean_out_of + self.mean_into) / 2


def read_table(path: Path) -> dict[Direction, float]:
    """The scores in one table; raises `ArtifactError` for other columns, numbers, and directions that stand twice."""
    lines = list(csv.reader(read_text(path).splitlines()))
    if not lines or [name.strip() for name in lines[0]] != TABLE_COLUMNS:
        raise ArtifactError(
            f"{path} begins with {','.join(lines[0]) if lines else 'nothing'}.", f"Expected {TABLE_COLUMNS}."
        )
    found: dict[Direction, float] = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            source, target, score = (cell.strip() for cell in line)
            value = float(score)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ArtifactError(f"{path}:{number} reads {','.join(line)[:80]!r}.", "Expected two codes and a number.")
        direction = Direction(source, target)
        if direction in found:
            raise ArtifactError(f"{path}:{number} has {direction} again.", "Expected each direction once.")
        found[direction] = value
    return found


def read_tables(folder: Path) -> dict[str, dict[Direction, float]]:
    """Every table of a folder, by the name of its file, such as `from_ceb` and `to_ceb`; raises as `read_table`."""
    paths = sorted(folder.glob("*.csv")) if folder.is_dir() else []
    if not paths:
        raise ArtifactError(f"{folder} holds no table.", "Expected CSV files with the columns src, trg and spm-sacre.")
    return {path.stem: read_table(path) for path in paths}


def core_means(tables: Mapping[str, Mapping[Direction, float]], cores: Sequence[str]) -> CoreMeans:
    """Means of each core's own tables: the one whose directions all begin, and the one whose all end, with it.

    A direction between two cores stands in two tables, whose scores may differ, as a few in the release do: each mean
    takes its own table's. Raises `ConfigError` if a core has not exactly one table of each kind.
    """
    out_of, into = ({core: _mean(tables, core, side) for core in cores} for side in ("source", "target"))
    if not cores:
        raise ConfigError("No core language was named.", "Expected one or more.")
    return CoreMeans(out_of, into)


def _mean(tables: Mapping[str, Mapping[Direction, float]], core: str, side: str) -> float:
    own = [
        table for table in tables.values()
        if table and all(getattr(direction, side) == core for direction in table)
        and len({getattr(direction, "target" if side == "source" else "source") for direction in table}) == len(table)
    ]  # fmt: skip
    if len(own) != 1:
        raise ConfigError(
            f"{len(own)} tables have {core!r} as the {side} of every direction.",
            f"Expected one of {', '.join(tables)}.",
        )
    return math.fsum(own[0].values()) / len(own[0])


def disagreements(tables: Mapping[str, Mapping[Direction, float]]) -> dict[Direction, tuple[float, ...]]:
    """Directions that stand in several tables with different scores."""
    found: dict[Direction, list[float]] = {}
    for table in tables.values():
        for direction, score in table.items():
            found.setdefault(direction, []).append(score)
    return {direction: tuple(scores) for direction, scores in found.items() if len(set(scores)) > 1}
