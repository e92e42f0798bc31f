"""From spans of characters to spans of tokens, so that firing can be read for each language of a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuroglot.errors import ConfigError
from neuroglot.prompting.prompt import Prompt, Span

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TokenSpans:
    """A prompt's tokens as the model reads them, and the range of them that each span has, in the prompt's order."""

    token_ids: tuple[int, ...]
    spans: Mapping[Span, range]

    def positions(self, column: str) -> tuple[int, ...]:
        """The tokens of all segments of a column."""
        return tuple(
            place
            for span, tokens in self.spans.items()
            for place in tokens
            if (span.role, span.column) == ("segment", column)
        )


def token_spans(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> TokenSpans:
    """The tokens of each span: a token belongs to the span with most of its characters, to the first of equals.

    So no token is in two spans; labels and gaps are in none, but the space that a tokenizer joins to the word behind it
    is counted with the word. The tokenizer's special tokens are added, except to a chat, whose template has them. An
    answer that is still open has an empty range where it will begin. Raises `ConfigError` where the tokenizer is slow.
    """
    if not tokenizer.is_fast:
        raise ConfigError(
            f"The tokenizer {type(tokenizer).__name__} does not say which characters a token has.",
            "Expected is a fast one, from the library tokenizers.",
            "Load it with AutoTokenizer.from_pretrained(..., use_fast=True), or convert it.",
        )
    encoded = tokenizer(prompt.text, return_offsets_mapping=True, add_special_tokens=not prompt.is_chat)
    offsets = [(place, start, end) for place, (start, end) in enumerate(encoded["offset_mapping"]) if start < end]
    found: dict[Span, list[int]] = {span: [] for span in prompt.spans}
    for place, start, end in offsets:
        span = max(prompt.spans, key=lambda span: _shared(span, start, end), default=None)
        if span is not None and _shared(span, start, end) > 0:
            found[span].append(place)
    ranges = {}
    for span, places in found.items():
        first = 1 + max((place for place, start, _ in offsets if start < span.start), default=-1)
        ranges[span] = range(places[0], places[-1] + 1) if places else range(first, first)
    return TokenSpans(tuple(encoded["input_ids"]), ranges)


def _shared(span: Span, start: int, end: int) -> int:
    """How many characters a token and a span have in common; 0 or less for none."""
    return min(span.end, end) - max(span.start, start)
