"""Entropy with a penalty on strong firing, and neurons by the number of their owners."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting import language_entropy
from neuroglot.neurons.selecting_common import Equal, Size, as_sets, element_at, lowest_owned, require_comparable
from neuroglot.signature import Signature

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

    s = H(Q)/ln K − λ·max_k p_k / h; the lowest 1 % (or `top_share`, or `count`) are selected, without a filter, and
    belong to every language with a rate above the `owner_quantile` of all. λ is the `penalty`; without one, the largest
    in [0, 0.2], by bisection to 0.001, at which no selected neuron belongs to all K languages. `by_owner_count` sorts
    the sets into language-specific, -related and -agnostic neurons; `equal` is as in `by_entropy`.

    Where we differ: the end 0.2 is tried first, and where even λ = 0 leaves a neuron to all languages we refuse. A
    neuron that never fires is no candidate (there it has the entropy 0, and may take a place without an owner). The
    source counts answer tokens only; here the recording says which. Raises `ConfigError` as `by_entropy` does.
    """
    require_comparable(activity)
    rates = activity.rates(threshold)
    size = Size.of(rates.shape[1], top_share, count, equal)
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
    kinds = {"specific": owners == 1, "related": (owners > 1) & (owners < len(sets)), "agnostic": owners == len(sets)}
    provenance = first.signature.without("language")
    return {
        kind: NeuronSet(first.layout, members, provenance | Signature.of(owners=kind))
        for kind, members in kinds.items()
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
