"""SQL by execution: equal queries that are written differently, near misses, and what may not be run."""

import operator
import random
import sqlite3
from pathlib import Path

import pytest

from neuroglot.forms import queries
from neuroglot.forms.queries import compare_sql
from neuroglot.forms.verdicts import UndecidedError
from tests.forms.comparing import word

SCHEMA = (
    "CREATE TABLE river (id INTEGER PRIMARY KEY, name TEXT, length INTEGER, land INTEGER);\n"
    "CREATE TABLE land (id INTEGER PRIMARY KEY, name TEXT NOT NULL, people INTEGER);"
)
PROMPT = f"Write the query.\n{SCHEMA}\nWhich rivers are long?"
NUMBERS = (1, 3, 7, 12, 50, 70)
SAME = [
    ("SELECT name FROM river WHERE length > {n}", "SELECT r.name FROM river AS r WHERE r.length >= {n} + 1"),
    (
        "SELECT name FROM river WHERE length BETWEEN {n} AND {m}",
        "SELECT name FROM river WHERE length >= {n} AND NOT length > {m}",
    ),
    ("SELECT name FROM river WHERE length IN ({n}, {m})", "SELECT name FROM river WHERE length = {m} OR length = {n}"),
    (
        "SELECT name FROM river WHERE NOT (length < {n} OR land = {m})",
        "SELECT name FROM river WHERE length >= {n} AND land <> {m}",
    ),
    ("SELECT count(*) FROM river WHERE land = {n}", "SELECT count(id) FROM river WHERE land = {n}"),
    (
        "SELECT l.name FROM land l JOIN river r ON r.land = l.id WHERE r.length > {n}",
        "SELECT land.name FROM river, land WHERE land.id = river.land AND length > {n}",
    ),
    (
        "SELECT name FROM land WHERE id IN (SELECT land FROM river WHERE length < {n})",
        "SELECT name FROM land WHERE EXISTS (SELECT 1 FROM river WHERE river.land = land.id AND {n} > length)",
    ),
    (
        "SELECT land, count(*) FROM river GROUP BY land HAVING count(*) > {n} / 20",
        "SELECT * FROM (SELECT land, count(*) AS c FROM river GROUP BY land) WHERE c > {n} / 20",
    ),
    (
        "SELECT name FROM river WHERE length > {n} ORDER BY id DESC",
        "SELECT name FROM river WHERE length > {n} ORDER BY 0 - id",
    ),
    (
        "SELECT max(length) FROM river WHERE land = {n}",
        "SELECT (SELECT length FROM river WHERE land = {n} AND length IS NOT NULL ORDER BY length DESC LIMIT 1)",
    ),
    ("SELECT DISTINCT land FROM river WHERE length > {n}", "SELECT land FROM river WHERE length > {n} GROUP BY land"),
]
OTHER = [
    ("SELECT name FROM river WHERE length > {n}", "SELECT name FROM river WHERE length >= {n}"),
    (
        "SELECT name FROM river WHERE length = {n} AND land = {m}",
        "SELECT name FROM river WHERE length = {n} OR land = {m}",
    ),
    ("SELECT land FROM river WHERE length > {n}", "SELECT DISTINCT land FROM river WHERE length > {n}"),
    ("SELECT count(*) FROM river", "SELECT count(length) FROM river"),
    (
        "SELECT l.name, r.name FROM land l JOIN river r ON r.land = l.id WHERE l.people > {n}",
        "SELECT l.name, r.name FROM land l LEFT JOIN river r ON r.land = l.id WHERE l.people > {n}",
    ),
    (
        "SELECT name FROM river WHERE length > {n} ORDER BY id",
        "SELECT name FROM river WHERE length > {n} ORDER BY id DESC",
    ),
    ("SELECT name FROM river ORDER BY id LIMIT 1", "SELECT name FROM river ORDER BY id LIMIT 2"),
    ("SELECT min(length) FROM river", "SELECT max(length) FROM river"),
    ("SELECT name, land FROM river WHERE length < {n}", "SELECT land, name FROM river WHERE length < {n}"),
    ("SELECT name FROM river WHERE length < {n} ORDER BY id", "SELECT name FROM river WHERE length < {n}"),
    ("SELECT name FROM river WHERE name LIKE 'a%'", "SELECT name FROM river WHERE name LIKE '%a'"),
    ("SELECT name FROM river UNION SELECT name FROM land", "SELECT name FROM river UNION ALL SELECT name FROM land"),
]


