"""Readers of one file with one column a language: a file to a `RawTable`, and a table to columns by language."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from neuroglot.corpora.columns import TextColumn, place
from neuroglot.corpora.languages import choose, code_or_name, known_code
from neuroglot.corpora.readers import string
from neuroglot.corpora.recognised import recognised
from neuroglot.corpora.stored import Stored
from neuroglot.corpora.storing import rows_of_file, stored_if_large
from neuroglot.corpora.textfiles import (
    LONGEST_LINE,
    READ_AT_ONCE,
    but_for_a_blank_end,
    lines_of,
    parse_text_json,
    raw_lines,
    require_room,
    size_of,
)
from neuroglot.errors import CorpusError

OTHER_SEPARATORS = (";", "\t", "|")
ROWS_AT_ONCE = 1024  # of a Parquet file
ID = "id"  # the column of row ids; Indonesian in a table is `ind` or `id_ID`, or is asked for by name


@dataclass(frozen=True)
class RawTable:
    """Values by column name; `places` says in which line (or row) of the file each value stands."""

    origin: str
    values: Mapping[str, Iterable[object]]
    places: Sequence[int]
    unit: str = "row"


def columns_of(table: RawTable, languages: Sequence[str] | None) -> dict[str, TextColumn]:
    """The columns that are languages, each with the row ids; raises `CorpusError` as `choose` and `text_column`."""
    wanted = [known_code(tag) for tag in languages or ()]
    others = [name for name in table.values if name != ID]
    id_is_text = ID in table.values and "id" in wanted and all(known_code(name) != "id" for name in others)
    names = choose({name: name for name in ([ID, *others] if id_is_text else others)}, languages, table.origin)
    if not names:
        raise CorpusError(f"{table.origin} has no column but the ids.", "Expected one column a language.")
    ids = None if id_is_text else ids_of(table, may_be_indonesian=languages is None)
    return {code: text_column(table, name, ids) for code, name in names.items()}


def text_column(table: RawTable, name: str, ids: Sequence[str] | None) -> TextColumn:
    """One column's texts; raises `CorpusError` where there are no rows or a value is not text."""
    if not len(table.places):
        raise CorpusError(f"{table.origin} has no rows.", "Expected at least one row under the column names.")
    values, where = table.values[name], partial(place, table.origin, table.unit)
    if isinstance(values, Stored) and values.is_plain:
        return TextColumn(table.origin, values, table.places, ids, unit=table.unit)
    rows = ((number, string(value, name, partial(where, number))) for number, value in zip(table.places, values))
    (texts,) = stored_if_large([name], rows).values.values()
    return TextColumn(table.origin, texts, table.places, ids, unit=table.unit)


def ids_of(table: RawTable, may_be_indonesian: bool = False) -> Sequence[str] | None:
    """The column of row ids, None where there is none; raises `CorpusError` on what is neither text nor an integer."""
    if ID not in table.values:
        return None
    values = table.values[ID]
    rows = _checked_ids(table, may_be_indonesian)
    if isinstance(values, Stored) and values.is_plain:
        deque(rows, maxlen=0)
        return values
    return stored_if_large([ID], rows).values[ID]


def _checked_ids(table: RawTable, may_be_indonesian: bool) -> Iterator[tuple[int, str]]:
    for number, value in zip(table.places, table.values[ID]):
        where = partial(place, table.origin, table.unit, number)
        row_id = str(value) if type(value) is int else string(value, ID, where)
        if may_be_indonesian and len(row_id.split()) > 1:
            raise CorpusError(
                f"{where()}: the id {row_id[:40]!r} has more than one word; is the column Indonesian text?",
                "A column 'id' holds row ids, without spaces.",
                "Name Indonesian 'ind', or say which languages to take with --languages (languages=[...]).",
            )
        yield number, row_id


