"""Spans of characters of a prompt as ranges of its tokens, so that firing can be read for each language of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neuroglot.errors import ConfigError
from neuroglot.prompting.prompt import Prompt, Span
from neuroglot.tokens.tokenizing import appended, token_ids_of

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
            index
            for span, tokens in self.spans.items()
            for index in tokens
            if (span.role, span.column) == ("segment", column)
        )


def token_spans(prompt: Prompt, tokenizer: PreTrainedTokenizerBase) -> TokenSpans:
    """The tokens of each span: a token belongs to the span with most of its characters, to the first of equals.

    So no token is in two spans; labels and gaps are in none, but the space that a tokenizer joins to the word behind it
    is counted with the word. The tokenizer's special tokens stand in front, except of a chat, whose template has them,
    and none behind, because an answer follows. An answer that is still open has an empty range where it will begin.
    Raises `ConfigError` if the tokenizer is slow.
    """
    if not tokenizer.is_fast:
        raise ConfigError(
            f"The tokenizer {type(tokenizer).__name__} does not say which characters a token has.",
            "Expected a fast one, from the library tokenizers.",
            "Load it with AutoTokenizer.from_pretrained(..., use_fast=True), or convert it.",
        )
    encoding = token_ids_of(tokenizer, [prompt.text], special_tokens=not prompt.is_chat, offsets=True)
    (token_ids,), (flags,), (edges,) = (
        encoding[name] for name in ("input_ids", "special_tokens_mask", "offset_mapping")
    )  # fmt: skip
    offsets = [(index, start, end) for index, (start, end) in enumerate(edges) if start < end]
    positions: dict[Span, list[int]] = {span: [] for span in prompt.spans}
    for index, start, end in offsets:
        span = max(prompt.spans, key=lambda span: _shared(span, start, end), default=None)
        if span is not None and _shared(span, start, end) > 0:
            positions[span].append(index)
    ranges = {}
    for span, inside in positions.items():
        first = 1 + max((index for index, start, _ in offsets if start < span.start), default=-1)
        ranges[span] = range(inside[0], inside[-1] + 1) if inside else range(first, first)
    return TokenSpans(tuple(token_ids[: len(flags) - appended(flags)]), ranges)


def _shared(span: Span, start: int, end: int) -> int:
    """How many characters a token and a span have in common; 0 or less for none."""
    return min(span.end, end) - max(span.start, start)