def filled(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(
        dict.fromkeys(
            (first.format(n=n, m=m), second.format(n=n, m=m))
            for first, second in pairs
            for n, m in zip(NUMBERS, (*NUMBERS[1:], 90))
        )
    )


@pytest.mark.parametrize(("first", "second"), filled(SAME))
def test_queries_that_always_give_the_same_are_equal(first: str, second: str) -> None:
    assert first != second
    assert word("x-sql", first, second, prompt=PROMPT) == word("x-sql", second, first, prompt=PROMPT) == "equal"


@pytest.mark.parametrize(("first", "second"), filled(OTHER))
def test_queries_that_differ_by_a_little_are_unequal(first: str, second: str) -> None:
    assert word("x-sql", second, first, prompt=PROMPT) == "unequal"


def test_there_are_at_least_a_hundred_cases() -> None:
    assert len(filled(SAME)) + len(filled(OTHER)) >= 100


def test_the_order_of_rows_counts_only_where_the_reference_asks_for_one() -> None:
    plain, ordered = "SELECT name FROM river", "SELECT name FROM river ORDER BY id"
    assert word("x-sql", ordered, plain, prompt=PROMPT) == "equal"
    assert word("x-sql", plain, ordered, prompt=PROMPT) == "unequal"
    inner = "SELECT name FROM river WHERE id IN (SELECT id FROM river ORDER BY length)"
    assert word("x-sql", plain, inner, prompt=PROMPT) == "equal"


def test_ties_decide_nothing() -> None:
    constant = "SELECT name FROM river ORDER BY 1 = 1"
    assert word("x-sql", constant, constant, prompt=PROMPT) == "undecided"


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH DATABASE '/tmp/x' AS other",
        "PRAGMA table_info(river)",
        "DELETE FROM river",
        "DROP TABLE river",
        "INSERT INTO river VALUES (1, 'a', 1, 1)",
        "UPDATE river SET name = 'x'",
        "VACUUM INTO '/tmp/y'",
        "SELECT load_extension('/tmp/evil.so')",
        "SELECT randomblob(1000000000)",
        "SELECT name FROM pragma_database_list",
        "CREATE TEMP TABLE t AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM river",
        "SELEC",
        "",
        "BEGIN",
        "SELECT writefile('/tmp/z', 'x')",
        "DETACH main",
        "REINDEX",
        "ANALYZE",
        "\0",
    ],
)
def test_what_does_not_only_read_is_invalid(query: str) -> None:
    assert word("x-sql", query, "SELECT name FROM river", prompt=PROMPT) == "invalid"


def test_without_a_schema_nothing_is_decided() -> None:
    assert word("x-sql", "SELECT 1", "SELECT 1", prompt="no tables") == "undecided"
    assert word("x-sql", "SELECT name FROM river", "SELECT nothing FROM river", prompt=PROMPT) == "undecided"


def test_a_reference_that_never_gives_a_row_decides_nothing() -> None:
    assert word("x-sql", "SELECT 1 WHERE 0", "SELECT name FROM river WHERE 1 = 0", prompt=PROMPT) == "undecided"


def test_the_database_of_the_row_is_read_and_stays_as_it_is(tmp_path) -> None:
    path = tmp_path / "rivers.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO river VALUES (?, ?, ?, 1)", [(n, f"r{n}", n) for n in range(5)])
    before = path.read_bytes()
    by_accident = "SELECT name FROM river WHERE id < 3", "SELECT name FROM river WHERE length < 3"
    assert word("x-sql", *by_accident, database=str(path)) == "unequal"  # the file alone cannot tell them apart
    assert word("x-sql", "SELECT name FROM river WHERE 3 > id", by_accident[0], database=str(path)) == "equal"
    assert word("x-sql", *by_accident, database=str(tmp_path / "none.sqlite")) == "undecided"
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["rivers.sqlite"]