def _read(path: Path, unit: str, rows: Callable[[Path], Iterator[tuple[Any, ...]]]) -> RawTable:
    """A table of what a reader gives: first the names of the columns, then for each row its place and its values."""
    read = rows_of_file(path, rows.__name__, lambda: rows(path))
    return RawTable(str(path), read.values, read.places, unit)


def read_tsv(path: Path) -> RawTable:
    """Tab-separated with a header; a field is what stands between two tabs, quotes and all.

    A file with fields that only a CSV writer puts so, such as pandas, is read as that writer's, and refused if it is
    not.
    """
    return _read(path, "line", _tsv_rows)


def read_literal_tsv(path: Path) -> RawTable:
    """As `read_tsv`, of a file that is known to have no quoting: what looks quoted as in CSV is text too."""
    return _read(path, "line", _literal_rows)


def _tsv_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    if any('""' in line and any(map(_is_quoted, line.split("\t"))) for line in lines_of(path)):
        recognised(f"{path}: fields are quoted as in CSV")
        return _under_header(path, _separated(path, "\t"))
    return _literal_rows(path)


def _literal_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    lines = enumerate(but_for_a_blank_end(lines_of(path)), 1)
    return _under_header(path, ((number, line.split("\t")) for number, line in lines))


def _is_quoted(field: str) -> bool:
    """Whether only a CSV writer puts it so: quotes around it, and every quote inside doubled."""
    inner = field[1:-1]
    return len(field) > 3 and field[0] == field[-1] == '"' and '""' in inner and '"' not in inner.replace('""', "")


def read_csv(path: Path) -> RawTable:
    """Separated by commas, or by what the header shows that separates languages, and quoted as RFC 4180 has it.

    Python's reader in strict mode, since polars fills a short row silently. A record that runs over several lines is
    refused where each of its lines would be a whole row as well: a stray quote would merge rows unseen.
    """
    return _read(path, "line", _csv_rows)


def _csv_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    return _under_header(path, _separated(path, _separator(path)))


def _separator(path: Path) -> str:
    """The comma, unless another character divides the header into two names or more that are ids or languages."""
    header = next(raw_lines(path)).removesuffix("\n")
    for separator in OTHER_SEPARATORS:
        names = [name.strip().strip('"') for name in header.split(separator)]
        if len(names) > 1 and all(not name or name.lower() == ID or code_or_name(name) for name in names):
            recognised(f"{path}: fields are separated by {separator!r}")
            return separator
    return ","


