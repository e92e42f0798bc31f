"""Neurons whose activations have another distribution in some languages than in the others."""

from __future__ import annotations

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting_common import (
    Equal,
    Size,
    as_sets,
    element_at,
    histogram_of,
    lowest_owned,
    require_comparable,
)
from neuroglot.signature import Signature

CHUNK = 2**14  # neurons at a time


def by_overlap(
    activity: Activity,
    *,
    quantile: float = 0.01,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
) -> dict[str, NeuronSet]:
    """Neurons whose histograms part the languages in two groups that overlap least (DLN, EMNLP 2026).

    S_kk' = Σ_b min(P_kb, P_k'b) is the overlap of two languages; the cost of parting them is the largest overlap across
    the two groups, and the best parting has the lowest cost, which single linkage finds. Selected are neurons with a
    cost at or below τ, the `quantile` (1 %) of all overlaps of pairs, or a `top_share` or `count` of lowest cost. They
    belong to the languages of the smaller group: one language (single-language neurons) or more (multi-language).

    Where we differ: the source has 400 bins of gated activations; the statistic `histogram` has fixed bins, each twice
    as wide as the one before, of sampled tokens at the recording's site, so that overlaps are coarser and larger. Two
    groups of equal size both own the neuron, with two languages always. `equal` is as in `by_entropy`. A neuron without
    samples in some language is no candidate. Raises `ConfigError` for one language, a language without tokens, a
    histogram that was not recorded or is empty, or `equal` without an amount.
    """
    require_comparable(activity)
    overlaps, cost, side = partings(histogram_of(activity))
    sizes, languages = side.sum(0), len(side)
    owned = (side & (2 * sizes <= languages)) | (~side & (2 * sizes >= languages))
    if not len(overlaps):
        raise ConfigError("No neuron was sampled in all languages.", "Expected text enough for a histogram.")
    if top_share is not None or count is not None:
        size = Size.of(len(cost), top_share, count, equal)
        members = lowest_owned(cost, owned, size)
        provenance = activity.signature | Signature.of(rule="overlap") | size.signature
        return as_sets(members, activity.languages, activity.layout, provenance, size)
    if equal:
        raise ConfigError("Sets of equal size were asked for.", "Expected a top_share or a count with equal.")
    members = owned & (cost <= element_at(overlaps, quantile, "quantile"))
    provenance = activity.signature | Signature.of(rule="overlap", quantile=quantile)
    return as_sets(members, activity.languages, activity.layout, provenance)


def overlap_coefficients(histogram: Tensor) -> Tensor:
    """Overlap of the languages' distributions, `[G, N, bins]` → `[G, G, N]`, from 0 to 1; NaN without samples."""
    shares = histogram.double() / histogram.sum(-1, keepdim=True)
    return torch.stack([torch.stack([torch.minimum(one, other).sum(-1) for other in shares]) for one in shares])


def best_parting(overlaps: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest largest overlap across two groups of languages, and one group: `[G, G, N]` → `[N]` and `[G, N]`.

    A spanning tree of largest overlaps is grown from the first language (Prim). The overlap with which it grows is the
    largest between the languages inside and those outside; where it is lowest, that parting is best.
    """
    neurons = torch.arange(overlaps.shape[2])
    inside = torch.zeros_like(overlaps[0], dtype=torch.bool)
    inside[0] = True
    nearest, side = overlaps[0], inside
    cost = torch.full_like(overlaps[0, 0], torch.inf)
    for _ in range(len(overlaps) - 1):
        reach = nearest.masked_fill(inside, -torch.inf)
        joining = reach.argmax(0)
        weight = reach[joining, neurons]
        side = torch.where(weight < cost, inside, side)
        cost = torch.minimum(weight, cost)
        inside = inside.scatter(0, joining[None], True)
        nearest = torch.maximum(nearest, overlaps[joining, :, neurons].T)
    return cost, side


def partings(histogram: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of all neurons, a few at a time: the pairs' overlaps (flat), the best parting's cost `[N]` and side `[G, N]`.

    Neurons without samples in some language have the cost NaN and are left out of the overlaps.
    """
    upper = torch.ones(len(histogram), len(histogram)).triu(1).bool()
    pairs, costs, sides = [], [], []
    for part in histogram.split(CHUNK, dim=1):
        overlaps = overlap_coefficients(part)
        sampled = (part.sum(-1) > 0).all(0)
        cost, side = best_parting(overlaps.nan_to_num(0.0))
        pairs.append(overlaps[upper][:, sampled].flatten())
        costs.append(cost.masked_fill(~sampled, torch.nan))
        sides.append(side)
    return torch.cat(pairs), torch.cat(costs), torch.cat(sides, dim=1)
