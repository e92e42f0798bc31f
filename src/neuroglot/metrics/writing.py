"""WritingComparison: an encoder that writes beside its ablations and baselines, their passes and their time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from neuroglot.metrics.translation import ComparedSystems
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
