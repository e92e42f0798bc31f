"""The residual stream, checked by pushing it: what a layer's network writes must be added to it, and stay there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from neuroglot.errors import ConfigError
from neuroglot.layout import Layer
from neuroglot.models.view import ModelView

RESIDUAL_TOLERANCE = 0.02  # relative; half precision rounds the stream
PUSHES = (1.0, 3.0)  # times the size of the stream: a norm behind the network would not answer in proportion
LARGE_PUSH = 1e3  # a layer normalises the stream before it reads it, so that all of so large a push must come out

Push = tuple[Layer, Tensor]  # added to what the layer's network writes, or to what its block reads: [D]


def layer_reaches(view: ModelView, token_ids: Tensor) -> Mapping[Layer, float]:
    """By what constant each layer's written vector is multiplied when it joins the stream, 1 in most models.

    `token_ids [1, T]` are any text. Raises `ConfigError` where what joins is not in proportion to what was written, or
    where a later layer scales the stream.
    """
    layers = view.layout.layers
    width = view.value_vectors(layers[0]).shape[1]
    push = torch.randn(width, generator=torch.Generator().manual_seed(0)).to(view.model.device)
    sizes = {layer: float(stream.square().mean().sqrt()) for layer, stream in _outputs(view, token_ids).items()}
    reaches: dict[Layer, float] = {}
    for strength in PUSHES:
        pushes = [(layer, strength * sizes[layer] * push) for layer in layers]
        for (layer, pushed), change in zip(pushes, _changes(view, token_ids, pushes, at_input=False), strict=True):
            factor = _factor(layer, change, pushed, "normalises or gates what its network writes")
            if abs(factor - reaches.setdefault(layer, factor)) > RESIDUAL_TOLERANCE * abs(factor):
                raise _refusal(layer, "normalises what its network writes")
    pushes = [(layer, LARGE_PUSH * sizes[layer] * push) for layer in layers]
    for (layer, pushed), change in zip(pushes, _changes(view, token_ids, pushes, at_input=True), strict=True):
        what = "does not hand on what stands in the residual stream"
        if abs(_factor(layer, change, pushed, what) - 1) > RESIDUAL_TOLERANCE:
            raise _refusal(layer, what)
    return reaches


def _factor(layer: Layer, change: Tensor, push: Tensor, otherwise: str) -> float:
    """The constant that makes `push [D]` the change of the stream `[T, D]` at every position."""
    push = push.to(change.device)
    factor = change.mean(0) @ push / (push @ push)
    error = (change - factor * push).norm(dim=-1)
    if not bool((error <= RESIDUAL_TOLERANCE * (factor * push).norm()).all()):
        raise _refusal(layer, otherwise)
    return float(factor)


def _changes(view: ModelView, token_ids: Tensor, pushes: Sequence[Push], at_input: bool) -> list[Tensor]:
    """How each push changes what its block hands on, `[T, D]` each, in one forward: each text of a batch has one push,
    and a last one has none.
    """
    outputs = _outputs(view, token_ids.expand(len(pushes) + 1, -1), pushes, at_input)
    return [outputs[layer][item] - outputs[layer][-1] for item, (layer, _) in enumerate(pushes)]


def _outputs(
    view: ModelView, token_ids: Tensor, pushes: Sequence[Push] = (), at_input: bool = False
) -> dict[Layer, Tensor]:
    """What the block around each layer's network hands on, `[B, T, D]`, where text i gets push i."""
    blocks, outputs = _blocks(view), dict[Layer, Tensor]()
    with ExitStack() as hooks:
        for item, (layer, push) in enumerate(pushes):
            if at_input:
                before = blocks[layer].register_forward_pre_hook(_pushing_input(item, push), with_kwargs=True)
                hooks.callback(before.remove)
            else:
                written = view.points[layer].output_module
                hooks.callback(written.register_forward_hook(_pushing_output(token_ids.shape, item, push)).remove)
        for layer, block in blocks.items():
            hooks.callback(block.register_forward_hook(_keep(outputs, layer)).remove)
        view.model.base_model(input_ids=token_ids, use_cache=False)
    return outputs


def _blocks(view: ModelView) -> dict[Layer, nn.Module]:
    places = {plan.name: plan.layers for plan in view.family.stacks}
    found = {name: list(view.model.base_model.get_submodule(path).children()) for name, path in places.items()}
    return {layer: found[layer.stack][layer.index] for layer in view.layout.layers}


def _keep(outputs: dict[Layer, Tensor], layer: Layer) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        outputs[layer] = (output[0] if isinstance(output, tuple) else output).detach().float().clone()

    return hook


def _pushing_output(shape: torch.Size, item: int, push: Tensor) -> Callable[..., Tensor]:
    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        changed = output.reshape(-1, *shape, output.shape[-1]).clone()  # Llama 4: one expert after another
        changed[0, item] += push.to(output)
        return changed.reshape(output.shape)

    return hook


def _pushing_input(item: int, push: Tensor) -> Callable[..., Any]:
    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> Any:
        stream = (inputs[0] if inputs else named["hidden_states"]).clone()
        stream[item] += push.to(stream)
        return ((stream, *inputs[1:]), named) if inputs else (inputs, {**named, "hidden_states": stream})

    return hook


def _refusal(layer: Layer, what: str) -> ConfigError:
    return ConfigError(
        f"The final norm of the model cannot be frozen: layer {layer.index} of its {layer.stack} {what}.",
        "Expected that what a network writes is added to the residual stream, times a constant at most.",
        "Leave the frozen norm out: the effective score of the paper has none.",
    )
