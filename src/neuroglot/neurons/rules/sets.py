"""Selection by what sets have in common: over the texts of a language, and over languages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import and_, or_
from typing import Literal, get_args

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NO_PROVENANCE, NeuronSet
from neuroglot.neurons.rules.common import (
    Equal,
    Size,
    as_sets,
    descending,
    highest,
    require_languages,
    require_neurons,
)
from neuroglot.signature import Signature

PLND_SHARE = 2000 / 11008  # what the code keeps of a layer of LLaMA-2-7B
Than = Literal["all", "any"]


def shared(sets: Mapping[str, NeuronSet]) -> NeuronSet:
    """The neurons that are in the sets of all languages: ∩_ℓ set_ℓ (PLND, Zhao et al. 2024; Chen et al. 2025).

    Raises `ConfigError` for fewer than two sets, `LayoutMismatchError` for sets of different layouts.
    """
    require_languages(tuple(sets))
    return reduce(and_, sets.values())


def exclusive(sets: Mapping[str, NeuronSet], *, than: Than = "all") -> dict[str, NeuronSet]:
    """Each language's set less what `all` share: set_ℓ − ∩_k set_k (PLND, Zhao et al. 2024; Chen et al. 2025).

    A neuron may then still be in several sets; less what `any` other language has, set_ℓ − ∪_{k≠ℓ} set_k, it is in one
    at most, which is ours. Sizes follow from the sets. Raises as `shared` does.
    """
    require_languages(tuple(sets))
    if than not in get_args(Than):
        raise ConfigError(f"Got than={than!r}.", f"Expected one of {', '.join(get_args(Than))}.")
    common = shared(sets)
    rule = Signature.of(exclusive_of="shared" if than == "all" else "any other language")
    found = {}
    for language, neurons in sets.items():
        others = [other for name, other in sets.items() if name != language]
        rest = neurons - (common if than == "all" else reduce(or_, others))
        found[language] = NeuronSet(rest.layout, rest.members, neurons.signature | rule, rest.read)
    return found


def by_consistency(
    importance: Mapping[str, Tensor],
    layout: Layout,
    *,
    depth: int | None = None,
    threshold: float | None = None,
    top_share: float | None = None,
    count: int | None = None,
    equal: Equal = False,
    signature: Signature = NO_PROVENANCE,
) -> dict[str, NeuronSet]:
    """Neurons that are important for every text of a language, from `[texts, N]` by language (PLND, Zhao et al. 2024).

    * As in the code: the intersection over texts of the `depth` most important neurons of each layer (2,000 there; by
      default as large a share of a layer as that is of LLaMA-2-7B's 11,008). Importance there is Σ_t |up_proj(x_t)|.
    * As in the text: those at or above a `threshold` for every text. Importance there is the norm of the change of the
      layer's output when the neuron is removed. That the text has a threshold we know from memory only.
    * With a `top_share` or `count`: the neurons of the best worst rank over texts, which is the depth at which so many
      are kept; sets of equal size.

    The language-specific neurons of PLND are `exclusive` of these sets. NaN is never important. Of equal values the
    neuron that comes first ranks higher. Where we differ: importance comes from the caller. Raises `ConfigError` for
    one language, a language without texts, a depth below 1, a threshold of NaN, or two rules at once;
    `LayoutMismatchError` for other shapes.
    """
    require_languages(tuple(importance))
    _require_texts(importance, layout)
    sized = top_share is not None or count is not None
    rules = (depth is not None) + (threshold is not None) + sized
    if rules > 1 or (equal and not sized) or threshold != threshold:
        raise ConfigError(
            f"Got depth={depth}, threshold={threshold}, top_share={top_share}, count={count}, equal={equal}.",
            "Expected one of depth, threshold and an amount, and equal with an amount only.",
        )
    size = Size.of(layout.neuron_count, top_share, count, equal) if sized else None
    if threshold is not None:
        members = torch.stack([(texts >= threshold).all(0) for texts in importance.values()])
        rule = Signature.of(rule="important in all texts", threshold=float(threshold))
    else:
        ranks = torch.stack([worst_ranks(texts, layout) for texts in importance.values()])
        members = highest(-ranks, size.wanted) if size else ranks < _depths(layout, depth)
        rule = Signature.of(rule="top in all texts") | (size.signature if size else Signature.of(depth=depth))
    return as_sets(members, tuple(importance), layout, signature | rule, size)


def by_exclusive_consistency(
    importance: Mapping[str, Tensor],
    layout: Layout,
    *,
    than: Than = "all",
    depth: int | None = None,
    threshold: float | None = None,
    signature: Signature = NO_PROVENANCE,
) -> dict[str, NeuronSet]:
    """PLND's language-specific neurons: `exclusive` of the sets of `by_consistency`, which say what the options are."""
    return exclusive(
        by_consistency(importance, layout, depth=depth, threshold=threshold, signature=signature), than=than
    )


def worst_ranks(importance: Tensor, layout: Layout) -> Tensor:
    """Worst rank of each neuron in its layer over texts, from 0: `[texts, N]` → `[N]`; NaN where an importance is."""
    worst = torch.zeros(layout.neuron_count, dtype=torch.float64)
    for layer, part in layout.by_layer(importance):
        places = torch.arange(layer.width).expand(part.shape)
        ranks = torch.empty_like(places).scatter_(1, descending(part), places)
        worst[layer.neurons] = ranks.amax(0).double()
    return worst.masked_fill(importance.isnan().any(0), torch.nan)


def _depths(layout: Layout, depth: int | None) -> Tensor:
    """How many of its layer are kept, by neuron: `[N]`."""
    if depth is not None and depth < 1:
        raise ConfigError(f"Got depth={depth}.", "Expected one neuron of each layer or more.")
    widths = [layer.width for layer in layout.layers]
    depths = [round(PLND_SHARE * width) if depth is None else depth for width in widths]
    return torch.tensor(depths).repeat_interleave(torch.tensor(widths))


def _require_texts(importance: Mapping[str, Tensor], layout: Layout) -> None:
    for language, texts in importance.items():
        require_neurons(texts, layout, f"importance of {language!r}")
        if not len(texts):
            raise ConfigError(f"Language {language!r} has no texts.", "Every language needs some.")
