"""Baselines that any selector must beat: random sets, and the neurons that are largest anyway."""

from __future__ import annotations

import torch

from neuroglot.activity.activity import Activity
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting_common import Equal, Size, as_sets, highest, require_comparable
from neuroglot.signature import Signature


def at_random_like(neurons: NeuronSet, seed: int) -> NeuronSet:
    """A control: as many neurons in every layer as `neurons` has, drawn with `seed` from all neurons of that layer."""
    generator = torch.Generator().manual_seed(seed)
    members = torch.zeros_like(neurons.members)
    for layer, part in neurons.layout.by_layer(neurons.members):
        chosen = torch.randperm(layer.width, generator=generator)[: int(part.sum())]
        members[layer.start + chosen] = True
    return NeuronSet(neurons.layout, members, Signature.of(rule="random, as many in each layer", seed=seed))


def at_random(
    activity: Activity,
    *,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    seed: int = 0,
) -> dict[str, NeuronSet]:
    """Random neurons for each language: a `count`, or a share of all N (1 % by default), drawn from all neurons alike.

    No count enters: of the activity only layout and languages are used. A language's draw depends on the seed and its
    place among the languages. Sets are of equal size in any case. Raises `ConfigError` for one language.
    """
    require_comparable(activity)
    neurons = activity.layout.neuron_count
    size = Size.of(neurons, top_share, count, equal)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.stack([torch.randperm(neurons, generator=generator) for _ in activity.languages])
    provenance = Signature.of(rule="random") | size.signature | Signature.of(seed=seed)
    return as_sets(drawn < size.wanted, activity.languages, activity.layout, provenance, size)


def by_magnitude(
    activity: Activity, *, top_share: float | None = None, count: int | None = None, equal: Equal = False
) -> dict[str, NeuronSet]:
    """Each language's neurons of largest mean absolute activation, whatever they do in other languages.

    score[g, n] = mean over the tokens of language g that reached neuron n of |a_n|; the highest `top_share` (1 % by
    default) or `count` of each language. A baseline of ours: it has no source, and languages will share most of it.
    Needs the statistic `magnitude`. A neuron that no token reached is no candidate. Raises `ConfigError` for one
    language, a language without tokens, a statistic that was not recorded, or fewer candidates than `equal` needs.
    """
    require_comparable(activity)
    size = Size.of(activity.layout.neuron_count, top_share, count, equal)
    members = highest(activity.mean_magnitude(), size.wanted)
    provenance = activity.signature | Signature.of(rule="magnitude") | size.signature
    return as_sets(members, activity.languages, activity.layout, provenance, size)
