"""Packing: several texts in one sequence, none of which sees another, so that a batch has hardly any padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from neuroglot.errors import UnsupportedModelError
from neuroglot.models.locating import text_config
from neuroglot.tokens.examples import IGNORED
from neuroglot.tokens.tokenizing import Text

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from neuroglot.training.sharing import Collate

Separation = Literal["positions", "mask"]  # what tells a model where texts begin: their positions alone, or a mask too
_PROBED = (3, 5, 2, 4)  # tokens of the texts on which a model is tried


def separation_of(model: PreTrainedModel) -> Separation:
    """How packed texts are kept apart in this model, tried on a few tokens, packed and each alone.

    transformers derives a mask from positions that begin again; models that do not get one of their own. Raises
    `UnsupportedModelError` for models in which a text changes another either way, such as those with recurrent states,
    and those that lay their own positions over the whole sequence.
    """
    if model.device.type == "meta":
        return "positions"  # nothing can be tried without weights, and nothing trained
    vocabulary = int(text_config(model).vocab_size)
    ids = torch.arange(sum(_PROBED)).mul(7).remainder(vocabulary).split(_PROBED)
    has_window = getattr(text_config(model), "sliding_window", None) is not None  # which a mask of ours would widen
    known: tuple[Separation, ...] = ("positions",) if has_window else ("positions", "mask")
    was_training = model.training
    model.eval()
    try:
        for separation in known:
            if _keeps_apart(model, ids, separation):
                return separation
    finally:
        model.train(was_training)
    raise UnsupportedModelError(
        f"Texts packed into {type(model).__name__} ({model.config.model_type}) change each other.",
        "Expected a model whose attention begins anew where positions do.",
        "Tune it without packing.",
    )


@torch.no_grad()
def _keeps_apart(model: PreTrainedModel, texts: Sequence[Tensor], separation: Separation) -> bool:
    forward: Any = model
    alone = [forward(ids[None].to(model.device), use_cache=False).logits[0] for ids in texts]
    numbers = torch.repeat_interleave(torch.arange(len(texts)), torch.tensor(list(map(len, texts))))
    arguments = {"input_ids": torch.cat(list(texts))[None], **separated(numbers[None], separation, model.dtype)}
    moved = {name: value.to(model.device) if isinstance(value, Tensor) else value for name, value in arguments.items()}
    try:
        together = forward(**moved).logits[0]
    except (TypeError, ValueError, RuntimeError, IndexError):  # it takes no such argument
        return False
    away = (together - torch.cat(alone)).float().abs().max() / torch.cat(alone).float().abs().max()
    return float(away) <= torch.finfo(model.dtype).eps ** 0.6  # between rounding and what a leak changes


def separated(numbers: Tensor, separation: Separation, dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """What tells a model which text each token belongs to, given its number `[B, T]`, which rises from left to right.

    `position_ids` `[B, T]` begin at 0 in each text; a mask `[B, 1, T, T]` is added to attention. A cache would undo
    both.
    """
    places = torch.arange(numbers.shape[1]).expand_as(numbers)
    begins = torch.ones_like(numbers, dtype=torch.bool)
    begins[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
    positions = places - torch.where(begins, places, 0).cummax(1).values
    arguments: dict[str, Any] = {"position_ids": positions, "use_cache": False}
    if separation == "mask":
        same = numbers[:, :, None] == numbers[:, None, :]
        seen = same & (places[:, :, None] >= places[:, None, :])
        arguments["attention_mask"] = torch.where(seen, 0.0, torch.finfo(dtype).min).to(dtype)[:, None]
    return arguments


def packed_completions(pad_id: int, separation: Separation, dtype: torch.dtype = torch.float32) -> Collate:
    """What turns texts into a batch of as few sequences as fit the longest of them, whose labels are the scored tokens.

    A text's first token is never learned: what stands before it belongs to another. Padding is a text of its own.
    """

    def collate(texts: Sequence[Text]) -> dict[str, Any]:
        bins = list(_binned([len(text.token_ids) for text in texts]))
        rows = [[texts[index] for index in part] for part in bins]
        ids = [torch.tensor([token for text in row for token in text.token_ids]) for row in rows]
        learned = [torch.tensor([flag for text in row for flag in (False, *text.scored[1:])]) for row in rows]
        labels = [torch.where(flags, tokens, IGNORED) for flags, tokens in zip(learned, ids, strict=True)]
        numbers = [torch.tensor([number for number, text in enumerate(row) for _ in text.token_ids]) for row in rows]
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_id),
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
            **separated(pad_sequence(numbers, batch_first=True, padding_value=len(texts)), separation, dtype),
        }

    return collate


def _binned(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Which texts share a sequence, none longer than the longest text: first fit, longest first."""
    room: list[int] = []
    bins: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        fitting = next((number for number, left in enumerate(room) if left >= lengths[index]), len(bins))
        if fitting == len(bins):
            bins.append([])
            room.append(max(lengths))
        bins[fitting].append(index)
        room[fitting] -= lengths[index]
    yield from bins
