"""Selectors that read how often neurons fire: above a language's own percentile, or until activations are covered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import HISTOGRAM_EDGES
from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting_common import (
    Equal,
    Size,
    as_sets,
    highest,
    histogram_of,
    require_comparable,
    require_share,
)
from neuroglot.signature import Signature

Within = Literal["model", "stack", "layer"]


def by_percentile(
    activity: Activity,
    *,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    percentile: float = 0.9,
    within: Within = "model",
) -> dict[str, NeuronSet]:
    """Neurons that most often pass the percentile of all activations in a language (Mondal et al. 2025, 2503.17456).

    score[g, n] = share of tokens with a_n > p90 of language g; the highest 0.125 % (or `top_share`, or `count`) of each
    language, overlaps allowed. The percentile is that of all neurons together, `within` the model, stack or layer.

    Where we differ: both are read from the statistic `histogram`, so that one pass is enough. The percentile is the
    upper edge of its bin, exact to a factor of 2, and the share is over sampled tokens. A neuron that never passes is
    no candidate. Raises `ConfigError` for one language, a language without tokens, a histogram that was not recorded,
    and where the percentile lies above the histogram's last edge or nothing was sampled.
    """
    require_comparable(activity)
    require_share("percentile", percentile)
    size = Size.of(activity.layout.neuron_count, top_share, count, equal, default=0.00125)
    counts = histogram_of(activity)
    scores = torch.stack([_share_above(one, percentile, activity.layout, within) for one in counts])
    members = highest(scores.masked_fill(scores == 0, torch.nan), size.wanted)
    rule = Signature.of(rule="percentile", percentile=percentile, within=within)
    provenance = activity.signature | rule | size.signature
    return as_sets(members, activity.languages, activity.layout, provenance, size)


def by_coverage(
    activity: Activity,
    *,
    coverage: float = 0.95,
    within: Within = "layer",
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    threshold: float | None = None,
) -> dict[str, NeuronSet]:
    """The fewest neurons that make up a share of all firing, in each language (Neuron Specialization, Tan et al. 2024).

    In every layer (or `within` the stack or model) neurons are ordered by how often they fired, and the shortest
    beginning whose counts reach `coverage` of the sum is kept: the neurons before which less than that was covered.
    With a `top_share` or `count`, those before which the least was covered, which is the coverage at which so many are
    kept. Of equal counts the neuron that comes first in the layout; a neuron that never fired is never kept.

    Where we differ: the source counts h ≠ 0 at every position, padding too, and keeps one neuron of a silent layer.
    Here the recording says what fires, and a silent layer keeps none. Raises `ConfigError` for one language, a language
    without tokens, a share outside (0, 1], or `equal` without an amount.
    """
    require_comparable(activity)
    require_share("coverage", coverage)
    counts = activity.fired[activity.recording.threshold_index(threshold)]
    before = covered_before(counts, activity.layout, within)
    rule = Signature.of(rule="coverage", within=within)
    if top_share is None and count is None:
        if equal:
            raise ConfigError("Sets of equal size were asked for.", "Expected a top_share or a count with equal.")
        provenance = activity.signature | rule | Signature.of(coverage=coverage)
        return as_sets(before < coverage, activity.languages, activity.layout, provenance)
    size = Size.of(activity.layout.neuron_count, top_share, count, equal)
    members = highest(-before, size.wanted)
    return as_sets(members, activity.languages, activity.layout, activity.signature | rule | size.signature, size)


def covered_before(counts: Tensor, layout: Layout, within: Within = "layer") -> Tensor:
    """Share of the group's counts that more active neurons have, `[G, N]` → `[G, N]`; NaN where a neuron has none."""
    before = torch.full(counts.shape, torch.nan, dtype=torch.float64)
    for group in groups(layout, within):
        ordered, order = torch.sort(counts[:, group], dim=1, descending=True, stable=True)
        reached = ordered.cumsum(1)
        share = (reached - ordered).double() / reached[:, -1:]
        before[:, group] = torch.empty_like(share).scatter_(1, order, share)
    return before.masked_fill(counts == 0, torch.nan)


def groups(layout: Layout, within: Within) -> Iterator[slice]:
    """Where the neurons of each group stand, in order: of each layer, each stack, or all; raises `ConfigError`."""
    if within not in get_args(Within):
        raise ConfigError(f"Got within={within!r}.", f"Expected one of {', '.join(get_args(Within))}.")
    if within == "model":
        yield slice(0, layout.neuron_count)
    elif within == "layer":
        yield from (layer.neurons for layer in layout.layers)
    else:
        for stack in dict.fromkeys(layer.stack for layer in layout.layers):
            parts = [layer for layer in layout.layers if layer.stack == stack]
            yield slice(parts[0].start, parts[-1].start + parts[-1].width)


def _share_above(histogram: Tensor, percentile: float, layout: Layout, within: Within) -> Tensor:
    """Share of each neuron's samples `[N, bins]` above the upper edge of the bin that holds the group's percentile."""
    shares = torch.full((len(histogram),), torch.nan, dtype=torch.float64)
    for group in groups(layout, within):
        counts = histogram[group]
        reached = counts.sum(0).cumsum(0)
        place = int((reached.double() / reached[-1] < percentile).sum())
        if reached[-1] == 0 or place >= len(HISTOGRAM_EDGES):
            raise ConfigError(
                f"The percentile {percentile} of the activations lies above the histogram's last edge, "
                f"{HISTOGRAM_EDGES[-1]:g}, or nothing was sampled.",
                "Expected a percentile within the histogram.",
                "Lower the percentile, or record more text.",
            )
        shares[group] = counts[:, place + 1 :].sum(1).double() / counts.sum(1)
    return shares
