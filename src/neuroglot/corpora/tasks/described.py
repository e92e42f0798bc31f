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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.columns import OnMissing, TextColumn
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.languages import choose, language_code
from neuroglot.corpora.loading import inside, read_local
from neuroglot.corpora.tables import ID, TABLES, RawTable, ids_of, text_column
from neuroglot.corpora.tasks.phrasing import check_fields, fill
from neuroglot.corpora.tasks.rows import LACKED, Rows, align_fields, build
from neuroglot.corpora.textfiles import read_yaml
from neuroglot.errors import CorpusError

KEYS = ("name", "source", "rows", "prompt", "answer", "options", "verbalisers", "licence")
REQUIRED = ("name", "prompt", "answer")
TEXT = "text"  # the field of a source that is one corpus
QUOTE = "Put quotes around it: YAML reads no, on, true and numbers as other things than text."


@dataclass(frozen=True)
class Description:
    """A task as described: paths by field, templates, and words by language and label."""

    path: Path
    name: str
    licence: str
    source: Mapping[str, Path]  # a corpus for each field; empty where there is a table
    rows: Path | None
    prompt: str | Mapping[str, str]
    answer: str
    options: tuple[str, ...]
    verbalisers: Mapping[str, Mapping[str, str]]

    def prompt_in(self, code: str) -> str:
        """The template of a language; raises `CorpusError` where there is none."""
        if isinstance(self.prompt, str):
            return self.prompt
        if code not in self.prompt:
            raise CorpusError(
                f"{self.path} has no prompt in {code!r}.",
                f"It has prompts in {', '.join(self.prompt)}.",
                "Add one, or say which languages to take with languages=[...].",
            )
        return self.prompt[code]

    def check_verbalisers(self, codes: Sequence[str]) -> None:
        """Raises `CorpusError` where there are verbalisers, but not for one of the languages."""
        missing = [code for code in codes if code not in self.verbalisers]
        if self.verbalisers and missing:
            raise CorpusError(
                f"{self.path} has no verbalisers in {missing[0]!r}.",
                f"It has verbalisers in {', '.join(self.verbalisers)}.",
                "Add them, or say which languages to take with languages=[...].",
            )


def read_description(path: Path) -> Description:
    """Reads and checks the file; raises `CorpusError` on an unknown key, a missing one, or a value of another kind."""
    root = _mapping(read_yaml(path), path, "the file")
    unknown = [key for key in root if key not in KEYS]
    missing = [key for key in REQUIRED if key not in root]
    if unknown or missing or ("source" in root) == ("rows" in root):
        got = f"the unknown key {unknown[0]!r}" if unknown else f"the keys {', '.join(root) or 'none'}"
        raise CorpusError(
            f"{path} has {got}.",
            f"Expected {', '.join(REQUIRED)}, one of source and rows, and perhaps options, verbalisers, licence.",
            "Correct the key." if unknown else "Add what is missing, or remove one of source and rows.",
        )
    prompt, verbalisers = root["prompt"], _verbalisers(root.get("verbalisers", {}), path)
    options = _options(root.get("options"), path)
    return Description(
        path=path,
        name=_string(root["name"], path, "name"),
        licence=_string(root.get("licence", "unknown"), path, "licence"),
        source=_source(root.get("source"), path),
        rows=_beside(_string(root["rows"], path, "rows"), path) if "rows" in root else None,
        prompt=_by_language(prompt, path, "prompt") if isinstance(prompt, dict) else _string(prompt, path, "prompt"),
        answer=_string(root["answer"], path, "answer"),
        options=options or tuple(next(iter(verbalisers.values()), ())),
        verbalisers=verbalisers,
    )


def _source(value: object, path: Path) -> dict[str, Path]:
    if value is None:
        return {}
    fields = _mapping(value, path, "source") if isinstance(value, dict) else {TEXT: value}
    if not fields:
        raise CorpusError(f"{path}: 'source' is empty.", "Expected a corpus for each field.", "Name one.")
    return {field: _beside(_string(name, path, f"source of {field!r}"), path) for field, name in fields.items()}


