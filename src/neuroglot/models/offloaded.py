"""Weights that accelerate keeps in other memory or on disk, and brings to their module for each forward."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from neuroglot.errors import UnsupportedModelError


def fetched(module: nn.Module, name: str) -> Tensor | None:
    """A tensor that accelerate keeps elsewhere for the module, None where nothing is known of it."""
    kept = getattr(getattr(module, "_hf_hook", None), "weights_map", None)
    return kept[name] if kept is not None and name in kept else None


def held(module: Any, name: str) -> Any:
    """A parameter of the module, or what it is somewhere else; raises `UnsupportedModelError` if nobody knows."""
    parameter = getattr(module, name, None)
    if not isinstance(parameter, Tensor) or not parameter.is_meta:
        return parameter
    if (elsewhere := fetched(module, name)) is None:
        raise UnsupportedModelError(
            f"The {name} of a {type(module).__name__} has no values in memory.",
            "Expected a model whose weights are loaded, or offloaded by accelerate.",
            "Load it with from_pretrained, with device_map='auto' where it is too large for one device.",
        )
    return elsewhere


def is_offloaded(model: PreTrainedModel) -> bool:
    """Whether weights are fetched for each forward, by hooks that must see it end."""
    devices = {str(device) for device in (getattr(model, "hf_device_map", None) or {}).values()}
    spread = bool(devices & {"cpu", "disk"}) and len(devices) > 1
    return spread or any(parameter.is_meta for parameter in model.parameters())
