"""Llama 4's experts: each is given every token, scaled by the router and so zero where it was not chosen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neuroglot.layout import Layer, Site, Width
from neuroglot.models.points import Routing, Tap


class _BeforeDownProjection(TorchFunctionMode):
    """Shows the left factor of the product with the down projection, which no module computes, to a function."""

    def __init__(self, down_proj: Tensor, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.down_proj, self.change = down_proj, change

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.bmm and args[1] is self.down_proj:
            args = (self.change(args[0]), *args[1:])
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True, eq=False)
class ScaledExpertsPoint:
    """`block` holds the router and the fused experts; only rows of experts that were chosen reach a tap."""

    block: Any
    scores: list[Tensor] = field(default_factory=list)  # the router's, of the forward in progress: [tokens, experts]

    @property
    def output_module(self) -> nn.Module:
        module: nn.Module = self.block.experts
        return module

    @property
    def width(self) -> Width:
        experts, width, _ = self.block.experts.down_proj.shape
        return int(experts), int(width)

    def written(self, output: Tensor) -> Tensor:
        """The experts' outputs stand one expert after another and are summed by the block."""
        return output.reshape(self.block.experts.down_proj.shape[0], -1, output.shape[-1]).sum(0)

    def install(self, site: Site, layer: Layer, tap: Tap, hooks: ExitStack) -> None:
        def keep_scores(_module: nn.Module, _inputs: Any, output: tuple[Tensor, Tensor]) -> None:
            self.scores[:] = [output[0]]

        def change(values: Tensor) -> Tensor:
            chosen = self.scores[-1].T > 0  # [experts, tokens], as the rows stand
            experts, tokens = chosen.nonzero(as_tuple=True)
            changed = tap(layer, values[chosen], Routing(tokens, experts, torch.ones_like(tokens, dtype=values.dtype)))
            return values if changed is None else values.masked_scatter(chosen[..., None], changed)

        hooks.callback(self.block.router.register_forward_hook(keep_scores).remove)
        if site == "post_act":
            activation = self.block.experts.act_fn
            hooks.callback(activation.register_forward_hook(lambda _module, _inputs, output: change(output)).remove)
        else:
            self._wrap_forward(change, hooks)

    def value_vectors(self) -> Tensor:
        down: Tensor = self.block.experts.down_proj
        return down.reshape(-1, down.shape[-1])

    def biases(self) -> Tensor | None:
        return None

    def _wrap_forward(self, change: Callable[[Tensor], Tensor], hooks: ExitStack) -> None:
        experts = self.block.experts
        inner, before = experts.forward, experts.__dict__.get("forward")

        def tapped(hidden: Tensor) -> Tensor:
            with _BeforeDownProjection(experts.down_proj, change):
                output: Tensor = inner(hidden)
            return output

        experts.__dict__["forward"] = tapped
        hooks.callback(_restore, experts, before)


def _restore(experts: nn.Module, before: Any) -> None:
    if before is None:
        del experts.__dict__["forward"]
    else:
        experts.__dict__["forward"] = before
