"""Readers of one file with one column a language: a file to a `RawTable`, and a table to columns by language."""

import csv
import io
import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuroglot.corpora.columns import TextColumn, place
from neuroglot.corpora.languages import choose, code_or_name, known_code
from neuroglot.corpora.readers import string
from neuroglot.corpora.textfiles import parse_text_json, read_bytes, read_lines, read_text
from neuroglot.errors import CorpusError

_log = logging.getLogger(__name__)
OTHER_SEPARATORS = (";", "\t", "|")
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
        raise CorpusError(f"{table.origin} has no column but the ids.", "Expected is one column a language.")
    ids = None if id_is_text else ids_of(table, may_be_indonesian=languages is None)
    return {code: text_column(table, name, ids) for code, name in names.items()}


def text_column(table: RawTable, name: str, ids: Sequence[str] | None) -> TextColumn:
    """One column's texts; raises `CorpusError` where there are no rows or a value is not text."""
    if not table.places:
        raise CorpusError(f"{table.origin} has no rows.", "Expected is at least one row under the column names.")
    places = (place(table.origin, table.unit, number) for number in table.places)
    texts = [string(value, name, where) for where, value in zip(places, table.values[name])]
    return TextColumn(table.origin, texts, table.places, ids, unit=table.unit)


def ids_of(table: RawTable, may_be_indonesian: bool = False) -> list[str] | None:
    """The column of row ids, None where there is none; raises `CorpusError` on what is neither text nor an integer."""
    if ID not in table.values:
        return None
    ids = []
    for number, value in zip(table.places, table.values[ID]):
        where = place(table.origin, table.unit, number)
        row_id = str(value) if type(value) is int else string(value, ID, where)
        if may_be_indonesian and len(row_id.split()) > 1:
            raise CorpusError(
                f"{where}: the id {row_id[:40]!r} has more than one word; is the column Indonesian text?",
                "A column 'id' holds row ids, without spaces.",
                "Name Indonesian 'ind', or say which languages to take with --languages (languages=[...]).",
            )
        ids.append(row_id)
    return ids


def read_tsv(path: Path) -> RawTable:
    """Tab-separated with a header; a field is what stands between two tabs, quotes and all.

    A file with fields that only a CSV writer puts so, such as pandas, is read as that writer's, and refused if it is
    not.
    """
    rows = [line.split("\t") for line in read_lines(path)]
    if any(_is_quoted(field) for row in rows for field in row):
        _log.info("%s: fields are quoted as in CSV", path)
        return _separated(path, "\t")
    return _table(path, rows, range(1, len(rows) + 1))


def read_literal_tsv(path: Path) -> RawTable:
    """As `read_tsv`, of a file that is known to have no quoting: what looks quoted as in CSV is text too."""
    rows = [line.split("\t") for line in read_lines(path)]
    return _table(path, rows, range(1, len(rows) + 1))


def _is_quoted(field: str) -> bool:
    """Whether only a CSV writer puts it so: quotes around it, and every quote inside doubled."""
    inner = field[1:-1]
    return len(field) > 3 and field[0] == field[-1] == '"' and '""' in inner and '"' not in inner.replace('""', "")


def read_csv(path: Path) -> RawTable:
    """Separated by commas, or by what the header shows that separates languages, and quoted as RFC 4180 has it.

    Python's reader in strict mode, since polars fills a short row silently. A record that runs over several lines is
    refused where each of its lines would be a whole row as well: a stray quote would merge rows unseen.
    """
    return _separated(path, _separator(path))


def _separator(path: Path) -> str:
    """The comma, unless another character divides the header into two names or more that are ids or languages."""
    header = read_text(path).partition("\n")[0]
    for separator in OTHER_SEPARATORS:
        names = [name.strip().strip('"') for name in header.split(separator)]
        if len(names) > 1 and all(not name or name.lower() == ID or code_or_name(name) for name in names):
            _log.info("%s: fields are separated by %r", path, separator)
            return separator
    return ","


