"""From held-out rows of a curriculum to tasks whose answers the model writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from neuroglot.errors import CorpusError

if TYPE_CHECKING:
    from neuroglot.corpora import Task
    from neuroglot.experiments.asked_tasks import AskedTask
    from neuroglot.prompting.examples import Example
    from neuroglot.recipes.curriculum_file import CurriculumFile, StatedStage
    from neuroglot.recipes.mixing import Encoder, MixedData


def asked_tasks(file: CurriculumFile, data: Mapping[str, MixedData], encoder: Encoder) -> tuple[AskedTask, ...]:
    """The held-out rows of each data set that is asked, in the wording of the last stage.

    Rows that lack an answer in one language are left out in all. Raises `CorpusError` if none is left, and
    `ConfigError` for metrics that are not there.
    """
    from neuroglot.experiments.asked_tasks import AskedTask
    from neuroglot.generation.decoding import Decoding

    last = file.stages[-1]
    stop = ("\n",) if last.end == "newline" else ()
    return tuple(
        AskedTask(
            _task(name, data[name].held_out, encoder, last, file.data[name].target_language), stated.metrics,
            Decoding(stated.max_new_tokens), stop if stated.stop is None else stated.stop, last.chat,
        )
        for name, stated in file.asked.items()
    )  # fmt: skip


def _task(
    name: str, held_out: Mapping[str, Sequence[Example]], encoder: Encoder, stage: StatedStage, target: str
) -> Task:
    from neuroglot.corpora import Corpus, Task
    from neuroglot.corpora.languages import known_code

    by_number = {
        language: {example.id.rpartition("/")[2]: example for example in encoder.worded(stage, examples)}
        for language, examples in held_out.items()
    }
    first, *others = by_number.values()
    ids = tuple(number for number in first if all(number in rows for rows in others))
    if not ids:
        raise CorpusError(f"No row of {name!r} is held out in all its languages.", "Expected one or more to ask.")
    prompts = {language: tuple(rows[number].prompt for number in ids) for language, rows in by_number.items()}
    answers = {
        language: tuple(rows[number].completion.strip() for number in ids) for language, rows in by_number.items()
    }
    right = Corpus(f"answers of {name}", ids, answers)
    return Task(name, Corpus(name, ids, prompts), right, answers_in=known_code(target))
