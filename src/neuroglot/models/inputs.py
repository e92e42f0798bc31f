"""What a forward of each kind of model is given for a padded batch of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from neuroglot.models.view import ModelView


def forward_inputs(view: ModelView, token_ids: Tensor, real: Tensor) -> dict[str, Any]:
    """Arguments of the model without its head for `token_ids [B, T]`, padded on the right, and the mask `real [B, T]`
    of what is no padding.

    A decoder gets no mask: no token sees what stands behind it, and without a mask attention is faster. An
    encoder–decoder model reads the text twice: its encoder the text, its decoder the same text one token later, as in
    training to repeat it.
    """
    if view.family.kind == "decoder":
        return {"input_ids": token_ids, "use_cache": False}
    inputs: dict[str, Any] = {"input_ids": token_ids, "attention_mask": real.long()}
    if view.family.kind == "encoder-decoder":
        inputs["decoder_input_ids"] = _one_later(view, token_ids, real)
        inputs["decoder_attention_mask"] = real.long()
        inputs["use_cache"] = False
    return inputs


def counted_by_stack(view: ModelView, counts: Tensor, real: Tensor, special_tokens: bool) -> dict[str, Tensor]:
    """Which positions count in each stack, from those that count in the text `[B, T]`.

    A decoder beside an encoder holds the text one position later, behind a start token; the text's last token is not
    among its inputs.
    """
    if view.family.kind != "encoder-decoder":
        return {stack: counts for stack, _ in view.layout.stacks}
    later = torch.zeros_like(counts)
    later[:, 1:] = counts[:, :-1]
    in_decoder = real if special_tokens else later & real
    return {stack: counts if stack.startswith("encoder") else in_decoder for stack, _ in view.layout.stacks}


def _one_later(view: ModelView, token_ids: Tensor, real: Tensor) -> Tensor:
    """The text behind the decoder's start token, or behind its own last token where the family is trained so."""
    later = token_ids.roll(1, dims=1)
    if view.family.decoder_start == "last token":
        last = real.long().sum(1, keepdim=True) - 1
        later[:, :1] = token_ids.gather(1, last)
        return later
    places = (view.model.generation_config, view.model.config)
    stated = [getattr(place, name, None) for name in ("decoder_start_token_id", "pad_token_id") for place in places]
    later[:, 0] = next(token_id for token_id in stated if token_id is not None)
    return later
