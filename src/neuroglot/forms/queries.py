"""SQL: whether two queries give the same on databases, by running both in memory, where they can only read."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from neuroglot.forms.verdicts import FormContext, InvalidFormError, UndecidedError, Verdict, told_equal

_LONGEST = 20_000  # characters of a query
DATABASES = 24  # drawn from the schema, on which both queries are run
_SIZES = (2, 4, 9, 16, 40, 80)  # rows of a table that is drawn
MOST_ROWS = 2_000  # of a result
INSTRUCTIONS = 4_000_000  # of sqlite's machine, for one query on one database
DEFINES = {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_REINDEX, sqlite3.SQLITE_INSERT,
           sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_SELECT}  # fmt: skip
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
NO_FUNCTION = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "random", "randomblob"})
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000, sqlite3.SQLITE_LIMIT_SQL_LENGTH: _LONGEST,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200, sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20, sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_COLUMN: 200, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
}  # fmt: skip
CREATE = re.compile(r"\bCREATE\s+TABLE\b[^();]*\(", re.IGNORECASE)
_APART = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)  # texts, names and comments
# What asks for the time: a function of it told 'now', or told no time, which means the same.
_NOW = re.compile(
    r"\b(?:date|time|datetime|julianday|unixepoch|strftime|timediff)\s*\((?:[^()]*'now'|\s*\))"
    r"|\bstrftime\s*\(\s*'[^']*'\s*\)",
    re.IGNORECASE,
)
_CURRENT = re.compile(r"\bcurrent_(?:date|time|timestamp)\b", re.IGNORECASE)

_Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class _Column:
    """A column's name, its type in capitals, whether it may be NULL, and whether it belongs to the key."""

    name: str
    kind: str
    is_needed: bool
    is_key: bool


@dataclass(frozen=True)
class _Table:
    """A table's name, columns and rows."""

    name: str
    columns: tuple[_Column, ...]
    rows: tuple[tuple[Any, ...], ...] = ()


def compare_sql(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal where both give the same rows on every database, in order only where the reference asks for one.

    Databases are the one that `context["database"]` names, if it does, and others that are drawn from the schema of its
    tables, or of those in the prompt, so that what is the same by accident on one differs on another (Zhong et al.
    2020). A database on which the reference's rows depend on the order of storage is left out.
    """
    for query in (answer, reference):
        _require_one_query(query)
    stored = context.get("database")
    tables = _stored(Path(stored)) if stored else _empty(context.get("prompt", ""))
    databases = [tables] if stored else []
    databases += [_drawn(tables, answer, reference, seed) for seed in range(DATABASES)]
    is_ordered, compared, informative = _asks_for_order(reference), 0, 0
    for database in databases:
        (expected, told), (again, turned) = (_run_both(database, reference, answer, step) for step in (1, -1))
        if _key(expected, is_ordered) != _key(again, is_ordered):
            continue
        if any(_key(rows, is_ordered) != _key(expected, is_ordered) for rows in (told, turned)):
            return told_equal(False)
        compared, informative = compared + 1, informative + (not _says_nothing(expected))
    if compared < len(databases) / 4:
        raise UndecidedError("the reference's rows depend on the order of storage on most databases")
    if not informative:
        raise UndecidedError("the reference gives no row, or 0, on all databases")
    return told_equal(True)


def _says_nothing(rows: _Rows) -> bool:
    """Whether there is no row, or the only one says that nothing was counted."""
    return not rows or (len(rows) == 1 and not any(rows[0]))


def _require_one_query(query: str) -> None:
    if len(query) > _LONGEST:
        raise UndecidedError(f"a query of {len(query)} characters, where at most {_LONGEST} are read")
    if "\0" in query:
        raise InvalidFormError("a query with a zero byte")
    if _NOW.search(query) or _CURRENT.search(_APART.sub("x", query)):
        raise UndecidedError("its rows depend on when it is asked")


def _stored(path: Path) -> list[_Table]:
    """The tables of a database file, which is opened to read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            connection.text_factory = lambda value: value.decode("utf-8", "replace")
            return [replace(table, rows=tuple(connection.execute(f"SELECT * FROM {_quoted(table.name)}")))
                    for table in _described(connection)]  # fmt: skip
    except sqlite3.Error as error:
        raise UndecidedError(f"the database cannot be read: {error}") from error


def _empty(prompt: str) -> list[_Table]:
    """The tables that a prompt defines."""
    schema = ";\n".join(_definitions(prompt))
    if not schema:
        raise UndecidedError("neither a database nor CREATE TABLE in the prompt")
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.set_authorizer(_defining)
            connection.executescript(schema)
            connection.set_authorizer(None)
            return _described(connection)
    except sqlite3.Error as error:
        raise UndecidedError(f"the schema cannot be read: {error}") from error


def _definitions(prompt: str) -> list[str]:
    """Each `CREATE TABLE name (...)` of the prompt, up to the bracket that closes it."""
    found = []
    for begun in CREATE.finditer(prompt):
        depth, place = 1, begun.end()
        while depth and place < len(prompt):
            apart = _APART.match(prompt, place)
            depth += (prompt[place] == "(") - (prompt[place] == ")")
            place = place + 1 if apart is None else apart.end()
        found.append(prompt[begun.start() : place])
    return found


def _described(connection: sqlite3.Connection) -> list[_Table]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    columns = {
        name: connection.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (name,)).fetchall()
        for (name,) in names.fetchall()
    }
    return [_Table(name, tuple(_Column(column, kind.upper(), bool(needed or key), bool(key))
                              for column, kind, needed, key in rows)) for name, rows in columns.items()]  # fmt: skip


