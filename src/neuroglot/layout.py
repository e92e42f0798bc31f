"""Layout: the neurons of a model as one line of N positions, cut into stacks and layers.

Everything that has a value per neuron (counts, scores, sets) is a flat tensor `[N]` in layout order, so that the
arithmetic on neurons needs no loops over layers and no model. Axis letters used everywhere: `R` row, `G` language, `B`
batch, `T` token, `L` layer (all stacks, in order), `N` neuron, `D` model width.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import torch
from torch import Tensor

from neuroglot.errors import ArtifactError, LayoutMismatchError

Width = int | tuple[int, int]
MOST_NEURONS = 2**28  # of a stored layout; ten times those of the largest models, and a set of them fits in memory
Site = Literal["post_act", "write"]  # output of the nonlinearity; input of the down projection


@dataclass(frozen=True, order=True)
class Layer:
    """One layer's place: its stack, its number in the model, and where its neurons lie in a flat `[N]` tensor.

    A layer of `experts` feed-forward networks holds their neurons one expert after another; a dense layer has one.
    """

    stack: str
    index: int
    start: int
    width: int
    experts: int = 1

    @property
    def neurons(self) -> slice:
        return slice(self.start, self.start + self.width)


@dataclass(frozen=True)
class Layout:
    """Widths of the feed-forward layers by stack, for example `(("decoder", (384, 384, 384, 384)),)`.

    A width is a number, or a pair (experts, width of each), or 0 where the stack has nothing in that layer.
    """

    stacks: tuple[tuple[str, tuple[Width, ...]], ...]

    def __post_init__(self) -> None:
        sizes = [_pair(width) for _, widths in self.stacks for width in widths]
        if any(min(size) < 0 for size in sizes) or not any(experts * width for experts, width in sizes):
            raise LayoutMismatchError(f"A layout of {self.stacks} was given.", "Expected at least one neuron.")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All L layers that have neurons, in order: the stacks one after another."""
        places = [(stack, index, *_pair(width)) for stack, widths in self.stacks for index, width in enumerate(widths)]
        starts = accumulate((experts * width for *_, experts, width in places), initial=0)
        return tuple(
            Layer(stack, index, start, experts * width, experts)
            for (stack, index, experts, width), start in zip(places, starts)
            if experts * width
        )

    @property
    def neuron_count(self) -> int:
        return sum(layer.width for layer in self.layers)

    @property
    def network_widths(self) -> tuple[int, ...]:
        """Width of each of the U feed-forward networks: a dense layer is one, a layer of experts as many as it has."""
        return tuple(layer.width // layer.experts for layer in self.layers for _ in range(layer.experts))

    def by_layer(self, values: Tensor) -> Iterator[tuple[Layer, Tensor]]:
        """Each layer with its part of `values [..., N]`; raises `LayoutMismatchError` on another number of neurons."""
        if values.shape[-1] != self.neuron_count:
            raise LayoutMismatchError(
                f"Got values for {values.shape[-1]} neurons.", f"The layout has {self.neuron_count} ({self})."
            )
        for layer in self.layers:
            yield layer, values[..., layer.neurons]

    def sum_by_layer(self, values: Tensor) -> Tensor:
        """Sums over each layer's neurons: `[..., N]` → `[..., L]`."""
        return torch.stack([part.sum(-1) for _, part in self.by_layer(values)], dim=-1)

    def require_same(self, other: "Layout", what: str) -> None:
        """Raise `LayoutMismatchError` unless `other` is the same layout."""
        if self != other:
            raise LayoutMismatchError(
                f"{what} has the layout {other}.",
                f"Expected {self}.",
                "Use artefacts that were made with the same model architecture.",
            )

    def __str__(self) -> str:
        parts = []
        for stack, widths in self.stacks:
            present = [width for width in widths if width]
            names = [width if isinstance(width, int) else "×".join(map(str, width)) for width in present]
            width = str(names[0]) if len(set(names)) == 1 else "/".join(map(str, names))
            parts.append(f"{stack} {len(present)}×{width}")
        return ", ".join(parts)

    def to_json(self) -> dict[str, list[int | list[int]]]:
        return {
            stack: [width if isinstance(width, int) else list(width) for width in widths]
            for stack, widths in self.stacks
        }

    @classmethod
    def from_json(cls, stacks: Mapping[str, Any]) -> "Layout":
        """The inverse of `to_json`; raises `ArtifactError` on anything else."""
        try:
            stored = tuple((stack, tuple(map(_stored_width, _list(widths)))) for stack, widths in stacks.items())
            neurons = sum(experts * width for _, widths in stored for experts, width in map(_pair, widths))
            if neurons > MOST_NEURONS:
                raise ValueError("too many neurons")
            return cls(stored)
        except (AttributeError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"A stored layout reads {str(stacks)[:200]}.",
                f"Expected layer widths by stack, of 1 to {MOST_NEURONS:,} neurons.",
            ) from error


def _pair(width: Width) -> tuple[int, int]:
    """Experts and the width of each."""
    return (1, width) if isinstance(width, int) else width


def _stored_width(width: Any) -> Width:
    if isinstance(width, list):
        experts, each = map(_whole, width)
        return experts, each
    return _whole(width)


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= MOST_NEURONS:
        raise ValueError(f"{str(value)[:80]} is no width")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value
