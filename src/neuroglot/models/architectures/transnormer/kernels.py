"""Lightning attention by the kernels of flash-linear-attention, on GPUs where the package is installed."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

WIDEST_KEY = 256  # channels of a head that the kernels take


def has_kernel(queries: Tensor) -> bool:
    """Whether the kernels can be used for these queries `[B, H, T, K]`."""
    return queries.is_cuda and queries.shape[-1] <= WIDEST_KEY and queries.dtype != torch.float64 and _installed()


@cache
def _installed() -> bool:
    return find_spec("fla") is not None


def kernel_attention(
    queries: Tensor, keys: Tensor, values: Tensor, log_decay: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs `[B, H, T, V]` in float32 and the state behind the last token, without padding or documents.

    The kernels hold tokens before heads, have the sign of their decay turned, and scale scores unless told not to.
    bfloat16 is read as it is; float16, in which outputs may overflow, as float32.
    """
    from fla.ops.simple_gla import chunk_simple_gla

    read = queries.dtype if queries.dtype == torch.bfloat16 else torch.float32
    outputs, last = chunk_simple_gla(
        *(part.to(read).transpose(1, 2).contiguous() for part in (queries, keys, values)),
        g_gamma=-log_decay.float(),
        scale=1.0,
        initial_state=state.float(),
        output_final_state=True,
    )
    return outputs.transpose(1, 2).float(), last.to(state.dtype)
