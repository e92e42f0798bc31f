"""Completions by a model in memory, in batches, with transformers' generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from neuroglot.errors import ConfigError
from neuroglot.generation.backend import Completion, Prompt, check_prompts, check_stop, cut, judged
from neuroglot.generation.decoding import Decoding, end_tokens
from neuroglot.models.loading import model_signature
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.progress import track
from neuroglot.signature import Signature, versions
from neuroglot.tokens.batches import TOKEN_BUDGET
from neuroglot.tokens.language_tokens import Direction, direction_of
from neuroglot.tokens.tokenizing import context_limit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STOP_TOKENS = 32  # the last ones, in which a stop string is looked for at each step


@dataclass(frozen=True, eq=False)
class LocalBackend:
    """A decoder or an encoder–decoder model; interventions that are active around a call are in force.

    Messages are written by the tokenizer's chat template, plain text as the tokenizer writes any text. Prompts that do
    not fit the model's context with `max_new_tokens` are failures, and are never cut. Raises `ConfigError` for a model
    that generates nothing, and for messages without a chat template.
    """

    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    token_budget: int = TOKEN_BUDGET
    keep_truncated: bool = False
    direction: Direction | None = None

    def __post_init__(self) -> None:
        self.view.require("generated text")

    @property
    def chat(self) -> bool:
        return self.tokenizer.chat_template is not None

    @property
    def signature(self) -> Signature:
        own = Signature.of(backend="transformers", keep_truncated=self.keep_truncated)
        return own | model_signature(self.view.model) | versions()

    def towards(self, source: str, target: str) -> LocalBackend | None:
        """The same model as a translator of plain texts, or None where it has to be asked in a prompt."""
        direction = direction_of(self.view, self.tokenizer, source, target)
        return None if direction is None else replace(self, direction=direction)

    def complete(self, prompts: Sequence[Prompt], decoding: Decoding, stop: Sequence[str] = ()) -> list[Completion]:
        """One completion a prompt, in order; see `Backend`."""
        check_prompts(prompts)
        check_stop(stop)
        self._check_target_length(decoding)
        token_ids = self._tokenized(prompts)
        limit = context_limit(self.tokenizer, text_config(self.view.model))
        room = None if limit is None else limit - (decoding.max_new_tokens if self._is_decoder else 0)
        done = {
            place: Completion(None, "over_length", len(ids))
            for place, ids in enumerate(token_ids)
            if room is not None and len(ids) > room
        }
        fitting = [place for place in range(len(prompts)) if place not in done]
        batches = list(self._batches(fitting, token_ids, decoding))
        torch.manual_seed(decoding.seed)
        with self.view.evaluating():
            for batch in track(batches, "completing", len(batches)):
                sequences = self._continued([token_ids[place] for place in batch], decoding, stop)
                for place, sequence in zip(batch, sequences.tolist(), strict=True):
                    done[place] = self._completion(len(token_ids[place]), sequence, stop)
        return [done[place] for place in range(len(prompts))]

    @property
    def _is_decoder(self) -> bool:
        return self.view.family.predicts_next

    def _check_target_length(self, decoding: Decoding) -> None:
        positions = getattr(text_config(self.view.model), "max_position_embeddings", None)
        if not self._is_decoder and positions is not None and decoding.max_new_tokens >= positions:
            raise ConfigError(
                f"max_new_tokens={decoding.max_new_tokens} was asked for.",
                f"The model's texts have fewer than {positions} tokens.",
            )

    def _tokenized(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        with self.direction.told(self.tokenizer) if self.direction else nullcontext():
            token_ids = [self._token_ids(prompt) for prompt in prompts]
        if not all(token_ids):
            raise ConfigError(f"Prompt {token_ids.index([]) + 1} has no tokens.", "Expected is one token or more.")
        return token_ids

    def _token_ids(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            text = (self.direction.prefix if self.direction else "") + prompt
            return list(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])
        if self.tokenizer.chat_template is None or self.direction:
            raise ConfigError("Messages were given to a model without a chat template.", "Expected are plain texts.")
        from jinja2 import TemplateError

        try:
            messages = [dict(message) for message in prompt]
            written = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        except TemplateError as error:
            raise ConfigError(f"The model's chat template refuses the messages: {error}.") from error
        return list(written)

    def _batches(self, places: list[int], token_ids: list[list[int]], decoding: Decoding) -> Iterator[list[int]]:
        """Places of prompts of similar length, the longest first."""
        places = sorted(places, key=lambda place: (-len(token_ids[place]), place))
        while places:
            held = (len(token_ids[places[0]]) + decoding.max_new_tokens) * decoding.beams
            size = max(1, self.token_budget // held)
            yield places[:size]
            places = places[size:]

    def _continued(self, prompts: list[list[int]], decoding: Decoding, stop: Sequence[str]) -> Tensor:
        """The generated part of each sequence: `[B, new tokens]`."""
        width, model = max(map(len, prompts)), self.view.model
        ids, real = torch.zeros(len(prompts), width, dtype=torch.long), torch.zeros(len(prompts), width).long()
        for row, prompt in enumerate(prompts):  # decoders continue the last column; encoders read from the first one
            columns = slice(width - len(prompt), width) if self._is_decoder else slice(len(prompt))
            ids[row, columns], real[row, columns] = torch.tensor(prompt), 1
        ids = torch.where(real.bool(), ids, ids.new_tensor(self._padding))
        generator: Any = model
        start = width if self._is_decoder else 1
        sequences: Tensor = generator.generate(
            input_ids=ids.to(model.device), attention_mask=real.to(model.device),
            generation_config=self._config(decoding), stopping_criteria=[self._stopping(start, stop)] if stop else None,
        )  # fmt: skip
        return sequences[:, start:]

    def _stopping(self, start: int, stop: Sequence[str]) -> Callable[..., Tensor]:
        """Which rows have just written a stop string; transformers' own criterion fails on some tokenizers."""

        def stopped(sequences: Tensor, _: object, **__: object) -> Tensor:
            ends = [cut(str(self.tokenizer.decode(row)), stop)[1] for row in sequences[:, start:][:, -STOP_TOKENS:]]
            return torch.tensor(ends, device=sequences.device)

        return stopped

    @property
    def _padding(self) -> int:
        stated = [self.tokenizer.pad_token_id, *end_tokens(self.view, self.tokenizer)]
        return next((token_id for token_id in stated if token_id is not None), 0)

    @property
    def _caches(self) -> bool:
        """Transformers 5.23 makes T5's cache as deep as the encoder, and fails where the decoder is deeper."""
        config = text_config(self.view.model)
        return getattr(config, "num_decoder_layers", 0) <= getattr(config, "num_layers", 0)

    def _config(self, decoding: Decoding) -> GenerationConfig:
        """What is not set here is taken from the model's own generation config, the start of its decoder too."""
        sampling = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
        return GenerationConfig(
            max_new_tokens=decoding.max_new_tokens, do_sample=decoding.temperature > 0, num_beams=decoding.beams,
            eos_token_id=end_tokens(self.view, self.tokenizer), pad_token_id=self._padding, use_cache=self._caches,
            **(sampling if decoding.temperature else {}), **(dict(self.direction.tokens) if self.direction else {}),
        )  # fmt: skip

    def _completion(self, prompt_tokens: int, sequence: list[int], stop: Sequence[str]) -> Completion:
        ends = end_tokens(self.view, self.tokenizer)
        length = next((place for place, token_id in enumerate(sequence) if token_id in ends), len(sequence))
        ended = length < len(sequence)
        text, stopped = cut(str(self.tokenizer.decode(sequence[:length], skip_special_tokens=True)), stop)
        finish = "stop" if ended or stopped else "length"
        while stopped and length and sequence[length - 1] == self._padding:  # until the rest of the batch had ended
            length -= 1
        return judged(text, finish, prompt_tokens, length + (ended and not stopped), self.keep_truncated)
