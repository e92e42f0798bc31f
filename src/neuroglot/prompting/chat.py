"""Conversations as a tokenizer's chat template writes them.

A template comes with a model: whatever it raises is refused in one message, and what it leaves out is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neuroglot.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LONGEST_SAID = 200  # characters of what a template raises


def written_by_template(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Mapping[str, str]], **options: Any) -> str:
    """The conversation as text, open for the answer.

    Raises `ConfigError` where the template fails in any way, gives no text, or leaves out the last turn.
    """
    try:
        text = tokenizer.apply_chat_template(
            [dict(turn) for turn in turns], tokenize=False, add_generation_prompt=True, **options
        )
    except Exception as error:  # templates can raise anything: ZeroDivisionError, RecursionError, MemoryError, …
        said = " ".join(str(error).split())[:_LONGEST_SAID] or type(error).__name__
        raise ConfigError(
            f"The model's chat template refuses the messages: {said}.",
            "Expected one that writes system, user and assistant turns.",
            "Try it without a system prompt, or set another tokenizer.chat_template.",
        ) from error
    content = turns[-1]["content"].strip()
    if not isinstance(text, str) or content not in text:
        raise ConfigError(
            f"The model's chat template leaves out or changes {content[:40]!r}.",
            "Expected the text of the last turn as it is.",
            "Set another tokenizer.chat_template, or give plain texts.",
        )
    return text
