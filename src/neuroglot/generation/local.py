"""Completions by a model in memory, in batches, with transformers' generation.

`towards` makes a translation model of it, which is told the languages by its own convention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.generation.backend import ChatWriter, Completion, Request, check_prompts, judged
from neuroglot.generation.decoding import (
    Decoding,
    continued,
    end_tokens,
    generation_config,
    in_batches,
    pad_left,
    padding_token,
    until_end,
)
from neuroglot.generation.stopping import check_stop, cut, stopping
from neuroglot.models.locating import text_config
from neuroglot.models.provenance import generation_signature, made_with
from neuroglot.models.view import ModelView
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.tokens.batches import TOKEN_BUDGET, pad
from neuroglot.tokens.language_tokens import Convention, Tags, convention_of
from neuroglot.tokens.tokenizing import Text, context_limit, prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Told:
    """The direction of a translation model, and how it is told."""

    convention: Convention
    direction: Direction
    begin: tuple[int, ...]  # what its decoder begins with


@dataclass(frozen=True, eq=False)
class LocalBackend:
    """A decoder or an encoder–decoder model; interventions that are active around a call are in force.

    Conversations are written by the tokenizer's chat template, plain text as the tokenizer writes any text, of a
    decoder without the special tokens that it puts behind. Prompts that do not fit the model's context with
    `max_new_tokens` are failures, and are never cut. `tags` names the token of a language that the tokenizer does not
    tell. A chat template that can be told whether to think is told `thinking`; reasoning is cut off the texts. Raises
    `ConfigError` for a model that generates nothing, and for conversations without a chat template.
    """

    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    token_budget: int = TOKEN_BUDGET
    keep_truncated: bool = False
    thinking: bool = False
    tags: Tags = field(default_factory=dict)
    told: Told | None = None
    conversations: ChatWriter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "conversations", ChatWriter(self.tokenizer, self.thinking))
        self.view.require("generated text")

    @property
    def chat(self) -> bool:
        return self.tokenizer.chat_template is not None

    @property
    def signature(self) -> Signature:
        own = Signature.of(backend="transformers", keep_truncated=self.keep_truncated)
        tags = {"tags": ",".join(f"{language}={token}" for language, token in sorted(self.tags.items()))}
        made = made_with(self.view, self.tokenizer) | generation_signature(self.view.model)
        return own | Signature.of(**(tags if self.tags else {})) | made

    def towards(self, direction: Direction) -> LocalBackend | None:
        """The same model as a translator of plain texts, or None if it has to be asked in a prompt.

        Raises `ConfigError` for a language that it does not have.
        """
        convention = convention_of(self.view, self.tokenizer, self.tags)
        if convention is None:
            return None
        convention.sources(direction, [""])  # refuses a language that it lacks
        return replace(self, told=Told(convention, direction, convention.begin(self.view, direction)))

    def complete(self, prompts: Sequence[Request], decoding: Decoding, stop: Sequence[str] = ()) -> list[Completion]:
        """One completion a prompt, in order; see `Backend`."""
        return [texts[0] for texts in self.completions(prompts, decoding, stop)]

    def completions(
        self, prompts: Sequence[Request], decoding: Decoding, stop: Sequence[str] = ()
    ) -> list[list[Completion]]:
        """All completions of each prompt: one, or as many as the decision rule gives back."""
        check_prompts(prompts)
        check_stop(stop)
        self.require_room(decoding)
        texts = [Text.of(ids, row) for row, ids in enumerate(self._tokenized(prompts))]
        room = self._room(decoding)
        fitting = [text for text in texts if room is None or len(text.token_ids) <= room]
        each = 1 if decoding.rule is None else decoding.rule.texts
        done = {text.row: [Completion(None, "over_length", len(text.token_ids))] * each for text in texts}
        batches = list(in_batches([len(text.token_ids) for text in fitting], decoding, self.token_budget))
        torch.manual_seed(decoding.seed)
        with self.view.evaluating():
            for batch in track(batches, "completing", len(batches)):
                together = [fitting[index] for index in batch]
                sequences = self._continued(together, decoding, stop)
                for text, several in zip(together, sequences.unflatten(0, (-1, each)).tolist(), strict=True):
                    done[text.row] = [self._completion(len(text.token_ids), row, stop) for row in several]
        return [done[row] for row in range(len(prompts))]

    @property
    def _is_decoder(self) -> bool:
        return self.view.family.predicts_next

    def _room(self, decoding: Decoding) -> int | None:
        """How long a prompt may be."""
        limit = context_limit(self.tokenizer, text_config(self.view.model))
        return None if limit is None else limit - (decoding.max_new_tokens if self._is_decoder else 0)

    def overlong(self, prompts: Sequence[Request], decoding: Decoding) -> list[int]:
        """The places of the prompts that have no room in the model's context; raises as `require_room`."""
        self.require_room(decoding)
        room = self._room(decoding)
        return [place for place, ids in enumerate(self._tokenized(prompts)) if room is not None and len(ids) > room]

    def require_room(self, decoding: Decoding) -> None:
        """Raise `ConfigError` for texts that are to become longer than the model's context."""
        room = self._room(decoding)
        if self._is_decoder and room is not None and room < 1:
            raise ConfigError(
                f"max_new_tokens={decoding.max_new_tokens} was asked for.",
                f"Expected at most {room + decoding.max_new_tokens - 1}, because prompt and text share the context.",
            )
        positions = getattr(text_config(self.view.model), "max_position_embeddings", None)
        begun = max(1, len(self.told.begin)) if self.told else 1
        if not self._is_decoder and positions is not None and decoding.max_new_tokens + begun > positions:
            raise ConfigError(
                f"max_new_tokens={decoding.max_new_tokens} was asked for.",
                f"Expected at most {positions - begun}, because the model's texts have {positions} positions.",
            )

    def _tokenized(self, prompts: Sequence[Request]) -> list[list[int]]:
        plain = {index: prompt for index, prompt in enumerate(prompts) if isinstance(prompt, str)}
        written = dict(zip(plain, self._plain_ids(list(plain.values())), strict=True)) if plain else {}
        token_ids = [
            written[index] if isinstance(prompt, str) else self._turn_ids(prompt)
            for index, prompt in enumerate(prompts)
        ]
        if not all(token_ids):
            raise ConfigError(f"Prompt {token_ids.index([]) + 1} has no tokens.", "Expected one token or more.")
        return token_ids

    def _plain_ids(self, texts: Sequence[str]) -> list[list[int]]:
        if self.told:
            return self.told.convention.sources(self.told.direction, texts)
        if self._is_decoder:
            return prompt_ids(self.tokenizer, texts)
        encoding = self.tokenizer(list(texts), truncation=False, verbose=False)  # an encoder reads the end too
        return [list(ids) for ids in encoding["input_ids"]]

    def _turn_ids(self, turns: Sequence[Mapping[str, str]]) -> list[int]:
        if self.told:
            raise ConfigError("Messages were given to a translation model.", "Expected plain texts.")
        return self.conversations.token_ids(turns)

    def _continued(self, texts: Sequence[Text], decoding: Decoding, stop: Sequence[str]) -> Tensor:
        """The generated part of each sequence: `[B, new tokens]`."""
        batch = pad_left(texts) if self._is_decoder else pad(texts)
        begin = self.told.begin if self.told else ()
        start = batch.token_ids.shape[1] if self._is_decoder else max(1, len(begin))
        config = generation_config(self.view, self.tokenizer, decoding)
        ends = stopping(self.tokenizer, start, stop) if stop else None
        return continued(self.view, batch, config, begin, ends, decoding.rule_for(self.tokenizer, stop))

    def _completion(self, prompt_tokens: int, sequence: list[int], stop: Sequence[str]) -> Completion:
        ends, padding = end_tokens(self.view, self.tokenizer), padding_token(self.view, self.tokenizer)
        written = until_end(sequence, ends)
        ended = bool(written) and written[-1] in ends
        length = len(written) - ended
        text, stopped = cut(str(self.tokenizer.decode(sequence[:length], skip_special_tokens=True)), stop)
        finish = "stop" if ended or stopped else "length"
        while stopped and length and sequence[length - 1] == padding:  # until the rest of the batch had ended
            length -= 1
        return judged(text, finish, prompt_tokens, length + (ended and not stopped), self.keep_truncated)
