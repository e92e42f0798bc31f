"""Rows of embeddings from another checkpoint: which tokens carry what tuning changed?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.errors import ConfigError, LayoutMismatchError, UnsupportedModelError
from neuroglot.models.open_interventions import Intervention, opened
from neuroglot.models.split import require_whole
from neuroglot.models.view import ModelView
from neuroglot.signature import short_hash

EmbeddingTable = Literal["input", "output"]


@contextmanager
def transplant_rows(
    view: ModelView, donor: PreTrainedModel, token_ids: Sequence[int], table: EmbeddingTable = "input"
) -> Iterator[None]:
    """Within the block the model has the donor's rows of these tokens in its input or output embeddings.

    The model is as before when the block ends, on exceptions too, and what is measured meanwhile says so. A table that
    the model shares between both ends is changed at both; a bias of the output goes with its row. As a control take
    the rows of other tokens, `other_tokens`. Source: the row swaps of Yuan et al. 2023 (arXiv 2311.09071), which put
    rows of the untuned model back into a tuned one. Raises `ConfigError` for no token, a token without a row and a
    model without the table, `LayoutMismatchError` for rows of another width, and `UnsupportedModelError` for quantised
    weights, or weights that are elsewhere.
    """
    model = view.model
    require_whole(model, "Transplanting rows")
    own, given = (_tables(each, table) for each in (model, donor))
    _require_rows(token_ids, own[0], given[0])
    ids = torch.tensor(sorted(set(token_ids)))
    new = [tensor[ids.to(tensor.device)] for tensor in given]
    pairs = list(zip(own, new))  # a bias only where both have one
    before = [tensor[ids.to(tensor.device)].clone() for tensor, _ in pairs]
    place = "input and output, which are one" if _is_shared(model) else table
    name = f"embeddings of {len(ids)} tokens from another checkpoint ({place}, hash={short_hash(ids, *new)})"
    with opened(model, Intervention(name, replaces=True)):
        try:
            _put(pairs, ids)
            yield
        finally:
            _put([(tensor, rows) for (tensor, _), rows in zip(pairs, before)], ids)


def other_tokens(token_ids: Sequence[int], rows: int, seed: int = 0) -> tuple[int, ...]:
    """As many other tokens of a table of so many rows: the control. Raises `ConfigError` if there are too few."""
    chosen = set(token_ids)
    others = [token for token in range(rows) if token not in chosen]
    if len(others) < len(chosen):
        raise ConfigError(f"{len(chosen)} other tokens of {rows} were asked for.", f"Expected at most {len(others)}.")
    return tuple(sorted(Random(seed).sample(others, len(chosen))))


def _module(model: PreTrainedModel, table: EmbeddingTable) -> Any:
    return model.get_input_embeddings() if table == "input" else model.get_output_embeddings()


def _is_shared(model: PreTrainedModel) -> bool:
    head = _module(model, "output")
    return head is not None and head.weight is _module(model, "input").weight


def _tables(model: PreTrainedModel, table: EmbeddingTable) -> list[Tensor]:
    """The rows, and with them the bias, if there is one."""
    module = _module(model, table)
    if module is None:
        raise ConfigError(f"{type(model).__name__} has no {table} embeddings.", "Expected a model with a head.")
    if not module.weight.is_floating_point():
        raise UnsupportedModelError(f"The {table} embeddings are {module.weight.dtype}.", "Expected plain weights.")
    bias = getattr(module, "bias", None)
    return [module.weight, *([] if bias is None else [bias])]


def _require_rows(token_ids: Sequence[int], own: Tensor, given: Tensor) -> None:
    rows = min(len(own), len(given))
    if not token_ids or not all(0 <= token < rows for token in token_ids):
        wrong = [token for token in token_ids if not 0 <= token < rows]
        got = f"The token {wrong[0]} has no row in both models." if wrong else "No token was given."
        raise ConfigError(got, f"Expected ids from 0 to {rows - 1}.")
    if own.shape[1] != given.shape[1]:
        raise LayoutMismatchError(f"The donor's rows have {given.shape[1]} numbers.", f"Expected {own.shape[1]}.")


def _put(pairs: list[tuple[Tensor, Tensor]], ids: Tensor) -> None:
    with torch.no_grad():
        for tensor, rows in pairs:
            tensor[ids.to(tensor.device)] = rows.to(tensor.device, tensor.dtype)
