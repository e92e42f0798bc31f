"""The word tokenizer with special tokens in front, behind, on both sides or on neither; words can merge or vanish."""

from collections.abc import Sequence

from tokenizers import normalizers, processors
from transformers import PreTrainedTokenizerFast

from tests.tiny import tiny_tokenizer

TEMPLATES = {"neither": "$A", "bos": "<s> $A", "eos": "$A </s>", "both": "<s> $A </s>"}
NOTHING = "~"  # a character that the tokenizer drops


def tokenizer_with(ends: str) -> PreTrainedTokenizerFast:
    tokenizer = tiny_tokenizer(bos=False)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(NOTHING, "")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=TEMPLATES[ends], special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return tokenizer


def why_unfit(tokenizer: PreTrainedTokenizerFast, prompt: str, answer: str, limit: int) -> str | None:
    """The rule in plain lines, from the tokens without any special ones."""
    front = [1] if tokenizer("w1")["input_ids"][0] == 1 else []
    head, whole = (
        front + tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, prompt + answer)
    )  # fmt: skip
    if not head:
        return "a prompt or an answer has no tokens"
    if whole[: len(head)] != head:
        return "prompt and answer share a token"
    if len(whole) == len(head):
        return "a prompt or an answer has no tokens"
    return "too many tokens" if len(whole) > limit else None


def reasons(
    tokenizer: PreTrainedTokenizerFast, rows: Sequence[Sequence[tuple[str, str]]], limit: int
) -> list[str | None]:
    """The first reason of each row, None for a row that is kept."""
    found = [[why_unfit(tokenizer, *item, limit) for item in row] for row in rows]
    return [next((reason for reason in row if reason), None) for row in found]
