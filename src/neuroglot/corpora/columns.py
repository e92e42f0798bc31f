"""Columns of text as they were read, each text with its place, and the function that makes parallel rows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.stored import Stored, encodes, taken
from neuroglot.corpora.storing import numbers_of
from neuroglot.errors import CorpusError

OnMissing = Literal["refuse", "drop"]
DROP = "Complete it, or leave such rows out in every language with --on-missing drop (on_missing='drop')."


@dataclass(frozen=True)
class TextColumn:
    """One language's texts in the order of the file; an empty string is a text that is missing.

    Without `ids` the rows of all languages are aligned by their position. `witness` holds what must be the same in
    every language of a row, such as the answer of a sum: where a file has one, alignment is checked and not believed.
    """

    origin: str
    texts: Sequence[str]
    places: Sequence[int]
    ids: Sequence[str] | None = None
    witness: Sequence[str] | None = None
    unit: str = "line"

    def place(self, row: int) -> str:
        """Where a text stands, as messages name it."""
        return place(self.origin, self.unit, self.places[row])


def place(origin: str, unit: str, number: int) -> str:
    """`file:line` for lines, `file, row 3` for what has no lines."""
    return f"{origin}:{number}" if unit == "line" else f"{origin}, {unit} {number}"


def align(
    columns: Mapping[str, TextColumn], on_missing: OnMissing
) -> tuple[Sequence[str], Mapping[str, Sequence[str]], int]:
    """The ids, the texts by language, and how many rows were dropped because a language lacked them.

    Raises `CorpusError` on unequal lengths, duplicate ids, a missing text unless rows may be dropped, characters that
    cannot be text, rows whose witnesses differ, and where no row is left.
    """
    for column in columns.values():
        _check_characters(column)
    ids_of = _ids(columns)
    first = next(iter(ids_of.values()))
    if all(ids is first for ids in ids_of.values()) and all(column.witness is None for column in columns.values()):
        return _in_step(columns, first, on_missing)
    rows = {language: {row_id: row for row, row_id in enumerate(ids)} for language, ids in ids_of.items()}
    every_id = list(dict.fromkeys(row_id for ids in ids_of.values() for row_id in ids))
    kept = [row_id for row_id in every_id if all(_has_text(columns[g], rows[g].get(row_id)) for g in columns)]
    if len(kept) < len(every_id) and (on_missing == "refuse" or not kept):
        raise _missing_text(columns, rows, every_id, kept)
    _check_witnesses(columns, rows, kept)
    texts = {language: [column.texts[rows[language][i]] for i in kept] for language, column in columns.items()}
    return kept, texts, len(every_id) - len(kept)


def _in_step(
    columns: Mapping[str, TextColumn], ids: Sequence[str], on_missing: OnMissing
) -> tuple[Sequence[str], Mapping[str, Sequence[str]], int]:
    """`align` of columns with the same rows in the same order: nothing is held but a bit a row."""
    complete = np.ones(len(ids), dtype=bool)
    for column in columns.values():
        if not (isinstance(column.texts, Stored) and column.texts.is_plain):
            complete &= ~np.fromiter(map(is_blank, column.texts), bool, len(ids))
    texts = {language: column.texts for language, column in columns.items()}
    if complete.all():
        return ids, texts, 0
    missing, kept = len(ids) - int(complete.sum()), np.flatnonzero(complete)
    if on_missing == "refuse" or not len(kept):
        row = int(complete.argmin())
        language = next(g for g, column in texts.items() if is_blank(column[row]))
        raise _incomplete(_is_empty(columns[language], language, row), missing, len(ids), len(kept))
    return taken(ids, kept), {language: taken(column, kept) for language, column in texts.items()}, missing


def _ids(columns: Mapping[str, TextColumn]) -> dict[str, Sequence[str]]:
    """The ids of each column's rows: its own, where all columns have them, else the row numbers."""
    if any(column.ids is None for column in columns.values()):
        _check_lengths(list(columns.values()))
        return dict.fromkeys(columns, numbers_of(next(iter(columns.values())).texts))
    ids_of: dict[str, Sequence[str]] = {}
    for language, column in columns.items():
        ids = column.ids or ()
        if all(ids is not others for others in ids_of.values()):
            _check_ids(column, ids)
        ids_of[language] = ids
    return ids_of


