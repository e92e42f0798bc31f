"""Weights without neurons: a checkpoint in which their value vectors are zero, for use without neuroglot."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer
from neuroglot.models.folded import FOLDED, FOLDED_RECORD
from neuroglot.models.open_interventions import chosen_in
from neuroglot.models.points import DensePoint
from neuroglot.models.provenance import made_with
from neuroglot.models.split import require_whole
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.storage import as_artifact_error, whole_folder, write_whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def fold_out(
    view: ModelView,
    neurons: NeuronSet,
    out: Path | str,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Path:
    """Save a checkpoint that, loaded by transformers, computes what the model computes under `switch_off` at 0.

    The value vectors of the neurons (rows of the down projection `[N, D]`, however the model stores it) are zero in
    it, all else is as in the model, which is not touched. `neuroglot.json` beside it says which neurons and model it
    was. PLND (Zhao et al. 2024) zeroes rows of gate and up projection too, in place; the function is the same. Raises
    `LayoutMismatchError` for neurons of another layout, `UnsupportedModelError` for quantised weights, adapters, and
    weights that are elsewhere or shared, and `ArtifactError` where `out` is not free.
    """
    with whole_folder(out) as folder:
        write_folded(view, neurons, folder, tokenizer)
    return Path(out)


def write_folded(
    view: ModelView, neurons: NeuronSet, folder: Path, tokenizer: PreTrainedTokenizerBase | None = None
) -> None:
    """Write the files of `fold` into a folder that is there; raises as `fold` does."""
    view.layout.require_same(neurons.layout, "The neuron set")
    require_whole(view.model, "Folding")
    _require_plain(view.model)
    weights = _folded(view, neurons)
    with as_artifact_error(folder), _config_kept(view.model):
        view.model.save_pretrained(folder, state_dict=weights)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    write_whole(folder / FOLDED_RECORD, json.dumps(_record(view, neurons), indent=2, ensure_ascii=False) + "\n")


def _folded(view: ModelView, neurons: NeuronSet) -> dict[str, Tensor]:
    """The model's weights by name; those that change are copies."""
    weights: dict[str, Tensor] = view.model.state_dict()
    names = {module: name for name, module in view.model.named_modules()}
    for layer, members in view.layout.by_layer(neurons.members):
        if not bool(members.any()):
            continue
        point = view.points[layer]
        parameter = "weight" if isinstance(point, DensePoint) else "down_proj"
        name = f"{names[point.output_module]}.{parameter}"
        _require_unshared(weights, name)
        weights[name] = _without(view, layer, weights[name], members)
    return weights


def _without(view: ModelView, layer: Layer, weight: Tensor, members: Tensor) -> Tensor:
    """A copy of a down projection, `[N, D]`, `[D, N]`, or with experts before either, without these value vectors."""
    copied, members = weight.detach().clone(), members.to(weight.device)
    module = view.points[layer].output_module
    if isinstance(view.points[layer], DensePoint):
        value_vectors = copied if type(module).__name__ == "Conv1D" else copied.T
        value_vectors[members] = 0
        return copied
    transposed = getattr(module, "is_transposed", True)  # Llama 4 has no such mark and keeps [experts, N, D]
    by_expert = copied if transposed else copied.transpose(1, 2)
    by_expert[members.reshape(layer.experts, -1)] = 0
    return copied


def _require_plain(model: PreTrainedModel) -> None:
    """Raise `UnsupportedModelError` unless every weight is a plain number in memory that `save_pretrained` writes."""
    if getattr(model, "hf_quantizer", None) is not None or getattr(model.config, "quantization_config", None):
        raise _refusal("is quantised", "Load it without quantisation.")
    for name, parameter in model.named_parameters():
        if type(parameter) is not nn.Parameter or not parameter.is_floating_point():
            raise _refusal(f"holds {name} as {type(parameter).__name__} of {parameter.dtype}", "Load it unquantised.")
        if parameter.is_meta:
            raise _refusal(f"keeps {name} on disk or in another memory", "Load it onto one device, such as cpu.")
    if any(hasattr(module, "base_layer") for module in model.modules()):
        raise _refusal("has adapters", "Merge them first (merge_and_unload).")


def _require_unshared(weights: dict[str, Tensor], name: str) -> None:
    place = weights[name].data_ptr()
    others = [other for other, weight in weights.items() if other != name and weight.data_ptr() == place]
    if others:
        raise _refusal(f"uses {name} as {others[0]} too", "Neurons of one layer alone cannot be folded out of it.")


def _refusal(got: str, next_step: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"The model {got}.", "Expected weights of its own in full precision.", next_step)


@contextmanager
def _config_kept(model: Any) -> Iterator[None]:
    """`save_pretrained` writes the precision and the class into the config that it saves: into a copy."""
    kept = {name: getattr(model, name) for name in ("config", "generation_config") if hasattr(model, name)}
    for name, config in kept.items():
        setattr(model, name, copy.deepcopy(config))
    try:
        yield
    finally:
        for name, config in kept.items():
            setattr(model, name, config)


def _record(view: ModelView, neurons: NeuronSet) -> dict[str, Any]:
    return {
        "kind": FOLDED,
        "layout": view.layout.to_json(),
        "folded_out": len(neurons),
        "neurons": [[stack, index, listed] for (stack, index), listed in neurons.indices().items()],
        "neurons_signature": neurons.signature.to_json(),
        "read": torch.cat([choice.read for choice in (neurons, *chosen_in(view.model))]).unique().tolist(),
        "signature": made_with(view).without("interventions").to_json(),  # weights are saved as they are
    }
