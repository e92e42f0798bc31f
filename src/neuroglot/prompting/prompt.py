"""Prompt: a text with named spans of characters, which stay right in a chat template and when an answer is added."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from neuroglot.corpora.parallel_inputs.items import language_of
from neuroglot.errors import ConfigError
from neuroglot.models.provenance import reads_clock
from neuroglot.prompting.chat import written_by_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Role = Literal["demonstrations", "instruction", "segment", "answer"]
STAND_IN = "neuroglot puts the prompt here"


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` of a prompt, end excluded, and what they are.

    A segment is the text of a `field` in a `column`, without its label; `language` is the language of its text, which
    is not the column's where the text is filler.
    """

    role: Role
    start: int
    end: int
    field: str = ""
    column: str = ""
    language: str = ""

    @property
    def name(self) -> str:
        """`instruction`, or for a segment `premise[de]`."""
        return f"{self.field}[{self.column}]" if self.role == "segment" else self.role


@dataclass(frozen=True)
class Piece:
    """A part of a prompt as it is put together; without a role it is a label or a gap, and in no span."""

    text: str
    role: Role | None = None
    field: str = ""
    column: str = ""
    language: str = ""


@dataclass(frozen=True)
class Prompt:
    """A text and its spans, disjoint and in the order of the text; the answer's is last, and empty until it is given.

    Raises `ConfigError` where spans overlap or leave the text, and where the last one is no answer.
    """

    text: str
    spans: tuple[Span, ...]
    is_chat: bool = False

    def __post_init__(self) -> None:
        edges = [edge for span in self.spans for edge in (span.start, span.end)]
        disordered = any(before > after for before, after in pairwise([0, *edges, len(self.text)]))
        if disordered or [span.role for span in self.spans][-1:] != ["answer"]:
            raise ConfigError(
                f"A prompt of {len(self.text)} characters got the span edges {edges}.",
                "Expected spans inside the text that do not overlap, in its order, the answer last.",
            )

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> Prompt:
        """The pieces put together; an empty one has a span only where it is the answer."""
        text, spans = "", []
        for piece in pieces:
            if piece.role and (piece.text or piece.role == "answer"):
                end = len(text) + len(piece.text)
                spans.append(Span(piece.role, len(text), end, piece.field, piece.column, piece.language))
            text += piece.text
        return cls(text, tuple(spans))

    def part(self, span: Span) -> str:
        """The characters of a span."""
        return self.text[span.start : span.end]

    def segments(self, column: str | None = None) -> tuple[Span, ...]:
        """The segments of one column, or all; a language's column also stands for its other wordings."""
        return tuple(
            span
            for span in self.spans
            if span.role == "segment" and column in (None, span.column, language_of(span.column))
        )

    def with_answer(self, answer: str) -> Prompt:
        """The prompt with an answer behind its open end, one space between them; raises where it has one already."""
        slot = self.spans[-1]
        if not slot.start == slot.end == len(self.text):
            raise ConfigError("The prompt has no open answer at its end.", "An answer can be given once.")
        gap = "" if not self.text or self.text[-1].isspace() else " "
        start = len(self.text) + len(gap)
        spans = (*self.spans[:-1], replace(slot, start=start, end=start + len(answer)))
        return replace(self, text=self.text + gap + answer, spans=spans)

    def as_chat(self, tokenizer: PreTrainedTokenizerBase, system: str | None = None, **options: Any) -> Prompt:
        """The prompt as the user's turn in the tokenizer's chat template, the assistant's turn open for the answer.

        `options` go to `apply_chat_template`; `enable_thinking` is False if the template knows it and nothing else is
        said. Raises `ConfigError` where the tokenizer has no
        template, the template changes the text, the prompt is a chat, or an answer is there already.
        """
        if self.is_chat or self.spans[-1].start != len(self.text):
            raise ConfigError("The prompt is a chat or has its answer.", "Apply the chat template first, and once.")
        if getattr(tokenizer, "chat_template", None) is None:
            raise ConfigError(
                f"The tokenizer {type(tokenizer).__name__} has no chat template.",
                "Expected that of a model trained for conversation.",
                "Use the prompt as it is, or set tokenizer.chat_template.",
            )
        if "enable_thinking" in str(tokenizer.chat_template):
            options = {"enable_thinking": False, **options}
        text, shift = _written(tokenizer, self.text, system, options)
        spans = [replace(span, start=span.start + shift, end=span.end + shift) for span in self.spans[:-1]]
        slot = replace(self.spans[-1], start=len(text), end=len(text))
        return Prompt(text, (*spans, slot), is_chat=True)


def _written(
    tokenizer: PreTrainedTokenizerBase, prompt: str, system: str | None, options: dict[str, Any]
) -> tuple[str, int]:
    """What the template makes of a prompt, and where the prompt begins in it; raises `ConfigError` where it is not in
    there once and as it is.
    """
    clock = reads_clock(tokenizer)
    for _ in range(2 if clock else 1):  # a clock may go on between the two
        around = _rendered(tokenizer, STAND_IN, system, options).split(STAND_IN)
        text = _rendered(tokenizer, prompt, system, options)
        if len(around) == 2 and text == prompt.join(around):
            return text, len(around[0])
    raise ConfigError(
        f"The chat template changes the prompt's text or shows it more than once{', or its clock runs' * clock}.",
        "Expected the text as it is, once.",
        "Remove spaces at both ends of the prompt, or set another tokenizer.chat_template.",
    )


def _rendered(tokenizer: PreTrainedTokenizerBase, text: str, system: str | None, options: dict[str, Any]) -> str:
    turns = [{"role": "system", "content": system}] if system is not None else []
    turns.append({"role": "user", "content": text})
    return written_by_template(tokenizer, turns, **options)