def _check_lengths(columns: list[TextColumn]) -> None:
    short, long = (pick(columns, key=lambda column: len(column.texts)) for pick in (min, max))
    if len(short.texts) < len(long.texts):
        missing = len(short.texts) + 1
        raise CorpusError(
            f"{long.origin} has {len(long.texts)} {long.unit}s and {short.origin} has {len(short.texts)}: "
            f"{short.unit} {missing} is missing in {short.origin}.",
            "Files that are aligned by position need the same number in every language.",
            "Mend the files; --on-missing drop cannot, for nothing says which line lacks its translation.",
        )


def _check_ids(column: TextColumn, ids: Sequence[str]) -> None:
    for row, row_id in enumerate(ids):
        if is_blank(row_id):
            raise CorpusError(f"{column.place(row)}: the id is empty.", "Every row needs an id, or the file none.")
    if twice := first_repeated(ids):
        raise CorpusError(
            f"{column.place(twice[1])}: the id {ids[twice[1]]!r} stands at {column.place(twice[0])} already.",
            "Each id may name one row.",
            "Remove one of the two rows, or leave the ids out.",
        )


def first_repeated(texts: Sequence[str]) -> tuple[int, int] | None:
    """The rows of the first text that is there again: where it stands first, and where again; 8 bytes a row."""
    hashes = np.fromiter(map(hash, texts), np.int64, len(texts))
    hashes.sort()
    repeated = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    first_seen: dict[str, int] = {}
    for row, text in enumerate(texts if repeated else ()):
        if hash(text) in repeated and first_seen.setdefault(text, row) != row:
            return first_seen[text], row
    return None


def _check_characters(column: TextColumn) -> None:
    """NUL ends strings in many tools, and half of a surrogate pair cannot be written as UTF-8 or tokenized."""
    if isinstance(column.texts, Stored) and column.texts.is_plain:
        return
    for row, text in enumerate(column.texts):
        what = "a NUL character" if "\0" in text else "half a surrogate pair" if not encodes(text) else None
        if what:
            raise CorpusError(
                f"{column.place(row)}: the text holds {what}.",
                "Expected Unicode text.",
                "Remove the character or the row.",
            )


def _has_text(column: TextColumn, row: int | None) -> bool:
    return row is not None and not is_blank(column.texts[row])


def _missing_text(
    columns: Mapping[str, TextColumn], rows: Mapping[str, Mapping[str, int]], every_id: list[str], kept: list[str]
) -> CorpusError:
    """Names the first row that is not complete, and says how many there are."""
    kept_ids = set(kept)
    row_id = next(i for i in every_id if i not in kept_ids)
    language = next(g for g in columns if not _has_text(columns[g], rows[g].get(row_id)))
    row, column = rows[language].get(row_id), columns[language]
    if row is None:
        other = next(g for g in columns if row_id in rows[g])
        there = columns[other].place(rows[other][row_id])
        got = f"{column.origin} has no {column.unit} with the id {row_id!r} of {there}."
    else:
        got = _is_empty(column, language, row)
    return _incomplete(got, len(every_id) - len(kept), len(every_id), len(kept))


def _is_empty(column: TextColumn, language: str, row: int) -> str:
    return f"{column.place(row)}: the text in {language!r} is empty."


def _incomplete(got: str, missing: int, rows: int, kept: int) -> CorpusError:
    count = f"Every row needs a text in every language; {missing} of {rows} rows do not have it."
    return CorpusError(got, count, DROP if kept else "No row is complete, so dropping would leave nothing.")


def _check_witnesses(
    columns: Mapping[str, TextColumn], rows: Mapping[str, Mapping[str, int]], kept: Sequence[str]
) -> None:
    witnessed = [(column, column.witness, rows[g]) for g, column in columns.items() if column.witness is not None]
    for row_id in kept:
        places = [(column, witness[row[row_id]], row[row_id]) for column, witness, row in witnessed]
        for column, value, row in places[1:]:
            first, expected, first_row = places[0]
            if value != expected:
                raise CorpusError(
                    f"{column.place(row)} has the answer {value!r}, and {first.place(first_row)} has {expected!r}.",
                    "A question has the same answer in every language, so the two rows are not translations.",
                    "Bring the files into step, or correct the answer.",
                )
