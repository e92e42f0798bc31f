"""Operators: what can be done to a set of neurons, as arithmetic on their activations.

Three operators (`OPERATORS`) suffice: those of the papers are sequences of them, made by the functions below. To add
one, add a line to the table; steering, files and the command line then know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.headers import NOTHING_READ, Choice, Chosen
from neuroglot.layout import Layout, Site
from neuroglot.neurons.neuronset import NO_PROVENANCE, NeuronSet
from neuroglot.signature import Signature, short_hash

Summary = Literal["mean", "quantile", "mean of others", "mean minus others"]


@dataclass(frozen=True, eq=False)
class Values:
    """One activation a neuron, `values [N]` (float32, in the model's own units), at the site where they were read.

    NaN stands where nothing was recorded, as for an expert that no token of the language reached. `read` has a hash of
    each text on which they were recorded.
    """

    layout: Layout
    values: Tensor
    site: Site
    signature: Signature = NO_PROVENANCE
    read: Tensor = NOTHING_READ

    def __post_init__(self) -> None:
        if self.values.shape != (self.layout.neuron_count,):
            raise LayoutMismatchError(
                f"Got values {list(self.values.shape)}.", f"Expected [{self.layout.neuron_count}] ({self.layout})."
            )
        object.__setattr__(self, "values", self.values.detach().cpu().float())

    def known(self) -> NeuronSet:
        """The neurons that have a finite value."""
        return NeuronSet(self.layout, self.values.isfinite(), Signature.of(values="known"))


def values_of(activity: Activity, language: str, reading: Summary = "mean", quantile: float = 0.9) -> Values:
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
    return Values(activity.layout, found, activity.recording.site, described | activity.signature, activity.read)


def _read(activity: Activity, place: int, reading: Summary, quantile: float) -> Tensor:
    if reading == "quantile":
        return activity.quantile(quantile)[place]
    means = activity.mean()
    if reading == "mean":
        return means[place]
    others = torch.cat([means[:place], means[place + 1 :]])
    mean_of_others = others.nanmean(0)
    return mean_of_others if reading == "mean of others" else means[place] - mean_of_others


Given = float | Tensor | Values  # a number for all neurons, or `[N]`


@dataclass(frozen=True)
class Operator:
    """The new activation from the old one `[rows, N]` and a value, a number or `[rows or 1, N]`."""

    formula: str
    change: Callable[[Tensor, Tensor | float], Tensor]


OPERATORS: Mapping[str, Operator] = {
    "set": Operator("h' = v", lambda h, v: torch.full_like(h, v) if isinstance(v, float) else v.expand_as(h)),
    "add": Operator("h' = h + v", lambda h, v: h + v),
    "multiply": Operator("h' = h · v", lambda h, v: h * v),
}


@dataclass(frozen=True, eq=False)
class Step:
    """One operator on one set of neurons, at one site; neurons outside the set keep their activation to the bit.

    `values` is a number or floats `[N]`, of which only those of the set are read; `origin` says where they come from,
    and `read` has a hash of each text on which they were recorded. Raises `ConfigError` for an unknown operator or
    site, or a value in the set that is not finite, and `LayoutMismatchError` for another number of values.
    """

    operator: str
    neurons: NeuronSet
    values: float | Tensor
    site: Site = "write"
    origin: Signature = NO_PROVENANCE
    read: Tensor = NOTHING_READ

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS or self.site not in ("post_act", "write"):
            raise ConfigError(
                f"Got the operator {self.operator!r} at the site {self.site!r}.",
                f"Expected one of {', '.join(OPERATORS)}, at post_act or write.",
            )
        values = self.values
        if isinstance(values, Tensor):
            _require_shape(values, self.neurons)
            read = values.detach().cpu().float()
            values = torch.where(self.neurons.members, read, 0.0)  # equal effect, equal file
        else:
            values = float(values)
        object.__setattr__(self, "values", values)
        _require_finite(values, self.neurons)

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """What depends on texts: the neurons, and the values."""
        return self.neurons, Choice(self.origin, self.read)

    @property
    def signature(self) -> Signature:
        """Operator, site, values, and which neurons by which rule and rows."""
        value = f"by neuron {short_hash(self.values)}" if isinstance(self.values, Tensor) else self.values
        return Signature.of(operator=self.operator, site=self.site, value=value) | self.neurons.described


def set_to(neurons: NeuronSet, value: Given = 0.0, site: Site | None = None) -> Step:
    """`h' = v`: 0 (LAPE), a constant, or a value a neuron, as the median in Kojima et al. 2024 or a mean."""
    return _step("set", neurons, value, 1.0, site)


def add(neurons: NeuronSet, value: Given, alpha: float = 1.0, site: Site | None = None) -> Step:
    """`h' = h + α·v`."""
    return _step("add", neurons, value, alpha, site)


def multiply(neurons: NeuronSet, factor: Given, site: Site | None = None) -> Step:
    """`h' = h · v`: 1 + β strengthens, 1 − γ weakens."""
    return _step("multiply", neurons, factor, 1.0, site)


def language_arithmetic(
    source: NeuronSet,
    target: NeuronSet,
    value: Given,
    alpha: float = 1.0,
    fill: float = -1.0,
    site: Site | None = None,
) -> tuple[Step, ...]:
    """Source neurons are filled with a constant, then target neurons += α·v (Gurgurov et al. 2025).

    `value` is the target's mean, or `values_of(…, "mean minus others")`. Without a `site` it acts where the values were
    read; with a number, as the paper does, on the gate: `post_act`, where −1 lies below what the nonlinearity gives.
    Neurons in both sets are filled and then added to; whether the reference does so too we do not know.
    """
    added = add(target, value, alpha, site or (None if isinstance(value, Values) else "post_act"))
    return (set_to(source, fill, added.site), added)


def two_set_scaling(
    strengthened: NeuronSet,
    weakened: NeuronSet,
    beta: float = 0.2,
    gamma: float = 0.2,
    alpha: float = 1.0,
    site: Site | None = None,
) -> tuple[Step, ...]:
    """`h1 = h(1 + β·Mp)`, `h2 = h1(1 − γ·Ms)`, `h' = (1 − α)h + α·h2` (CLAS, Pokharel 2026).

    Mp are the partial-shared and Ms the specific neurons; layers are chosen by the sets. All of it is one factor a
    neuron, so that it is one step; it equals the three in exact arithmetic. β, γ and the formula are those of a public
    re-implementation.
    """
    strengthened.layout.require_same(weakened.layout, "The second set")
    up, down = 1 + beta * strengthened.members.double(), 1 - gamma * weakened.members.double()
    return (multiply(strengthened | weakened, 1 - alpha + alpha * up * down, site),)


def _step(operator: str, neurons: NeuronSet, value: Given, factor: float, site: Site | None) -> Step:
    if not isinstance(value, Values):
        return Step(operator, neurons, value * factor, site or "write")
    neurons.layout.require_same(value.layout, "The activity")
    if site not in (None, value.site):
        raise ConfigError(
            f"Values that were recorded at {value.site!r} were given for the site {site!r}.",
            "Expected the same site: a gated network has other numbers at the other.",
            f"Record with site={site!r}, or act at {value.site!r}.",
        )
    origin = value.signature | Signature.of(alpha=factor)
    return Step(operator, neurons, value.values * factor, value.site, origin, value.read)


def _require_shape(values: Tensor, neurons: NeuronSet) -> None:
    if values.shape != (neurons.layout.neuron_count,) or not values.is_floating_point():
        raise LayoutMismatchError(
            f"Values are {values.dtype} {list(values.shape)}.",
            f"Expected floats [{neurons.layout.neuron_count}] ({neurons.layout}).",
        )


def _require_finite(values: float | Tensor, neurons: NeuronSet) -> None:
    finite = torch.as_tensor(values).isfinite().expand_as(neurons.members)
    wrong = int((neurons.members & ~finite).sum())
    if wrong:
        raise ConfigError(
            f"{wrong} of {len(neurons)} neurons have no finite value.",
            "Expected one for each; recorded values lack one where no token reached the neuron, or a quantile is open.",
            "Take `neurons & values.known()`.",
        )
