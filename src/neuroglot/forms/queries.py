"""SQL: whether two queries give the same on databases, by running both in memory, where they can only read."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuroglot.forms.verdicts import Context, InvalidFormError, UndecidedError, Verdict, said

LONGEST = 20_000  # characters of a query
DATABASES = 24  # drawn from the schema, on which both queries are run
MOST_ROWS = 2_000  # of a result
INSTRUCTIONS = 4_000_000  # of sqlite's machine, for one query on one database
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
NO_FUNCTION = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "random", "randomblob"})
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000, sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200, sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20, sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_COLUMN: 200, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
}  # fmt: skip
CREATE = re.compile(r"\bCREATE\s+TABLE\b.*?\)\s*;", re.IGNORECASE | re.DOTALL)

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Table:
    """A table's name, its columns with their types in capitals, and how many of them make a row its own."""

    name: str
    columns: tuple[tuple[str, str], ...]


def compare_sql(answer: str, reference: str, context: Context) -> Verdict:
    """Equal where both give the same rows on every database, in order only where the reference asks for one.

    Databases are the one that `context["database"]` names, if it does, and others that are drawn from the schema of its
    tables, or of those in the prompt, so that what is the same by accident on one differs on another (Zhong et al.
    2020). A database on which the reference's rows depend on the order of storage is left out.
    """
    for query in (answer, reference):
        _require_one_query(query)
    stored = context.get("database")
    if stored:
        scripts = [_dumped(Path(stored))]
        schema = _schema(scripts[0])
    else:
        scripts, schema = [], "\n".join(CREATE.findall(context.get("prompt", "")))
    tables = _tables(schema)
    scripts += [_drawn(schema, tables, answer, reference, seed) for seed in range(DATABASES)]
    is_ordered, compared, informative = _asks_for_order(reference), 0, 0
    for script in scripts:
        expected, told = _run_both(script, reference, answer)
        if _key(expected[0], is_ordered) != _key(expected[1], is_ordered):
            continue
        if any(_key(rows, is_ordered) != _key(expected[0], is_ordered) for rows in told):
            return said(False)
        compared, informative = compared + 1, informative + bool(expected[0])
    if not compared:
        raise UndecidedError("the reference's rows depend on the order of storage on every database")
    if not informative:
        raise UndecidedError("the reference gives no row on any database")
    return said(True)


def _require_one_query(query: str) -> None:
    if len(query) > LONGEST:
        raise UndecidedError(f"a query of {len(query)} characters, where at most {LONGEST} are read")
    if "\0" in query:
        raise InvalidFormError("a query with a zero byte")


