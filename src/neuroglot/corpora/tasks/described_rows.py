"""The rows of a described task: from one corpus a field, or from one table of all fields and languages."""

from collections.abc import Sequence
from pathlib import Path

from neuroglot.corpora.columns import Column, OnMissing
from neuroglot.corpora.languages import choose
from neuroglot.corpora.loading import read_local
from neuroglot.corpora.tables import ID, TABLES, Table, ids_of, text_column
from neuroglot.corpora.tasks.description import Description
from neuroglot.corpora.tasks.rows import Rows, align_fields
from neuroglot.errors import CorpusError

LANGUAGE = "language"


def read_rows(
    said: Description, languages: Sequence[str] | None, on_missing: OnMissing
) -> tuple[Rows, tuple[str, ...]]:
    """The rows and the languages; raises `CorpusError` as `corpora.load`, the readers of tables and `align` do."""
    fields = _from_corpora(said, languages) if said.rows is None else _from_table(said.rows, languages)
    rows = align_fields(fields, on_missing)
    return rows, tuple(next(iter(fields.values())))


def _from_corpora(said: Description, languages: Sequence[str] | None) -> dict[str, dict[str, Column]]:
    fields = {field: dict(read_local(path, languages)[2]) for field, path in said.source.items()}
    first, expected = next(iter(fields.items()))
    for field, columns in fields.items():
        if set(columns) != set(expected):
            raise CorpusError(
                f"{said.path}: the source of {field!r} has the languages {', '.join(columns)}.",
                f"That of {first!r} has {', '.join(expected)}; every field needs the same.",
                "Add what is missing, or say which languages to take with languages=[...].",
            )
    with_ids = [field for field, columns in fields.items() if all(c.ids is not None for c in columns.values())]
    if with_ids and len(with_ids) < len(fields):
        raise CorpusError(
            f"{said.path}: the source of {with_ids[0]!r} has row ids, and another has none.",
            "The fields are aligned either by their ids or by position.",
            "Add the ids to all sources, or remove them from all.",
        )
    return {field: {code: columns[code] for code in expected} for field, columns in fields.items()}


def _from_table(path: Path, languages: Sequence[str] | None) -> dict[str, dict[str, Column]]:
    read = TABLES.get(path.suffix.lower())
    if read is None:
        raise CorpusError(f"{path} is no table.", f"Expected is one of {', '.join(TABLES)}.")
    table = read(path)
    names = [name for name in table.values if name not in (ID, LANGUAGE)]
    ids = ids_of(table)
    if LANGUAGE not in table.values or ids is None or not names:
        raise CorpusError(
            f"{path} has the columns {', '.join(table.values)}.",
            f"Expected are {LANGUAGE!r}, {ID!r}, which is the same in all languages of a row, and one for each field.",
            "Add what is missing; a table with one column a language is a 'source'.",
        )
    tags = text_column(table, LANGUAGE, None).texts
    codes = choose({tag: tag for tag in dict.fromkeys(tags)}, languages, str(path))
    rows = {code: [row for row, tag in enumerate(tags) if tag == name] for code, name in codes.items()}
    return {name: {g: _part(table, name, ids, of) for g, of in rows.items()} for name in names}


def _part(table: Table, name: str, ids: Sequence[str], rows: Sequence[int]) -> Column:
    """One language's rows of one column."""
    whole = text_column(table, name, ids)
    return Column(
        whole.origin, [whole.texts[n] for n in rows], [whole.places[n] for n in rows], [ids[n] for n in rows],
        unit=whole.unit,
    )  # fmt: skip
