"""Neurons whose activations have another distribution in some languages than in the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NO_PROVENANCE, NeuronSet
from neuroglot.neurons.rules.common import (
    Equal,
    Size,
    as_sets,
    element_at,
    highest,
    histogram_of,
    lowest_owned,
    require_comparable,
    require_languages,
    require_neurons,
)
from neuroglot.signature import Signature

_CHUNK = 2**11  # neurons at a time
Ends = Literal["both", "top", "bottom"]


def by_average_precision(
    responses: Tensor,
    labels: Tensor,
    layout: Layout,
    languages: Sequence[str],
    *,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    ends: Ends = "both",
    signature: Signature = NO_PROVENANCE,
) -> dict[str, NeuronSet]:
    """Neurons whose `responses [texts, N]` tell a language's texts from all others best, or worst (Kojima et al. 2024).

    The score is `average_precision` of the response as a classifier of the language (2404.02431). Of
    both `ends` half of the `top_share` (1 % by default) or `count` each, the top getting the odd one: the paper's 1,000
    and 1,000 are `count=2000`. `labels [texts]` are places in `languages`.

    Where we differ: feed-forward neurons only (there, outputs of all linear layers). A neuron that never varies, or
    with a response of NaN, is no candidate. Raises `ConfigError` for one language, a language without texts, labels out
    of range, or other ends; `LayoutMismatchError` for other shapes.
    """
    _require_labelled(responses, labels, layout, languages)
    if ends not in get_args(Ends):
        raise ConfigError(f"Got ends={ends!r}.", f"Expected one of {', '.join(get_args(Ends))}.")
    size = Size.of(layout.neuron_count, top_share, count, equal)
    scores = torch.stack([average_precision(responses, labels == place) for place in range(len(languages))])
    scores = scores.masked_fill((responses == responses[0]).all(0), torch.nan)
    at_top = {"both": size.wanted - size.wanted // 2, "top": size.wanted, "bottom": 0}[ends]
    members = highest(scores, at_top)
    members |= highest((-scores).masked_fill(members, torch.nan), size.wanted - at_top)
    rule = Signature.of(rule="average precision", ends=ends)
    return as_sets(members, languages, layout, signature | rule | size.signature, size)


def by_probe(
    responses: Tensor,
    labels: Tensor,
    layout: Layout,
    languages: Sequence[str],
    *,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    penalty: float = 1.0,
    signature: Signature = NO_PROVENANCE,
) -> dict[str, NeuronSet]:
    """Neurons of highest weight in a linear probe that tells a language's texts from all others by `[texts, N]`.

    score[g, n] is `probe_weights`, of a ridge regression on all neurons together; the highest `top_share` (1 % by
    default) or `count` of each language. A rule of ours, after linear-probe rankings of neurons (Dalvi et al. 2019,
    from memory): closed form, so that it is the same every time. A neuron that never varies or has a response that is
    not finite is no candidate and no part of the probe. Raises as `by_average_precision` does.
    """
    _require_labelled(responses, labels, layout, languages)
    size = Size.of(layout.neuron_count, top_share, count, equal)
    members = highest(probe_weights(responses, labels, len(languages), penalty), size.wanted)
    rule = Signature.of(rule="ridge probe", penalty=float(penalty))
    return as_sets(members, languages, layout, signature | rule | size.signature, size)


def average_precision(responses: Tensor, positive: Tensor) -> Tensor:
    """Σ_i (R_i − R_{i−1})·P_i over the distinct values as thresholds, `[texts, N]` and bool `[texts]` → `[N]`.

    Texts of equal response are one threshold, as in scikit-learn's `average_precision_score`. NaN where a response is.
    """
    return torch.cat([_average_precision(part, positive) for part in responses.split(_CHUNK, dim=1)])


def probe_weights(responses: Tensor, labels: Tensor, languages: int, penalty: float = 1.0) -> Tensor:
    """W = Xᵀ(XXᵀ/M + λI)⁻¹Y/M, `[texts, N]` → `[G, N]`: X the standardised responses of M neurons that vary, Y centred
    one-hot labels, λ the `penalty`.

    That is the ridge regression with the penalty λM on the squared weights, solved over texts instead of neurons. NaN
    for neurons that are left out. Raises `ConfigError` unless the penalty is above 0.
    """
    if not 0 < penalty < torch.inf:
        raise ConfigError(f"Got penalty={penalty}.", "Expected a number above 0.")
    texts = len(responses)
    kernel = torch.zeros(texts, texts, dtype=torch.float64)
    used = 0
    for part, varies in _standardised(responses):
        kernel += part @ part.T
        used += int(varies.sum())
    targets = torch.nn.functional.one_hot(labels.long(), languages).double()
    identity = torch.eye(texts, dtype=torch.float64)
    dual = torch.linalg.solve(kernel / max(used, 1) + penalty * identity, targets - targets.mean(0)) / max(used, 1)
    weights = [(part.T @ dual).T.masked_fill(~varies, torch.nan) for part, varies in _standardised(responses)]
    return torch.cat(weights, dim=1)


def _average_precision(responses: Tensor, positive: Tensor) -> Tensor:
    texts = len(responses)
    ordered, order = torch.sort(responses.double(), dim=0, descending=True, stable=True)
    hits = positive[order].double()
    precision = hits.cumsum(0) / torch.arange(1, texts + 1, dtype=torch.float64)[:, None]
    ends = torch.ones_like(ordered, dtype=torch.bool)
    ends[:-1] = ordered[:-1] != ordered[1:]
    places = torch.where(ends, torch.arange(texts)[:, None], texts)
    group_end = places.flip(0).cummin(0).values.flip(0)  # of the texts that respond alike, the last
    found = (hits * precision.gather(0, group_end)).sum(0) / positive.sum()
    return found.masked_fill(responses.isnan().any(0), torch.nan)


def _standardised(responses: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Responses less their mean over their deviation, a few neurons at a time, 0 where they do not vary; which do."""
    for part in responses.split(_CHUNK, dim=1):
        values = part.double()
        varies = values.isfinite().all(0) & (values != values[0]).any(0)
        centred = values - values.mean(0)
        scaled = centred / centred.square().mean(0).sqrt()
        yield torch.where(varies, scaled, 0.0), varies


