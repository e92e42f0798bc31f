"""Compaction: a model of one direction from which the neurons that it does not keep are cut out."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import NonNegativeInt
from torch import Tensor, nn
from transformers import PreTrainedModel

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ArtifactError, ConfigError, NeuroglotError, UnsupportedModelError
from neuroglot.headers import STRICT, load_artefact, save_artefact
from neuroglot.interventions.gating import Semantics
from neuroglot.models.feedforward import FeedForward, bias_of, feed_forwards
from neuroglot.models.loading import load_config
from neuroglot.models.split import require_whole
from neuroglot.models.view import ModelView, view
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.storage import whole_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
    require_whole(view.model, "Compacting")
    view.layout.require_same(masks.layout, "The masks")
    kept, networks = masks[direction].members, feed_forwards(view)
    for network in networks.values():
        for module in (*network.up, network.down):
            require_plain(module)
    twin, paths = copy.deepcopy(view.model), {module: name for name, module in view.model.named_modules()}
    for layer, members in view.layout.by_layer(kept):
        network = networks[layer]
        same = [twin.get_submodule(paths[module]) for module in (*network.up, network.down)]
        cut_network(FeedForward(tuple(same[:-1]), network.activation, same[-1], network.gated), members, semantics)
    before, after = parameter_count(view.model), parameter_count(twin)
    widths = tuple(masks[direction].counts_by_layer())
    return Compacted(twin, masks.directions[masks.place(direction)], semantics, widths, after, before - after)


@torch.no_grad()
def cut_network(network: FeedForward, members: Tensor, semantics: Semantics) -> None:
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


def require_plain(module: nn.Module) -> None:
    """Raise `UnsupportedModelError` unless a projection is a plain linear layer, whole in memory."""
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


def measure_cost(model: PreTrainedModel, inputs: Mapping[str, Any], repeats: int = 5) -> Cost:
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
    return measure_cost(model, view.family.reads.dummy(model, rows, length), repeats)


WEIGHTS = "compacted.safetensors"


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    direction: tuple[str, str]
    semantics: Semantics
    widths: tuple[NonNegativeInt, ...]
    parameters_removed: NonNegativeInt
    dtype: Literal["float16", "bfloat16", "float32"]


def save_compacted(
    compacted: Compacted,
    folder: Path | str,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Path:
    """Write a new folder that `load_compacted` reads; transformers cannot, because widths differ by layer.

    Raises `ArtifactError` where the folder is not free.
    """
    with whole_folder(folder) as temporary:
        write_compacted(compacted, temporary, tokenizer)
    return Path(folder)


def write_compacted(compacted: Compacted, folder: Path, tokenizer: PreTrainedTokenizerBase | None = None) -> None:
    """Write the files of `save_compacted` into a folder that is there."""
    model: Any = compacted.model
    direction = compacted.direction.source, compacted.direction.target
    dtype: Any = str(model.dtype).removeprefix("torch.")
    header = _Header(direction, compacted.semantics, compacted.widths, compacted.parameters_removed, dtype)
    for part in (model.config, getattr(model, "generation_config", None), tokenizer):
        if part is not None:
            part.save_pretrained(folder)
    save_artefact(folder / WEIGHTS, "compacted model", _each_once(model.state_dict()), header)


def load_compacted(folder: Path | str) -> Compacted:
    """The compacted model in a folder, in eval mode on the CPU; code that comes with a config is never run.

    Raises `ArtifactError` where the folder holds anything else, and `UnsupportedModelError` for unknown architectures.
    """
    tensors, header = load_artefact(Path(folder) / WEIGHTS, "compacted model", _Header)
    model = _narrowed(Path(folder), header.widths, tensors, getattr(torch, header.dtype))
    removed, direction = header.parameters_removed, Direction(*header.direction)
    return Compacted(model, direction, header.semantics, header.widths, parameter_count(model), removed)


def _narrowed(folder: Path, widths: tuple[int, ...], tensors: dict[str, Tensor], dtype: torch.dtype) -> PreTrainedModel:
    """A model of the config in the folder, cut to these widths, with these weights."""
    try:
        family, config = load_config(folder, str(folder))
    except NeuroglotError:
        raise
    except Exception as error:  # transformers checks a config by running into what is wrong with it
        raise ArtifactError(f"{folder} has no config that can be read.", "Expected a compacted model.") from error
    try:
        model = family.new_model(config, dtype).eval()
        networks = list(feed_forwards(view(model, family)).values())
    except NeuroglotError:
        raise
    except Exception as error:  # numbers of the config that no model can have
        raise ArtifactError(f"{folder} has a config of which no model can be made ({str(error)[:200]}).") from error
    if len(networks) != len(widths):
        raise ArtifactError(f"{folder} states {len(widths)} widths.", f"The model has {len(networks)} layers.")
    names = {module: name for name, module in model.named_modules()}
    for network, width in zip(networks, widths, strict=True):
        _shrink(network, width, f"{names[network.down]}.bias" in tensors)
    _load(model, tensors, folder)
    return model


def _shrink(network: FeedForward, width: int, has_bias: bool) -> None:
    bias = bias_of(network.down)
    full = len(bias_of(network.up[0])) // network.halves
    cut_network(network, torch.arange(full) < width, "activation")
    if has_bias and network.down.bias is None:
        network.down.bias = nn.Parameter(bias)


def _load(model: PreTrainedModel, tensors: dict[str, Tensor], folder: Path) -> None:
    """Give the model its weights, of which those it shares stand in the file once."""
    expected = _each_once(model.state_dict())
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != {name: tuple(tensor.shape) for name, tensor in expected.items()}:
        differing = sorted(set(found.items()) ^ {(name, tuple(tensor.shape)) for name, tensor in expected.items()})
        raise ArtifactError(
            f"{folder} has other weights than its config says: {differing[0][0]}.", "Expected the same."
        )
    model.load_state_dict(tensors, strict=False)


def _each_once(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    places: dict[int, str] = {}
    for name, tensor in weights.items():
        places.setdefault(tensor.data_ptr() or id(tensor), name)
    return {name: weights[name] for name in places.values()}
