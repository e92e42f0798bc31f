"""Questions to an encoder–decoder that is asked in words, as T5 is: the prompt is its source, the answer its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Task
from neuroglot.errors import CorpusError
from neuroglot.tokens.examples import EMPTY, LONG
from neuroglot.tokens.language_tokens import end_token
from neuroglot.tokens.pairs import Pair, Pairs
from neuroglot.tokens.tokenizing import token_ids_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode_answers(tokenizer: PreTrainedTokenizerBase, task: Task, limit: int | None) -> Pairs:
    """Each question and its right answer as a pair of encoder and decoder; language by language, in whole rows.

    The answer's tokens are asked for, as of a decoder, and the end token is not. Rows with a text without tokens, or
    of more than `limit`, are dropped in all languages and counted by reason. Raises `CorpusError` if no row is left.
    """
    end = end_token(tokenizer)
    parts = task.prompts, task.answers
    columns = [[_ids(tokenizer, part.texts[language]) for part in parts] for language in task.languages]
    reasons = [_unfit([len(side[row]) for column in columns for side in column], limit) for row in range(len(task))]
    kept = [row for row, reason in enumerate(reasons) if reason is None]
    dropped = dict(task.dropped)
    for reason in filter(None, reasons):
        dropped[reason] = dropped.get(reason, 0) + 1
    if not kept:
        listed = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        raise CorpusError(
            f"No row of task {task.name!r} is left ({listed}).", f"Expected prompts and answers of 1 to {limit} tokens."
        )
    pairs = tuple(
        _pair(number, index, prompts[row], answers[row], end)
        for index, (prompts, answers) in enumerate(columns)
        for number, row in enumerate(kept)
    )
    ids, left_out = tuple(task.ids[row] for row in kept), sorted(set(range(len(task))) - set(kept))
    pad_id = end if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return Pairs((), pairs, ids, tuple(task.ids[row] for row in left_out), pad_id, dropped)


def _ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[tuple[int, ...]]:
    return [*map(tuple, token_ids_of(tokenizer, [*map(str.strip, texts)], special_tokens=False)["input_ids"])]


def _unfit(lengths: list[int], limit: int | None) -> str | None:
    if not all(lengths):
        return EMPTY
    return LONG if limit is not None and max(lengths) >= limit else None  # the end token is one more


def _pair(number: int, language: int, prompt: tuple[int, ...], answer: tuple[int, ...], end: int) -> Pair:
    special, answer_special = ((False,) * len(ids) + (True,) for ids in (prompt, answer))
    asked = tuple(not is_end for is_end in answer_special)
    unasked = (False,) * len(special)
    return Pair(number, language, (*prompt, end), special, unasked, 0, (*answer, end), answer_special, asked)
