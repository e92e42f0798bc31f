"""Compacted models on disk: the config of the model that they were cut from, and their weights with the widths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
import transformers
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedModel

from neuroglot.errors import ArtifactError, NeuroglotError
from neuroglot.models.locating import require_family
from neuroglot.models.view import view
from neuroglot.specialization.compacting import Compacted, cut, parameter_count
from neuroglot.specialization.directions import Direction
from neuroglot.specialization.feedforward import FeedForward, bias_of, feed_forwards
from neuroglot.specialization.gating import Semantics
from neuroglot.storage import load_tensors, save_tensors, stored_texts, whole_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KIND, WEIGHTS = "compacted model", "compacted.safetensors"
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (torch.float16, torch.bfloat16, torch.float32)}


def save_compacted(
    compacted: Compacted,
    folder: Path | str,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a new folder that `load_compacted` reads; transformers cannot, because widths differ by layer.

    Raises `ArtifactError` where the folder is not free.
    """
    model: Any = compacted.model
    header = {
        "direction": [compacted.direction.source, compacted.direction.target],
        "semantics": compacted.semantics,
        "widths": list(compacted.widths),
        "parameters_removed": compacted.parameters_removed,
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    with whole_folder(folder, overwrite) as temporary:
        for part in (model.config, getattr(model, "generation_config", None), tokenizer):
            if part is not None:
                part.save_pretrained(temporary)
        save_tensors(temporary / WEIGHTS, KIND, _each_once(model.state_dict()), header)
    return Path(folder)


def load_compacted(folder: Path | str) -> Compacted:
    """The compacted model in a folder, in eval mode on the CPU; code that comes with a config is never run.

    Raises `ArtifactError` where the folder holds anything else, and `UnsupportedModelError` for unknown architectures.
    """
    tensors, header = load_tensors(Path(folder) / WEIGHTS, KIND)
    try:
        direction, semantics = Direction(*stored_texts(header["direction"], "languages")), header["semantics"]
        dtype, (removed, *widths) = DTYPES[header["dtype"]], _whole(header["parameters_removed"], *header["widths"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{folder} lacks {error}.", "Expected a complete compacted model.") from error
    if semantics not in get_args(Semantics):
        raise ArtifactError(f"{folder} has the semantics {semantics!r}.", f"Expected one of {get_args(Semantics)}.")
    model = _narrowed(Path(folder), tuple(widths), tensors, dtype)
    return Compacted(model, direction, semantics, tuple(widths), parameter_count(model), removed)


def _whole(*values: object) -> list[int]:
    numbers = [value for value in values if type(value) is int and value >= 0]
    if len(numbers) < len(values):
        raise ValueError("whole numbers as widths")
    return numbers


def _narrowed(folder: Path, widths: tuple[int, ...], tensors: dict[str, Tensor], dtype: torch.dtype) -> PreTrainedModel:
    """A model of the config in the folder, cut to these widths, with these weights."""
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # transformers checks a config by running into what is wrong with it
        raise ArtifactError(f"{folder} has no config that can be read.", "Expected a compacted model.") from error
    auto_class = getattr(transformers, require_family(config.model_type, str(folder)).auto_class)
    try:
        model: PreTrainedModel = auto_class.from_config(config, dtype=dtype, trust_remote_code=False).eval()
        networks = list(feed_forwards(view(model)).values())
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
    cut(network, torch.arange(full) < width, "activation")
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
