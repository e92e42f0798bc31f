"""Selection from any score by language and neuron, for example an attribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NO_PROVENANCE, NeuronSet
from neuroglot.neurons.rules.common import (
    EACH,
    Equal,
    Size,
    as_sets,
    descending,
    highest,
    require_comparable,
    require_languages,
    require_neurons,
)
from neuroglot.signature import Signature, seed_of


def at_random_like(neurons: NeuronSet, seed: int) -> NeuronSet:
    """A control: as many neurons in every layer as `neurons` has, drawn with `seed` from all neurons of that layer.

    In a layer of experts, as many in every expert: an expert that many tokens reach weighs more than one that few do.
    """
    generator = torch.Generator().manual_seed(seed)
    members = torch.cat([_shuffled(part, generator) for part in neurons.members.split(neurons.layout.network_widths)])
    return NeuronSet(neurons.layout, members, Signature.of(rule="random, as many in each network", seed=seed))


def _shuffled(members: Tensor, generator: torch.Generator) -> Tensor:
    return members[torch.randperm(len(members), generator=generator)]


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
    code. Sets are of equal size in any case. Raises `ConfigError` for one language.
    """
    require_comparable(activity)
    neurons = activity.layout.neuron_count
    size = Size.of(neurons, top_share, count, equal)
    drawn = torch.stack(
        [
            torch.randperm(neurons, generator=torch.Generator().manual_seed(seed_of("random selector", seed, language)))
            for language in activity.languages
        ]
    )
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


Sign = Literal["higher", "either"]
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
    direction: Sign = "higher",
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
    if direction not in get_args(Sign):
        raise ConfigError(f"Got direction={direction!r}.", f"Expected one of {', '.join(get_args(Sign))}.")
    size = Size.of(activity.layout.neuron_count, top_share, count, equal)
    difference = standardised_difference(activity.mean(), activity.variance())
    members = highest(difference if direction == "higher" else difference.abs(), size.wanted)
    rule = Signature.of(rule="mean difference", direction=direction)
    provenance = activity.signature | rule | size.signature
    return as_sets(members, activity.languages, activity.layout, provenance, size)


Contrast = Literal["sets", "margin", "none"]


def by_scores(
    scores: Tensor,
    layout: Layout,
    languages: Sequence[str],
    *,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    contrast: Contrast = "sets",
    signature: Signature = NO_PROVENANCE,
) -> dict[str, NeuronSet]:
    """Neurons that score high for one language and not for the others, from `[G, N]` (as in CRANE, 2026, 2601.04664).

    * `sets`, as there: top_ℓ − ∪_{k≠ℓ} top_k, top_ℓ being the `top_share` (1 % by default) of highest score. The
      differences are smaller than that, and of different sizes. With a `count`, the top of a language and of the others
      grows until the difference holds so many, or, if it never does, to where it holds most.
    * `margin`: that number of highest score_ℓ − max_{k≠ℓ} score_k, which is ours; sets of equal size.
    * `none`: top_ℓ.

    Scores may be any, the source's are layer-wise relevance; NaN is no candidate, in a margin for all languages. Where
    we differ: the release states the difference of sets for a target against other languages; we take all others.
    Raises `ConfigError` for one language, another contrast, or `sets` of a share with `equal`; `LayoutMismatchError`
    for other shapes.
    """
    require_languages(languages)
    require_neurons(scores, layout, "scores")
    if len(scores) != len(languages):
        raise LayoutMismatchError(f"Got scores of {len(scores)} languages.", f"Expected {len(languages)}.")
    if contrast not in get_args(Contrast) or (contrast == "sets" and equal is True and count is None):
        raise ConfigError(
            f"Got contrast={contrast!r} with equal={equal}.",
            f"Expected one of {', '.join(get_args(Contrast))}; differences of sets are of equal size by a count only.",
        )
    size = Size.of(layout.neuron_count, top_share, count, equal)
    if contrast == "sets" and count is not None:
        members = grown_differences(scores, size.wanted)
    else:
        members = highest(margins(scores) if contrast == "margin" else scores, size.wanted)
        members &= (members.sum(0) == 1) | torch.tensor(contrast != "sets")
    rule = Signature.of(rule="scores", contrast=contrast) | size.signature
    if contrast == "sets" and count is None:
        rule |= Signature.of(asked_for=f"{EACH}, of which others' are left out")
    return as_sets(members, languages, layout, signature | rule, size)


def grown_differences(scores: Tensor, wanted: int) -> Tensor:
    """For each language top_ℓ(K) − ∪_{k≠ℓ} top_k(K), at the least K at which it has `wanted` neurons, or else most:
    `[G, N]` → bool `[G, N]`.

    With ranks r from 0, neuron n is in the difference if r_ℓ(n) < K ≤ r_k(n) for all other k; NaN has no rank. As K
    grows by 1, one neuron enters at most, so that the number is met exactly.
    """
    neurons = scores.shape[1]
    places = torch.arange(neurons).expand(scores.shape)
    ranks = torch.empty_like(places).scatter_(1, descending(scores), places).masked_fill(scores.isnan(), neurons)
    members = torch.zeros_like(ranks, dtype=torch.bool)
    for language, own in enumerate(ranks):
        others = torch.cat([ranks[:language], ranks[language + 1 :]]).amin(0)
        enters = own < others
        steps = torch.zeros(neurons + 2, dtype=torch.int64)
        steps.index_add_(0, own[enters] + 1, torch.ones_like(own[enters]))
        steps.index_add_(0, others[enters] + 1, -torch.ones_like(own[enters]))
        sizes = steps.cumsum(0)[: neurons + 1]
        depth = int((sizes >= min(wanted, int(sizes.max()))).long().argmax())
        members[language] = (own < depth) & (others >= depth)
    return members


def margins(scores: Tensor) -> Tensor:
    """Each language's score less the highest of the others, `[G, N]` → `[G, N]`; NaN where any language's is."""
    scores = scores.double()
    (first, second), best = scores.topk(2, dim=0).values, scores.argmax(0)
    places = torch.arange(len(scores))[:, None]
    others = torch.where(places == best, second, first)
    return (scores - others).masked_fill(scores.isnan().any(0), torch.nan)
