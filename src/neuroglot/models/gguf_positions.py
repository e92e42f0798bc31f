"""How a GGUF file stretches rotary positions, which transformers leaves out of the config that it makes of the file."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from neuroglot.errors import UnsupportedModelError

ANGLE_FACTORS = "rope_freqs.weight"  # by which a file divides the angle of each pair of dimensions
LONG_AND_SHORT = ("rope_factors_long.weight", "rope_factors_short.weight")
# What Llama 3.1 and its successors have all in common (llama.cpp writes factors, and not what they were made of).
LLAMA3 = {
    "rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
}  # fmt: skip
TOLERANCE = 1e-4  # relative, of factors in float32


def state_positions(config: PreTrainedConfig, reader: Any, name: str) -> None:
    """Write into the config how the file, by its `gguf.GGUFReader`, stretches positions.

    Known are one factor for all (`linear`) and the factors of Llama 3.1. Raises `UnsupportedModelError` for others,
    because the model would compute with other angles than it was trained with.
    """
    parts = {tensor.name: tensor for tensor in reader.tensors}
    kind = str(_field(reader, "type") or "none")
    if _of_global_layers(config).get("rope_type", "default") != "default":
        return  # transformers has read it
    if any(part in parts for part in LONG_AND_SHORT) or kind not in ("none", "linear"):
        raise _unknown(name, kind if kind not in ("none", "linear") else "longrope")
    if kind == "linear":
        _of_global_layers(config).update(rope_type="linear", factor=float(_field(reader, "factor") or 1.0))
    if ANGLE_FACTORS in parts:
        factors = torch.from_numpy(parts[ANGLE_FACTORS].data.copy()).float().flatten()
        if kind != "none" or not _state_llama3(config, factors):
            raise _unknown(name, "by factors that are not those of Llama 3")


def _field(reader: Any, key: str) -> Any:
    """What the file says of stretching under a key; None if it says nothing."""
    field = reader.get_field(f"{reader.get_field('general.architecture').contents()}.rope.scaling.{key}")
    return None if field is None else field.contents()


def _of_global_layers(config: PreTrainedConfig) -> dict[str, Any]:
    """The angles of the layers that read all tokens: those of a window, as in Gemma 3, are never stretched."""
    stated: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    return stated.get("full_attention", stated)


def _state_llama3(config: PreTrainedConfig, factors: Tensor) -> bool:
    """Have the config say the stretching of Llama 3 by the largest factor; whether that gives the factors."""
    stated = _of_global_layers(config)
    if stated is not getattr(config, "rope_parameters", None):
        return False
    stated.update(LLAMA3, factor=float(factors.max()))
    made, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    stated.update(factor=1.0)
    unstretched, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    stated.update(factor=float(factors.max()))
    return made.shape == factors.shape and torch.allclose(unstretched / made, factors, rtol=TOLERANCE, atol=0)


def _unknown(name: str, kind: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"The GGUF file {name!r} stretches rotary positions ({kind}), which is not read from such files.",
        "Expected no stretching, one factor for all angles (linear), or that of Llama 3.",
        "Load the checkpoint that it was made from.",
    )
