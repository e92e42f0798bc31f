"""MLQA (Lewis et al. 2020): questions on passages, both in any of seven languages, a file a pair.

`test-context-de-question-es.json` has German passages, with answers in their words, and Spanish questions. The same
question has the same id in every file; no language has all of them.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from neuroglot.corpora.columns import OnMissing, TextColumn
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.languages import choose, language_code
from neuroglot.corpora.loading import inside, names_in
from neuroglot.corpora.readers import read_xquad
from neuroglot.corpora.tasks.phrasing import question_prompt
from neuroglot.corpora.tasks.rows import LACKED, align_fields, build
from neuroglot.errors import ConfigError, CorpusError

MLQA_FILES = r"(dev|test)-context-(\w+)-question-(\w+)\.json"
MLQA_EXAMPLE = "test-context-de-question-de.json"
_EACH = "x"  # what a direction calls the language of the row
_FIELDS = ("question", "passage", "answer")


def read_mlqa_task(
    source: Path, languages: Sequence[str] | None, on_missing: OnMissing, direction: str = f"{_EACH}-to-{_EACH}"
) -> Task:
    """`Context: ... Question: ... Answer:` in the words of the question's language, and the first answer, a part of the
    passage.

    A `direction` goes from the passage's language to the question's, of which x is the row's: `x-to-x` asks in the
    passage's language, `en-to-x` on English passages in each, `x-to-en` in English on each. A file is of one pair, and
    its row's language is that of the question.
    """
    sides = _sides(direction, source)
    files = _files(source, sides, languages)
    columns = {code: _columns(path, sides) for code, path in files.items()}
    fields = {field: {code: part[field] for code, part in columns.items()} for field in _FIELDS}
    rows = align_fields(fields, on_missing)
    prompts = {
        code: [
            question_prompt(code if sides[1] == _EACH else sides[1], question, passage)
            for question, passage in zip(rows.values["question"][code], rows.values["passage"][code])
        ]
        for code in columns
    }
    answers_in = None if sides[0] == _EACH else sides[0]
    name = f"mlqa {'-to-'.join(sides)}"
    return build(name, "CC BY-SA 3.0", rows.ids, prompts, rows.values["answer"], (), {LACKED: rows.lacked}, answers_in)


def _sides(direction: str, source: Path) -> tuple[str, str]:
    """The language of passages and that of questions, of which one or both are that of the row."""
    parts = tuple(part if part == _EACH else language_code(part) for part in direction.split("-to-"))
    if len(parts) != 2 or _EACH not in parts:
        raise ConfigError(f"direction={direction!r} was given.", "Expected such as 'x-to-x', 'en-to-x' or 'x-to-en'.")
    if source.is_dir():
        return parts
    if parts != (_EACH, _EACH):
        raise ConfigError(f"direction={direction!r} was given with a single file.", "Expected the folder of all files.")
    _, passage, question = _parts(source.name)
    return parts if passage == question else (language_code(passage), _EACH)


def _files(source: Path, sides: tuple[str, str], languages: Sequence[str] | None) -> dict[str, Path]:
    """The file of each row's language; raises `CorpusError` for one that lacks."""
    if not source.is_dir():
        question = _parts(source.name)[2]
        return dict.fromkeys(choose({question: question}, languages, str(source)), source)
    split, pairs = _pairs(source)
    tags = {tag: tag for pair in pairs.values() for tag in pair}
    files = {}
    for code in choose(tags, languages, str(source)):
        passage, question = (code if side == _EACH else side for side in sides)
        if (passage, question) not in pairs:
            raise CorpusError(
                f"{source} has no {_name(split, passage, question)}.",
                f"Expected one for each language of the task {'-to-'.join(sides)}.",
                "Add it, or say which languages to take (languages=[...]).",
            )
        files[code] = inside(source, _name(split, *pairs[passage, question]))
    return files


def _pairs(folder: Path) -> tuple[str, dict[tuple[str, str], tuple[str, str]]]:
    """The split of the files, and their tags by languages; raises `CorpusError` for two splits, or two of one pair."""
    parts = [_parts(name) for name in names_in(folder) if re.fullmatch(MLQA_FILES, name)]
    if len(splits := sorted({split for split, *_ in parts})) > 1:
        raise CorpusError(f"{folder} holds the splits {' and '.join(splits)}.", "One is a task.", "Move the other out.")
    pairs = {(language_code(passage), language_code(question)): (passage, question) for _, passage, question in parts}
    if len(pairs) < len(parts):
        raise CorpusError(f"{folder} holds two files of one pair of languages.", "Expected each pair once.")
    return splits[0], pairs


def _name(split: str, passage: str, question: str) -> str:
    return f"{split}-context-{passage}-question-{question}.json"


def _parts(name: str) -> tuple[str, str, str]:
    """Split, and the tags of passage and question, in a file's name."""
    match = re.fullmatch(MLQA_FILES, name)
    assert match is not None, name
    return match[1], match[2], match[3]


def _columns(path: Path, sides: tuple[str, str]) -> dict[str, TextColumn]:
    """The fields of one file; what is in one language for all rows must be the same text in each file."""
    columns = {field: read_xquad(path, field) for field in _FIELDS}
    if sides == (_EACH, _EACH):
        return columns
    same = columns["answer" if sides[1] == _EACH else "question"].texts
    return {field: replace(column, witness=same) for field, column in columns.items()}
