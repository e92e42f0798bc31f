"""Texts whose tokens are marked: a given output behind its prompt, or the part of a prompt in one language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuroglot.corpora.tokenizing import Text
from neuroglot.errors import ConfigError
from neuroglot.generation import Generation
from neuroglot.prompting import Prompt, token_spans
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def forced(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], outputs: Sequence[str]) -> Generation:
    """The given outputs as if they had been generated: their tokens are marked, and the last is never read.

    The output begins where the tokens are no longer those of the prompt alone, so that the space before it belongs to
    it, and a token that is part of both.
    """
    texts = []
    for row, (prompt, output) in enumerate(zip(prompts, outputs, strict=True)):
        answered = prompt.with_answer(output)
        joint, alone = token_spans(answered, tokenizer), token_spans(prompt, tokenizer).token_ids
        end = joint.spans[answered.spans[-1]].stop
        start = next((place for place, (a, b) in enumerate(zip(joint.token_ids, alone)) if a != b), len(alone))
        if not 0 < start < end:
            raise ConfigError(f"The output {output!r} of prompt {row + 1} has no tokens.", "Expected some.")
        texts.append(_text(row, joint.token_ids[: end - 1], range(start, end - 1)))
    return _marked(texts)


def segments(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], column: str) -> Generation:
    """The prompts with the tokens of one column marked."""
    texts = []
    for row, prompt in enumerate(prompts):
        spans = token_spans(prompt, tokenizer)
        texts.append(_text(row, spans.token_ids, spans.positions(column)))
    return _marked(texts)


def _text(row: int, token_ids: Sequence[int], marked: Sequence[int]) -> Text:
    places = set(marked)
    scored = tuple(place in places for place in range(len(token_ids)))
    return Text(row, 0, tuple(token_ids), (False,) * len(token_ids), scored, 0)


def _marked(texts: Sequence[Text]) -> Generation:
    ids = tuple(str(text.row) for text in texts)
    return Generation(("prompt",), ids, {}, {}, tuple(texts), Signature())
