"""Steps that several processes share: the same examples a step as one process learns, dealt in equal shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from neuroglot.errors import ConfigError
from neuroglot.tokens.examples import IGNORED
from neuroglot.training.types import Training

Collate = Callable[[Sequence[Any]], dict[str, Any]]  # rows to what the model is given
_Batch = tuple[Any, ...]  # rows that are read at once by one process; none where the others have the last ones


class SharedSteps(NamedTuple):
    """What one process's trainer is given: rows, how they become a batch, and how many it reads a step."""

    rows: Sequence[Any]
    collate: Collate
    training: Training


def shared_steps(rows: Sequence[Any], collate: Collate, training: Training, processes: int) -> SharedSteps:
    """The rows as they are for one process; for several, whole batches in turn, as accelerate deals them out.

    A step learns the rows that one process would learn in it, also the last one before they are read again, which has
    fewer: a process that is left without any learns nothing of a row that another one reads. Raises `ConfigError` where
    neither the accumulated batches nor the rows of a batch can be shared evenly.
    """
    if processes == 1:
        return SharedSteps(rows, collate, training)
    size, accumulation = _share(training, processes)
    a_step = training.batch_size * training.accumulation
    steps = [rows[start : start + a_step] for start in range(0, len(rows), a_step)]
    batches = [batch for step in steps for batch in _batches(step, size, processes)]
    nothing = rows[:1]

    def collated(items: Sequence[_Batch]) -> dict[str, Any]:
        (batch,) = items
        if batch:
            return collate(batch)
        read = collate(nothing)
        return {**read, "labels": torch.full_like(read["labels"], IGNORED)}

    return SharedSteps(batches, collated, replace(training, batch_size=1, accumulation=accumulation))


def _share(training: Training, processes: int) -> tuple[int, int]:
    """Rows that a process reads at once, and how often it does so before a step."""
    if training.accumulation % processes == 0:
        return training.batch_size, training.accumulation // processes
    if training.batch_size % processes == 0:
        return training.batch_size // processes, training.accumulation
    raise ConfigError(
        f"{processes} processes cannot share batches of {training.batch_size}, {training.accumulation} a step.",
        "Expected a batch size or an accumulation that is a multiple of their number.",
    )


def _batches(step: Sequence[Any], size: int, processes: int) -> Iterator[_Batch]:
    """The rows of a step in batches, and empty ones until every process has as many."""
    parts = [tuple(step[start : start + size]) for start in range(0, len(step), size)]
    yield from parts
    yield from ((),) * (-len(parts) % processes)
