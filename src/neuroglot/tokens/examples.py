"""Prompts with their answers as tokens, the answer marked: the one way for scoring, attribution, forcing and training.

The model reads prompt and answer as one text, and the prompt's own tokens must be its beginning. What the tokenizer
puts behind a text (`</s>`) is left off both, because the answer follows the prompt; what stands in the text stays. An
item of which this does not hold is unfit, and so is its whole row: it is dropped and counted by reason, or refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from neuroglot.errors import ConfigError, CorpusError
from neuroglot.prompting.examples import Example
from neuroglot.tokens.tokenizing import Text, appended, token_ids_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

End = Literal["eos", "newline", "none"]
Unfit = Literal["refuse", "drop"]
Encoded = tuple[list[int], list[int]]  # of one text: ids, and flags of those that the tokenizer added

IGNORED = -100  # label of a token that the loss leaves out
SHARED = "prompt and answer share a token"
EMPTY = "a prompt or an answer has no tokens"
LONG = "too many tokens"


@dataclass(frozen=True)
class Examples:
    """Rows of `row_size` texts each; in `texts[i]`, of prompt and answer, the answer's tokens are `scored`.

    A text's `row` counts the rows that are kept, its `language` is its place in its row. `kept` are these rows' places
    in what was given, `dropped` counts the other rows by reason.
    """

    texts: tuple[Text, ...]
    kept: tuple[int, ...]
    dropped: Mapping[str, int]

    @property
    def prompts(self) -> tuple[Text, ...]:
        """Each text up to its answer."""
        return tuple(text.cut(text.scored.index(True)) for text in self.texts)


def examples(
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[Example | tuple[str, str]],
    *,
    end: End = "none",
    unfit: Unfit = "drop",
    max_tokens: int | None = None,
    row_size: int = 1,
    special_tokens: bool = True,
) -> Examples:
    """Tokenise prompts with their answers; `row_size` items in succession are one row, kept or dropped together.

    The answer may be followed by the tokenizer's end of text (`eos`) or a `newline`, which belong to it. Special tokens
    are added, except to a chat, whose template has them, or with `special_tokens` off. Unfit is an item whose prompt
    has other tokens if the answer follows, whose prompt or answer has none, or of more than `max_tokens`. Nothing is
    cut. Raises `CorpusError` for unfit items that are to be refused, `ConfigError` if there is no end of text to add.
    """
    if end == "eos" and tokenizer.eos_token_id is None:
        raise ConfigError(
            f"The tokenizer {type(tokenizer).__name__} has no end-of-text token.",
            "Expected a token at which the model is to stop.",
            "Choose end='newline', at which the lab's answers end, or end='none'.",
        )
    pairs = [(item.prompt, item.completion) if isinstance(item, Example) else item for item in items]
    special = [special_tokens and not (isinstance(item, Example) and item.is_chat) for item in items]
    prompts = _tokens(tokenizer, [prompt for prompt, _ in pairs], special)
    ending = "\n" if end == "newline" else ""
    wholes = _tokens(tokenizer, [prompt + answer + ending for prompt, answer in pairs], special)
    eos = tokenizer.eos_token_id if end == "eos" else None
    texts = [
        _joined(prompt, whole, eos, max_tokens, len((answer + ending).encode()))
        for prompt, whole, (_, answer) in zip(prompts, wholes, pairs, strict=True)
    ]
    rows = [texts[start : start + row_size] for start in range(0, len(texts), row_size)]
    reasons = [next((text for text in row if isinstance(text, str)), None) for row in rows]
    dropped = Counter(reason for reason in reasons if reason)
    if dropped and unfit == "refuse":
        raise _unfit(dropped, reasons, items, row_size, max_tokens)
    kept = tuple(row for row, reason in enumerate(reasons) if reason is None)
    return Examples(tuple(_numbered(rows, kept)), kept, dict(dropped))


def _joined(prompt: Encoded, whole: Encoded, eos: int | None, max_tokens: int | None, answer_bytes: int) -> Text | str:
    """Prompt and answer as one text whose answer is scored, or why it is unfit."""
    behind = appended(whole[1])  # the whole tells: a prompt without text is special tokens only
    start, length = len(prompt[0]) - behind, len(whole[0]) - behind
    if start < 1 or length < 1:
        return EMPTY
    ids = whole[0][:length]
    if ids[:start] != prompt[0][:start]:
        return SHARED
    if length == start:
        return EMPTY
    ids += [eos] if eos is not None and ids[-1] != eos else []
    if max_tokens is not None and len(ids) > max_tokens:
        return LONG
    special = tuple(map(bool, whole[1][:length])) + (False,) * (len(ids) - length)
    scored = (False,) * start + (True,) * (len(ids) - start)
    return Text(0, 0, tuple(ids), special, scored, answer_bytes)


def _numbered(rows: Sequence[Sequence[Text | str]], kept: Sequence[int]) -> list[Text]:
    return [
        Text(number, index, text.token_ids, text.special, text.scored, text.scored_bytes)
        for number, row in enumerate(kept)
        for index, text in enumerate(rows[row])
        if isinstance(text, Text)
    ]


def _tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], special: Sequence[bool]) -> list[Encoded]:
    """The tokens of each text; a text that comes again, as a prompt with several answers does, is read once."""
    tokens: dict[tuple[str, bool], Encoded] = {}
    for added in (True, False):
        distinct = list(dict.fromkeys(text for text, flag in zip(texts, special, strict=True) if flag == added))
        encoding = token_ids_of(tokenizer, distinct, special_tokens=added) if distinct else {}
        columns = zip(distinct, encoding.get("input_ids", []), encoding.get("special_tokens_mask", []), strict=True)
        tokens |= {(text, added): (list(ids), list(flags)) for text, ids, flags in columns}
    return [tokens[key] for key in zip(texts, special, strict=True)]


def _unfit(
    dropped: Counter[str],
    reasons: Sequence[str | None],
    items: Sequence[Example | tuple[str, str]],
    row_size: int,
    max_tokens: int | None,
) -> CorpusError:
    listed = ", ".join(
        f"{count} have {reason!r} (first {_named(items[row_size * row], row)})"
        for reason, count in dropped.items()
        for row in [reasons.index(reason)]
    )
    room = "" if max_tokens is None else f", of at most {max_tokens} tokens together"
    return CorpusError(
        f"Of {len(reasons)} examples {listed}.",
        f"Expected a prompt that keeps its tokens if its answer follows{room}.",
        "End prompts where a token ends, allow more tokens, or drop such examples (unfit='drop').",
    )


def _named(item: Example | tuple[str, str], row: int) -> str:
    return repr(item.id) if isinstance(item, Example) else f"row {row + 1}"
