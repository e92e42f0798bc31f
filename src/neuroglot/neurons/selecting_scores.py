"""Selection from any score by language and neuron, for example an attribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NO_PROVENANCE, NeuronSet
from neuroglot.neurons.selecting_common import Equal, Size, as_sets, highest, require_languages, require_neurons
from neuroglot.signature import Signature

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

    * `sets`, as there: top_ℓ − ∪_{k≠ℓ} top_k, top_ℓ being the `top_share` (1 % by default) or `count` of highest score.
      The differences are smaller than that, and of different sizes.
    * `margin`: the same number of highest score_ℓ − max_{k≠ℓ} score_k, which is ours; sets of equal size.
    * `none`: top_ℓ.

    Scores may be any, the source's are layer-wise relevance; NaN is no candidate, in a margin for all languages. Where
    we differ: the release states the difference of sets for a target against other languages; we take all others.
    Raises `ConfigError` for one language, another contrast, or `sets` with `equal`; `LayoutMismatchError` for other
    shapes.
    """
    require_languages(languages)
    require_neurons(scores, layout, "scores")
    if len(scores) != len(languages):
        raise LayoutMismatchError(f"Got scores of {len(scores)} languages.", f"Expected {len(languages)}.")
    if contrast not in get_args(Contrast) or (contrast == "sets" and equal is True):
        raise ConfigError(
            f"Got contrast={contrast!r} with equal={equal}.",
            f"Expected one of {', '.join(get_args(Contrast))}; differences of sets are not of equal size.",
        )
    size = Size.of(layout.neuron_count, top_share, count, equal)
    members = highest(margins(scores) if contrast == "margin" else scores, size.wanted)
    if contrast == "sets":
        members &= members.sum(0) == 1
    rule = Signature.of(rule="scores", contrast=contrast)
    return as_sets(members, languages, layout, signature | rule | size.signature, size)


def margins(scores: Tensor) -> Tensor:
    """Each language's score less the highest of the others, `[G, N]` → `[G, N]`; NaN where any language's is."""
    scores = scores.double()
    (first, second), best = scores.topk(2, dim=0).values, scores.argmax(0)
    places = torch.arange(len(scores))[:, None]
    others = torch.where(places == best, second, first)
    return (scores - others).masked_fill(scores.isnan().any(0), torch.nan)
