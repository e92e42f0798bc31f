"""Switching neurons off: their coefficients are replaced at the input of the down projection, for every token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.errors import InterventionError, LayoutMismatchError
from neuroglot.layout import Layer
from neuroglot.models.points import Routing
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.signature import short_hash


@contextmanager
def deactivating(
    view: ModelView, off: Tensor, positions: Tensor | None = None, value: float | Tensor = 0.0
) -> Iterator[None]:
    """Within the block the neurons `off` of each text write `value` times their value vectors; 0 removes them.

    With `positions`, bool `[B, T]`, they are off at those tokens of a batch of B texts of T tokens (padding included):
    `off` is bool `[B, N]`, a set for each text, or `[N]`. Without, they are off at all tokens of forwards of any shape,
    as in generation, and `off` is `[N]`. `value` is a number, or floats `[N]` or `[B, N]`: coefficients, that is inputs
    of the down projection. Layers without such a neuron are left alone, no weight is touched, and the model is as
    before when the block ends, on exceptions too. Blocks nest. Raises `LayoutMismatchError` for tensors of other
    shapes, and `InterventionError` in a forward of another batch, or one that does not reach a layer.
    """
    change = _Change(view.layout.neuron_count, off, positions, value)
    somewhere = positions is None or bool(positions.any())
    found = off.any(0) if off.dim() == 2 else off
    layers = [layer for layer, part in view.layout.by_layer(found) if somewhere and bool(part.any())]
    with view.tapping("write", change.tap, layers=layers, name=change.described):
        yield


@dataclass(frozen=True, eq=False)
class _Change:
    """What is put in place of what, in a model of `neurons`."""

    neurons: int
    off: Tensor
    positions: Tensor | None
    value: float | Tensor

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
            found = [f"{part.dtype} {list(part.shape)}" for part in (*given, batch) if part is not None]
            raise LayoutMismatchError(
                f"Neurons, values and positions are {', '.join(found)}.",
                f"Expected bool [N] or [B, N], floats of such a shape, and bool [B, T], with N = {self.neurons}.",
                "A set for each text needs positions.",
            )

    def described(self) -> str:
        """What signatures say: how many neurons, at which tokens, and a hash of all that was given."""
        given = [part if isinstance(part, Tensor) else str(part) for part in (self.off, self.positions, self.value)]
        sizes = self.off.reshape(-1, self.neurons).sum(1)
        least, most = int(sizes.min()), int(sizes.max())
        neurons = str(most) if least == most else f"{least} to {most}"
        tokens = "all tokens" if self.positions is None else f"{int(self.positions.sum())} tokens of a batch"
        value = "values by neuron" if isinstance(self.value, Tensor) else str(float(self.value))
        return f"deactivating to {value} at {tokens} (neurons={neurons},hash={short_hash(*given)})"

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
        off = _of_rows(self.off, layer, texts, experts, rows.device)
        if not isinstance(self.value, Tensor):
            return rows.masked_fill(off, self.value)
        return torch.where(off, _of_rows(self.value, layer, texts, experts, rows.device).to(rows.dtype), rows)

    def _require_batch(self, layer: Layer, tokens: Tensor, exactly: bool) -> None:
        assert self.positions is not None
        expected = self.positions.numel()
        found = len(tokens) if exactly or not len(tokens) else int(tokens.max()) + 1
        if found > expected or (exactly and found < expected):
            raise InterventionError(
                f"A forward of {found} positions passed layer {layer.index}.",
                f"Neurons were switched off for a batch of {list(self.positions.shape)}.",
                "Switch them off anew for each batch; for generation give one set [N] and no positions.",
            )


def _of_rows(
    values: Tensor, layer: Layer, texts: Tensor | None, experts: Tensor | None, device: torch.device
) -> Tensor:
    """What holds for each row of the layer: `[N]` or `[B, N]` of all layers → `[rows or 1, width]`."""
    part = values[..., layer.neurons].to(device)
    if experts is not None:
        part = part.reshape(*part.shape[:-1], layer.experts, -1)
    if part.dim() == (2 if experts is None else 3):
        return part[texts] if experts is None else part[texts, experts]
    return part if experts is None else part[experts]


@contextmanager
def ablating(view: ModelView, neurons: NeuronSet, value: float = 0.0) -> Iterator[None]:
    """Within the block the neurons write `value` times their value vectors; 0 removes them from the sum.

    No weight is touched, and the model is as before when the block ends, on exceptions too. Blocks nest. At 0, gated
    networks give the same whether the gate or the product is zeroed (LAPE zeroes the gate). Raises
    `LayoutMismatchError` for neurons of another layout, and `InterventionError` in the first forward that does not
    reach them.
    """
    view.layout.require_same(neurons.layout, "The neuron set")
    members = {layer: part for layer, part in view.layout.by_layer(neurons.members) if bool(part.any())}

    def switch_off(layer: Layer, activation: Tensor, routing: Routing | None) -> Tensor:
        if members[layer].device != activation.device:  # layers of one model may lie on several devices
            members[layer] = members[layer].to(activation.device)
        off = members[layer]
        if routing is not None:  # each row is one expert's
            off = off.reshape(layer.experts, -1)[routing.experts]
        return activation.masked_fill(off, value)

    name = f"ablating to {float(value)} at all tokens ({neurons.described.inline})"
    with view.tapping("write", switch_off, layers=tuple(members), name=name):
        yield