def _beside(name: str, path: Path) -> Path:
    """A path in the folder of the YAML file; one that leads out of it is refused, so that a task is what it shows."""
    parts = PureWindowsPath(name)  # which knows both slashes, and drives
    if "\0" in name or parts.drive or parts.root or ".." in parts.parts:
        raise CorpusError(
            f"{path} names the file {name!r}.",
            "Expected a file or folder in the folder of the YAML file, without '..' and not absolute.",
            "Put the data beside the YAML file.",
        )
    return inside(path.parent, name)


def _options(value: object, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) < 2:
        raise CorpusError(f"{path}: 'options' is a {type(value).__name__}.", "Expected a list of two or more.")
    return tuple(_string(option, path, "an option") for option in value)


def _verbalisers(value: object, path: Path) -> dict[str, dict[str, str]]:
    languages = _mapping(value, path, "verbalisers")
    words = {
        language_code(g): {
            label: _string(word, path, f"the word for {label!r} in {g!r}")
            for label, word in _mapping(of, path, f"the verbalisers in {g!r}").items()
        }
        for g, of in languages.items()
    }
    for code, of_language in words.items():
        first = next(iter(words))
        if set(of_language) != set(words[first]) or len(words) < len(languages):
            raise CorpusError(
                f"{path}: the verbalisers in {code!r} are for {', '.join(of_language) or 'nothing'}.",
                f"Those in {first!r} are for {', '.join(words[first]) or 'nothing'}.",
                "Give every language, named once, a word for every label.",
            )
    return words


def _by_language(value: object, path: Path, what: str) -> dict[str, str]:
    texts = _mapping(value, path, what)
    found = {language_code(g): _string(text, path, f"{what} in {g!r}") for g, text in texts.items()}
    if len(found) < len(texts) or not found:
        raise CorpusError(f"{path}: {what} has the languages {', '.join(texts) or 'none'}.", "Each may be named once.")
    return found


def _mapping(value: object, path: Path, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CorpusError(f"{path}: {what} is a {type(value).__name__}.", "Expected keys with values.")
    for key in value:
        _string(key, path, f"a key of {what}")
    return value


def _string(value: object, path: Path, what: str) -> str:
    if not isinstance(value, str):
        raise CorpusError(f"{path}: {what} is of type {type(value).__name__}.", "Expected text.", QUOTE)
    if is_blank(value):
        raise CorpusError(f"{path}: {what} is empty.", "Expected text.", "Fill it in.")
    return value


LANGUAGE = "language"


def read_rows(
    said: Description, languages: Sequence[str] | None, on_missing: OnMissing
) -> tuple[Rows, tuple[str, ...]]:
    """The rows and the languages; raises `CorpusError` as `corpora.load`, the readers of tables and `align` do."""
    fields = _from_corpora(said, languages) if said.rows is None else _from_table(said.rows, languages)
    rows = align_fields(fields, on_missing)
    return rows, tuple(next(iter(fields.values())))


def _from_corpora(said: Description, languages: Sequence[str] | None) -> dict[str, dict[str, TextColumn]]:
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


def _from_table(path: Path, languages: Sequence[str] | None) -> dict[str, dict[str, TextColumn]]:
    read = TABLES.get(path.suffix.lower())
    if read is None:
        raise CorpusError(f"{path} is no table.", f"Expected one of {', '.join(TABLES)}.")
    table = read(path)
    names = [name for name in table.values if name not in (ID, LANGUAGE)]
    ids = ids_of(table)
    if LANGUAGE not in table.values or ids is None or not names:
        raise CorpusError(
            f"{path} has the columns {', '.join(table.values)}.",
            f"Expected {LANGUAGE!r}, {ID!r}, which is the same in all languages of a row, and one for each field.",
            "Add what is missing; a table with one column a language is a 'source'.",
        )
    tags = text_column(table, LANGUAGE, None).texts
    codes = choose({tag: tag for tag in dict.fromkeys(tags)}, languages, str(path))
    rows = {code: [row for row, tag in enumerate(tags) if tag == name] for code, name in codes.items()}
    return {name: {g: _part(table, name, ids, of) for g, of in rows.items()} for name in names}


def _part(table: RawTable, name: str, ids: Sequence[str], rows: Sequence[int]) -> TextColumn:
    """One language's rows of one column."""
    whole = text_column(table, name, ids)
    return TextColumn(
        whole.origin, [whole.texts[n] for n in rows], [whole.places[n] for n in rows], [ids[n] for n in rows],
        unit=whole.unit,
    )  # fmt: skip


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