def _require_labelled(responses: Tensor, labels: Tensor, layout: Layout, languages: Sequence[str]) -> None:
    require_languages(languages)
    require_neurons(responses, layout, "responses")
    if labels.shape != responses.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ConfigError(
            f"Got labels {labels.dtype} {list(labels.shape)}.", f"Expected {len(responses)} whole numbers."
        )
    found = set(labels.tolist())
    if found != set(range(len(languages))):
        raise ConfigError(
            f"The labels name {sorted(found)}.", f"Expected every number from 0 to {len(languages) - 1}, and no other."
        )


OVERLAP_CHUNK = 2**14  # neurons at a time


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
    cost at or below τ, the `quantile` (1 %) of all overlaps of pairs, or for each language a `top_share` or `count` of
    lowest cost. They belong to the languages of the smaller group: one language (single-language neurons) or more
    (multi-language).

    Where we differ: the source has 400 bins of gated activations; the statistic `histogram` has fixed bins, each twice
    as wide as the one before, of sampled tokens at the recording's site, so that overlaps are coarser and larger. Two
    groups of equal size both own the neuron, with two languages always. A neuron without samples in some
    language is no candidate. Raises `ConfigError` for one language, a language without tokens, a histogram that was not
    recorded or is empty, or `equal` without an amount.
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
    for part in histogram.split(OVERLAP_CHUNK, dim=1):
        overlaps = overlap_coefficients(part)
        sampled = (part.sum(-1) > 0).all(0)
        cost, side = best_parting(overlaps.nan_to_num(0.0))
        pairs.append(overlaps[upper][:, sampled].flatten())
        costs.append(cost.masked_fill(~sampled, torch.nan))
        sides.append(side)
    return torch.cat(pairs), torch.cat(costs), torch.cat(sides, dim=1)
