"""What recognisers of sign language are measured by beside texts: nats a gloss, errors by step, roles of channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from neuroglot.metrics.intervals import Estimate, Score, by_rows, combined, over
from neuroglot.metrics.metrics import Valued
from neuroglot.showing import Shown, counted
from neuroglot.signature import Signature


@dataclass(frozen=True)
class NatsPerGloss:
    """Negative log probability of a clip's glosses, by CTC at the last level, over their number; counts `[..., 2]`."""

    name: str = "loss"
    unit: str = "nats per gloss"
    higher_is_better: bool = False
    ends: tuple[float, float] = (0.0, math.inf)

    def value(self, counts: Tensor) -> Tensor:
        return counts[..., 0] / counts[..., 1]


@dataclass(frozen=True, repr=False)
class ErrorsByStep(Shown):
    """The word error rate of clips that are not trained on, in errors per 100 glosses, by step of the training."""

    values: Mapping[int, float]
    signature: Signature

    def _facts(self) -> list[str]:
        return [counted(len(self.values), "measurement"), f"{self.values[max(self.values)]:.1f} at the last step"]


@dataclass(frozen=True, eq=False, repr=False)
class RoleEffects(Shown):
    """What switching off all channels of a role in the shift does.

    Counts with all on, `[R, G, C]`, with those of each of K roles off, `[K, R, G, C]`, and with D random sets of as
    many channels a layer off, `[D, K, R, G, C]`.

    `sizes` are the channels of each role, `selected` those of each language's own set by role.
    """

    data: str
    languages: tuple[str, ...]
    roles: tuple[str, ...]
    sizes: Mapping[str, int]
    selected: Mapping[str, Mapping[str, int]]
    metric: Valued
    baseline: Tensor
    off: Tensor
    random: Tensor
    signature: Signature

    def _facts(self) -> list[str]:
        return [self.data, counted(len(self.roles), "role"), f"{len(self.random)} random sets each"]

    def effects(self) -> list[Score]:
        """The rise of the metric by role, mean over languages, with intervals over rows."""
        return self._differences(self.off).scores()

    def random_effects(self) -> list[Score]:
        """The same for the random sets, with intervals over rows and draws."""
        return over(self._differences(self.random), "draws").scores()

    def _differences(self, counts: Tensor) -> Estimate:
        off, on = (by_rows(part.movedim(-3, 0)).map(self.metric.value) for part in (counts, self.baseline))
        return combined(_rise, off, on) if counts.dim() == 4 else combined(_rise_of_draws, off, on)


def _rise(off: Tensor, on: Tensor) -> Tensor:
    """`[..., K, G]` and `[..., G]` → `[..., K]`."""
    return (off - on.unsqueeze(-2)).mean(-1)


def _rise_of_draws(off: Tensor, on: Tensor) -> Tensor:
    """`[..., D, K, G]` and `[..., G]` → `[..., D, K]`."""
    return (off - on.unsqueeze(-2).unsqueeze(-2)).mean(-1)
