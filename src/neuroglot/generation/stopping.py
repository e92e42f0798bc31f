"""Strings at which a text ends before the model ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STOP_TOKENS = 32  # the last ones, in which a stop string is looked for at each step


def check_stop(stop: Sequence[str]) -> None:
    """Raise `ConfigError` for an empty stop string, or a text instead of a list."""
    if isinstance(stop, str) or not all(isinstance(text, str) and text for text in stop):
        raise ConfigError(f"stop={stop!r} was given.", "Expected a list of texts that are not empty.")


def cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string in it, and whether there was one."""
    places = [place for end in stop if (place := text.find(end)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def stopping(tokenizer: PreTrainedTokenizerBase, start: int, stop: Sequence[str]) -> Callable[..., Tensor]:
    """Which rows have just written a stop string behind `start` tokens; transformers' own criterion fails on some
    tokenizers.
    """

    def stopped(sequences: Tensor, _: object, **__: object) -> Tensor:
        ends = [cut(str(tokenizer.decode(row)), stop)[1] for row in sequences[:, start:][:, -STOP_TOKENS:]]
        return torch.tensor(ends, device=sequences.device)

    return stopped
