"""Rules that select neurons: arithmetic on an Activity, no model."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError
from neuroglot.neurons.neuronset import NeuronSet
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
    top_share: float = 0.01,
    filter_quantile: float = 0.95,
    owner_quantile: float = 0.95,
    threshold: float | None = None,
) -> dict[str, NeuronSet]:
    """Language-specific neurons of each language by activation-probability entropy (LAPE, Tang et al. 2024, §2.2).

    1. A neuron is a candidate where its rate in some language is above the `filter_quantile` of all G·N rates.
    2. The `top_share` of all N neurons with the lowest entropy among candidates are selected (fewer where there are
       fewer candidates; of equal entropies the neuron that comes first in the layout).
    3. A selected neuron belongs to every language in which its rate is above the `owner_quantile` of all G·N rates, so
       that it may have several owners.

    Quantiles are elements, without interpolation, at the rank `round(quantile·G·N)`, and "above" is strict, as in the
    reference (`filter_rate`, `top_rate` and `activation_bar_ratio` there). Where we differ: a language without neurons
    gets an empty set rather than being left out, and never more than the candidates are selected. Raises `ConfigError`
    for one language, shares outside (0, 1], or a language without tokens.
    """
    rates = _comparable_rates(activity, threshold)
    _require_share("top_share", top_share)
    candidates = (rates > _element_at(rates, filter_quantile, "filter_quantile")).any(0)
    entropy = language_entropy(rates).masked_fill(~candidates, math.inf)
    wanted = min(round(top_share * rates.shape[1]), int(candidates.sum()))
    selected = torch.zeros_like(candidates)
    selected[torch.sort(entropy, stable=True).indices[:wanted]] = True
    owned = selected & (rates > _element_at(rates, owner_quantile, "owner_quantile"))
    rule = Signature.of(
        rule="entropy", top_share=top_share, filter_quantile=filter_quantile, owner_quantile=owner_quantile
    )
    return {
        language: NeuronSet(activity.layout, owned[place], activity.signature | rule | Signature.of(language=language))
        for place, language in enumerate(activity.languages)
    }


def at_random_like(neurons: NeuronSet, seed: int) -> NeuronSet:
    """A control: as many neurons in every layer as `neurons` has, drawn with `seed` from all neurons of that layer."""
    generator = torch.Generator().manual_seed(seed)
    members = torch.zeros_like(neurons.members)
    for layer, part in neurons.layout.by_layer(neurons.members):
        chosen = torch.randperm(layer.width, generator=generator)[: int(part.sum())]
        members[layer.start + chosen] = True
    return NeuronSet(neurons.layout, members, Signature.of(rule="random, as many in each layer", seed=seed))


def _comparable_rates(activity: Activity, threshold: float | None) -> Tensor:
    if len(activity.languages) < 2:
        raise ConfigError(
            f"Neurons were to be selected from activity in {', '.join(activity.languages)} only.",
            "An entropy over languages needs two or more: with one it is 0 for every neuron.",
        )
    rates = activity.rates(threshold)
    for place, language in enumerate(activity.languages):
        if activity.tokens[place] == 0:
            raise ConfigError(f"Language {language!r} has no tokens in this activity.", "Every language needs some.")
    return rates


def _element_at(rates: Tensor, quantile: float, name: str) -> Tensor:
    """The element at rank round(quantile · count) of all rates, counted from 1."""
    _require_share(name, quantile)
    return torch.kthvalue(rates.flatten(), max(1, round(quantile * rates.numel()))).values


def _require_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ConfigError(f"Got {name}={value}.", "Expected a share above 0 and at most 1.")
