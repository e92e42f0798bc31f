"""From parallel text to tokens: the model's own special tokens, none behind a text that is to be continued, and whole
rows left out if one of their texts is too long.

`Text` is what everything behind this module reads; questions with answers and translation pairs are made of it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Corpus
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

    @classmethod
    def of(cls, token_ids: Sequence[int], row: int = 0, language: int = 0) -> Text:
        """Tokens of which none is special and none is asked for."""
        none = (False,) * len(token_ids)
        return cls(row, language, tuple(token_ids), none, none, 0)

    @property
    def asked(self) -> list[int]:
        """The tokens whose probability is asked for."""
        return [token for token, is_scored in zip(self.token_ids, self.scored) if is_scored]

    @property
    def sides(self) -> tuple[list[int], ...]:
        """The tokens of the text itself: those that are asked for, or all that the tokenizer did not add."""
        return (self.asked or [token for token, is_added in zip(self.token_ids, self.special) if not is_added],)

    def cut(self, length: int) -> Text:
        """Its first `length` tokens."""
        return replace(
            self, token_ids=self.token_ids[:length], special=self.special[:length], scored=self.scored[:length]
        )

    def open_ended(self) -> Text:
        """Without the special tokens that the tokenizer put behind it (`</s>`), so that the text can go on."""
        return self.cut(len(self.special) - appended(self.special))


@dataclass(frozen=True)
class TokenizedCorpus:
    """The rows that are kept, in every language; `dropped` lists the ids of the others."""

    languages: tuple[str, ...]
    ids: tuple[str, ...]
    texts: tuple[Text, ...]  # row by row, each row in the order of the languages
    dropped: tuple[str, ...]


def tokenize(
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    max_tokens: int | None = None,
    *,
    to_continue: bool = False,
    special_tokens: bool = True,
) -> TokenizedCorpus:
    """Tokenise a corpus as the model expects it (special tokens added), dropping whole rows with an over-long text.

    A text cut in one language but not in another would no longer be parallel. Asked for are all tokens but the first
    (which nothing predicts) and special ones. `to_continue` leaves out special tokens behind the texts: a prompt that
    ends with `</s>` goes on after the end of the text. Without `special_tokens` none are added, as to what a chat
    template wrote with its own. Raises `CorpusError` if a text has no tokens or no row fits `max_tokens`.
    """
    columns = [encode(tokenizer, corpus, language, special_tokens=special_tokens) for language in corpus.languages]
    if to_continue:
        columns = [[text.open_ended() for text in column] for column in columns]
    rows = [
        [replace(column[row], language=index) for index, column in enumerate(columns)] for row in range(len(corpus))
    ]
    kept = [row for row in range(len(corpus)) if fits(rows[row], max_tokens)]
    if not kept:
        raise nothing_fits(corpus.name, max_tokens)
    ids = tuple(corpus.ids[row] for row in kept)
    texts = tuple(replace(text, row=index) for index, row in enumerate(kept) for text in rows[row])
    dropped = tuple(corpus.ids[row] for row in sorted(set(range(len(corpus))) - set(kept)))
    return TokenizedCorpus(corpus.languages, ids, texts, dropped)


def fits(row: Sequence[Text], max_tokens: int | None) -> bool:
    """Whether none of a row's texts is too long."""
    return max_tokens is None or max(len(text.token_ids) for text in row) <= max_tokens


def nothing_fits(name: str, max_tokens: int | None) -> CorpusError:
    """The error if every row has a text that is too long."""
    return CorpusError(
        f"Every row of {name!r} has a text of more than {max_tokens} tokens.",
        "At least one row must fit into the model's context.",
    )


def context_limit(tokenizer: PreTrainedTokenizerBase, config: object) -> int | None:
    """The longest text in tokens that tokenizer and model config allow, or None if neither says."""
    limits = [getattr(config, "max_position_embeddings", None), getattr(config, "n_positions", None)]
    limits.append(tokenizer.model_max_length)  # a huge number if the tokenizer does not know
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < 10**9]
    return min(known, default=None)


def encode(
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    language: str,
    first_row: int = 0,
    to_score: bool = True,
    special_tokens: bool = True,
) -> list[Text]:
    """One language's texts, their rows counted from `first_row`; without `to_score` nothing is asked for, which is
    faster. Raises `CorpusError` if a text has no tokens of its own.
    """
    encoding = token_ids_of(tokenizer, corpus.texts[language], special_tokens=special_tokens, offsets=to_score)
    offsets = encoding.get("offset_mapping") or [None] * len(corpus)
    columns = zip(corpus.texts[language], encoding["input_ids"], encoding["special_tokens_mask"], offsets, strict=True)
    texts = []
    for row, (text, token_ids, flags, spans) in enumerate(columns):
        special = tuple(map(bool, flags))
        if all(special):
            raise CorpusError(
                f"The text in {language!r} at row {first_row + row + 1} (id {corpus.ids[row]!r}) has no tokens.",
                "Expected at least one token that the tokenizer did not add itself.",
            )
        scored = tuple(to_score and index > 0 and not flag for index, flag in enumerate(special))
        scored_bytes = len(text[_start(tokenizer, text, token_ids, scored, spans) :].encode()) if to_score else 0
        texts.append(Text(first_row + row, 0, tuple(token_ids), special, scored, scored_bytes))
    return texts


def _start(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    token_ids: Sequence[int],
    scored: Sequence[bool],
    spans: Sequence[tuple[int, int]] | None,
) -> int:
    """Where in the text the part begins that is asked for: behind the tokens that are not, so that a space between two
    tokens belongs to the second.

    A slow tokenizer has no offsets: there the tokens before are decoded. Raises `CorpusError` if the text does not
    begin with what they decode to.
    """
    first = next((index for index, asked in enumerate(scored) if asked), None)
    if first is None:
        return len(text)
    if spans is not None:
        return max((end for _, end in spans[:first]), default=0)
    before = str(tokenizer.decode(list(token_ids[:first]), skip_special_tokens=True)).strip()
    indent = len(text) - len(text.lstrip())
    if not text.startswith(before, indent):
        raise CorpusError(
            f"The slow tokenizer writes {before!r} for the beginning of {text[:40]!r}.",
            "Expected the text's own beginning, or the bytes that are scored could not be counted.",
            "Load its fast version.",
        )
    return indent + len(before) if before else 0


def token_ids_of(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, special_tokens: bool = True, offsets: bool = False
) -> BatchEncoding:
    """The `input_ids` of each text, uncut, and in `special_tokens_mask` which of them the tokenizer added.

    The mask tells what is added from what stands in the text, `</s>` for instance, and holds for slow tokenizers too.
    """
    return tokenizer(
        list(texts),
        padding=False,
        truncation=False,
        add_special_tokens=special_tokens,
        return_special_tokens_mask=True,
        return_offsets_mapping=offsets and tokenizer.is_fast,
        verbose=False,
    )


def prompt_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of plain texts that a decoder is to continue: special tokens in front of them, none behind."""
    encoding = token_ids_of(tokenizer, texts)
    columns = zip(encoding["input_ids"], encoding["special_tokens_mask"], strict=True)
    return [list(token_ids[: len(flags) - appended(flags)]) for token_ids, flags in columns]


def appended(special: Sequence[int | bool]) -> int:
    """How many special tokens a tokenizer put behind a text, from the flags of its tokens."""
    return next((index for index, flag in enumerate(reversed(special)) if not flag), len(special))