def _separated(path: Path, separator: str) -> RawTable:
    text = read_text(path)
    rows, starts, last = [], [], 0
    limit = csv.field_size_limit(2**31 - 1)  # a text may be longer than the default of 128 KiB
    try:
        reader = csv.reader(io.StringIO(text, newline="\n"), strict=True, delimiter=separator)
        for row in reader:
            rows.append(row)
            starts.append(last + 1)
            last = reader.line_num
    except csv.Error as error:
        raise CorpusError(
            f"{path}:{last + 1}: the record that starts here is not CSV: {error}.",
            f'Expected fields between {separator!r}; that, a quote (as "") or a newline stands in a field in "...".',
            "Mend the quoting, or write the file as .jsonl or .parquet.",
        ) from None
    finally:
        csv.field_size_limit(limit)
    _refuse_merged(path, text.split("\n"), starts, last, len(rows[0]) if rows else 0, separator)
    return _table(path, rows, starts)


def _refuse_merged(path: Path, lines: list[str], starts: list[int], last: int, width: int, separator: str) -> None:
    for start, end in itertools.pairwise([*starts, last + 1]):
        fields = [line.split(separator) for line in lines[start - 1 : end - 1]]
        if len(fields) > 1 and all(len(row) == width and all(map(str.strip, row)) for row in fields):
            raise CorpusError(
                f"{path}:{start}: a quote opens here and closes in line {end - 1}, yet each line has {width} fields.",
                "They may be one row or several.",
                'Write a quote inside a field as "" in a quoted field, or write the file as .jsonl or .parquet.',
            )


def _table(path: Path, rows: list[list[str]], places: Sequence[int]) -> RawTable:
    """Rows of one width under a header of distinct names."""
    header = [name.strip() for name in rows[0]]
    for row, number in zip(rows, places):
        if len(row) != len(header):
            raise CorpusError(
                f"{path}:{number} has {len(row)} fields.",
                f"The header has {len(header)}: {', '.join(header)[:200]}.",
                "Mend the line: each row needs as many fields as the header.",
            )
    values = {name: [row[k] for row in rows[1:]] for k, name in enumerate(_distinct(header, path))}
    return RawTable(str(path), values, places[1:], unit="line")


def _distinct(names: Sequence[str], path: Path) -> Sequence[str]:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CorpusError(f"{path}:1: the column {twice!r} is there twice.", "Each column needs its own name.")
    return names


def read_jsonl(path: Path) -> RawTable:
    """One JSON object a line, all with the fields of the first; a field that is null or left out is a missing text."""
    rows: list[dict[str, object]] = []
    for number, line in enumerate(read_lines(path), 1):
        row = parse_text_json(line, path, number)
        if not isinstance(row, dict):
            raise CorpusError(f"{path}:{number} is a {type(row).__name__}.", "Expected is one JSON object a line.")
        new = [name for name in row if rows and name not in rows[0]]
        if new:
            raise CorpusError(
                f"{path}:{number} has the field {new[0]!r}, which the first line lacks.",
                f"The first line has {', '.join(map(repr, rows[0])) or 'none'}.",
                "Give every line the same fields; null stands for a missing text.",
            )
        rows.append(row)
    return RawTable(
        str(path), {name: [row.get(name) for row in rows] for name in rows[0]}, range(1, len(rows) + 1), unit="line"
    )


def read_parquet(path: Path) -> RawTable:
    """A Parquet file, by polars."""
    import polars

    data = read_bytes(path)
    try:
        frame = polars.read_parquet(io.BytesIO(data))
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError, ValueError) as error:
        raise CorpusError(
            f"{path} cannot be read as Parquet: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            "Expected is a whole Parquet file.",
            "Write it again, or check that it was copied whole.",
        ) from None
    return RawTable(str(path), frame.to_dict(as_series=True), range(1, frame.height + 1))


TABLES: Mapping[str, Callable[[Path], RawTable]] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
}
