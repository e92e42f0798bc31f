"""From parallel text to padded token batches: right padding, length order, and a mask of the tokens that count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import CorpusError

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase

TOKEN_BUDGET = 4096  # padded positions a batch; large enough that a small model's forward is not call overhead


@dataclass(frozen=True)
class Text:
    """One tokenised text: its place in the corpus and, for each token, whether the tokenizer added it by itself and
    whether its probability is asked for; `scored_bytes` is the UTF-8 length of the tokens asked for.
    """

    row: int
    language: int
    token_ids: tuple[int, ...]
    special: tuple[bool, ...]
    scored: tuple[bool, ...]
    scored_bytes: int


@dataclass(frozen=True)
class TokenizedCorpus:
    """The rows that fit, in every language; `dropped` lists the ids of those with an over-long text."""

    languages: tuple[str, ...]
    ids: tuple[str, ...]
    texts: tuple[Text, ...]  # row by row, each row in the order of the languages
    dropped: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Batch:
    """Texts padded on the right, all `[B, T]`: `token_ids`, `real` (no padding), `counts` (tokens whose activations
    count), `scored` (tokens whose probability is asked for).
    """

    texts: tuple[Text, ...]
    token_ids: Tensor
    real: Tensor
    counts: Tensor
    scored: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(
            self.texts, *(tensor.to(device) for tensor in (self.token_ids, self.real, self.counts, self.scored))
        )


def tokenize(tokenizer: PreTrainedTokenizerBase, data: Corpus | Task, max_tokens: int | None = None) -> TokenizedCorpus:
    """Tokenise a corpus or a task as the model expects it (special tokens added), dropping whole rows with an over-long
    text.

    A text cut in one language but not in another would no longer be parallel. Asked for are, in a corpus, all tokens
    but the first (which nothing predicts) and special ones; in a task, those of the answer. Raises `CorpusError` where
    a text has no tokens, an answer's first token merges with its prompt, or no row fits `max_tokens`.
    """
    corpus = data.prompts if isinstance(data, Task) else data
    if isinstance(data, Task):
        columns = [_encode_task(tokenizer, data, language) for language in corpus.languages]
    else:
        columns = [_encode_corpus(tokenizer, data, language) for language in corpus.languages]
    kept: list[Text] = []
    dropped: list[str] = []
    for row, row_id in enumerate(corpus.ids):
        texts = [replace(column[row], row=row - len(dropped), language=place) for place, column in enumerate(columns)]
        if max_tokens is not None and max(len(text.token_ids) for text in texts) > max_tokens:
            dropped.append(row_id)
        else:
            kept.extend(texts)
    if not kept:
        raise CorpusError(
            f"Every row of {data.name!r} has a text of more than {max_tokens} tokens.",
            "At least one row must fit into the model's context.",
        )
    left_out = set(dropped)
    ids = tuple(row_id for row_id in corpus.ids if row_id not in left_out)
    return TokenizedCorpus(corpus.languages, ids, tuple(kept), tuple(dropped))


def by_language(corpus: TokenizedCorpus, special_tokens: bool, token_budget: int = TOKEN_BUDGET) -> list[Batch]:
    """Batches of one language each, longest texts first, so that little is padded and memory peaks at once."""
    batches: list[Batch] = []
    for language in range(len(corpus.languages)):
        texts = [text for text in corpus.texts if text.language == language]
        batches.extend(_cut(_longest_first(texts), special_tokens, token_budget, together=1))
    return batches


def by_length(corpus: TokenizedCorpus, token_budget: int = TOKEN_BUDGET) -> list[Batch]:
    """Batches over all languages together, longest texts first; for scoring, where languages need not be apart."""
    return list(_cut(_longest_first(corpus.texts), True, token_budget, together=1))


def by_row(corpus: TokenizedCorpus, special_tokens: bool, token_budget: int = TOKEN_BUDGET) -> list[Batch]:
    """Batches of whole rows: the texts of one row in all languages stand next to each other, in language order."""
    languages = len(corpus.languages)
    rows = [corpus.texts[start : start + languages] for start in range(0, len(corpus.texts), languages)]
    rows.sort(key=lambda row: (-max(len(text.token_ids) for text in row), row[0].row))
    texts = [text for row in rows for text in row]
    return list(_cut(texts, special_tokens, token_budget, together=languages))


def pad(texts: Sequence[Text], special_tokens: bool) -> Batch:
    """One batch; padding is token 0 behind the text, masked out of attention and of every count."""
    shape = len(texts), max(len(text.token_ids) for text in texts)
    token_ids = torch.zeros(shape, dtype=torch.int64)
    real, counts, scored = (torch.zeros(shape, dtype=torch.bool) for _ in range(3))
    for place, text in enumerate(texts):
        end = len(text.token_ids)
        token_ids[place, :end] = torch.tensor(text.token_ids)
        real[place, :end] = True
        counts[place, :end] = True if special_tokens else ~torch.tensor(text.special)
        scored[place, :end] = torch.tensor(text.scored)
    return Batch(tuple(texts), token_ids, real, counts, scored)


def context_limit(tokenizer: PreTrainedTokenizerBase, config: object) -> int | None:
    """The longest text in tokens that tokenizer and model config allow, or None where neither says."""
    limits = [getattr(config, "max_position_embeddings", None), getattr(config, "n_positions", None)]
    limits.append(tokenizer.model_max_length)  # a huge number where the tokenizer does not know
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < 10**9]
    return min(known, default=None)


def _encode_corpus(tokenizer: PreTrainedTokenizerBase, corpus: Corpus, language: str) -> list[Text]:
    encoded = _encode(tokenizer, corpus.texts[language])
    offsets = encoded.get("offset_mapping") or [None] * len(corpus)
    columns = zip(corpus.texts[language], encoded["input_ids"], encoded["special_tokens_mask"], offsets, strict=True)
    texts = []
    for row, (text, token_ids, flags, places) in enumerate(columns):
        special = tuple(bool(flag) for flag in flags)
        if all(special):
            raise CorpusError(
                f"The text in {language!r} at row {row + 1} (id {corpus.ids[row]!r}) has no tokens.",
                "Every text must give at least one token that the tokenizer did not add itself.",
            )
        scored = tuple(place > 0 and not flag for place, flag in enumerate(special))
        start = 0 if places is None else next((place[0] for place, asked in zip(places, scored) if asked), len(text))
        texts.append(Text(row, 0, tuple(token_ids), special, scored, len(text[start:].encode())))
    return texts


def _encode_task(tokenizer: PreTrainedTokenizerBase, task: Task, language: str) -> list[Text]:
    prompts, answers = task.prompts.texts[language], task.answers.texts[language]
    alone = _encode(tokenizer, prompts)["input_ids"]
    encoded = _encode(tokenizer, [prompt + answer for prompt, answer in zip(prompts, answers)])
    texts = []
    for row, (head, token_ids, flags) in enumerate(
        zip(alone, encoded["input_ids"], encoded["special_tokens_mask"], strict=True)
    ):
        scored = tuple(place >= len(head) and not flag for place, flag in enumerate(flags))
        if token_ids[: len(head)] != head or not any(scored):
            raise CorpusError(
                f"In task {task.name!r}, {language!r}, row {row + 1}, prompt and answer share a token.",
                "Expected the prompt's tokens to be the beginning of the whole text's.",
                "Move the space between them to the other side.",
            )
        special = tuple(bool(flag) for flag in flags)
        texts.append(Text(row, 0, tuple(token_ids), special, scored, len(answers[row].encode())))
    return texts


def _encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> BatchEncoding:
    return tokenizer(
        list(texts),
        padding=False,
        truncation=False,
        return_special_tokens_mask=True,
        return_offsets_mapping=tokenizer.is_fast,
        verbose=False,
    )


def _longest_first(texts: Sequence[Text]) -> list[Text]:
    return sorted(texts, key=lambda text: (-len(text.token_ids), text.row, text.language))


def _cut(texts: Sequence[Text], special_tokens: bool, token_budget: int, together: int) -> Iterator[Batch]:
    """Cut texts, already in falling order of length, into batches of whole groups of `together` texts."""
    remaining = iter(texts)
    while group := list(islice(remaining, together)):
        longest = max(len(text.token_ids) for text in group)
        more = max(1, token_budget // (longest * together)) - 1
        yield pad([*group, *islice(remaining, more * together)], special_tokens)