def _dumped(path: Path) -> str:
    """A database file as a script; it is opened to read."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as connection:
            return "\n".join(connection.iterdump())
    except sqlite3.Error as error:
        raise UndecidedError(f"the database cannot be read: {error}") from error


def _schema(script: str) -> str:
    return "\n".join(CREATE.findall(script))


def _tables(schema: str) -> list[Table]:
    if not schema:
        raise UndecidedError("neither a database nor CREATE TABLE in the prompt")
    try:
        with sqlite3.connect(":memory:") as connection:
            connection.executescript(schema)
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return [
                Table(name, tuple((row[1], row[2].upper()) for row in
                                  connection.execute("SELECT * FROM pragma_table_info(?)", (name,))))
                for name in names
            ]  # fmt: skip
    except sqlite3.Error as error:
        raise UndecidedError(f"the schema cannot be read: {error}") from error


def _drawn(schema: str, tables: Sequence[Table], answer: str, reference: str, seed: int) -> str:
    """A script of a database with rows that are drawn, among values that the two queries name and others near them.

    Every second one has hardly any value twice, so that an order has no ties.
    """
    rng = random.Random(seed)
    spread = seed % 2 == 1
    texts, numbers = _constants(f"{reference}\n{answer}")
    lines = [schema]
    for table in tables:
        for row in range(rng.choice((1, 4, 9, 16))):
            values = [_value(kind, rng, spread, row, texts, numbers) for _, kind in table.columns]
            lines.append(f"INSERT OR IGNORE INTO {_quoted(table.name)} VALUES ({', '.join(values)});")
    return "\n".join(lines)


def _constants(queries: str) -> tuple[list[str], list[float]]:
    """The texts, patterns with something in their places, and numbers that queries name."""
    found = [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", queries)]
    found += re.findall(r'"([^"]*)"', queries)
    texts = [text.replace("%", filler).replace("_", "k") for text in found for filler in ("", "q")]
    without = re.sub(r"'(?:[^']|'')*'", " ", queries)
    numbers = [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", without)]
    return list(dict.fromkeys(texts))[:40], list(dict.fromkeys(n for n in numbers if abs(n) < 1e12))[:40]


def _value(kind: str, rng: random.Random, spread: bool, row: int, texts: list[str], numbers: list[float]) -> str:
    """One value as SQL, with NULL now and then."""
    if rng.random() < 0.04:
        return "NULL"
    if any(word in kind for word in ("CHAR", "TEXT", "CLOB", "DATE", "TIME")) or not kind:
        word = rng.choice(texts) if texts and rng.random() < 0.5 else rng.choice("abcdefgh")
        written = f"{word}{rng.randrange(1000)}" if spread and rng.random() < 0.5 else word
        return "'" + written.replace("'", "''") + "'"
    near = [number + step for number in numbers for step in (-1, 0, 1)] or [0.0]
    few = rng.randrange(1, 5)
    number = rng.choice((rng.choice(near), rng.randrange(10_000))) if spread else rng.choice((rng.choice(near), few, few))
    whole = "INT" in kind or "BOOL" in kind
    return str(int(number)) if whole or float(number).is_integer() else repr(float(number))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _run_both(script: str, reference: str, answer: str) -> tuple[list[Rows], list[Rows]]:
    """The rows of both queries, with unordered rows read in either order."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.executescript(script)
        for limit, value in LIMITS.items():
            connection.setlimit(limit, value)
        expected, told = [], []
        for turned in (0, 1):
            connection.set_authorizer(None)
            connection.execute(f"PRAGMA reverse_unordered_selects = {turned}")
            connection.set_authorizer(_allowed)
            expected.append(_rows(connection, reference, UndecidedError))
            told.append(_rows(connection, answer, InvalidFormError))
        return expected, told
    finally:
        connection.close()


def _allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Reading, and functions that reach nothing outside and do the same every time."""
    is_function = action == sqlite3.SQLITE_FUNCTION
    is_safe = action in READS and not (is_function and (second or "").lower() in NO_FUNCTION)
    return sqlite3.SQLITE_OK if is_safe else sqlite3.SQLITE_DENY


def _rows(connection: sqlite3.Connection, query: str, refused: type[ValueError]) -> Rows:
    """The rows of a query; raises `refused` for one that cannot be run, `UndecidedError` for one that takes too long."""
    left = iter(range(INSTRUCTIONS // 10_000))
    connection.set_progress_handler(lambda: next(left, None) is None, 10_000)
    try:
        rows = connection.execute(query).fetchmany(MOST_ROWS + 1)
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        is_long = "interrupted" in str(error) or "too big" in str(error)
        raise (UndecidedError if is_long else refused)(str(error)) from error
    if len(rows) > MOST_ROWS:
        raise UndecidedError(f"more than {MOST_ROWS} rows")
    return [tuple(round(value, 6) if isinstance(value, float) else value for value in row) for row in rows]


def _asks_for_order(query: str) -> bool:
    """Whether ORDER BY stands outside of all brackets and texts."""
    plain = re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"", "x", query)
    while (shorter := re.sub(r"\([^()]*\)", " ", plain)) != plain:
        plain = shorter
    return bool(re.search(r"\border\s+by\b", plain, re.IGNORECASE))


def _key(rows: Rows, is_ordered: bool) -> object:
    width = len(rows[0]) if rows else None
    return (width, rows if is_ordered else Counter(rows))
