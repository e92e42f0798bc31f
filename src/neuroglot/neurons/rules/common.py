"""What all selectors share: how many neurons are asked for, ranking with fixed ties, and sets with their provenance.

A score of NaN means that a neuron is no candidate: it is never selected, so that there may be fewer than asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.signature import Signature

ONE_PERCENT = 0.01
EACH, TOGETHER = "each language", "all languages together"  # for whom a number of neurons is
Equal = bool | Literal["at most"]  # every language gets as many, or is refused; or gets at most as many


def ranked(scores: Tensor, *, top_share: float | None = None, count: int | None = None) -> Tensor:
    """The highest scores of each row: `[G, N]` → bool `[G, N]`, a `count` of neurons or a `top_share` of all N a row.

    Of equal scores the neuron that comes first in the layout is taken; NaN is never taken, and a row with fewer other
    scores gives fewer. Without either, 1 %. Raises `ConfigError` on both, or on amounts out of range.
    """
    return highest(scores, Size.of(scores.shape[-1], top_share, count).wanted)


def highest(scores: Tensor, wanted: int) -> Tensor:
    """What `ranked` gives, for a number that is known to be right."""
    candidates, order = ~scores.isnan(), descending(scores)[..., :wanted]
    return torch.zeros_like(candidates).scatter_(-1, order, candidates.gather(-1, order))


def descending(scores: Tensor) -> Tensor:
    """Places `[..., N]` in the order of falling scores, the first of equal ones first, and NaN last."""
    missing = scores.isnan()
    filled = scores.double().masked_fill(missing, -math.inf)
    order = torch.sort(filled, dim=-1, descending=True, stable=True).indices
    last = torch.sort(missing.gather(-1, order).to(torch.uint8), dim=-1, stable=True).indices  # behind a true −inf
    return order.gather(-1, last)


@dataclass(frozen=True)
class Size:
    """How many neurons are selected: the number, for whom it is, whether every language must get it, and a signature.

    A count is for each language, by every rule. A share of all neurons is for each language too, unless the rule's
    source takes it of all languages `together`. With `equal` the number is for each language, and one with fewer
    candidates is refused; with "at most", it gets fewer.
    """

    wanted: int
    equal: Equal
    together: bool
    signature: Signature

    @classmethod
    def of(
        cls,
        neurons: int,
        top_share: float | None,
        count: int | None,
        equal: Equal = False,
        default: float = ONE_PERCENT,
        together: bool = False,
    ) -> Size:
        """A share of so many neurons, rounded half to even, or a count; raises `ConfigError` as `ranked` does."""
        if top_share is not None and count is not None:
            raise ConfigError(f"Got top_share={top_share} and count={count}.", "Expected one of them.")
        together = together and count is None and not equal
        asked = Signature.of(asked_for=TOGETHER if together else EACH, **({"equal": equal} if equal else {}))
        if count is None:
            share = default if top_share is None else top_share
            require_share("top_share", share)
            wanted = round(share * neurons)
            return cls(wanted, equal, together, Signature.of(top_share=share, asked=wanted) | asked)
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= neurons:
            raise ConfigError(f"Got count={count!r}.", f"Expected a whole number from 1 to the {neurons} neurons.")
        return cls(count, equal, together, Signature.of(count=count, asked=count) | asked)


def lowest_owned(cost: Tensor, owned: Tensor, size: Size) -> Tensor:
    """Members `[G, N]` of languages that own neurons `[G, N]` of low `cost [N]`, NaN being no candidate.

    Of all languages together the wanted neurons of lowest cost, each for all its owners; else as many of each
    language's own.
    """
    if size.together:
        return highest(-cost[None], size.wanted) & owned
    return highest((-cost).masked_fill(~owned, torch.nan), size.wanted)


def as_sets(
    members: Tensor, languages: Sequence[str], layout: Layout, signature: Signature, size: Size | None = None
) -> dict[str, NeuronSet]:
    """One set a language from members `[G, N]`; raises `ConfigError` unless all have a size that must be equal."""
    sizes = members.sum(1).tolist()
    for language, found in zip(languages, sizes, strict=True):
        if size is not None and size.equal is True and found != size.wanted:
            raise ConfigError(
                f"Language {language!r} has {found} neurons that can be selected.",
                f"Sets of equal size were asked for, of {size.wanted} each.",
                f"Ask for at most {min(sizes)}, or for sets that may differ.",
            )
    return {
        language: NeuronSet(layout, members[place], signature | Signature.of(language=language))
        for place, language in enumerate(languages)
    }


def require_comparable(activity: Activity) -> None:
    """Raise `ConfigError` unless there are two languages or more, all with tokens."""
    require_languages(activity.languages)
    for place, language in enumerate(activity.languages):
        if activity.tokens[place] == 0:
            raise ConfigError(f"Language {language!r} has no tokens in this activity.", "Every language needs some.")


def require_languages(languages: Sequence[str]) -> None:
    """Raise `ConfigError` unless there are two languages or more, each once."""
    if len(languages) < 2 or len(set(languages)) != len(languages):
        raise ConfigError(
            f"Neurons were to be selected for {', '.join(languages) or 'no language'} only.",
            "Expected two or more languages, each once: with one language nothing can be told apart.",
        )


def require_neurons(values: Tensor, layout: Layout, what: str) -> None:
    """Raise `LayoutMismatchError` unless `values` is `[any, N]` of this layout."""
    if values.dim() != 2 or values.shape[1] != layout.neuron_count:
        raise LayoutMismatchError(
            f"Got {what} {list(values.shape)}.", f"Expected a row of {layout.neuron_count} neurons each ({layout})."
        )


def histogram_of(activity: Activity) -> Tensor:
    """The histogram `[G, N, bins]`; raises `ConfigError` where it was not recorded."""
    if "histogram" not in activity.recording.statistics:
        raise ConfigError("The statistic 'histogram' was not recorded.", "", "Record with statistics=('histogram',).")
    return activity.statistics["histogram"]


def element_at(values: Tensor, quantile: float, name: str) -> Tensor:
    """The element at rank round(quantile · count) of all values, counted from 1; no interpolation."""
    require_share(name, quantile)
    return torch.kthvalue(values.flatten(), max(1, round(quantile * values.numel()))).values


def require_share(name: str, value: float) -> None:
    """Raise `ConfigError` unless the share is in (0, 1]."""
    if not 0 < value <= 1:
        raise ConfigError(f"Got {name}={value}.", "Expected a share above 0 and at most 1.")
