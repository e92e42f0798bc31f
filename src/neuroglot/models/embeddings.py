"""Rows of embeddings for new tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.errors import ConfigError


def add_embeddings(model: PreTrainedModel, old_ids: Sequence[Sequence[int]], first: int) -> None:
    """Set the rows from `first` on, of the input and of the head, to the means of those of the old tokens, one row for
    each; larger tables stay as large, smaller ones grow.

    A bias of the head is their mean too. Raises `ConfigError` for old tokens that have no row.
    """
    rows = len(_weight(model.get_input_embeddings()))
    known = range(min(first, rows))
    if not all(old_ids) or any(token not in known for ids in old_ids for token in ids):
        raise ConfigError("New tokens stand for tokens without a row.", f"Expected ids from 0 to {known.stop - 1}.")
    if first + len(old_ids) > rows:
        model.resize_token_embeddings(first + len(old_ids), mean_resizing=False)
    head = model.get_output_embeddings()
    weights = [_weight(module) for module in (model.get_input_embeddings(), head) if module is not None]
    tables = {weight.data_ptr(): weight for weight in weights}  # tied ones once
    bias = getattr(head, "bias", None)
    with torch.no_grad():
        for table in (*tables.values(), *([] if bias is None else [bias])):
            for number, ids in enumerate(old_ids):
                table[first + number] = table[list(ids)].float().mean(0).to(table.dtype)


def _weight(module: Any) -> Tensor:
    weight: Tensor = module.weight
    return weight
