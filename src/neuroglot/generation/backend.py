"""What all backends have in common: prompts in, one completion a prompt out; a failure is named and is never a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.suspicion import without_reasoning
from neuroglot.errors import ConfigError
from neuroglot.generation.decoding import Decoding
from neuroglot.models.provenance import prompts_signature
from neuroglot.prompting.chat import written_by_template
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Request = str | Sequence[Mapping[str, str]]  # what a model is asked: plain text, or a conversation
ROLES = ("system", "developer", "user", "assistant")
FAILURES = ("timeout", "connection", "over_length", "empty", "truncated", "malformed", "too_large", "filtered")
PASSING = ("timeout", "connection", "malformed", "too_large")  # and HTTP's: another request may give something else
HTTP_FAILURE = re.compile(r"http \d{3}")
# How a generation ended, in the words of the OpenAI protocol and of vLLM, and what that makes of its text.
FINISHES = {"stop": None, "length": "truncated", "content_filter": "filtered"}


@dataclass(frozen=True)
class Completion:
    """The text that a model gave to one prompt, or the name of the failure: one of `FAILURES`, or `http 500`.

    Tokens are those of the prompt and the generated ones; None where the backend does not say. `reasoning` is how many
    characters of reasoning (`<think>…</think>`) were cut off the text; None if there were none.
    """

    text: str | None
    failure: str | None = None
    prompt_tokens: int | None = None
    generated_tokens: int | None = None
    reasoning: int | None = None

    def __post_init__(self) -> None:
        known = self.failure is None or self.failure in FAILURES or bool(HTTP_FAILURE.fullmatch(self.failure))
        if not known or (self.text is None) == (self.failure is None):
            raise ConfigError(f"Got {self}.", f"Expected either a text or a failure: {', '.join(FAILURES)}, http NNN.")

    @property
    def may_pass(self) -> bool:
        """Whether it failed for a reason that another request may not meet."""
        return self.failure in PASSING or bool(HTTP_FAILURE.fullmatch(self.failure or ""))


class Backend(Protocol):
    """Anything that completes prompts; `chat` says whether it is best given messages rather than plain text."""

    @property
    def chat(self) -> bool: ...

    @property
    def signature(self) -> Signature: ...

    def complete(self, prompts: Sequence[Request], decoding: Decoding, stop: Sequence[str] = ()) -> list[Completion]:
        """One completion a prompt, in order; a text ends before the first of the strings `stop`."""
        ...


@dataclass(eq=False)
class ChatWriter:
    """Conversations as a tokenizer's chat template writes them: each once a job, because it may write the time.

    A template that knows `enable_thinking` is told `thinking`.
    """

    tokenizer: PreTrainedTokenizerBase
    thinking: bool = False
    written: dict[str, str] = field(default_factory=dict)

    def write(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The conversation as text; raises `ConfigError` where there is no template, or it refuses the messages."""
        if self.tokenizer.chat_template is None:
            raise ConfigError("Messages were given to a model without a chat template.", "Expected plain texts.")
        options = thinking_option(self.tokenizer, self.thinking)
        plain = [dict(message) for message in messages]
        key = json.dumps([self.tokenizer.chat_template, plain])
        if key not in self.written:
            self.written[key] = written_by_template(self.tokenizer, plain, **options)
        return self.written[key]

    def token_ids(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """The tokens of the conversation, whose special ones the template writes."""
        text = self.write(messages)
        return list(self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"])

    def signature(self, prompts: Iterable[Request]) -> Signature:
        """A hash of a job's prompts, which are written anew, with a word where they tell the time."""
        self.written.clear()
        texts = (prompt if isinstance(prompt, str) else self.write(prompt) for prompt in prompts)
        return prompts_signature(self.tokenizer, texts)


def thinking_option(tokenizer: PreTrainedTokenizerBase, thinking: bool = False) -> dict[str, Any]:
    """What tells a chat template to think or not; nothing if it does not know the option."""
    return {"enable_thinking": thinking} if "enable_thinking" in str(tokenizer.chat_template) else {}


def judged(
    text: str, finish: object, prompt_tokens: int | None, generated_tokens: int | None, keep_truncated: bool
) -> Completion:
    """A completion that ended by itself and says something; everything else is a failure.

    Reasoning is cut off first, so that one that never ends leaves nothing. `keep_truncated` takes the text of a
    generation that reached its longest length.
    """
    answer = without_reasoning(text)
    cut_off = len(text) - len(answer) or None
    failure = FINISHES.get(finish, "malformed") if isinstance(finish, str) else "malformed"
    failure = None if failure == "truncated" and keep_truncated else failure
    failure = "empty" if failure is None and is_blank(answer) else failure
    return Completion(None if failure else answer, failure, prompt_tokens, generated_tokens, cut_off)


def refuse_rule(decoding: Decoding, backend: str) -> None:
    """Raise `ConfigError` for a decision rule, which a backend elsewhere cannot follow."""
    if decoding.rule is not None:
        raise ConfigError(
            f"The rule {decoding.rule.signature['rule']!r} was given to {backend}, which decides by itself.",
            "Expected a model that runs here, in transformers.",
            "Name it with --model, or draw with a temperature.",
        )


def check_prompts(prompts: Sequence[Request]) -> None:
    """Raise `ConfigError` where a prompt is neither a text nor a list of messages."""
    if isinstance(prompts, str):
        raise ConfigError("One text was given as prompts.", "Expected a list of prompts.", "Put it into a list.")
    for place, prompt in enumerate(prompts):
        sound = not is_blank(prompt) if isinstance(prompt, str) else _are_messages(prompt)
        if not sound:
            raise ConfigError(
                f"Prompt {place + 1} is {str(prompt)[:80]!r}.",
                f"Expected a text, or messages {{'role': ..., 'content': ...}}; roles are {', '.join(ROLES)}.",
            )


def _are_messages(prompt: object) -> bool:
    return (
        isinstance(prompt, Sequence)
        and bool(prompt)
        and all(
            isinstance(message, Mapping)
            and set(message) == {"role", "content"}
            and message["role"] in ROLES
            and isinstance(message["content"], str)
            for message in prompt
        )
    )
