"""Readers of corpora with one file a language: a file to one `TextColumn`. One function a format.

To add a format, write a function `(path, column) -> TextColumn` that says in its errors file, line, what was expected
and what to do, and name it in a record of `sources.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from neuroglot.corpora.columns import TextColumn, place
from neuroglot.corpora.storing import rows_of_file
from neuroglot.corpora.textfiles import lines_of, parse_text_json, read_lines, read_text
from neuroglot.errors import ConfigError, CorpusError


def read_plain(path: Path, column: str) -> TextColumn:
    """One text a line, the same line in every file a row; there is no `column` to choose."""
    read = rows_of_file(path, "lines", lambda: chain([("text",)], enumerate(lines_of(path), 1)))
    return TextColumn(str(path), read.values["text"], read.places)


def read_mgsm(path: Path, column: str) -> TextColumn:
    """MGSM: `question TAB answer`, no header; the answer is the witness. `column` is 'question' or 'answer'."""
    position = _position(column, ("question", "answer"), path)
    rows = [line.split("\t") for line in read_lines(path)]
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise CorpusError(
                f"{path}:{number} has {len(row)} fields.",
                "MGSM has two fields a line: question TAB answer.",
                "Mend the line; a tab inside a question must become a space.",
            )
    return TextColumn(
        str(path), [row[position] for row in rows], range(1, len(rows) + 1), witness=[row[1] for row in rows]
    )


def read_msvamp(path: Path, column: str) -> TextColumn:
    """MSVAMP: JSON lines, the question in `m_query` or another field, `column`; `response` is the witness."""
    rows = [_object(parse_text_json(line, path, n), path, n) for n, line in enumerate(read_lines(path), 1)]
    return TextColumn(
        str(path),
        [string_field(row, column, place(str(path), "line", n)) for n, row in enumerate(rows, 1)],
        range(1, len(rows) + 1),
        witness=[string_field(row, "response", place(str(path), "line", n)) for n, row in enumerate(rows, 1)],
    )


def read_xquad(path: Path, column: str) -> TextColumn:
    """XQuAD, in SQuAD's JSON, aligned by id. `column` is 'question' (1,190 rows) or 'context' (240 paragraphs).

    Or, for a task, 'passage', the paragraph of each question, and 'answer', the first answer of each question.

    A row is a question without its paragraph: each paragraph stands under about five questions, and rows that repeat
    it would be counted as independent. A row of 'context' is a paragraph, and has the id of its first question.
    """
    _position(column, ("question", "context", "passage", "answer"), path)
    rows = list(_squad_rows(parse_text_json(read_text(path), path), column, path))
    if not rows:
        raise CorpusError(f"{path} has no question.", "Expected SQuAD JSON with at least one.")
    ids, texts = zip(*rows)
    unit = "paragraph" if column == "context" else "question"
    return TextColumn(str(path), texts, range(1, len(rows) + 1), ids=ids, unit=unit)


def _squad_rows(root: Any, column: str, path: Path) -> Iterator[tuple[str, str]]:
    number = 0
    try:
        for paragraph in (paragraph for article in root["data"] for paragraph in article["paragraphs"]):
            for entry in paragraph["qas"][:1] if column == "context" else paragraph["qas"]:
                number += 1
                where = f"{path}, {column} {number}"
                row = {"id": entry["id"], **_squad_fields(paragraph, entry, column)}
                yield string_field(row, "id", where), string_field(row, column, where)
    except (KeyError, TypeError, AttributeError) as error:
        raise CorpusError(
            f"{path} is JSON, but not SQuAD's, at {column} {number + 1}: {type(error).__name__}: {error}.",
            "Expected {'data': [{'paragraphs': [{'context': ..., 'qas': [{'id': ..., 'question': ...}]}]}]}.",
        ) from None


def _squad_fields(paragraph: Any, entry: Any, column: str) -> Mapping[str, Any]:
    """The fields among which one column stands, from the paragraph or the question; no answer is a missing text."""
    if column == "passage":
        return {"passage": paragraph["context"]}
    if column == "answer":
        return {"answer": entry["answers"][0]["text"] if entry["answers"] else ""}
    return paragraph if column == "context" else entry


def string_field(row: Mapping[str, Any], field: str, where: str) -> str:
    """The text in one field, '' for null; raises `CorpusError` where there is no such field or no text in it."""
    if field not in row:
        raise CorpusError(f"{where} has no field {field!r}.", f"It has {', '.join(map(repr, row)) or 'none'}.")
    return string(row[field], field, lambda: where)


def string(value: object, field: str, where: Callable[[], str]) -> str:
    """The value, '' for null; raises `CorpusError` with the place (`where`) of one that is not text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CorpusError(
            f"{where()}: {field!r} is {str(value)[:40]!r}, a value of type {type(value).__name__}.",
            "Expected text in every language's column.",
            "Write it as text, or leave the column out with --languages (languages=[...]).",
        )
    return value


def _object(value: object, path: Path, number: int) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CorpusError(f"{path}:{number} is a {type(value).__name__}.", "Expected one JSON object a line.")
    return value


def _position(column: str, columns: tuple[str, ...], path: Path) -> int:
    if column not in columns:
        raise ConfigError(f"Column {column!r} was asked of {path}.", f"It has {' and '.join(map(repr, columns))}.")
    return columns.index(column)
