"""How many tokens a batch holds: as many as the device's memory takes with ease."""

from __future__ import annotations

import torch

from neuroglot.corpora.batches import TOKEN_BUDGET
from neuroglot.models.inputs import forward_inputs
from neuroglot.models.view import ModelView

LARGEST_BUDGET = 2**16
EASE = 0.5  # share of the memory that a batch may take: lengths differ from those tried
TRIED_LENGTH = 256


def automatic_token_budget(view: ModelView) -> int:
    """Padded tokens a batch: `TOKEN_BUDGET` on a CPU, whose caches are filled by that; doubled on an accelerator for as
    long as a batch of such a size leaves half of the memory free.
    """
    device = view.model.device
    if device.type != "cuda":
        return TOKEN_BUDGET
    budget, room = TOKEN_BUDGET, torch.cuda.get_device_properties(device).total_memory * EASE
    while budget < LARGEST_BUDGET and _peak_memory(view, 2 * budget) < room:
        budget *= 2
    return budget


def _peak_memory(view: ModelView, tokens: int) -> float:
    """Bytes that a forward of so many tokens takes at its peak, weights included; infinite where it does not fit."""
    ids = torch.zeros(tokens // TRIED_LENGTH, TRIED_LENGTH, dtype=torch.int64, device=view.model.device)
    torch.cuda.reset_peak_memory_stats(ids.device)
    try:
        with torch.inference_mode():
            view.model.base_model(**forward_inputs(view, ids, torch.ones_like(ids, dtype=torch.bool)))
    except torch.OutOfMemoryError:
        return float("inf")
    return float(torch.cuda.max_memory_allocated(ids.device))
