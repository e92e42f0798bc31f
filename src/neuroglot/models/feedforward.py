"""The whole feed-forward network of a layer: up projections, nonlinearity, down projection; found by name, then proved.

The table of families knows where the down projection is. What lies before it is needed only here: to remove a
neuron's weights, as the reference does, and to cut neurons out.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer
from neuroglot.models.modelview import ModelView
from neuroglot.models.points import DensePoint

# By the name of the down projection and whether there is a gate; a gate stands first, alone it holds both halves.
UP_PROJECTIONS: dict[tuple[str, bool], tuple[tuple[str, ...], ...]] = {
    ("fc2", False): (("fc1",),),
    ("wo", False): (("wi",),),
    ("wo", True): (("wi_0", "wi_1"),),
    ("down_proj", False): (("up_proj",),),
    ("down_proj", True): (("gate_proj", "up_proj"), ("gate_up_proj",)),
    ("c_proj", False): (("c_fc",),),
    ("dense_4h_to_h", False): (("dense_h_to_4h",),),
    ("fc_out", False): (("fc_in",),),
}
NETWORK_TOLERANCE = 0.02  # of the largest value, as for the write identity


@dataclass(frozen=True, eq=False)
class FeedForward:
    """The modules of one dense network; `up` holds the gate first where there are two, and both in one where fused."""

    up: tuple[nn.Module, ...]
    activation: nn.Module
    down: nn.Module
    gated: bool

    @property
    def halves(self) -> int:
        """How many projections an up module holds."""
        return 2 if self.gated and len(self.up) == 1 else 1

    def hidden(self, *projected: Tensor) -> Tensor:
        """The input of the down projection from the outputs of the up projections: `[..., N]`."""
        parts = projected[0].chunk(self.halves, dim=-1) if self.halves == 2 else projected
        fired: Tensor = self.activation(parts[0])
        return fired * parts[1] if self.gated else fired

    def without_weights(self) -> Tensor:
        """What a neuron writes with when its rows in the up projections are zero and its biases are not: `[N]`.

        act(b), or act(b_gate) · b_up; act(0) = 0 and a product with 0 where there are no biases.
        """
        return self.hidden(*(bias_of(module) for module in self.up))


def bias_of(module: nn.Module) -> Tensor:
    """A projection's bias, zeros where it has none: one a column of its output."""
    bias, weight = getattr(module, "bias", None), module.weight
    assert isinstance(weight, Tensor)
    if isinstance(bias, Tensor):
        return bias
    outputs = weight.shape[1] if type(module).__name__ == "Conv1D" else weight.shape[0]
    return torch.zeros(outputs, dtype=weight.dtype, device=weight.device)


def feed_forwards(view: ModelView) -> dict[Layer, FeedForward]:
    """The network of every layer; raises `UnsupportedModelError` where one is not built as the table says.

    One dummy forward checks that nonlinearity and gate of the up projections' outputs give the down projection's input.
    """
    names = {module: name for name, module in view.model.named_modules()}
    found = {layer: _feed_forward(view, layer, names) for layer in view.layout.layers}
    _prove(view, found)
    return found


def _feed_forward(view: ModelView, layer: Layer, names: dict[nn.Module, str]) -> FeedForward:
    point = view.points[layer]
    if not isinstance(point, DensePoint) or point.activation is None:
        raise _refusal(view, layer, "has experts, or no module for its nonlinearity")
    parent, _, name = names[point.write].rpartition(".")
    children = dict(view.model.get_submodule(parent).named_children())
    for up in UP_PROJECTIONS.get((name, point.gated), ()):
        if all(part in children for part in up):
            return FeedForward(tuple(children[part] for part in up), point.activation, point.write, point.gated)
    raise _refusal(view, layer, f"has no known projection before {name}")


def _prove(view: ModelView, found: dict[Layer, FeedForward]) -> None:
    projected: dict[nn.Module, Tensor] = {}
    written: dict[Layer, Tensor] = {}

    def keep(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        projected[module] = output.reshape(-1, output.shape[-1]).clone()

    def note(layer: Layer, activation: Tensor, _routing: Any) -> None:
        written[layer] = activation.clone()

    with ExitStack() as hooks:
        for network in found.values():
            for module in network.up:
                hooks.callback(module.register_forward_hook(keep).remove)
        hooks.enter_context(view.tapping("write", note))
        hooks.enter_context(view.evaluating())
        view.model.base_model(**view.family.reads.dummy(view.model))
        for layer, network in found.items():
            recomputed = network.hidden(*(projected[module] for module in network.up))
            _require_equal(view, layer, recomputed.float(), written[layer].float())


def _require_equal(view: ModelView, layer: Layer, recomputed: Tensor, written: Tensor) -> None:
    tolerance = NETWORK_TOLERANCE * float(written.abs().max()) + 1e-12
    if recomputed.shape != written.shape or not torch.allclose(recomputed, written, rtol=0, atol=tolerance):
        raise _refusal(view, layer, "does more between its projections than a nonlinearity and a gate")


def _refusal(view: ModelView, layer: Layer, got: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"The feed-forward network of {layer.stack} layer {layer.index} of {type(view.model).__name__} {got}.",
        "Expected up projections, a nonlinearity, and a down projection of neurons.",
        "Masks of activations (semantics='activation') may work without compaction.",
    )