def test_an_order_that_leaves_most_rows_in_any_order_decides_nothing() -> None:
    by_halves = "SELECT id FROM river ORDER BY land > 3"
    assert word("x-sql", by_halves, by_halves, prompt=PROMPT) == "undecided"
    by_length = "SELECT id FROM river ORDER BY length"
    assert word("x-sql", by_length, by_length, prompt=PROMPT) == "equal"


def test_the_rows_of_the_stored_database_count(tmp_path) -> None:
    path = tmp_path / "rivers.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO river VALUES (1, 'a', 500000, 1)")
    far = "length % (1000 * 1000 + 3) = 500 * 1000"
    pair = (f"SELECT id FROM river WHERE length = 999 OR {far}", "SELECT id FROM river WHERE length = 999")
    assert word("x-sql", *pair, prompt=PROMPT) == "equal"  # nothing near 500,000 is drawn
    assert word("x-sql", *pair, prompt=PROMPT, database=str(path)) == "unequal"


def test_verdicts_agree_with_sqlite_on_drawn_conditions() -> None:
    """Conditions on small numbers are evaluated for every row there can be."""
    rng = random.Random(3)
    told = {"equal": 0, "unequal": 0}
    schema = "CREATE TABLE t (a INTEGER NOT NULL, b INTEGER NOT NULL);"
    for _ in range(120):
        first, second = (drawn_condition(rng, 2) for _ in range(2))
        same = all(holds(first, row) == holds(second, row) for row in ROWS)
        pair = [f"SELECT * FROM t WHERE {written(condition)}" for condition in (first, second)]
        said = word("x-sql", *pair, prompt=schema)
        if said != "undecided":  # where the reference never gives a row
            assert said == ("equal" if same else "unequal"), (first, second)
            told[said] += 1
    assert told["unequal"] > 60


ROWS = [{"a": a, "b": b} for a in range(-1, 8) for b in range(-1, 8)]
SIGNS = {"<": operator.lt, ">": operator.gt, "=": operator.eq, "<=": operator.le, ">=": operator.ge, "<>": operator.ne}


def drawn_condition(rng: random.Random, depth: int) -> tuple:
    if depth == 0:
        return (rng.choice([*SIGNS]), rng.choice("ab"), rng.randrange(1, 5))
    parts = [drawn_condition(rng, depth - 1) for _ in range(2)]
    return rng.choice([("AND", *parts), ("OR", *parts), ("NOT", parts[0])])


def written(condition: tuple) -> str:
    sign, *parts = condition
    if sign in SIGNS:
        return f"{parts[0]} {sign} {parts[1]}"
    inner = [f"({written(part)})" for part in parts]
    return f"NOT {inner[0]}" if sign == "NOT" else f" {sign} ".join(inner)


def holds(condition: tuple, row: dict[str, int]) -> bool:
    sign, *parts = condition
    if sign in SIGNS:
        return bool(SIGNS[sign](row[parts[0]], parts[1]))
    inner = [holds(part, row) for part in parts]
    return {"AND": all, "OR": any}.get(sign, lambda values: not values[0])(inner)


