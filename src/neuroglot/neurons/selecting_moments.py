"""Neurons whose mean activation in a language stands out from that in the others."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting_common import Equal, Size, as_sets, highest, require_comparable
from neuroglot.signature import Signature

Direction = Literal["higher", "either"]
RESOLVED = 1e-3  # of a neuron's size: moments of float32 batches tell no smaller deviation


def standardised_difference(mean: Tensor, variance: Tensor) -> Tensor:
    """d[g, n] = (μ_gn − mean of μ_hn over h ≠ g) / sqrt(mean over all h of σ²_hn), `[G, N]` both → `[G, N]`.

    The deviation counts as a thousandth of the neuron's largest root mean square at least, because sums in float32
    resolve no less. NaN where that is 0, or where a language has no mean.
    """
    languages = len(mean)
    others = (mean.sum(0) - mean) / (languages - 1)
    floor = RESOLVED * (variance + mean.square()).amax(0).sqrt()
    deviation = torch.maximum(variance.mean(0).sqrt(), floor)
    return ((mean - others) / deviation).masked_fill(deviation == 0, torch.nan)


def by_mean_difference(
    activity: Activity,
    *,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    direction: Direction = "higher",
) -> dict[str, NeuronSet]:
    """Each language's neurons whose mean activation is furthest above that in the other languages, in deviations.

    d is `standardised_difference`, Cohen's d of a language against the others, every language weighing alike; the
    highest `top_share` (1 % by default) or `count` of each language, or those of highest |d| where the direction is
    `either`. The difference of means is what selects dimensions in Zhong et al. 2025 (2510.07213) and DiffMean (in
    CLaS-Bench 2026, 2601.08331); standardising it, and reading it of neurons, is ours.

    Needs the statistic `moments`. A neuron that is always 0, or that no token reached in some language, is no
    candidate. Raises `ConfigError` for one language, a language without tokens, a statistic that was not recorded,
    another direction, or fewer candidates than `equal` needs.
    """
    require_comparable(activity)
    if direction not in get_args(Direction):
        raise ConfigError(f"Got direction={direction!r}.", f"Expected one of {', '.join(get_args(Direction))}.")
    size = Size.of(activity.layout.neuron_count, top_share, count, equal)
    difference = standardised_difference(activity.mean(), activity.variance())
    members = highest(difference if direction == "higher" else difference.abs(), size.wanted)
    rule = Signature.of(rule="mean difference", direction=direction)
    provenance = activity.signature | rule | size.signature
    return as_sets(members, activity.languages, activity.layout, provenance, size)
