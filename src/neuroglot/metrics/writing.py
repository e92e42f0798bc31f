"""WritingComparison: an encoder that writes beside its ablations and baselines, their passes and their time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.translation import ComparedSystems
from neuroglot.showing import counted, scores_in_short
from neuroglot.signature import Signature


@dataclass(frozen=True, eq=False, repr=False)
class WritingComparison(ComparedSystems):
    """Counts of a text metric by system, `[S, R, D, C]` for S seeds, R rows, D directions; the first is the base.

    `passes` are means over texts, forwards of the encoder, or of a decoder by token; `seconds` a text, measured as it
    was written in batches; both empty for systems of which they are not known. `dropped` counts rows by reason.
    """

    metric: str
    unit: str
    value: Callable[[Tensor], Tensor]
    directions: tuple[str, ...]
    systems: Mapping[str, Tensor]
    signature: Signature
    passes: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    trained: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    right_or_wrong: bool = False
    ends: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        shapes = {tuple(counts.shape) for counts in self.systems.values()}
        if len(shapes) != 1 or next(iter(shapes))[2] != len(self.directions):
            raise ConfigError(f"Systems have counts {sorted(shapes)}.", f"Expected {len(self.directions)} directions.")

    def _facts(self) -> list[str]:
        sizes = {"direction": len(self.directions), "system": len(self.systems), "seed": self.seeds}
        return [counted(size, noun) for noun, size in sizes.items()]

    def _numbers(self) -> str:
        return scores_in_short(self.scores(), f"{self.metric}, {self.unit}")