@pytest.mark.parametrize(
    "hidden", ["ATTACH '{}' AS other", "DROP TABLE a", "PRAGMA writable_schema=1", "VACUUM INTO '{}'", "DELETE FROM a",
               "INSERT INTO a VALUES (1)", "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END"],
)  # fmt: skip
def test_a_prompt_defines_tables_and_does_nothing_else(
    hidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Untrusted rows may hide a statement between the name of a table and a bracket: it is no part of the schema, and
    would not run if it were.
    """
    statement = hidden.format(tmp_path / "evil")
    prompt = f"CREATE TABLE a AS SELECT 1 AS x; {statement}; SELECT (1);"
    with pytest.raises(UndecidedError, match="neither a database nor CREATE TABLE"):
        compare_sql("SELECT x FROM a", "SELECT x FROM a", {"prompt": prompt})
    monkeypatch.setattr(queries, "_definitions", lambda prompt: [prompt])
    with pytest.raises(UndecidedError, match="cannot be read: (not auth|auth|too many attached)"):
        compare_sql("SELECT x FROM a", "SELECT x FROM a", {"prompt": prompt})
    monkeypatch.undo()
    assert not (tmp_path / "evil").exists()
    columns = "x INTEGER PRIMARY KEY, y TEXT UNIQUE DEFAULT 'q', CHECK (x > 0), FOREIGN KEY (y) REFERENCES a"
    whole = f"CREATE TABLE a ({columns});"
    assert compare_sql("SELECT x FROM a", "SELECT a.x FROM a", {"prompt": whole}).word == "equal"


SPREAD = """CREATE TABLE t (a INTEGER, b TEXT DEFAULT ');', r REAL) -- no semicolon

CREATE TABLE u (a INTEGER, `d (m)` TEXT)"""


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("SELECT b FROM t WHERE r >= 2.0", "SELECT b FROM t WHERE r > 1.5", "unequal"),
        ("SELECT b FROM t WHERE r = 1 OR r = 2", "SELECT b FROM t WHERE r BETWEEN 1 AND 2", "unequal"),
        ("SELECT CAST(r AS INTEGER) FROM t", "SELECT r FROM t", "unequal"),
        ("SELECT abs(a) FROM t", "SELECT a FROM t", "unequal"),
        ("SELECT a FROM t WHERE a > 250 * 2 + 1", "SELECT a FROM t WHERE a > 500", "unequal"),
        ("SELECT a FROM t WHERE a >= 250 * 2 - 1", "SELECT a FROM t WHERE a >= 500", "unequal"),
        ("SELECT a FROM t WHERE a * a = 81", "SELECT a FROM t WHERE a = 9", "unequal"),
        ("SELECT a FROM t WHERE b LIKE 'kenya'", "SELECT a FROM t WHERE b = 'kenya'", "unequal"),
        ("SELECT a FROM t WHERE lower(b) = 'kenya'", "SELECT a FROM t WHERE b LIKE 'kenya'", "equal"),
        ("SELECT count(*) FROM t WHERE length(b) > 60", "SELECT count(*) FROM t WHERE length(b) > 50", "undecided"),
        ("SELECT sum(a) FROM t WHERE length(b) > 60", "SELECT sum(a) FROM t WHERE length(b) > 50", "undecided"),
        ("SELECT count(*) FROM t WHERE a > 3", "SELECT count(a) FROM t WHERE a > 3", "equal"),
        ("SELECT a FROM t WHERE a = 0", "SELECT 0 FROM t WHERE a = 0", "equal"),
        ("SELECT a FROM t", "SELECT a FROM t -- ORDER BY a", "equal"),
        ("SELECT a FROM t", "SELECT a FROM t /* it's ORDER BY a */", "equal"),
        ("SELECT a FROM t", "SELECT a FROM t /* it's */ ORDER BY a", "unequal"),
        ("SELECT `d (m)` FROM u", "SELECT u.`d (m)` FROM u", "equal"),
        ("SELECT b FROM t WHERE b = ';'", "SELECT b FROM t WHERE ';' = b", "equal"),
        ("SELECT julianday('now') FROM t", "SELECT julianday('now') FROM t", "undecided"),
        ("SELECT a FROM t", "SELECT a FROM t WHERE b < strftime('%Y', 'NOW')", "undecided"),
        ("SELECT a FROM t WHERE b < current_timestamp", "SELECT a FROM t", "undecided"),
        ("SELECT date ( ) FROM t", "SELECT a FROM t", "undecided"),
        ("SELECT strftime('%s') FROM t", "SELECT a FROM t", "undecided"),
        ("SELECT b FROM t WHERE b = 'now'", "SELECT b FROM t WHERE 'now' = b -- current_date", "equal"),
        ("SELECT date(b) FROM t WHERE a > 1", "SELECT date(b) FROM t WHERE 1 < a", "equal"),
    ],
)
def test_values_between_beside_and_below_those_that_are_named_tell_queries_apart(
    answer: str, reference: str, expected: str
) -> None:
    assert word("x-sql", answer, reference, prompt=SPREAD) == expected


@pytest.mark.parametrize("folder", ["100% mine", "what?mode=rwc", "a#b", "ß 字"])
def test_a_database_is_found_in_a_folder_of_any_name(folder: str, tmp_path: Path) -> None:
    path = tmp_path / folder / "t.sqlite"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.executescript("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (7)")
    assert word("x-sql", "SELECT a FROM t", "SELECT t.a FROM t", database=str(path)) == "equal"
