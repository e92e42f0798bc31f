"""LossCurve: the losses of a training, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neuroglot.metrics.intervals import Score
from neuroglot.showing import Shown, counted
from neuroglot.signature import Signature

WINDOWS = 40


@dataclass(frozen=True, repr=False)
class LossCurve(Shown):
    """The loss of each step, in `unit`; `dropped` counts what could not be learned from, by reason."""

    losses: tuple[float, ...]
    signature: Signature
    unit: str = "nats per learned token"
    dropped: Mapping[str, int] = field(default_factory=dict)

    def _facts(self) -> list[str]:
        first, last = self.losses[0], self.losses[-1]
        return [counted(len(self.losses), "step"), f"from {first:.3g} to {last:.3g} {self.unit}"]

    def windows(self, most: int = WINDOWS) -> dict[tuple[int, int], Score]:
        """The mean loss, its least and its most over so many runs of steps, each by its first and last step from 1."""
        size = -(-len(self.losses) // most)
        starts = range(0, len(self.losses), size)
        parts = {
            (start + 1, min(start + size, len(self.losses))): self.losses[start : start + size] for start in starts
        }
        return {steps: Score(sum(part) / len(part), min(part), max(part)) for steps, part in parts.items()}
