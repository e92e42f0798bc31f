"""Checkpoints: what has been counted so far, on disk, so that a killed job goes on where it was."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from neuroglot import distribution
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.signature import Signature
from neuroglot.storage import Kept, as_artifact_error, load_tensors, parse_json, save_tensors, write_whole

ENDING, EARLIER = ".safetensors", ".earlier"  # the last file of a process, and the one before it
SHARE_OF_TIME = 0.01  # of a run that writing checkpoints may take


class Summed(Protocol):
    """What is summed up over batches: totals by name, of which some combine by their maximum."""

    @property
    def totals(self) -> dict[str, Tensor]: ...
    @property
    def maxima(self) -> frozenset[str]: ...


@dataclass(eq=False)
class Checkpoints:
    """One file a process in `folder`, each holding counts and the numbers of the batches that gave them.

    The files of all processes together are the state of the job, so that it goes on with any number of processes.
    `every_seconds` is the least time between two files; slow disks stretch it.
    """

    folder: Path
    every_seconds: float
    done: set[int] = field(default_factory=set)
    _of_process_0: frozenset[int] = frozenset()  # batches of an earlier start, which the file of process 0 now holds
    _due: float = 0.0

    @classmethod
    def of(cls, kept: Kept, job: Signature) -> Checkpoints | None:
        """Those in a folder, opened; None without one."""
        if kept.folder is None:
            return None
        checkpoints = cls(kept.folder, kept.save_seconds)
        checkpoints.open(job)
        return checkpoints

    def open(self, job: Signature) -> None:
        """Begin or go on; raises `ConfigError` if the folder holds another job."""
        stored = self.folder / "job.json"
        goes_on = stored.exists()
        distribution.wait_for_all()  # every process has looked before one of them writes
        if goes_on:
            _require_same(job, stored)
        elif distribution.rank() == 0:
            write_whole(stored, json.dumps(job.to_json(), indent=1, ensure_ascii=False) + "\n")
        distribution.wait_for_all()
        self._due = time.monotonic() + self.every_seconds

    def restore(self, tallies: Sequence[Summed]) -> None:
        """Give process 0 all that was counted, and every process the numbers of the batches that are done."""
        mine = distribution.rank() == 0
        written = {
            path.with_suffix(ENDING) for kind in (ENDING, EARLIER) for path in self.folder.glob(f"process-*{kind}")
        }
        files = [tensors for path in sorted(written) for tensors in _whole(path, tallies)]
        files.sort(key=lambda tensors: -len(tensors["done"]))
        for tensors in files:
            done = set(tensors["done"].tolist())
            if done <= self.done:
                continue  # a file from before a restart, which another took over
            if done & self.done:
                raise ArtifactError(f"Two checkpoints in {self.folder} hold the same batches.", "Expected each once.")
            self.done |= done
            if mine:
                _absorb(tallies, tensors)
        if mine and files:
            self.save(tallies)
        distribution.wait_for_all()  # only now may the others write over what process 0 has taken over
        if not mine:
            self._of_process_0 = frozenset(self.done)

    def note(self, batch: int, tallies: Sequence[Summed]) -> None:
        """Count a batch as done, and save where it is time."""
        self.done.add(batch)
        if time.monotonic() >= self._due:
            self.save(tallies)

    def save(self, tallies: Sequence[Summed]) -> None:
        """Write this process's file, whole or not at all."""
        started = time.monotonic()
        done = sorted(self.done - self._of_process_0)
        tensors = {name: tensor for name, tensor, _ in named_totals(tallies)} | {
            "done": torch.tensor(done, dtype=torch.int64)
        }
        path = self.folder / f"process-{distribution.rank():05d}{ENDING}"
        if path.exists():
            with as_artifact_error(path):
                os.replace(path, path.with_suffix(EARLIER))
        save_tensors(path, "checkpoint", tensors, {})
        spent = time.monotonic() - started
        self._due = time.monotonic() + max(self.every_seconds, spent / SHARE_OF_TIME)


def named_totals(tallies: Sequence[Summed]) -> Iterator[tuple[str, Tensor, bool]]:
    """Every total with a name of its own, and whether parts combine by their maximum."""
    for place, tally in enumerate(tallies):
        for name, total in tally.totals.items():
            yield f"{place}.{name}", total, name in tally.maxima


def _whole(path: Path, tallies: Sequence[Summed]) -> list[dict[str, Tensor]]:
    """A process's last checkpoint, or the one before if that is damaged; none if both are."""
    for attempt in (path, path.with_suffix(EARLIER)):
        with suppress(ArtifactError):
            return [_checked(attempt, load_tensors(attempt, "checkpoint")[0], tallies)]
    return []


def _checked(path: Path, tensors: dict[str, Tensor], tallies: Sequence[Summed]) -> dict[str, Tensor]:
    """The tensors of a file; raises `ArtifactError` unless they are the job's, because other shapes add up as well."""
    done, totals = tensors.get("done"), {name: total for name, total, _ in named_totals(tallies)}
    expected = {name: (total.dtype, total.shape) for name, total in totals.items()}
    found = {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items() if name != "done"}
    if done is None or done.dim() != 1 or (len(done) and done.dtype != torch.int64) or found != expected:
        raise ArtifactError(f"{path} holds other counts than the job.", "Expected its checkpoint.", "Begin again.")
    return tensors


def _absorb(tallies: Sequence[Summed], tensors: Mapping[str, Tensor]) -> None:
    for name, total, is_maximum in named_totals(tallies):
        stored = tensors[name].to(total.device)
        total.copy_(torch.maximum(total, stored) if is_maximum else total + stored)


def _require_same(job: Signature, stored: Path) -> None:
    if not stored.is_file():
        raise ArtifactError(f"{stored} is not a file.", "Expected the description of a job.")
    try:
        found = Signature.from_json(parse_json(stored.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{stored} is damaged ({error}).", "Expected the description of a job.") from error
    if differing := job.differing_from(found):
        raise ConfigError(f"{stored.parent} holds another job ({differing}).", "Expected the one that is to go on.")
