"""LAPE: language-specific neurons by the entropy of their firing rates. The other rules are in `selecting_*.py`, and
`selectors.py` lists all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting_baselines import at_random_like as at_random_like
from neuroglot.neurons.selecting_common import Equal, Size, as_sets, element_at, lowest_owned, require_comparable
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
    2. The `top_share` of all N neurons (1 % by default), or the `count`, with the lowest entropy among candidates are
       selected (fewer where there are fewer candidates; of equal entropies the neuron that comes first in the layout).
    3. A selected neuron belongs to every language in which its rate is above the `owner_quantile` of all G·N rates, so
       that it may have several owners.

    With `equal`, every language gets that many of the candidates that belong to it, those of lowest entropy; a language
    with fewer is refused. Quantiles are elements, without interpolation, at the rank `round(quantile·G·N)`, and "above"
    is strict, as in the reference (`filter_rate`, `top_rate` and `activation_bar_ratio` there). Where we differ: a
    language without neurons gets an empty set rather than being left out, and never more than the candidates are
    selected. Raises `ConfigError` for one language, shares outside (0, 1], or a language without tokens.
    """
    require_comparable(activity)
    rates = activity.rates(threshold)
    size = Size.of(rates.shape[1], top_share, count, equal)
    candidates = (rates > element_at(rates, filter_quantile, "filter_quantile")).any(0)
    owned = rates > element_at(rates, owner_quantile, "owner_quantile")
    members = lowest_owned(language_entropy(rates).masked_fill(~candidates, torch.nan), owned, size)
    bars = Signature.of(filter_quantile=filter_quantile, owner_quantile=owner_quantile)
    provenance = activity.signature | Signature.of(rule="entropy") | size.signature | bars
    return as_sets(members, activity.languages, activity.layout, provenance, size)
