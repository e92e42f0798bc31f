"""Quantised checkpoints: read as the plain weights that their numbers stand for, or refused by name."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from neuroglot import extras
from neuroglot.errors import UnsupportedModelError

_PACKAGES = {"bitsandbytes": "bitsandbytes", "compressed-tensors": "compressed_tensors", "torchao": "torchao"}
BY_CONFIG = ("compressed-tensors", "fp8", "mxfp4", "mxfp8")  # transformers makes plain weights of these as it reads
READABLE = tuple(sorted({*_PACKAGES, *BY_CONFIG}))
INSTEAD = "Load the checkpoint that it was made from, in full precision, or a GGUF file of it."


def require_readable(config: PreTrainedConfig, name: str) -> None:
    """Have a quantised checkpoint read as plain weights, which is noted in its config.

    Raises `UnsupportedModelError` for a kind that cannot be, and `MissingExtraError` without the package that reads it.
    """
    method = method_of(config)
    if method is None:
        return
    if method not in READABLE:
        raise UnsupportedModelError(
            f"The weights of {name!r} are quantised ({method}).",
            f"Expected plain ones, or one of {', '.join(READABLE)}.",
            INSTEAD,
        )  # fmt: skip
    if method in _PACKAGES:
        package = _PACKAGES[method]
        extras.require(package, package=package.replace("_", "-"), note=f"It reads {name!r}. {INSTEAD}")
    if method in BY_CONFIG:
        _stated(config)["dequantize"] = True


def method_of(config: PreTrainedConfig) -> str | None:
    """How the weights are quantised, None if they are plain."""
    stated = _stated(config)
    if not stated:
        return None
    told = getattr(stated.get("quant_method"), "value", stated.get("quant_method"))
    is_bits = stated.get("load_in_4bit") or stated.get("load_in_8bit")
    return str(told or ("bitsandbytes" if is_bits else "by an unknown method"))


@torch.no_grad()
def make_plain(model: PreTrainedModel) -> PreTrainedModel:
    """A model that was read from a quantised checkpoint, with every weight as the plain numbers that it stands for, in
    the model's precision.
    """
    dtype = model.config.dtype or torch.float32
    quantised: Any = model
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            weight = _plain_weight(child)
            if weight is not None:
                setattr(parent, name, _linear(weight.to(dtype), getattr(child, "bias", None)))
    model.tie_weights()
    if getattr(model, "hf_quantizer", None) is not None:
        quantised.hf_quantizer.remove_quantization_config(model)
    vars(model).pop("_weight_conversions", None)  # those of quantised files cannot be undone, and need not be
    return model


def from_four_bits(weight: Any) -> Tensor:
    """What 4-bit weights of bitsandbytes stand for, in the precision of those that they were made from: `[D, D]`.

    They are read as one row: 0.50 reads several wrongly on a processor if their length is no multiple of 64.
    """
    library = extras.require("bitsandbytes", extra="qlora")
    state = copy.copy(weight.quant_state)
    shape, state.shape = state.shape, (1, state.shape.numel())
    plain: Tensor = library.functional.dequantize_4bit(weight.data, state)
    return plain.reshape(shape)


def _plain_weight(module: nn.Module) -> Tensor | None:
    """The weights of a quantised linear layer as plain numbers, None of any other module."""
    weight: Any = getattr(module, "weight", None)
    if getattr(weight, "quant_state", None) is not None:
        return from_four_bits(weight)
    if type(weight).__name__ == "Int8Params":
        return weight.data.float() * weight.SCB[:, None] / 127  # LLM.int8: each row over its largest number
    is_class_of_its_own = isinstance(module, nn.Linear) and type(weight.data) is not Tensor
    plain: Tensor | None = weight.dequantize() if is_class_of_its_own else None
    return plain


def _linear(weight: Tensor, bias: Any) -> nn.Linear:
    outputs, inputs = weight.shape
    linear = nn.Linear(inputs, outputs, bias=bias is not None, device="meta")
    linear.weight = nn.Parameter(weight)
    if bias is not None:
        linear.bias = nn.Parameter(bias.to(weight.dtype))
    return linear


def _stated(config: PreTrainedConfig) -> dict[str, Any]:
    """What the config says of quantisation, in a form that can be written to."""
    for part in (config, config.get_text_config()):
        stated = getattr(part, "quantization_config", None)
        if stated is not None and not isinstance(stated, dict):
            stated = part.quantization_config = stated.to_dict()
        if stated:
            return stated
    return {}
