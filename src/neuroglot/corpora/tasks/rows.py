"""From columns to a task: all texts of a row aligned together, rows that are left out counted by reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neuroglot.corpora.columns import OnMissing, TextColumn, align
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.tasks.phrasing import spaced
from neuroglot.errors import CorpusError

LACKED = "a language lacked the row"

TextColumns = Mapping[str, Sequence[str]]  # by language, in the order of the rows


@dataclass(frozen=True)
class Rows:
    """Aligned rows: `values[field][language][r]`, none of them empty, and how many rows a language lacked."""

    ids: tuple[str, ...]
    values: Mapping[str, TextColumns]
    lacked: int


def align_fields(fields: Mapping[str, Mapping[str, TextColumn]], on_missing: OnMissing) -> Rows:
    """Aligns the columns of every field and language at once, so that a row is whole or is not there.

    Raises `CorpusError` as `align` does.
    """
    columns = {f"{field} in {language}": column for field in fields for language, column in fields[field].items()}
    ids, texts, lacked = align(columns, on_missing)
    values = {field: {language: texts[f"{field} in {language}"] for language in fields[field]} for field in fields}
    return Rows(tuple(ids), values, lacked)


def build(
    name: str,
    licence: str,
    ids: Sequence[str],
    prompts: TextColumns,
    answers: TextColumns,
    options: Sequence[TextColumns] = (),
    dropped: Mapping[str, int] | None = None,
    answers_in: str | None = None,
) -> Task:
    """The task: prompts end without a space, answers and options begin with one where their language has spaces.

    `answers_in` is the language of all answers where it is not that of the row, as with English labels. Reasons with
    no row are left out of `dropped`. Raises `CorpusError` where no row is left, and as `Corpus` and `Task` do.
    """
    reasons = {reason: rows for reason, rows in (dropped or {}).items() if rows}
    if not ids:
        why = ", ".join(f"{reason}: {rows}" for reason, rows in reasons.items()) or "there was none"
        raise CorpusError(
            f"No row of task {name!r} is left ({why}).", "Expected at least one.", "Ask for fewer languages."
        )
    ends = {g: tuple(text.rstrip() for text in column) for g, column in prompts.items()}
    parts = [Corpus(f"{name}/prompts", tuple(ids), ends, licence)]
    for part, texts in (("answers", answers), *((f"options {n}", texts) for n, texts in enumerate(options, 1))):
        begins = {g: tuple(spaced(text, answers_in or g) for text in column) for g, column in texts.items()}
        parts.append(Corpus(f"{name}/{part}", tuple(ids), begins, licence))
    return Task(name, parts[0], parts[1], tuple(parts[2:]), reasons, answers_in)
