"""A recipe without a model: it keeps numbers in two artefacts, and can be told to fail or to wait."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from neuroglot.reports import Report
from neuroglot.reports.parts import Section
from neuroglot.reports.tables import Column, Table
from neuroglot.runs.recipe import Recipe
from neuroglot.signature import Signature
from neuroglot.storage import load_tensors, save_tensors


@dataclass(frozen=True)
class Numbers:
    """An artefact."""

    values: tuple[float, ...]

    def save(self, path: Path) -> Any:
        return save_tensors(path, "numbers", {"values": torch.tensor(self.values)}, {})

    @classmethod
    def load(cls, path: Path) -> Numbers:
        return cls(tuple(load_tensors(path, "numbers")[0]["values"].tolist()))


@dataclass(frozen=True, kw_only=True)
class Toy(Recipe):
    """Count to a number, step by step."""

    command = "toy"
    group = "Help"
    examples = ""

    steps: int = 3
    """How many steps."""

    fail_at: int | None = None
    """The step that fails."""

    data: str = "a"
    """What is read."""

    pause: float = 0.0
    """Seconds a step."""

    until: Path | None = None
    """A file for which each step waits."""

    counter: Path | None = None
    """A file to which each step that is done adds a line."""

    def read(self, identity: Any) -> str:
        identity.note("data", Signature.of(name=os.environ.get("TOY_DATA", self.data)))
        return self.data

    def work(self, run: Any, inputs: str) -> Report:
        kept = run.kept("steps")
        for step in range(self.steps):
            kept.once(str(step), lambda step=step: self._step(step))
        total = run.once("numbers.safetensors", Numbers, lambda: Numbers((float(self.steps), 0.5)))
        table = Table.of("numbers", "Numbers", [Column("value")], [(value,) for value in total.values])
        section = Section("numbers", "Numbers", f"{self.steps} steps.", Signature.of(data=inputs), tables=(table,))
        return Report([section], title="Toy")

    def price(self, inputs: str) -> Any:
        raise AssertionError("not priced")

    def _step(self, step: int) -> dict[str, torch.Tensor]:
        if step == self.fail_at and os.environ.get("TOY_MENDED") is None:
            raise OSError(28, "No space left on device")
        time.sleep(self.pause)
        while self.until is not None and not self.until.exists():
            time.sleep(0.01)
        if self.counter is not None:
            with self.counter.open("a") as file:
                file.write(f"{step}\n")
        return {"step": torch.tensor(step)}
