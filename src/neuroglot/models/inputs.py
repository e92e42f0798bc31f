"""What models read: the arguments of a forward without its head, and which of its positions count.

Each family has one kind of inputs (`Family.reads`), and nothing else in the package asks what a model is given. Three
kinds read token ids; another one, such as clips of video `[B, T, C, H, W]`, is an object with the methods of `Inputs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

DUMMY_TOKENS = 4


class ReadBatch(Protocol):
    """What the recorder asks of a padded batch, masks `[B, T]` over what the model reads; a kind may ask for more.

    `real`: no padding. `special`: added by the tokenizer.
    """

    @property
    def real(self) -> Tensor: ...
    @property
    def special(self) -> Tensor: ...


class Inputs(Protocol):
    """How a model is fed, and what can be asked of it."""

    @property
    def name(self) -> str:
        """What a model of this kind is called."""
        ...

    @property
    def predicts_next(self) -> bool:
        """Whether each position predicts the next token of what is read."""
        ...

    @property
    def generates(self) -> bool:
        """Whether the model writes text."""
        ...

    def dummy(self, model: PreTrainedModel, rows: int = 1, length: int = DUMMY_TOKENS) -> dict[str, Any]:
        """Arguments of a forward over made-up rows, on the model's device."""
        ...

    def forward_kwargs(self, model: PreTrainedModel, batch: Any) -> dict[str, Any]:
        """Arguments of a forward over a `ReadBatch`, padded on the right, on the model's device."""
        ...

    def counted(self, stacks: Sequence[str], batch: ReadBatch, special_tokens: bool) -> dict[str, Tensor]:
        """Which positions of each stack's layers count, on the CPU: masks `[B, T]` by stack."""
        ...


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Token ids and which of them are no padding, both `[B, T]`: what the kinds below read of a batch."""

    token_ids: Tensor
    real: Tensor


@dataclass(frozen=True)
class DecoderInputs:
    """A text is read from left to right.

    There is no mask: no token sees what stands behind it, and without a mask attention is faster.
    """

    name: str = "decoder"
    predicts_next: bool = True
    generates: bool = True

    def dummy(self, model: PreTrainedModel, rows: int = 1, length: int = DUMMY_TOKENS) -> dict[str, Any]:
        return self.forward_kwargs(model, _first_tokens(model, rows, length))

    def forward_kwargs(self, model: PreTrainedModel, batch: TokenBatch) -> dict[str, Any]:
        return {"input_ids": batch.token_ids.to(model.device), "use_cache": False}

    def counted(self, stacks: Sequence[str], batch: ReadBatch, special_tokens: bool) -> dict[str, Tensor]:
        return dict.fromkeys(stacks, _countable(batch, special_tokens))


@dataclass(frozen=True)
class EncoderInputs:
    """A text is read at once, with a mask over padding."""

    name: str = "encoder"
    predicts_next: bool = False
    generates: bool = False

    def dummy(self, model: PreTrainedModel, rows: int = 1, length: int = DUMMY_TOKENS) -> dict[str, Any]:
        return self.forward_kwargs(model, _first_tokens(model, rows, length))

    def forward_kwargs(self, model: PreTrainedModel, batch: TokenBatch) -> dict[str, Any]:
        return {
            "input_ids": batch.token_ids.to(model.device),
            "attention_mask": batch.real.to(model.device).long(),
        }

    def counted(self, stacks: Sequence[str], batch: ReadBatch, special_tokens: bool) -> dict[str, Tensor]:
        return dict.fromkeys(stacks, _countable(batch, special_tokens))


@dataclass(frozen=True)
class PairInputs:
    """The encoder reads a text, the decoder the same text one token later, as in training to repeat it.

    `first` says what stands first in the decoder's input: the config's start token, or the text's own last token.
    """

    first: Literal["start token", "last token"] = "start token"
    name: str = "encoder-decoder"
    predicts_next: bool = False
    generates: bool = True

    def dummy(self, model: PreTrainedModel, rows: int = 1, length: int = DUMMY_TOKENS) -> dict[str, Any]:
        return self.forward_kwargs(model, _first_tokens(model, rows, length))

    def forward_kwargs(self, model: PreTrainedModel, batch: TokenBatch) -> dict[str, Any]:
        token_ids, real = batch.token_ids.to(model.device), batch.real.to(model.device)
        return {
            "input_ids": token_ids,
            "attention_mask": real.long(),
            "decoder_input_ids": self._one_later(model, token_ids, real),
            "decoder_attention_mask": real.long(),
            "use_cache": False,
        }

    def counted(self, stacks: Sequence[str], batch: ReadBatch, special_tokens: bool) -> dict[str, Tensor]:
        """The decoder holds the text one position later; the text's last token is not among its inputs."""
        countable = _countable(batch, special_tokens)
        later = torch.zeros_like(countable)
        later[:, 1:] = countable[:, :-1]
        in_decoder = batch.real if special_tokens else later & batch.real
        return {stack: countable if stack.startswith("encoder") else in_decoder for stack in stacks}

    def _one_later(self, model: PreTrainedModel, token_ids: Tensor, real: Tensor) -> Tensor:
        later = token_ids.roll(1, dims=1)
        if self.first == "last token":
            last = real.long().sum(1, keepdim=True) - 1
            later[:, :1] = token_ids.gather(1, last)
            return later
        configs = (getattr(model, "generation_config", None), model.config)
        names = ("decoder_start_token_id", "pad_token_id")
        stated = [getattr(config, name, None) for name in names for config in configs]
        later[:, 0] = next(token_id for token_id in stated if token_id is not None)
        return later


DECODER, ENCODER, PAIR = DecoderInputs(), EncoderInputs(), PairInputs()


def _countable(batch: ReadBatch, special_tokens: bool) -> Tensor:
    return batch.real if special_tokens else batch.real & ~batch.special


def _first_tokens(model: PreTrainedModel, rows: int, length: int) -> TokenBatch:
    """The first tokens of the vocabulary, over and over: `[rows, length]`."""
    vocabulary = model.config.get_text_config().vocab_size
    token_ids = torch.arange(rows * length, device=model.device).reshape(rows, length) % vocabulary
    return TokenBatch(token_ids, torch.ones_like(token_ids, dtype=torch.bool))
