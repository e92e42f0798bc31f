"""What an experiment asks: inputs of one original language, from any source."""

from __future__ import annotations

from neuroglot import corpora
from neuroglot.corpora.parallel_inputs import ParallelInputs, from_corpora, from_task, read_released
from neuroglot.corpora.tasks import is_task
from neuroglot.errors import ConfigError
from neuroglot.pmi.config import PmiConfig


def inputs_of(config: PmiConfig, original: str) -> ParallelInputs:
    """All rows in the original and the languages beside it; raises `ConfigError` where the data do not fit."""
    shown = list(dict.fromkeys([original, *config.languages]))
    if config.released is not None:
        return read_released(config.data, config.released, languages=shown[1:])
    if config.data == "lab":
        return from_task(_of_the_lab(config.task).select(shown), original)
    if is_task(config.data):
        return from_task(corpora.load_task(config.data, languages=shown), original)
    if config.target is None:
        raise ConfigError(f"{config.data} is parallel text.", "Expected a target: the language to translate into.")
    texts = corpora.load(config.data, languages=[*shown, config.target])
    return from_corpora({"text": texts}, original, target=config.target)


def _of_the_lab(name: str | None) -> corpora.Task:
    from neuroglot import lab

    tasks = {task.name: task for task in lab.tasks()}
    if name not in tasks:
        raise ConfigError(f"The lab's task {name!r} was asked for.", f"Expected one of {', '.join(tasks)}.")
    return tasks[name]
