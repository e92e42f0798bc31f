"""Columns of a corpus that are on disk: of an Arrow file, a batch of rows is in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyarrow import Array

CODED = "\0"  # begins a value that is no plain text: JSON follows
BATCHES_HELD = 16  # of a file, for single values; enough for a row in many languages
Positions = range | NDArray[np.int64]


class StoredFile:
    """An open Arrow file whose batch b holds the rows `starts[b]` to `starts[b + 1]`.

    It is read, and not mapped into memory, where every page that was read would count as the process's. `identity` says
    which content it is; empty if nothing may be kept of it.
    """

    def __init__(self, path: Path, lengths: Sequence[int], plain: frozenset[int], identity: str = "") -> None:
        import pyarrow

        self.starts: NDArray[np.int64] = np.cumsum([0, *lengths], dtype=np.int64)
        self.path, self.plain, self.identity = path, plain, identity
        self._source = pyarrow.OSFile(str(path))
        self._reader = lru_cache(maxsize=None)(self._opened)
        self.held = lru_cache(maxsize=BATCHES_HELD)(self.batch)

    def batch(self, column: int, number: int) -> Array:
        """One column of a batch; nothing else is read."""
        return self._reader(column).get_batch(number).column(0)

    def _opened(self, column: int) -> Any:
        from pyarrow import ipc

        return ipc.open_file(self._source, options=ipc.IpcReadOptions(included_fields=[column], use_threads=False))


@dataclass(frozen=True, eq=False)
class Stored(Sequence[Any]):
    """The values of a column at `rows` of its file, in this order; a value that is none is `missing`.

    It equals every sequence of the same values.
    """

    file: StoredFile
    column: int
    rows: Positions
    missing: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether each value is a text that is not blank, and none holds a NUL or half a character."""
        return self.column in self.file.plain

    def take(self, rows: Sequence[int] | Positions) -> Stored:
        """The values at these positions."""
        if (
            isinstance(rows, range)
            and isinstance(self.rows, range)
            and all(0 <= end < len(self) for end in _ends(rows))
        ):
            first, step = (self.rows[rows[0]], self.rows.step * rows.step) if rows else (0, 1)
            return replace(self, rows=range(first, first + step * len(rows), step))
        positions = np.asarray(rows, dtype=np.int64)
        return replace(self, rows=np.asarray(self.rows)[positions])

    def beside(self, column: int) -> Stored:
        """Another column of the same rows."""
        return replace(self, column=column)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Stored: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return replace(self, rows=self.rows[index])
        row = int(self.rows[index])
        number = int(np.searchsorted(self.file.starts, row, "right")) - 1
        return self._value(self.file.held(self.column, number)[row - int(self.file.starts[number])].as_py())

    def __iter__(self) -> Iterator[Any]:
        for array in self._arrays():
            values = array.to_pylist()
            yield from values if self.is_plain else map(self._value, values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str) or len(other) != len(self):
            return False
        return all(mine == its for mine, its in zip(self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def _arrays(self) -> Iterator[Array]:
        """The rows in order, from one batch at a time."""
        starts = self.file.starts
        if isinstance(self.rows, range) and self.rows.step == 1:
            for number in range(*self._batches(self.rows)):
                low, high = (min(max(row - starts[number], 0), starts[-1]) for row in (self.rows.start, self.rows.stop))
                yield self.file.batch(self.column, number).slice(int(low), int(high - low))
            return
        rows = np.asarray(self.rows)
        numbers = np.searchsorted(starts, rows, "right") - 1
        ends = [*(np.flatnonzero(np.diff(numbers)) + 1), len(rows)] if len(rows) else []
        for begin, end in zip([0, *ends], ends):
            number = int(numbers[begin])
            yield self.file.held(self.column, number).take(rows[begin:end] - starts[number])

    def _batches(self, rows: range) -> tuple[int, int]:
        """The batches that hold a stretch of rows: the first, and the one behind the last."""
        if not rows:
            return 0, 0
        first, last = np.searchsorted(self.file.starts, (rows.start, rows.stop - 1), "right")
        return int(first) - 1, int(last)

    def _value(self, value: Any) -> Any:
        if value is None:
            return self.missing
        return json.loads(value[len(CODED) :]) if isinstance(value, str) and value.startswith(CODED) else value


def encodes(text: str) -> bool:
    """Whether a text can be written as UTF-8, which half of a surrogate pair cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def taken(values: Sequence[Any], rows: Sequence[int] | Positions) -> Sequence[Any]:
    """The values at these positions, on disk if they are there."""
    return values.take(rows) if isinstance(values, Stored) else tuple(values[row] for row in rows)


def _ends(rows: range) -> tuple[int, ...]:
    return (rows[0], rows[-1]) if rows else ()
