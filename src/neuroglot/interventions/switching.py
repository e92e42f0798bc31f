"""Switching neurons off: their coefficients are replaced at the input of the down projection.

A set is off at all tokens of any forward; masks are off at chosen tokens of one batch, a mask for each text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from neuroglot.errors import InterventionError, LayoutMismatchError
from neuroglot.layout import Layer
from neuroglot.models.points import Routing
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.signature import short_hash


@contextmanager
def switch_off(
    view: ModelView, neurons: NeuronSet | Tensor, value: float | Tensor = 0.0, *, positions: Tensor | None = None
) -> Iterator[None]:
    """Within the block the neurons write `value` times their value vectors; 0 removes them from the sum.

    `neurons` is a set, or a mask, bool `[N]`: they are off at all tokens of forwards of any shape, as in generation.
    With `positions`, bool `[B, T]`, they are off at those tokens of a batch of B texts of T tokens (padding included),
    and a mask `[B, N]` says which for each text. `value` is a coefficient, that is an input of the down projection: a
    number, or floats `[N]` or `[B, N]`.

    Layers without such a neuron are left alone, no weight is touched, and the model is as before when the block ends,
    on exceptions too. Blocks nest. At 0, gated networks give the same whether the gate or the product is zeroed (LAPE
    zeroes the gate). Raises `LayoutMismatchError` for neurons of another layout and tensors of other shapes, and
    `InterventionError` in a forward of another batch, or one that does not reach a layer.
    """
    if isinstance(neurons, NeuronSet):
        view.layout.require_same(neurons.layout, "The neuron set")
    off = neurons.members if isinstance(neurons, NeuronSet) else neurons
    change = _Change(view.layout.neuron_count, off, positions, value)
    somewhere = positions is None or bool(positions.any())
    in_any_text = off.any(0) if off.dim() == 2 else off
    layers = [layer for layer, part in view.layout.by_layer(in_any_text) if somewhere and bool(part.any())]
    name, chosen = change.described, (neurons,) if isinstance(neurons, NeuronSet) else ()
    if isinstance(neurons, NeuronSet) and positions is None and not isinstance(value, Tensor):
        name = partial(_described_set, neurons, value)
    with view.tapping("write", change.tap, layers=layers, name=name, chosen=chosen):
        yield


def _described_set(neurons: NeuronSet, value: float) -> str:
    """What signatures say of a set that is off everywhere: it knows its rule and rows."""
    return f"switched off to {float(value)} at all tokens ({neurons.described.inline})"


@dataclass(frozen=True, eq=False)
class _Change:
    """What is put in place of what, in a model of `neurons`; `moved` are parts that lie on a layer's device already."""

    neurons: int
    off: Tensor
    positions: Tensor | None
    value: float | Tensor
    moved: dict[tuple[str, Layer], Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes: list[tuple[int, ...]] = [(self.neurons,)]
        if self.positions is not None:
            shapes.append((len(self.positions), self.neurons))
        given = [part for part in (self.off, self.value) if isinstance(part, Tensor)]
        batch = self.positions
        if (
            any(part.shape not in shapes for part in given)
            or self.off.dtype != torch.bool
            or (batch is not None and (batch.dim() != 2 or batch.dtype != torch.bool))
        ):
            described = [f"{part.dtype} {list(part.shape)}" for part in (*given, batch) if part is not None]
            raise LayoutMismatchError(
                f"Neurons, values and positions are {', '.join(described)}.",
                f"Expected bool [N] or [B, N], floats of such a shape, and bool [B, T], with N = {self.neurons}.",
                "A mask for each text needs positions.",
            )

    def described(self) -> str:
        """What signatures say: how many neurons, at which tokens, and a hash of all that was given."""
        given = [part if isinstance(part, Tensor) else str(part) for part in (self.off, self.positions, self.value)]
        sizes = self.off.reshape(-1, self.neurons).sum(1)
        least, most = int(sizes.min()), int(sizes.max())
        neurons = str(most) if least == most else f"{least} to {most}"
        tokens = "all tokens" if self.positions is None else f"{int(self.positions.sum())} tokens of a batch"
        value = "values by neuron" if isinstance(self.value, Tensor) else str(float(self.value))
        return f"switched off to {value} at {tokens} (neurons={neurons},hash={short_hash(*given)})"

    def tap(self, layer: Layer, activation: Tensor, routing: Routing | None) -> Tensor:
        """The activation `[rows, N]` with its neurons replaced where they are off."""
        experts = None if routing is None else routing.experts
        if self.positions is None:
            return self._replaced(layer, activation, None, experts)
        tokens = torch.arange(len(activation), device=activation.device) if routing is None else routing.tokens
        self._require_batch(layer, tokens, exactly=routing is None)
        rows = self.positions.to(tokens.device).flatten()[tokens].nonzero()[:, 0]
        texts, chosen = tokens[rows] // self.positions.shape[1], None if experts is None else experts[rows]
        changed = activation.clone()
        changed[rows] = self._replaced(layer, activation[rows], texts, chosen)
        return changed

    def _replaced(self, layer: Layer, rows: Tensor, texts: Tensor | None, experts: Tensor | None) -> Tensor:
        off = _of_rows(self._part("off", layer, rows.device), layer, texts, experts)
        if not isinstance(self.value, Tensor):
            return rows.masked_fill(off, self.value)
        values = _of_rows(self._part("value", layer, rows.device), layer, texts, experts)
        return torch.where(off, values.to(rows.dtype), rows)

    def _part(self, name: str, layer: Layer, device: torch.device) -> Tensor:
        """What `off` or `value` says of one layer, on its device; layers of one model may lie on several."""
        part = self.moved.get((name, layer))
        if part is None or part.device != device:
            part = self.moved[name, layer] = getattr(self, name)[..., layer.neurons].to(device)
        return part

    def _require_batch(self, layer: Layer, tokens: Tensor, exactly: bool) -> None:
        assert self.positions is not None
        expected = self.positions.numel()
        passed = len(tokens) if exactly or not len(tokens) else int(tokens.max()) + 1
        if passed > expected or (exactly and passed < expected):
            raise InterventionError(
                f"A forward of {passed} positions passed layer {layer.index}.",
                f"Neurons were switched off for a batch of {list(self.positions.shape)}.",
                "Switch them off anew for each batch; for generation give one set [N] and no positions.",
            )


def _of_rows(part: Tensor, layer: Layer, texts: Tensor | None, experts: Tensor | None) -> Tensor:
    """What holds for each row of the layer: `[width]` or `[B, width]` → `[rows or 1, width of a network]`."""
    if experts is not None:
        part = part.reshape(*part.shape[:-1], layer.experts, -1)
    if part.dim() == (2 if experts is None else 3):
        return part[texts] if experts is None else part[texts, experts]
    return part if experts is None else part[experts]
