"""How one layer is tapped: a dense network by hooks on two modules, a layer of experts by its routing as well."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer, Site, Width
from neuroglot.models.offloaded import held
from neuroglot.models.split import is_split, over_parts, whole

ONE_CALL_A_LAYER = ("grouped_mm", "batched_mm")  # transformers' expert implementations whose rows can be told apart


@dataclass(frozen=True, eq=False)
class Routing:
    """Of which token (its flattened position) and which expert each row of an activation is: `tokens`, `experts`
    `[rows]`.

    `weights` are what the router multiplies each row's output by.
    """

    tokens: Tensor
    experts: Tensor
    weights: Tensor


Tap = Callable[[Layer, Tensor, Routing | None], Tensor | None]


class Point(Protocol):
    """One layer's feed-forward network or networks."""

    @property
    def output_module(self) -> nn.Module:
        """The module whose output is the sum of value vectors."""
        ...

    @property
    def width(self) -> Width:
        """Neurons, or experts and neurons of each."""
        ...

    def written(self, output: Tensor) -> Tensor:
        """What the networks wrote for each token, from the output of that module: `[tokens, D]`."""
        ...

    def install(self, site: Site, layer: Layer, tap: Tap, hooks: ExitStack) -> None:
        """Call `tap` at the site until `hooks` closes; raises `UnsupportedModelError` where the site cannot be
        tapped.
        """
        ...

    def value_vectors(self) -> Tensor:
        """`[N, D]`: what each neuron writes when its coefficient is 1."""
        ...

    def biases(self) -> Tensor | None:
        """What each network adds to its value vectors: `[experts, D]`."""
        ...


