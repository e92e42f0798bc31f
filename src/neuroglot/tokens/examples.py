"""Examples as tokens and labels: only tokens of the completion are learned, and nothing is cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from neuroglot.errors import ConfigError
from neuroglot.prompting.examples import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

End = Literal["eos", "newline", "none"]
Unfit = Literal["refuse", "drop"]
IGNORED = -100  # label of a token that the loss leaves out
LONG, MERGED = "too many tokens", "other tokens before the answer"


@dataclass(frozen=True)
class Encoded:
    """`rows[r]` has `input_ids` and, of the same length, `labels`; `dropped` counts examples by reason."""

    rows: tuple[dict[str, list[int]], ...]
    dropped: Mapping[str, int]


def encode(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, end: End, max_tokens: int, unfit: Unfit = "refuse"
) -> Encoded:
    """The tokens of prompt and completion together, and labels that are -100 for those of the prompt.

    The prompt's tokens, special ones included, are those that the model reads when it is asked. Raises `ConfigError`
    where the tokenizer has no end of text and `end` asks for one, and for unfit examples unless they are dropped.
    """
    if end == "eos" and tokenizer.eos_token_id is None:
        raise ConfigError(
            f"The tokenizer {type(tokenizer).__name__} has no end-of-text token.",
            "Expected is a token at which the model is to stop.",
            "Choose end='newline', at which the lab's answers end, or end='none'.",
        )
    rows, reasons = [], []
    for example in examples:
        prompt, whole = _tokens(example, tokenizer, end)
        reason = MERGED if whole[: len(prompt)] != prompt else LONG if len(whole) > max_tokens else None
        reasons.append(reason)
        if reason is None:
            rows.append({"input_ids": whole, "labels": [IGNORED] * len(prompt) + whole[len(prompt) :]})
    dropped = Counter(reason for reason in reasons if reason)
    if not rows or (dropped and unfit == "refuse"):
        raise ConfigError(
            f"Of {len(examples)} examples {_listed(dropped, examples, reasons) or 'none is there'}.",
            f"Expected are some of at most {max_tokens} tokens, whose prompt has the same tokens before its answer.",
            "Choose unfit='drop' or more max_tokens; end prompts where a token ends.",
        )
    return Encoded(tuple(rows), dict(dropped))


def _tokens(example: Example, tokenizer: PreTrainedTokenizerBase, end: End) -> tuple[list[int], list[int]]:
    """The tokens of the prompt alone, and those of prompt and completion."""
    special = not example.is_chat  # a chat template has them
    text = example.prompt + example.completion + ("\n" if end == "newline" else "")
    prompt, whole = (
        list(tokenizer(part, add_special_tokens=special, verbose=False)["input_ids"]) for part in (example.prompt, text)
    )
    if end == "eos" and whole[-1:] != [tokenizer.eos_token_id]:
        whole.append(tokenizer.eos_token_id)
    return prompt, whole


def _listed(dropped: Counter[str], examples: Sequence[Example], reasons: Sequence[str | None]) -> str:
    return ", ".join(
        f"{count} have {reason} ({examples[reasons.index(reason)].id!r} is the first)"
        for reason, count in dropped.items()
    )
