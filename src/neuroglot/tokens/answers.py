"""Questions as tokens: each prompt alone and with each of its possible answers, whole rows or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import CorpusError
from neuroglot.tokens.batches import Batch, by_length, by_row
from neuroglot.tokens.tokenizing import Text, TokenizedCorpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MERGED = "prompt and answer share a token"
EMPTY = "a prompt or an answer has no tokens"
OVER_LONG = "longer than the model's context"


@dataclass(frozen=True)
class Questions:
    """R rows in G languages that can be scored, row by row and each row in the order of the languages.

    `prompts [R·G]`; `wholes [R·G·C]`: each prompt with each of its C possible answers, whose tokens are `scored`;
    `right [R]`: which of them is the right one, the only one where the task has no options. `rows` are the places of
    the R rows in the task; `dropped` counts the others by reason.
    """

    languages: tuple[str, ...]
    rows: tuple[int, ...]
    prompts: tuple[Text, ...]
    wholes: tuple[Text, ...]
    right: tuple[int, ...]
    dropped: dict[str, int]

    @property
    def answers(self) -> int:
        """C, the possible answers of a question."""
        return len(self.wholes) // len(self.prompts)

    def groups(self, token_budget: int) -> Iterator[Batch]:
        """Prompts in batches of whole rows."""
        return by_row(self.prompts, len(self.languages), token_budget)

    def batches(self, rows: Sequence[int], token_budget: int) -> list[Batch]:
        """The wholes of these rows in batches of similar length; `Text.row` is the place in `[rows · G · C]`."""
        size = len(self.languages) * self.answers
        texts = [text for row in rows for text in self.wholes[row * size : (row + 1) * size]]
        numbered = tuple(replace(text, row=place) for place, text in enumerate(texts))
        return by_length(TokenizedCorpus(self.languages, (), numbered, ()), token_budget)


def read_questions(tokenizer: PreTrainedTokenizerBase, task: Task, max_tokens: int | None) -> Questions:
    """Tokenise a task, leaving out in all languages the rows that cannot be scored in one of them.

    What the tokenizer adds behind a prompt (`</s>`) is not read, because the answer follows there. Raises `CorpusError`
    where no row is left.
    """
    answers = task.options or (task.answers,)
    columns = [[_encoded(tokenizer, task.prompts, part, g) for part in answers] for g in task.languages]
    kept: list[int] = []
    dropped: Counter[str] = Counter(task.dropped)
    for row in range(len(task)):
        pairs = [column[row] for language in columns for column in language]
        reason = next((found for found in (_reason(*pair, max_tokens) for pair in pairs) if found), None)
        dropped.update([reason] if reason else [])
        kept.extend([] if reason else [row])
    if not kept:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        raise CorpusError(
            f"No row of task {task.name!r} can be scored ({reasons}).",
            "Expected prompts whose tokens are the beginning of those of prompt and answer together.",
            "Move the space between them to the other side, or take a model with a longer context.",
        )
    prompts = [
        replace(columns[g][0][row][0], row=place, language=g)
        for place, row in enumerate(kept) for g in range(len(columns))
    ]  # fmt: skip
    wholes = [
        replace(column[row][1], language=g) for row in kept for g, language in enumerate(columns) for column in language
    ]
    right = tuple(task.right[row] for row in kept) if task.options else (0,) * len(kept)
    return Questions(task.languages, tuple(kept), tuple(prompts), tuple(wholes), right, dict(dropped))


def _encoded(
    tokenizer: PreTrainedTokenizerBase, prompts: Corpus, answers: Corpus, language: str
) -> list[tuple[Text, Text]]:
    """Each prompt alone, and with its answer, whose tokens are scored."""
    heads = _tokens(tokenizer, prompts.texts[language])
    joined = [prompt + answer for prompt, answer in zip(prompts.texts[language], answers.texts[language])]
    pairs = []
    for head, whole in zip(heads, _tokens(tokenizer, joined)):
        scored = tuple(place >= len(head.token_ids) for place in range(len(whole.token_ids)))
        pairs.append((head, replace(whole, scored=scored)))
    return pairs


def _tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Text]:
    encoded = tokenizer(
        list(texts), padding=False, truncation=False, return_special_tokens_mask=True, verbose=False
    )  # fmt: skip
    read = []
    for token_ids, flags in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True):
        end = next((place for place in range(len(flags), 0, -1) if not flags[place - 1]), 0)
        special = tuple(map(bool, flags[:end]))
        read.append(Text(0, 0, tuple(token_ids[:end]), special, (False,) * end, 0))
    return read


def _reason(head: Text, whole: Text, max_tokens: int | None) -> str | None:
    """Why a question cannot be scored; None where it can."""
    if not head.token_ids:
        return EMPTY
    if whole.token_ids[: len(head.token_ids)] != head.token_ids:
        return MERGED
    if not any(whole.scored):
        return EMPTY
    return OVER_LONG if max_tokens is not None and len(whole.token_ids) > max_tokens else None
