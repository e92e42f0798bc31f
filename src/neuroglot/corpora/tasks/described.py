"""A task of one's own, described in a YAML file beside its data.

    name: capitals
    source: {country: countries, capital: capitals.tsv}   # a corpus for each field, as `corpora.load` reads it
    prompt:                                               # one template, or one for each language
      de: "Die Hauptstadt von {country} ist"
      en: "The capital of {country} is"
    answer: "{capital}"

`source` may also be one corpus, whose field is `text`. Instead of it, `rows` names one table (.tsv, .csv, .jsonl or
.parquet) with a column `language`, a column `id` that aligns the languages, and a column for each field. `options` is a
list of templates. Where there are `verbalisers`, labels by language and their words, answers and options are labels and
are replaced by words; without `options` all labels are options. `licence` is the last key. All else is refused, and so
is a file outside the YAML's folder.
"""

from collections.abc import Sequence
from pathlib import Path

from neuroglot.corpora.columns import OnMissing
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.tasks.described_rows import read_rows
from neuroglot.corpora.tasks.description import Description, read_description
from neuroglot.corpora.tasks.phrasing import check_fields, fill
from neuroglot.corpora.tasks.rows import LACKED, Rows, build
from neuroglot.errors import CorpusError


def read_described(path: Path, languages: Sequence[str] | None, on_missing: OnMissing) -> Task:
    """The task that a YAML file describes; see the top of this file. Raises `CorpusError` on what it says wrongly."""
    said = read_description(path)
    rows, codes = read_rows(said, languages, on_missing)
    templates = [(f"the prompt in {g!r}", said.prompt_in(g)) for g in codes]
    templates += [("the answer", said.answer), *(("an option", option) for option in said.options)]
    for what, template in templates:
        check_fields(template, tuple(rows.values), f"{path}: {what}")
    said.check_verbalisers(codes)
    if said.verbalisers:
        _check_labels(said, rows, codes)
    prompts = {g: _filled(said.prompt_in(g), rows, g) for g in codes}
    answers = {g: _worded(said, _filled(said.answer, rows, g), rows, g) for g in codes}
    options = [{g: _worded(said, _filled(option, rows, g), rows, g) for g in codes} for option in said.options]
    return build(said.name, said.licence, rows.ids, prompts, answers, options, {LACKED: rows.lacked})


def _filled(template: str, rows: Rows, code: str) -> list[str]:
    columns = {field: of_language[code] for field, of_language in rows.values.items()}
    return [
        fill(template, {field: column[row].strip() for field, column in columns.items()})
        for row in range(len(rows.ids))
    ]


def _worded(said: Description, labels: Sequence[str], rows: Rows, code: str) -> list[str]:
    """The labels' words; the labels as they are where there are no verbalisers."""
    words = said.verbalisers.get(code)
    if words is None:
        return list(labels)
    for row_id, label in zip(rows.ids, labels):
        if label not in words:
            raise CorpusError(
                f"{said.path}: the row {row_id!r} in {code!r} has the label {label[:40]!r}.",
                f"Its verbalisers are for {', '.join(words)}.",
                "Add a word for the label, or correct the row.",
            )
    return [words[label] for label in labels]


def _check_labels(said: Description, rows: Rows, codes: Sequence[str]) -> None:
    """Raises `CorpusError` where the label of a row differs between languages."""
    first, *others = codes
    labels = _filled(said.answer, rows, first)
    for code in others:
        for row_id, expected, label in zip(rows.ids, labels, _filled(said.answer, rows, code)):
            if label != expected:
                got = f"{label[:40]!r} in {code!r} and {expected[:40]!r} in {first!r}"
                raise CorpusError(
                    f"{said.path}: the row {row_id!r} has the label {got}.",
                    "A row has the same label in every language.",
                    "Correct the label, or leave the row out.",
                )
