"""Linear layers in four bits while adapters are trained on them (QLoRA, Dettmers et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from neuroglot import extras
from neuroglot.errors import ConfigError
from neuroglot.models.quantised import from_four_bits

if TYPE_CHECKING:
    from types import ModuleType

    from transformers import PreTrainedModel

FOUR_BITS = "nf4"
_BLOCK = 64  # weights that share a scale
_FURTHEST = 0.17  # half the widest gap between two of the 16 numbers (0.152), and what the scales are rounded by
_WHOLE = "_neuroglot_whole"  # the layer that a 4-bit one stands for, in a tuple, so that it is no child of it


def require_four_bits(device: str | None) -> None:
    """Raise unless the device holds and reads 4-bit weights: `MissingExtraError` without bitsandbytes, else
    `ConfigError`.
    """
    library = _library()
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if name == "meta":
        return  # a job is priced there and not done
    try:
        numbers, state = library.functional.quantize_4bit(torch.zeros(64, device=name), quant_type=FOUR_BITS)
        library.functional.dequantize_4bit(numbers, state)
    except Exception as error:  # each backend raises types of its own
        said = " ".join(str(error).split())[:200].rstrip(". ")
        raise ConfigError(
            f"bitsandbytes holds no 4-bit weights on the device {name!r} ({type(error).__name__}: {said}).",
            "Expected one device that it knows, such as cuda or cpu.", "Train plain adapters (LoRA).",
        ) from error  # fmt: skip


def to_four_bits(model: PreTrainedModel) -> None:
    """Hold the linear layers but the unembedding in NF4 with double quantisation; what they were waits in the
    processor's memory. Raises `ConfigError` for a model without any, and `MissingExtraError` without bitsandbytes.
    """
    library = _library()
    layers = list(_linear_layers(model))
    if not layers:
        raise ConfigError(
            f"{type(model).__name__} has no linear layers of plain weights to hold in 4 bits.", "Expected some.",
            "Train plain adapters (LoRA).",
        )  # fmt: skip
    try:
        for parent, name, layer in layers:
            setattr(parent, name, _four_bits_of(layer, library))
    except BaseException:
        restore_whole(model)
        raise


@torch.no_grad()
def merged_whole(adapted: Any) -> PreTrainedModel:
    """The model without adapters or 4-bit layers: each weight is what its 4 bits stood for plus what the adapters
    learned, summed in float32 and rounded to the weight's precision, so that it computes what was trained.
    """
    added = {layer.base_layer: layer.get_delta_weight("default") for layer in adapter_layers(adapted)}
    model: PreTrainedModel = adapted.unload()
    for _, _, layer in list(_quantised(model)):
        weight, delta = from_four_bits(layer.weight).float(), added.get(layer)
        (whole,) = getattr(layer, _WHOLE)
        whole.weight.copy_(weight if delta is None else weight + delta.float())
    restore_whole(model)
    return model


def restore_whole(model: nn.Module) -> None:
    """Put the layers back that are held in four bits, with the weights that wait."""
    for parent, name, layer in list(_quantised(model)):
        (whole,) = getattr(layer, _WHOLE)
        whole.weight.data = whole.weight.data.to(layer.weight.device)
        setattr(parent, name, whole)


def adapter_layers(adapted: nn.Module) -> list[Any]:
    """The layers of a model that have adapters."""
    return [module for module in adapted.modules() if hasattr(module, "base_layer") and hasattr(module, "lora_A")]


def _library() -> ModuleType:
    note = "QLoRA holds a model's weights in 4 bits by it; plain adapters (LoRA) do without it."
    return extras.require("bitsandbytes", extra="qlora", note=note)


def _linear_layers(model: PreTrainedModel) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    head = model.get_output_embeddings()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child is not head:
                yield parent, name, child


def _four_bits_of(layer: nn.Linear, library: ModuleType) -> nn.Module:
    device, weight = layer.weight.device, layer.weight.detach()
    quantised = library.nn.Linear4bit(
        layer.in_features,
        layer.out_features,
        bias=False,
        compute_dtype=weight.dtype,
        quant_type=FOUR_BITS,
        device="meta",
    )
    quantised.bias = layer.bias
    quantised.weight = library.nn.Params4bit(
        weight, requires_grad=False, compress_statistics=True, quant_type=FOUR_BITS, module=quantised
    ).to(device)
    _require_read_back(library.functional.dequantize_4bit(quantised.weight.data, quantised.weight.quant_state), weight)
    layer.weight.data = weight.to("cpu")
    quantised.__dict__[_WHOLE] = (layer,)
    return quantised


def _require_read_back(got: Tensor, weight: Tensor) -> None:
    """Raise `ConfigError` where numbers are further from the weights than those of 4 bits can be: bitsandbytes 0.50
    reads rows of some lengths wrongly on a processor.
    """
    missing = -weight.numel() % _BLOCK
    blocks, read = (pad(part.float().reshape(-1), (0, missing)).reshape(-1, _BLOCK) for part in (weight, got))
    if bool(((blocks - read).abs() > _FURTHEST * blocks.abs().amax(1, keepdim=True)).any()):
        raise ConfigError(
            f"bitsandbytes reads a layer of {list(weight.shape)} weights back from 4 bits wrongly on the device "
            f"'{weight.device.type}'.",
            f"Expected rows of a multiple of {_BLOCK} weights.", "Train plain adapters (LoRA).",
        )  # fmt: skip


def _quantised(model: nn.Module) -> Iterator[tuple[nn.Module, str, Any]]:
    for parent in model.modules():
        for name, child in list(parent.named_children()):
            if _WHOLE in child.__dict__:
                yield parent, name, child
