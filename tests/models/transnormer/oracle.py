"""Lightning attention by its formula, one number after the other, in float64."""

from collections.abc import Sequence

import torch
from torch import Tensor


def plain_attention(
    queries: Tensor, keys: Tensor, values: Tensor, log_decay: Tensor, state: Tensor | None = None,
    real: Sequence[Sequence[bool]] | None = None, begins: Sequence[Sequence[bool]] | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`o_t = Σ_s λ^(real tokens after s to t) (q_t·k_s) v_s` over real s ≤ t of one document, and the last state."""
    queries, keys, values = queries.double(), keys.double(), values.double()
    rows, heads, length, width = queries.shape
    outputs = torch.zeros(rows, heads, length, values.shape[3], dtype=torch.float64)
    last = torch.zeros(rows, heads, width, values.shape[3], dtype=torch.float64)
    for row in range(rows):
        is_real = [True] * length if real is None else list(real[row])
        starts = [False] * length if begins is None else list(begins[row])
        for head in range(heads):
            decay = float(log_decay[head])
            for t in range(length):
                first = max([s for s in range(t + 1) if starts[s]], default=0)
                for s in range(first, t + 1):
                    if is_real[s]:
                        factor = torch.exp(torch.tensor(-decay * sum(is_real[s + 1 : t + 1]), dtype=torch.float64))
                        score = factor * (queries[row, head, t] @ keys[row, head, s])
                        outputs[row, head, t] += score * values[row, head, s]
                        if t == length - 1:
                            last[row, head] += factor * torch.outer(keys[row, head, s], values[row, head, s])
                if state is not None and not any(starts[: t + 1]):
                    kept = torch.exp(torch.tensor(-decay * sum(is_real[: t + 1]), dtype=torch.float64))
                    outputs[row, head, t] += kept * (queries[row, head, t] @ state[row, head].double())
                    if t == length - 1:
                        last[row, head] += kept * state[row, head].double()
    return outputs, last
