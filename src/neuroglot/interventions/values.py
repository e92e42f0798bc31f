"""Values for neurons from what was recorded: the mean or a quantile in a language, in others, or a difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout, Site
from neuroglot.neurons.neuronset import NO_PROVENANCE, NeuronSet
from neuroglot.signature import Signature

Reading = Literal["mean", "quantile", "mean of others", "mean minus others"]


@dataclass(frozen=True, eq=False)
class Values:
    """One activation a neuron, `values [N]` (float32, in the model's own units), at the site where they were read.

    NaN stands where nothing was recorded, as for an expert that no token of the language reached.
    """

    layout: Layout
    values: Tensor
    site: Site
    signature: Signature = NO_PROVENANCE

    def __post_init__(self) -> None:
        if self.values.shape != (self.layout.neuron_count,):
            raise LayoutMismatchError(
                f"Got values {list(self.values.shape)}.", f"Expected [{self.layout.neuron_count}] ({self.layout})."
            )
        object.__setattr__(self, "values", self.values.detach().cpu().float())

    def known(self) -> NeuronSet:
        """The neurons that have a finite value."""
        return NeuronSet(self.layout, self.values.isfinite(), Signature.of(values="known"))


def values_of(activity: Activity, language: str, reading: Reading = "mean", quantile: float = 0.9) -> Values:
    """What each neuron is at in a language, read from an activity with the statistic `moments` (or `histogram`).

    `mean` is over the tokens that reached the neuron; `quantile` is `Activity.quantile`, exact to a factor of 2; `mean
    of others` weighs each other language alike, whatever its number of tokens, and leaves out those whose tokens never
    reached the neuron; `mean minus others` is the difference of the two (Gurgurov et al. 2025). Raises `ConfigError`
    for a language that the activity lacks, or a statistic that it did not keep.
    """
    if language not in activity.languages or (len(activity.languages) == 1 and "others" in reading):
        raise ConfigError(
            f"The {reading} was asked for {language!r}.",
            f"The activity holds {', '.join(activity.languages)}.",
            "Name one of them; others can be read where there are two or more.",
        )
    place = activity.languages.index(language)
    described = Signature.of(values=reading, language=language) | Signature.of(
        **({"quantile": quantile} if reading == "quantile" else {})
    )
    found = _read(activity, place, reading, quantile)
    return Values(activity.layout, found, activity.recording.site, described | activity.signature)


def _read(activity: Activity, place: int, reading: Reading, quantile: float) -> Tensor:
    if reading == "quantile":
        return activity.quantile(quantile)[place]
    means = activity.mean()
    if reading == "mean":
        return means[place]
    others = torch.cat([means[:place], means[place + 1 :]])
    mean_of_others = others.nanmean(0)
    return mean_of_others if reading == "mean of others" else means[place] - mean_of_others
