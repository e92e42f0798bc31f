"""Entropy with a penalty on strong firing, and neurons by the number of their owners."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import HISTOGRAM_EDGES
from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.rules.common import (
    Equal,
    Size,
    as_sets,
    element_at,
    highest,
    histogram_of,
    lowest_owned,
    require_comparable,
    require_share,
)
from neuroglot.neurons.rules.scores import at_random_like as at_random_like
from neuroglot.signature import Signature


def language_entropy(rates: Tensor) -> Tensor:
    """Entropy in nats of each neuron's rates over languages, `[G, N]` → `[N]`, from 0 (one language) to ln G (all
    alike).

    Rates are normalised to sum to 1 over languages, with 0 ln 0 = 0; a neuron that never fires gets NaN. Source: LAPE,
    Tang et al. 2024, equation 3 (there a neuron that never fires gets 0 and is filtered later).
    """
    shares = rates / rates.sum(0)
    return -torch.special.xlogy(shares, shares).sum(0)


def by_entropy(
    activity: Activity,
    *,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    filter_quantile: float = 0.95,
    owner_quantile: float = 0.95,
    threshold: float | None = None,
) -> dict[str, NeuronSet]:
    """Language-specific neurons of each language by activation-probability entropy (LAPE, Tang et al. 2024, §2.2).

    1. A neuron is a candidate where its rate in some language is above the `filter_quantile` of all G·N rates.
    2. The `top_share` of all N neurons (1 % by default) with the lowest entropy among candidates are selected, for all
       languages together (fewer where there are fewer candidates; of equal entropies the first in the layout).
    3. A selected neuron belongs to every language in which its rate is above the `owner_quantile` of all G·N rates, so
       that it may have several owners.

    With a `count` instead, each language gets that many of the candidates that belong to it, those of lowest entropy,
    or all it has; with `equal` it gets as many as the count or share says, or is refused.

    Quantiles are elements, without interpolation, at the rank `round(quantile·G·N)`, and "above" is strict, as in the
    reference (`filter_rate`, `top_rate` and `activation_bar_ratio` there). Where we differ: a language without neurons
    gets an empty set rather than being left out, and never more than the candidates are selected. Raises `ConfigError`
    for one language, shares outside (0, 1], or a language without tokens.
    """
    require_comparable(activity)
    rates = activity.rates(threshold)
    size = Size.of(rates.shape[1], top_share, count, equal, together=True)
    candidates = (rates > element_at(rates, filter_quantile, "filter_quantile")).any(0)
    owned = rates > element_at(rates, owner_quantile, "owner_quantile")
    members = lowest_owned(language_entropy(rates).masked_fill(~candidates, torch.nan), owned, size)
    bars = Signature.of(filter_quantile=filter_quantile, owner_quantile=owner_quantile)
    provenance = activity.signature | Signature.of(rule="entropy") | size.signature | bars
    return as_sets(members, activity.languages, activity.layout, provenance, size)


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


LARGEST_PENALTY = 0.2
PENALTY_STEP = 1e-3


def penalised_entropy(rates: Tensor, penalty: float) -> Tensor:
    """s = H(Q)/ln K − λ·max_k p_k / h with h = (1/K)·Σ_{j=1..K} 1/j, `[K, N]` → `[N]`; NaN where nothing fires."""
    languages = len(rates)
    harmonic = sum(1 / number for number in range(1, languages + 1)) / languages
    return language_entropy(rates) / math.log(languages) - penalty * rates.amax(0) / harmonic


def by_penalised_entropy(
    activity: Activity,
    *,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    owner_quantile: float = 0.95,
    penalty: float | None = None,
    threshold: float | None = None,
) -> dict[str, NeuronSet]:
    """Neurons of low entropy that also fire often, each for all languages that own it (Zhang et al. 2025, 2505.21505).

    s = H(Q)/ln K − λ·max_k p_k / h; the lowest 1 % (or `top_share`) are selected for all languages together, without a
    filter, and belong to every language with a rate above the `owner_quantile` of all. λ is the `penalty`; without one,
    the largest in [0, 0.2], by bisection to 0.001, at which no selected neuron belongs to all K languages.
    `by_owner_count` sorts the sets into language-specific, -related and -agnostic neurons; `count` and `equal` are
    as in `by_entropy`.

    Where we differ: the end 0.2 is tried first, and where even λ = 0 leaves a neuron to all languages we refuse. A
    neuron that never fires is no candidate (there it has the entropy 0, and may take a place without an owner). The
    source counts answer tokens only; here the recording says which. Raises `ConfigError` as `by_entropy` does.
    """
    require_comparable(activity)
    rates = activity.rates(threshold)
    size = Size.of(rates.shape[1], top_share, count, equal, together=True)
    owned = rates > element_at(rates, owner_quantile, "owner_quantile")
    used = _largest_penalty(rates, owned, size) if penalty is None else _valid(penalty)
    members = lowest_owned(penalised_entropy(rates, used), owned, size)
    rule = Signature.of(rule="penalised entropy", owner_quantile=owner_quantile, penalty=used, bisected=penalty is None)
    provenance = activity.signature | rule | size.signature
    return as_sets(members, activity.languages, activity.layout, provenance, size)


def by_owner_count(sets: Mapping[str, NeuronSet]) -> dict[str, NeuronSet]:
    """All selected neurons, by how many of the K languages own them: `specific` 1, `related` 2 to K−1, `agnostic` K.

    Source: Zhang et al. 2025. Raises `ConfigError` for fewer than two sets, `LayoutMismatchError` for other layouts.
    """
    if len(sets) < 2:
        raise ConfigError(f"Got {len(sets)} sets.", "Expected two or more, one a language.")
    first, *others = sets.values()
    for other in others:
        first.layout.require_same(other.layout, "Another set")
    owners = torch.stack([neurons.members for neurons in sets.values()]).sum(0)
    categories = {
        "specific": owners == 1,
        "related": (owners > 1) & (owners < len(sets)),
        "agnostic": owners == len(sets),
    }
    provenance = first.signature.without("language")
    read = torch.cat([neurons.read for neurons in sets.values()]).unique()
    return {
        category: NeuronSet(first.layout, members, provenance | Signature.of(owners=category), read)
        for category, members in categories.items()
    }


def _largest_penalty(rates: Tensor, owned: Tensor, size: Size) -> float:
    def owned_by_all(penalty: float) -> bool:
        selected = lowest_owned(penalised_entropy(rates, penalty), owned, size).any(0)
        return bool((selected & owned.all(0)).any())

    low, high = 0.0, LARGEST_PENALTY
    if not owned_by_all(high):
        return high
    if owned_by_all(low):
        raise ConfigError(
            "Even without a penalty, a selected neuron belongs to all languages.",
            "Expected none, so that the penalty can be found.",
            "Select fewer neurons, or give the penalty.",
        )
    while high - low > PENALTY_STEP:
        middle = (low + high) / 2
        low, high = (low, middle) if owned_by_all(middle) else (middle, high)
    return low


def _valid(penalty: float) -> float:
    if not 0 <= penalty < math.inf:
        raise ConfigError(f"Got penalty={penalty}.", "Expected a number from 0 on.")
    return float(penalty)