def _separated(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line in which it starts."""
    held: list[str] = []  # the lines of the record that is being read

    def lines() -> Iterator[str]:
        for line in but_for_a_blank_end(raw_lines(path)):
            held.append(line.removesuffix("\n"))
            yield line

    reader = csv.reader(lines(), strict=True, delimiter=separator)
    start, width = 1, 0
    while (row := _record(path, reader, start, separator)) is not None:
        width = width or len(row)
        _refuse_merged(path, held, start, width, separator)
        yield start, row
        start = reader.line_num + 1
        held.clear()


def _record(path: Path, reader: Any, start: int, separator: str) -> list[str] | None:
    """The next record, None behind the last."""
    limit = csv.field_size_limit(LONGEST_LINE)  # a text may be longer than the default of 128 KiB
    try:
        record: list[str] | None = next(reader, None)
    except csv.Error as error:
        raise CorpusError(
            f"{path}:{start}: the record that starts here is not CSV: {error}.",
            f'Expected fields between {separator!r}; that, a quote (as "") or a newline stands in a field in "...".',
            "Mend the quoting, or write the file as .jsonl or .parquet.",
        ) from None
    finally:
        csv.field_size_limit(limit)
    return record


def _refuse_merged(path: Path, lines: list[str], start: int, width: int, separator: str) -> None:
    if len(lines) < 2:
        return
    fields = [line.split(separator) for line in lines]
    if all(len(row) == width and all(map(str.strip, row)) for row in fields):
        raise CorpusError(
            f"{path}:{start}: a quote opens here and closes in line {start + len(lines) - 1}, yet each line has "
            f"{width} fields.",
            "They may be one row or several.",
            'Write a quote inside a field as "" in a quoted field, or write the file as .jsonl or .parquet.',
        )


def _under_header(path: Path, records: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[Any, ...]]:
    """Rows of one width under a header of distinct names."""
    header = [name.strip() for name in next(records)[1]]
    yield tuple(distinct_names(header, path))
    for number, row in records:
        if len(row) != len(header):
            raise CorpusError(
                f"{path}:{number} has {len(row)} fields.",
                f"The header has {len(header)}: {', '.join(header)[:200]}.",
                "Mend the line: each row needs as many fields as the header.",
            )
        yield number, *row


def distinct_names(names: Sequence[str], path: Path) -> Sequence[str]:
    """The names; raises `CorpusError` for one that is there twice."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CorpusError(f"{path}:1: the column {twice!r} is there twice.", "Each column needs its own name.")
    return names


def read_jsonl(path: Path) -> RawTable:
    """One JSON object a line, all with the fields of the first; a field that is null or left out is a missing text."""
    return _read(path, "line", _jsonl_rows)


def _jsonl_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    names: dict[str, None] | None = None
    for number, line in enumerate(but_for_a_blank_end(lines_of(path)), 1):
        row = parse_text_json(line, path, number)
        if not isinstance(row, dict):
            raise CorpusError(f"{path}:{number} is a {type(row).__name__}.", "Expected one JSON object a line.")
        if names is None:
            names = dict.fromkeys(row)
            yield tuple(names)
        new = [name for name in row if name not in names]
        if new:
            raise CorpusError(
                f"{path}:{number} has the field {new[0]!r}, which the first line lacks.",
                f"The first line has {', '.join(map(repr, names)) or 'none'}.",
                "Give every line the same fields; null stands for a missing text.",
            )
        yield number, *(row.get(name) for name in names)


def read_parquet(path: Path) -> RawTable:
    """A Parquet file, a few rows at a time."""
    return _read(path, "row", _parquet_rows)


def _parquet_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    import pyarrow
    from pyarrow import parquet

    size = size_of(path)
    try:
        with path.open("rb") as source:
            metadata = parquet.read_metadata(source)
            leaves = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
            # Texts that repeat stay numbers of a dictionary until it is known how long they are.
            file = parquet.ParquetFile(source, metadata=metadata, buffer_size=READ_AT_ONCE, read_dictionary=leaves)
            yield tuple(distinct_names(file.schema_arrow.names, path))
            _require_room_for_pages(path, metadata, size)
            yield from rows_of_batches(file.iter_batches(ROWS_AT_ONCE, use_threads=False), path, size)
    except CorpusError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CorpusError(
            f"{path} cannot be read as Parquet: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            "Expected a whole Parquet file.",
            "Write it again, or check that it was copied whole.",
        ) from None


def _require_room_for_pages(path: Path, metadata: Any, size: int) -> None:
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    require_room(path, sum(group.total_byte_size for group in groups), size)


def rows_of_batches(batches: Iterable[Any], path: Path, size: int) -> Iterator[tuple[Any, ...]]:
    """The rows of Arrow's batches with their numbers; raises `CorpusError` if texts that repeat would fill the disk."""
    number, unpacked = 0, 0
    for batch in batches:
        unpacked += sum(map(_length, batch.columns))
        require_room(path, unpacked, size)
        for row in zip(*(column.to_pylist() for column in batch.columns)):
            number += 1
            yield number, *row


def _length(column: Any) -> int:
    """Bytes of a column's values; of numbers of a dictionary those of the texts that they stand for."""
    import pyarrow.compute

    if pyarrow.types.is_struct(column.type):
        return sum(map(_length, column.flatten()))
    if not pyarrow.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pyarrow.compute.binary_length(column.dictionary)
    return int(pyarrow.compute.sum(lengths.take(column.indices)).as_py() or 0)


TABLES: Mapping[str, Callable[[Path], RawTable]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
}