def _drawn(tables: Sequence[_Table], answer: str, reference: str, seed: int) -> list[_Table]:
    """The tables with rows that are drawn, among values that the two queries name and others near them.

    In every second database hardly any value comes twice, so that an order has no ties.
    """
    rng, spread = random.Random(seed), seed % 2 == 1
    texts, numbers = _constants(f"{reference}\n{answer}")
    filled = []
    for table in tables:
        rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        for number in range(rng.choice(_SIZES)):
            row = tuple(_value(column, rng, spread, texts, numbers) for column in table.columns)
            key = tuple(value for value, column in zip(row, table.columns) if column.is_key)
            rows.setdefault(key or (number,), row)
        filled.append(replace(table, rows=tuple(rows.values())))
    return filled


def _constants(queries: str) -> tuple[list[str], list[float]]:
    """The texts, patterns with something in their places, and numbers that queries name."""
    found = [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", queries)]
    found += re.findall(r'"([^"]*)"', queries)
    texts = [text.replace("%", filler).replace("_", "k") for text in found for filler in ("", "q")]
    without = re.sub(r"'(?:[^']|'')*'", " ", queries)
    numbers = [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", without)]
    named = list(dict.fromkeys(n for n in numbers if abs(n) < 1e12))[:40]
    between = [(low + high) / 2 for low, high in pairwise(sorted(named))]
    return list(dict.fromkeys(texts))[:40], named + between


def _value(column: _Column, rng: random.Random, spread: bool, texts: list[str], numbers: list[float]) -> Any:
    """One value, NULL now and then where the column allows it."""
    if not column.is_needed and rng.random() < 0.06:
        return None
    if not column.kind or any(word in column.kind for word in ("CHAR", "TEXT", "CLOB", "DATE", "TIME")):
        word = rng.choice(texts) if texts and rng.random() < 0.5 else rng.choice("abcdefgh")
        word = word.swapcase() if rng.random() < 0.1 else word
        return f"{word}{rng.randrange(1000)}" if spread and rng.random() < 0.5 else word
    number: float = rng.randrange(10_000 if spread else 6)
    if numbers and rng.random() < 0.5:
        number = rng.choice(numbers) + rng.choice((-1, 0, 0, 1))
    number = -number if rng.random() < 0.1 else number
    is_whole = "INT" in column.kind or "BOOL" in column.kind
    return int(number) if is_whole else float(number) + rng.choice((0, 0, 0.5))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _run_both(database: Sequence[_Table], reference: str, answer: str, step: int) -> tuple[_Rows, _Rows]:
    """The rows of both queries, the tables' rows being stored in their order or, with the step −1, in the other.

    Keys and indices are left out, so that nothing but ORDER BY puts rows in an order.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for table in database:
            columns = ", ".join(f"{_quoted(column.name)} {column.kind}" for column in table.columns)
            connection.execute(f"CREATE TABLE {_quoted(table.name)} ({columns})")
            marks = ", ".join("?" * len(table.columns))
            connection.executemany(f"INSERT INTO {_quoted(table.name)} VALUES ({marks})", table.rows[::step])
        for limit, value in _LIMITS.items():
            connection.setlimit(limit, value)
        connection.set_authorizer(_allowed)
        return _rows(connection, reference, UndecidedError), _rows(connection, answer, InvalidFormError)


def _defining(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Defining tables, and no other statement that a prompt may hide between their brackets."""
    is_own = action not in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE) or (first or "").startswith("sqlite_")
    is_defining = action in DEFINES and is_own and not _reaches_out(action, second)
    return sqlite3.SQLITE_OK if is_defining else sqlite3.SQLITE_DENY


def _allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Reading, and functions that reach nothing outside and do the same every time."""
    is_safe = action in READS and not _reaches_out(action, second)
    return sqlite3.SQLITE_OK if is_safe else sqlite3.SQLITE_DENY


def _reaches_out(action: int, name: str | None) -> bool:
    return action == sqlite3.SQLITE_FUNCTION and (name or "").lower() in NO_FUNCTION


def _rows(connection: sqlite3.Connection, query: str, refused: type[ValueError]) -> _Rows:
    """The rows of a query; raises `refused` for one that cannot be run, `UndecidedError` for one that is too long."""
    left = iter(range(INSTRUCTIONS // 10_000))
    connection.set_progress_handler(lambda: next(left, None) is None, 10_000)
    try:
        cursor = connection.execute(query)
        rows = cursor.fetchmany(MOST_ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        is_long = "interrupted" in str(error) or "too big" in str(error)
        raise (UndecidedError if is_long else refused)(str(error)) from error
    if cursor.description is None:
        raise refused("it gives no rows")
    if len(rows) > MOST_ROWS:
        raise UndecidedError(f"more than {MOST_ROWS} rows")
    return [tuple(round(value, 6) if isinstance(value, float) else value for value in row) for row in rows]


def _asks_for_order(query: str) -> bool:
    """Whether ORDER BY stands outside of all brackets and texts."""
    plain = _APART.sub("x", query)
    while (shorter := re.sub(r"\([^()]*\)", " ", plain)) != plain:
        plain = shorter
    return bool(re.search(r"\border\s+by\b", plain, re.IGNORECASE))


def _key(rows: _Rows, is_ordered: bool) -> object:
    width = len(rows[0]) if rows else None
    return (width, rows if is_ordered else Counter(rows))
