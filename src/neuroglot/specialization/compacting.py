"""Compaction: a model of one direction from which the neurons that it does not keep are cut out."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.inputs import forward_inputs
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.specialization.directions import Direction
from neuroglot.specialization.feedforward import FeedForward, bias_of, feed_forwards
from neuroglot.specialization.gating import Semantics
from neuroglot.specialization.masks import DirectionMasks


@dataclass(frozen=True, eq=False)
class Compacted:
    """A model with narrower feed-forward layers, and what that saved.

    `widths [L]` are the neurons left in each layer. They differ by layer, which no config can say: transformers cannot
    load the model, and `view` refuses it; `save_compacted` and `load_compacted` keep it on disk.
    """

    model: PreTrainedModel
    direction: Direction
    semantics: Semantics
    widths: tuple[int, ...]
    parameters: int
    parameters_removed: int


def compact(
    view: ModelView, masks: DirectionMasks, direction: Direction | str, semantics: Semantics = "activation"
) -> Compacted:
    """A copy of the model that computes, without masks, what it computes under `gating` for one direction.

    Rows of the up projections and value vectors of all other neurons are cut out. With `weight row` what they wrote
    all the time, Σ act(b_i) v_i, goes into the bias of the down projection, which is made where there was none. The
    model itself is not touched. Raises `UnsupportedModelError` for networks that are not built as the table says, and
    for quantised weights and adapters.
    """
    view.layout.require_same(masks.layout, "The masks")
    kept, networks = masks[direction].members, feed_forwards(view)
    for network in networks.values():
        for module in (*network.up, network.down):
            _require_plain(module)
    twin, paths = copy.deepcopy(view.model), {module: name for name, module in view.model.named_modules()}
    for layer, members in view.layout.by_layer(kept):
        network = networks[layer]
        same = [twin.get_submodule(paths[module]) for module in (*network.up, network.down)]
        cut(FeedForward(tuple(same[:-1]), network.activation, same[-1], network.gated), members, semantics)
    before, after = parameter_count(view.model), parameter_count(twin)
    widths = tuple(masks[direction].counts_by_layer())
    return Compacted(twin, masks.directions[masks.place(direction)], semantics, widths, after, before - after)


@torch.no_grad()
def cut(network: FeedForward, members: Tensor, semantics: Semantics) -> None:
    """Leave the `members [N]` of one network, whose weights are changed in place."""
    members = members.to(bias_of(network.down).device)
    if semantics == "weight row":
        _add_constant(network, ~members)
    for module in network.up:
        _keep(module, members.repeat(network.halves), outputs=True)
    _keep(network.down, members, outputs=False)


def _add_constant(network: FeedForward, removed: Tensor) -> None:
    """Put what the removed neurons write at every token into the bias of the down projection."""
    down: Any = network.down
    value_vectors = down.weight if type(down).__name__ == "Conv1D" else down.weight.T
    constant = network.without_weights()[removed].double() @ value_vectors[removed].double()
    if down.bias is not None or bool(constant.any()):
        down.bias = nn.Parameter((bias_of(down).double() + constant).to(down.weight.dtype))


def _keep(module: Any, members: Tensor, *, outputs: bool) -> None:
    """Leave these columns of a projection's outputs or inputs; Conv1D keeps its weight as `[inputs, outputs]`."""
    is_conv1d = type(module).__name__ == "Conv1D"
    dimension = 1 if is_conv1d == outputs else 0
    places = members.nonzero()[:, 0]
    module.weight = _parameter(module.weight.index_select(dimension, places), module.weight)
    if outputs and module.bias is not None:
        module.bias = _parameter(module.bias[places], module.bias)
    names = ("nx", "nf") if is_conv1d else ("in_features", "out_features")
    setattr(module, names[outputs], len(places))


def _parameter(values: Tensor, before: Tensor) -> nn.Parameter:
    return nn.Parameter(values.clone(), requires_grad=before.requires_grad)


def _require_plain(module: nn.Module) -> None:
    plain = isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
    weight = getattr(module, "weight", None)
    if not plain or type(weight) is not nn.Parameter or not weight.is_floating_point() or weight.is_meta:
        raise UnsupportedModelError(
            f"A projection is a {type(module).__name__} with weights as {type(weight).__name__}.",
            "Expected plain linear layers in memory.",
            "Load the model unquantised on one device, and merge its adapters.",
        )


def parameter_count(model: nn.Module) -> int:
    """Parameters of a model, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


@dataclass(frozen=True)
class Cost:
    """What a forward costs: `seconds` (median), `parameters`, their `bytes`, and peak bytes on an accelerator."""

    seconds: float
    parameters: int
    bytes: int
    peak_bytes: int | None

    def to_json(self) -> dict[str, float | int | None]:
        return asdict(self)


def measure(model: PreTrainedModel, inputs: Mapping[str, Any], repeats: int = 5) -> Cost:
    """The cost of `model(**inputs)`, after one forward that does not count; raises `ConfigError` for no repeats."""
    if repeats < 1:
        raise ConfigError(f"Got repeats={repeats}.", "Expected one or more.")
    device, seconds = model.device, []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            if device.type == "cuda":
                torch.cuda.synchronize(device)
                torch.cuda.reset_peak_memory_stats(device)
            started = time.perf_counter()
            model(**inputs)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    size = sum(parameter.nbytes for parameter in model.parameters())
    return Cost(median(seconds[1:]), parameter_count(model), size, peak)


def timed(view: ModelView, model: PreTrainedModel, rows: int = 8, length: int = 32, repeats: int = 5) -> Cost:
    """The cost of a forward of so many rows of so many tokens, in `view`'s own model or one cut from it.

    The tokens are the first of the vocabulary: the same work whatever they are.
    """
    device, vocabulary = model.device, text_config(view.model).vocab_size
    token_ids = (torch.arange(rows * length, device=device) % vocabulary).reshape(rows, length)
    return measure(model, forward_inputs(view, token_ids, torch.ones_like(token_ids, dtype=torch.bool)), repeats)
