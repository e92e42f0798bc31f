"""Rows of instructions: records in JSON, or lines of two files beside each other, in one or several languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neuroglot.corpora.languages import language_code
from neuroglot.corpora.textfiles import lines_of, parse_text_json, read_lines, read_text
from neuroglot.errors import CorpusError

IN_PATH = "{language}"  # what stands in a path for the language
SOURCE, TARGET = "source", "target"


@dataclass(frozen=True)
class InstructionRow:
    """The named texts of one row, the language of its data set's files, and its number in its file, from 0."""

    number: int
    language: str
    fields: Mapping[str, str]

    @property
    def id(self) -> str:
        return f"{self.language}/{self.number}"


def language_files(folder: Path, pattern: str, languages: Sequence[str], what: str) -> dict[str, Path]:
    """The file of each language; raises `CorpusError` that names every language whose file is missing."""
    files = {language: folder / pattern.replace(IN_PATH, language) for language in languages}
    missing = [f"{path} ({language})" for language, path in files.items() if not path.is_file()]
    if missing:
        raise CorpusError(
            f"{what} lacks {', '.join(missing)}.",
            f"Expected a file for each of {', '.join(languages)}.",
            "Add what is missing, or leave the language out.",
        )
    if IN_PATH not in pattern and len(languages) > 1:
        raise CorpusError(
            f"{what} reads {pattern} for {len(languages)} languages.", f"Expected {IN_PATH} in the path of its files."
        )
    for language in languages:
        language_code(language)
    return files


def read_records(path: Path, language: str, renamed: Mapping[str, str] | None = None) -> list[InstructionRow]:
    """Objects of a JSON list (`.json`), or one a line; `renamed` gives the key in the file by the name of a field.

    Texts and numbers are fields, null is an empty text, and lists and objects are left out. Raises `CorpusError` on
    anything else.
    """
    if path.suffix == ".json":
        stored = parse_text_json(read_text(path), path)
        objects = stored if isinstance(stored, list) else [stored]
    else:
        objects = [parse_text_json(line, path, number) for number, line in enumerate(lines_of(path), 1)]
    if not all(isinstance(part, dict) for part in objects):
        raise CorpusError(f"{path} holds other things than objects.", "Expected a JSON list of them, or one a line.")
    rows = []
    for number, part in enumerate(objects):
        texts = {str(key): _text(value) for key, value in part.items() if not isinstance(value, list | dict)}
        named = {name: texts[key] for name, key in (renamed or {}).items() if key in texts}
        rows.append(InstructionRow(number, language, texts | named))
    return rows


def read_line_pairs(source: Path, target: Path, language: str) -> list[InstructionRow]:
    """Line k of both files as the fields `source` and `target`; raises `CorpusError` if they differ in length."""
    sources, targets = read_lines(source), read_lines(target)
    if len(sources) != len(targets):
        raise CorpusError(
            f"{source} has {len(sources):,} lines and {target} has {len(targets):,}.", "Expected as many in both."
        )
    pairs = enumerate(zip(sources, targets, strict=True))
    return [InstructionRow(number, language, {SOURCE: one, TARGET: other}) for number, (one, other) in pairs]


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)
