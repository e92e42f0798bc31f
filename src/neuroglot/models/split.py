"""Weights that are split among processes, as transformers' tensor parallelism does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as processes
from torch import Tensor, nn
from transformers import PreTrainedModel

from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer

Tapped = Callable[[Layer, Tensor, Any], Tensor | None]  # what a point calls; it names the routing's type


def is_split(tensor: Any) -> bool:
    """Whether each process holds a part of the tensor only; asked so because importing torch's class takes seconds."""
    return isinstance(tensor, Tensor) and hasattr(tensor, "full_tensor") and hasattr(tensor, "placements")


def whole(tensor: Any) -> Any:
    """The tensor with the parts of all processes, in each of them; anything else as it is."""
    return tensor.full_tensor() if is_split(tensor) else tensor


def require_whole(model: PreTrainedModel, job: str) -> None:
    """Raise `UnsupportedModelError` if the model is split among processes, for a job that reads or changes weights."""
    if any(is_split(parameter) for parameter in model.parameters()):
        raise UnsupportedModelError(
            f"The weights of the {type(model).__name__} are split among processes.",
            f"{job} works on a model that is whole in one of them.",
            "Load it with device_map='auto' (device='auto'), which spreads whole layers over devices.",
        )


def over_parts(write: nn.Module, tap: Tapped) -> Tapped:
    """The tap on all neurons of a network whose down projection is split among processes, in each of them alike.

    Each process holds as many neurons; the activations of all are gathered for the tap, and its own of what comes back
    go on. Raises `UnsupportedModelError` for another split.
    """
    weight: Any = getattr(write, "weight", None)
    if not is_split(weight):
        return tap
    count, placement = weight.device_mesh.size(), weight.placements[0]
    if len(weight.placements) != 1 or not placement.is_shard(1) or weight.shape[1] % count:
        raise UnsupportedModelError(
            f"A down projection of {weight.shape[1]} neurons is split among {count} processes as {weight.placements}.",
            "Expected as many neurons in each of them.",
            "Choose a number of processes that divides that of a layer's neurons.",
        )
    group, own = weight.device_mesh.get_group(), weight.device_mesh.get_local_rank()

    def gathered(layer: Layer, part: Tensor, routing: Any) -> Tensor | None:
        parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(count)]
        processes.all_gather(parts, part.contiguous(), group)
        changed = tap(layer, torch.cat(parts, dim=-1), routing)
        return None if changed is None else changed.chunk(count, dim=-1)[own]

    return gathered
