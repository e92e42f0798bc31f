"""MGSM and XQuAD as tasks: the question, with its passage in XQuAD, in the language's own words, and its answer."""

from collections.abc import Sequence
from pathlib import Path

from neuroglot.corpora.columns import OnMissing
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.folders import read_folder
from neuroglot.corpora.tasks.phrasing import question_prompt
from neuroglot.corpora.tasks.rows import LACKED, align_fields, build


def read_mgsm(folder: Path, languages: Sequence[str] | None, on_missing: OnMissing) -> Task:
    """`Question: ... Answer:` and the number; the numbers of a row must agree across languages."""
    source, questions = read_folder(folder, languages, "question")
    _, answers = read_folder(folder, languages, "answer")
    rows = align_fields({"question": questions, "answer": answers}, on_missing)
    prompts = {g: [question_prompt(g, text) for text in column] for g, column in rows.values["question"].items()}
    return build(source.name, source.licence, rows.ids, prompts, rows.values["answer"], dropped={LACKED: rows.lacked})


def read_xquad(folder: Path, languages: Sequence[str] | None, on_missing: OnMissing) -> Task:
    """`Context: ... Question: ... Answer:` and the first answer, a part of the passage."""
    source, questions = read_folder(folder, languages, "question")
    fields = {field: read_folder(folder, languages, field)[1] for field in ("passage", "answer")}
    rows = align_fields({"question": questions, **fields}, on_missing)
    prompts = {
        g: [question_prompt(g, *texts) for texts in zip(column, rows.values["passage"][g])]
        for g, column in rows.values["question"].items()
    }
    return build(source.name, source.licence, rows.ids, prompts, rows.values["answer"], dropped={LACKED: rows.lacked})
