"""TransNormerLLM on several processes, each with some of the heads and of the feed-forward neurons.

The fused projection is split in each of its parts, so that a process has queries, keys, values and gates of the same
heads (arXiv:2307.14995, section 3.4). The norm over all heads then needs one sum a token from the other processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from transformers.distributed.parallel_utils import ALL_PARALLEL_STYLES
from transformers.distributed.tensor_parallel import PackedColwiseParallel

from neuroglot.errors import ConfigError


def packed_style(parts: int) -> str:
    """The name of the style that splits each of so many fused projections by columns."""
    return f"packed_colwise_{parts}"


def parallel_plan(parts: int) -> dict[str, str]:
    """What `DistributedConfig(tp_size=…)` does with each module, for `parts` fused projections."""
    return {
        "layers.*.attention.qkvu_proj": packed_style(parts),
        "layers.*.attention.out_proj": "rowwise",
        "layers.*.attention.lrpe": "replicated_with_grad_allreduce",
        "layers.*.mlp.gate_proj": "colwise",
        "layers.*.mlp.up_proj": "colwise",
        "layers.*.mlp.down_proj": "rowwise",
    }


@dataclass(frozen=True, eq=False)
class OwnHeads:
    """The heads that this process has, of `total`; `group` are the processes that have the others, None if alone."""

    first: int
    count: int
    total: int
    group: Any = None

    @property
    def numbers(self) -> slice:
        """Their place among all heads."""
        return slice(self.first, self.first + self.count)

    @classmethod
    def of(cls, weight: Tensor, total: int) -> OwnHeads:
        """Those of the process, by the fused projection's `weight`; raises `ConfigError` where they cannot be split."""
        mesh = getattr(weight, "device_mesh", None)
        if mesh is None or not any(hasattr(placement, "split_factor") for placement in weight.placements):  # type: ignore[attr-defined]
            return cls(0, total, total)
        mesh = mesh if mesh.ndim == 1 else mesh["tp"]
        if total % mesh.size():
            raise ConfigError(
                f"{total} heads were to be split among {mesh.size()} processes.", "Expected a number that divides them."
            )
        count = total // mesh.size()
        return cls(mesh.get_local_rank() * count, count, total, mesh.get_group())


class _SummedOver(torch.autograd.Function):
    """The sum over processes, of the values and, backwards, of the gradients."""

    @staticmethod
    def forward(context: Any, values: Tensor, group: Any) -> Tensor:
        context.group = group
        values = values.clone()
        dist.all_reduce(values, group=group)
        return values

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0].clone()
        dist.all_reduce(gradient, group=context.group)
        return gradient, None


def summed_over(values: Tensor, group: Any) -> Tensor:
    """What all processes of a group have, added up; gradients are added up too."""
    summed: Tensor = _SummedOver.apply(values, group)
    return summed


for fused in (3, 4):
    style: Any = PackedColwiseParallel(split_factor=fused)
    ALL_PARALLEL_STYLES.register(packed_style(fused), style)
