"""Rows of a curriculum that are generated: of formal languages (`symbols`), and the lab's questions (`lab`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuroglot.corpora.instruction_rows import InstructionRow
    from neuroglot.recipes.curriculum_file import StatedData

LAB = re.compile(r"lab(?::([1-9]\d{0,5}))?")
_LAB_ROWS = 400


def generated_rows(data: StatedData) -> dict[str, list[InstructionRow]] | None:
    """The rows by language of what `rows` names without being a file: `symbols`, `symbols-renamed`, `lab`, each perhaps
    with a number of rows (`symbols:1000`); None for a file.

    Fields are `prompt` and `answer`, and of symbols also `instruction` (with the definitions), `input` and `output`.
    Rows that are all held out are of the other side than rows to learn from: a sentence is on one side only, renamed or
    not. Raises `CorpusError` for languages that are not there, and `MissingExtraError` without the extra `lab`.
    """
    from neuroglot.corpora.symbols import symbol_source

    is_test = data.held_out == "all"
    if (source := symbol_source(data.rows or "")) is not None:
        return {
            form: _of_symbols(form, source.rows, source.renames, is_test)
            for form in data.languages
        }  # fmt: skip
    match = LAB.fullmatch(data.rows or "")
    return None if match is None else _of_lab(int(match[1] or _LAB_ROWS), data.languages, is_test)


def _of_symbols(form: str, rows: int, renames: bool, is_test: bool) -> list[InstructionRow]:
    from neuroglot.corpora.instruction_rows import InstructionRow
    from neuroglot.corpora.symbols import symbol_rows

    listed = []
    for number, row in enumerate(symbol_rows(form, rows, held_out=is_test, renames=renames)):
        told = "\n".join(part for part in (row.instruction, row.definitions) if part)
        fields = {"prompt": row.prompt, "answer": row.answer, "input": row.input, "output": row.answer}
        listed.append(InstructionRow(number, form, {**fields, "instruction": told}))
    return listed


def _of_lab(rows: int, languages: tuple[str, ...], is_test: bool) -> dict[str, list[InstructionRow]]:
    """Questions of the lab's tasks in turn; those that it holds out are asked of nobody but a test."""
    from neuroglot.corpora.instruction_rows import InstructionRow
    from neuroglot.lab import lab_questions, tasks

    names = [task.name for task in tasks()]
    each = -(-rows // len(names))
    chosen = [task.select(languages) for task in (tasks() if is_test else [lab_questions(n, each) for n in names])]
    places = [(task, row) for row in range(max(map(len, chosen))) for task in chosen if row < len(task)][:rows]
    return {
        language: [
            InstructionRow(number, language, {
                "prompt": task.prompts.texts[language][row], "answer": task.answers.texts[language][row].strip(),
            })
            for number, (task, row) in enumerate(places)
        ]
        for language in languages
    }  # fmt: skip
