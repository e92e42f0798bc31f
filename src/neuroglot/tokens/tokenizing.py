"""From parallel text to tokens: the model's own special tokens, and whole rows left out where a text is too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import CorpusError

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase


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

    def cut(self, length: int) -> Text:
        """Its first `length` tokens."""
        return replace(
            self, token_ids=self.token_ids[:length], special=self.special[:length], scored=self.scored[:length]
        )


@dataclass(frozen=True)
class TokenizedCorpus:
    """The rows that fit, in every language; `dropped` lists the ids of those with an over-long text."""

    languages: tuple[str, ...]
    ids: tuple[str, ...]
    texts: tuple[Text, ...]  # row by row, each row in the order of the languages
    dropped: tuple[str, ...]


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
        columns = [encode(tokenizer, data, language) for language in corpus.languages]
    rows = [[replace(column[row], language=place) for place, column in enumerate(columns)] for row in range(len(data))]
    kept = [row for row in rows if fits(row, max_tokens)]
    if not kept:
        raise nothing_fits(data.name, max_tokens)
    left_out = {row[0].row for row in rows} - {row[0].row for row in kept}
    ids = tuple(row_id for place, row_id in enumerate(corpus.ids) if place not in left_out)
    texts = tuple(replace(text, row=place) for place, row in enumerate(kept) for text in row)
    return TokenizedCorpus(corpus.languages, ids, texts, tuple(corpus.ids[row] for row in sorted(left_out)))


def fits(row: Sequence[Text], max_tokens: int | None) -> bool:
    """Whether none of a row's texts is too long."""
    return max_tokens is None or max(len(text.token_ids) for text in row) <= max_tokens


def nothing_fits(name: str, max_tokens: int | None) -> CorpusError:
    """The error where every row has a text that is too long."""
    return CorpusError(
        f"Every row of {name!r} has a text of more than {max_tokens} tokens.",
        "At least one row must fit into the model's context.",
    )


def context_limit(tokenizer: PreTrainedTokenizerBase, config: object) -> int | None:
    """The longest text in tokens that tokenizer and model config allow, or None where neither says."""
    limits = [getattr(config, "max_position_embeddings", None), getattr(config, "n_positions", None)]
    limits.append(tokenizer.model_max_length)  # a huge number where the tokenizer does not know
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < 10**9]
    return min(known, default=None)


def encode(
    tokenizer: PreTrainedTokenizerBase, corpus: Corpus, language: str, first_row: int = 0, to_score: bool = True
) -> list[Text]:
    """One language's texts, their rows counted from `first_row`; without `to_score` nothing is asked for, which is
    faster. Raises `CorpusError` where a text has no tokens of its own.
    """
    encoded = _encode(tokenizer, corpus.texts[language], offsets=to_score)
    offsets = encoded.get("offset_mapping") or [None] * len(corpus)
    columns = zip(corpus.texts[language], encoded["input_ids"], encoded["special_tokens_mask"], offsets, strict=True)
    texts = []
    for row, (text, token_ids, flags, places) in enumerate(columns):
        special = tuple(map(bool, flags))
        if all(special):
            raise CorpusError(
                f"The text in {language!r} at row {first_row + row + 1} (id {corpus.ids[row]!r}) has no tokens.",
                "Every text must give at least one token that the tokenizer did not add itself.",
            )
        scored = tuple(to_score and place > 0 and not flag for place, flag in enumerate(special))
        start = 0 if places is None else next((place[0] for place, asked in zip(places, scored) if asked), len(text))
        scored_bytes = len(text[start:].encode()) if to_score else 0
        texts.append(Text(first_row + row, 0, tuple(token_ids), special, scored, scored_bytes))
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


def _encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], offsets: bool = False) -> BatchEncoding:
    return tokenizer(
        list(texts),
        padding=False,
        truncation=False,
        return_special_tokens_mask=True,
        return_offsets_mapping=offsets and tokenizer.is_fast,
        verbose=False,
    )
