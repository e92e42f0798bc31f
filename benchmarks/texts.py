"""The texts of a run, the batches that a user would write, those of the limit, and how much of each is padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import neuroglot
from benchmarks.models import POSITIONS
from neuroglot.activity.passes import automatic_token_budget
from neuroglot.tokens.reading import Reading

USER_BATCH = 16


@dataclass(frozen=True)
class Task:
    """What every variant is given: one model, one tokenizer, the same texts."""

    model: PreTrainedModel
    shape: str
    tokenizer: PreTrainedTokenizerBase
    corpus: neuroglot.Corpus

    @cached_property
    def token_ids(self) -> list[list[list[int]]]:
        """Of each text of each language."""
        return [self.tokenizer(list(texts))["input_ids"] for texts in self.corpus.texts.values()]

    @cached_property
    def real_tokens(self) -> int:
        return sum(len(text) for language in self.token_ids for text in language)

    def with_rows(self, rows: int) -> Task:
        """The same task on the first rows alone."""
        return Task(self.model, self.shape, self.tokenizer, self.corpus.take(range(rows)))


@dataclass(frozen=True)
class UserBatch:
    """Neighbours of one language, padded on the right; `counted [B, T]` leaves out padding and special tokens."""

    language: int
    inputs: dict[str, Tensor]
    counted: Tensor


def lab_tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer of the shipped model: all ids are below 4096, so that it fits any vocabulary."""
    _, tokenizer = neuroglot.models.load("lab")
    tokenizer.model_max_length = POSITIONS
    tokenizer.padding_side = "right"
    return tokenizer


def load_corpus(path: str, rows: int, languages: list[str] | None) -> neuroglot.Corpus:
    """The first rows of a line-aligned folder."""
    return neuroglot.corpora.load(path, languages=languages).head(rows)


def user_batches(task: Task, size: int = USER_BATCH) -> Iterator[UserBatch]:
    """Language by language in the order of the corpus, tokenised on the way."""
    for language, texts in enumerate(task.corpus.texts.values()):
        for start in range(0, len(texts), size):
            encoded: Any = task.tokenizer(
                list(texts[start : start + size]), padding=True, return_special_tokens_mask=True, return_tensors="pt"
            ).to(task.model.device)
            special = encoded.pop("special_tokens_mask").bool()
            inputs = {name: encoded[name] for name in ("input_ids", "attention_mask")}
            yield UserBatch(language, inputs, inputs["attention_mask"].bool() & ~special)


def sorted_batches(task: Task) -> Iterator[Tensor]:
    """Token ids in the batches of `neuroglot.record`, tokenised on the way."""
    budget = automatic_token_budget(neuroglot.view(task.model))
    for batch in Reading(task.tokenizer, task.corpus, POSITIONS, token_budget=budget):
        yield batch.token_ids.to(task.model.device)


def user_padding(task: Task) -> float:
    """Positions, padding included, per real token in a user's batches."""
    return sum(batch.counted.numel() for batch in user_batches(task)) / task.real_tokens


def sorted_padding(task: Task) -> float:
    """Positions, padding included, per real token in neuroglot's batches."""
    return sum(batch.numel() for batch in sorted_batches(task)) / task.real_tokens


def no_padding(task: Task) -> float:
    """Positions per real token, one text at a time."""
    return 1.0