@dataclass(frozen=True, eq=False)
class DensePoint:
    """The nonlinearity (None where the model calls a function) and the down projection of one network."""

    activation: nn.Module | None
    write: nn.Module
    gated: bool

    @property
    def output_module(self) -> nn.Module:
        return self.write

    @property
    def width(self) -> Width:
        width: Any = getattr(self.write, "in_features", None) or getattr(self.write, "nx", 0)  # Conv1D calls it nx
        return int(width)

    def written(self, output: Tensor) -> Tensor:
        return output.reshape(-1, output.shape[-1])

    def install(self, site: Site, layer: Layer, tap: Tap, hooks: ExitStack) -> None:
        tap = over_parts(self.write, tap)

        def after(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
            return tap(layer, output, None)

        def before(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            changed = tap(layer, inputs[0], None)
            return None if changed is None else (changed, *inputs[1:])

        if site == "post_act" and self.activation is not None:
            hooks.callback(self.activation.register_forward_hook(after).remove)
        elif site == "post_act" and self.gated:
            raise UnsupportedModelError(
                f"Layer {layer.index} has no module for its nonlinearity, so the site 'post_act' cannot be tapped.",
                "Expected one, because a product lies between it and the down projection.",
                "Use the site 'write'.",
            )
        else:  # without a gate the output of the nonlinearity is the input of the down projection
            hooks.callback(self.write.register_forward_pre_hook(before).remove)

    def value_vectors(self) -> Tensor:
        weight = _effective_weight(self.write)
        if not isinstance(weight, Tensor) or weight.dim() != 2:
            raise UnsupportedModelError(
                f"{type(self.write).__name__} has no matrix of weights.", "Expected a linear layer."
            )
        return weight if type(self.write).__name__ == "Conv1D" else weight.T  # GPT-2 keeps value vectors as rows

    def biases(self) -> Tensor | None:
        bias = whole(held(self.write, "bias"))
        return None if bias is None else bias[None]


@dataclass(frozen=True, eq=False)
class ExpertsPoint:
    """Experts that transformers keeps as fused 3-D parameters and runs in one call, on rows that the routing
    explains.
    """

    experts: Any  # transformers adds what it needs to the module by a decorator, which type checkers do not see
    routings: list[Routing] = field(default_factory=list)  # that of the forward in progress, last

    @property
    def output_module(self) -> nn.Module:
        module: nn.Module = self.experts
        return module

    @property
    def width(self) -> Width:
        experts = int(self.experts.num_experts)
        return experts, self.value_vectors().shape[0] // experts

    def written(self, output: Tensor) -> Tensor:
        return output.reshape(-1, output.shape[-1])

    def install(self, site: Site, layer: Layer, tap: Tap, hooks: ExitStack) -> None:
        self._require_one_call()

        def routed(_module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
            self.routings[:] = [self._routing(inputs, named)]

        def after(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
            return tap(layer, output, self.routings[-1])

        hooks.callback(self.experts.register_forward_pre_hook(routed, with_kwargs=True).remove)
        if site == "write" and self.experts.has_gate:
            self._wrap_gate(lambda product: tap(layer, product, self.routings[-1]), hooks)
        elif isinstance(getattr(self.experts, "act_fn", None), nn.Module):
            hooks.callback(self.experts.act_fn.register_forward_hook(after).remove)
        else:
            raise UnsupportedModelError(
                f"The experts of layer {layer.index} have no module for their nonlinearity.",
                "The site 'post_act' cannot be tapped.",
                "Use the site 'write'.",
            )

    def value_vectors(self) -> Tensor:
        down = held(self.experts, "down_proj")
        assert isinstance(down, Tensor)
        by_expert = down if self.experts.is_transposed else down.transpose(1, 2)
        return by_expert.reshape(-1, by_expert.shape[-1])

    def biases(self) -> Tensor | None:
        bias = held(self.experts, "down_proj_bias") if self.experts.has_bias else None
        assert bias is None or isinstance(bias, Tensor)
        return bias

    def _wrap_gate(self, tap_product: Callable[[Tensor], Tensor | None], hooks: ExitStack) -> None:
        """Tap the product of gate and up projection, which a method of the experts computes."""
        inner = self.experts._apply_gate

        def tapped(gate_up: Tensor) -> Tensor:
            product = inner(gate_up)
            changed = tap_product(product)
            return product if changed is None else changed

        before = self.experts.__dict__.get("_apply_gate")
        self.experts.__dict__["_apply_gate"] = tapped
        hooks.callback(self._restore_gate, before)

    def _restore_gate(self, before: Any) -> None:
        if before is None:
            del self.experts.__dict__["_apply_gate"]
        else:
            self.experts.__dict__["_apply_gate"] = before

    def _routing(self, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> Routing:
        """The rows' order as transformers' implementations have it: by token, or sorted by expert."""
        chosen = inputs[1] if len(inputs) > 1 else next(value for name, value in named.items() if "ind" in name)
        weights = inputs[2] if len(inputs) > 2 else next(value for name, value in named.items() if "weights" in name)
        experts = chosen.reshape(-1)
        order = torch.arange(len(experts), device=experts.device)
        if self.experts.config._experts_implementation == "grouped_mm":
            experts, order = torch.sort(experts)  # the very call that the implementation makes
        return Routing(order // chosen.shape[-1], experts, weights.reshape(-1)[order])

    def _require_one_call(self) -> None:
        implementation = getattr(self.experts.config, "_experts_implementation", None)
        split = self.experts._is_expert_parallel or is_split(self.experts.down_proj)
        if implementation not in ONE_CALL_A_LAYER or split:
            raise UnsupportedModelError(
                f"The experts run by the implementation {implementation!r}.",
                f"Expected one of {', '.join(map(repr, ONE_CALL_A_LAYER))} on one device.",
                "Load the model with experts_implementation='grouped_mm'.",
            )


def _effective_weight(write: Any) -> Any:
    """The weight that the layer multiplies by: dequantised, with PEFT's adapters where they are active and apart."""
    weight = held(write, "weight")
    if is_split(weight):
        weight = whole(weight)
    elif type(weight) not in (Tensor, nn.Parameter):  # a quantised weight is a tensor class of its own
        weight = weight.dequantize()
    if not hasattr(write, "get_delta_weight") or write.merged or write.disable_adapters:
        return weight
    return weight + sum(write.get_delta_weight(adapter) for adapter in write.active_adapters)
