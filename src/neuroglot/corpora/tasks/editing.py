"""MzsRE as a task: a fact is edited in one language by stating it in the prompt, and asked for in another.

MzsRE (ReMaKE) has a file for each pair of languages, `mzsre_test_duplicate_ende.json`: a list of objects with one key a
language, whose value has `src` (the question), `alt` (the new answer), `rephrase` and others. Files are aligned by
position; the English question and answer, which stand in every file with English, are the witness that they are.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neuroglot.corpora.columns import Column, OnMissing
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.folders import inside, names_in
from neuroglot.corpora.languages import choose
from neuroglot.corpora.readers import string_field
from neuroglot.corpora.tasks.phrasing import question_prompt, spaced
from neuroglot.corpora.tasks.rows import LACKED, Rows, align_fields, build
from neuroglot.corpora.textfiles import parse_json, read_text
from neuroglot.errors import ConfigError, CorpusError

FILES = r"mzsre.*\.json"
PAIRS = r"mzsre_test_duplicate_en([a-z]{2})\.json"
EXAMPLE = "mzsre_test_duplicate_ende.json"
TAGS = {"cz": "cs", "du": "nl"}  # what MzsRE calls Czech and Dutch
DIRECTIONS = ("en-to-x", "x-to-en")
QUERIES = ("src", "rephrase")
ENGLISH = "en"
OBJECT = "{'en': {'src': ..., 'rephrase': ..., 'alt': ...}, 'de': {...}}"


def read_editing(
    source: Path,
    languages: Sequence[str] | None,
    on_missing: OnMissing,
    direction: str = "en-to-x",
    query: str = "src",
) -> Task:
    """`Question: ... Answer: ...`, the edit, then `Question: ... Answer:`, the query, each in its language's words.

    With `direction="en-to-x"` the edit is English, query and answer are in the row's language; with `"x-to-en"` the
    edit is in the row's language, query and answer are English. English itself is a language like any other: there
    edit and query are both English. `query` is `src`, the edited question, or `rephrase`.
    """
    for name, value, expected in (("direction", direction, DIRECTIONS), ("query", query, QUERIES)):
        if value not in expected:
            raise ConfigError(f"{name}={value!r} was given.", f"Expected is {' or '.join(map(repr, expected))}.")
    files = _files(source)
    codes = choose({tag: TAGS.get(tag, tag) for tag in files}, languages, str(source))
    entries = {path: _entries(path) for path in {files[tag] for tag in codes.values()}}
    columns = {g: _columns(files[tag], entries[files[tag]], tag, query) for g, tag in codes.items()}
    names = next(iter(columns.values()))
    rows = align_fields(
        {name: {g: of_language[name] for g, of_language in columns.items()} for name in names}, on_missing
    )
    made = {g: _texts(rows, g, direction, query) for g in codes}
    prompts, answers = ({g: texts[n] for g, texts in made.items()} for n in (0, 1))
    answers_in = None if direction == "en-to-x" else ENGLISH
    return build(f"mzsre {direction}", "unknown", rows.ids, prompts, answers, (), {LACKED: rows.lacked}, answers_in)


def _files(source: Path) -> dict[str, Path]:
    """The file of each language by its tag; English is read from any of them."""
    if not source.is_dir():
        return dict.fromkeys((tag for entry in _entries(source) for tag in entry), source)
    found = {m[1]: inside(source, name) for name in names_in(source) if (m := re.fullmatch(PAIRS, name))}
    if not found:
        raise CorpusError(f"{source} has no file with English.", f"Expected is one such as {EXAMPLE}.")
    return {ENGLISH: next(iter(found.values())), **found}


def _entries(path: Path) -> list[Mapping[str, Any]]:
    root = parse_json(read_text(path), path)
    if not isinstance(root, list) or not root:
        raise CorpusError(f"{path} is a {type(root).__name__} of no rows.", f"Expected is a list of {OBJECT}.")
    for number, entry in enumerate(root, 1):
        languages = list(entry.values()) if isinstance(entry, dict) else []
        if ENGLISH not in (entry if languages else ()) or not all(isinstance(fields, dict) for fields in languages):
            raise CorpusError(
                f"{path}, row {number} is not as in MzsRE.", f"Expected is {OBJECT}, English always there."
            )
    return root


def _columns(path: Path, entries: Sequence[Mapping[str, Any]], tag: str, query: str) -> dict[str, Column]:
    """`own src`, `en src` and so on, from one language's file; a language that an entry lacks is a missing text."""
    english = [(f"{path}, row {number}", entry[ENGLISH]) for number, entry in enumerate(entries, 1)]
    witness = [f"{string_field(row, 'src', where)} {string_field(row, 'alt', where)}" for where, row in english]
    columns = {}
    for side, of in (("own", tag), (ENGLISH, ENGLISH)):
        for name in dict.fromkeys(("src", "alt", query)):
            texts = [_text(entry, of, name, where) for (where, _), entry in zip(english, entries)]
            columns[f"{side} {name}"] = Column(str(path), texts, range(1, len(texts) + 1), witness=witness, unit="row")
    return columns


def _text(entry: Mapping[str, Any], tag: str, name: str, where: str) -> str:
    return string_field(entry[tag], name, where) if tag in entry else ""


def _texts(rows: Rows, code: str, direction: str, query: str) -> tuple[list[str], list[str]]:
    """Prompts and answers of one language."""
    edit, asked = (ENGLISH, "own") if direction == "en-to-x" else ("own", ENGLISH)
    language = {"own": code, ENGLISH: ENGLISH}
    column = {field: of_language[code] for field, of_language in rows.values.items()}
    stated = zip(column[f"{edit} src"], column[f"{edit} alt"], column[f"{asked} {query}"])
    prompts = [
        f"{question_prompt(language[edit], question)}{spaced(answer, language[edit])}\n"
        + question_prompt(language[asked], query_text)
        for question, answer, query_text in stated
    ]
    return prompts, list(column[f"{asked} alt"])
