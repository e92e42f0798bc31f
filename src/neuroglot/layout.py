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

Site = Literal["post_act", "write"]  # output of the nonlinearity; input of the down projection


@dataclass(frozen=True, order=True)
class Layer:
    """One layer's place: its stack, its index in the stack, and where its neurons lie in a flat `[N]` tensor."""

    stack: str
    index: int
    start: int
    width: int

    @property
    def neurons(self) -> slice:
        return slice(self.start, self.start + self.width)


@dataclass(frozen=True)
class Layout:
    """Widths of the feed-forward layers by stack, for example `(("decoder", (384, 384, 384, 384)),)`."""

    stacks: tuple[tuple[str, tuple[int, ...]], ...]

    def __post_init__(self) -> None:
        if not self.stacks or any(width < 1 for _, widths in self.stacks for width in widths):
            raise LayoutMismatchError(f"A layout of {self.stacks} was given.", "Every layer needs at least one neuron.")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All L layers in order: the stacks one after another."""
        places = [(stack, index, width) for stack, widths in self.stacks for index, width in enumerate(widths)]
        starts = accumulate((width for _, _, width in places), initial=0)
        return tuple(Layer(stack, index, start, width) for (stack, index, width), start in zip(places, starts))

    @property
    def neuron_count(self) -> int:
        return sum(width for _, widths in self.stacks for width in widths)

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
            width = str(widths[0]) if len(set(widths)) == 1 else "/".join(map(str, widths))
            parts.append(f"{stack} {len(widths)}×{width}")
        return ", ".join(parts)

    def to_json(self) -> dict[str, list[int]]:
        return {stack: list(widths) for stack, widths in self.stacks}

    @classmethod
    def from_json(cls, stacks: Mapping[str, Any]) -> "Layout":
        """The inverse of `to_json`; raises `ArtifactError` on anything else."""
        try:
            return cls(tuple((str(stack), tuple(int(width) for width in widths)) for stack, widths in stacks.items()))
        except (AttributeError, TypeError, ValueError) as error:
            raise ArtifactError(f"A stored layout reads {stacks!r}.", "Expected layer widths by stack.") from error
