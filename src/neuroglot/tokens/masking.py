"""Masked texts for encoders: every token is hidden once, and asked for where it stood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError
from neuroglot.tokens.pairs import Pair
from neuroglot.tokens.tokenizing import Text, TokenizedCorpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

READINGS = 7  # of a text; each hides every 7th token, about the 15 % that encoders are trained with


def masked_texts(tokenizer: PreTrainedTokenizerBase, corpus: Corpus, tokenized: TokenizedCorpus) -> TokenizedCorpus:
    """The rows of a tokenised corpus as pairs of a masked text and the text itself.

    A text is read 7 times, and the k-th reading hides its k-th token and every 7th behind it, special ones apart, so
    that each token is asked for once, with about 15 % of the text hidden: a pseudo-log-likelihood (Salazar et al. 2020)
    at 7 readings a text instead of one a token, and the same as theirs for texts of up to 7 tokens.
    """
    hidden = mask_id(tokenizer)
    row_of = {row_id: row for row, row_id in enumerate(corpus.ids)}
    rows = [row_of[row_id] for row_id in tokenized.ids]
    pairs = [pair for text in tokenized.texts for pair in _readings(text, hidden, _bytes(corpus, text, rows))]
    return replace(tokenized, texts=tuple(pairs))


def mask_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that hides another; raises `ConfigError` for a tokenizer without one."""
    if tokenizer.mask_token_id is None:
        raise ConfigError(
            f"The tokenizer {type(tokenizer).__name__} has no mask token.",
            "Expected one, because an encoder is asked for the tokens that it hides.",
        )
    return int(tokenizer.mask_token_id)


def _bytes(corpus: Corpus, text: Text, rows: list[int]) -> int:
    return len(corpus.texts[corpus.languages[text.language]][rows[text.row]].encode())


def _readings(text: Text, mask: int, text_bytes: int) -> Iterator[Pair]:
    """The readings of a text; its bytes are counted with the first."""
    own = [index for index, is_special in enumerate(text.special) if not is_special]
    unasked = (False,) * len(text.token_ids)
    for reading in range(min(READINGS, len(own))):
        hidden = set(own[reading::READINGS])
        asked = tuple(index in hidden for index in range(len(text.token_ids)))
        read = tuple(mask if is_hidden else token for token, is_hidden in zip(text.token_ids, asked))
        answer_bytes = text_bytes if reading == 0 else 0
        yield Pair(
            text.row, text.language, read, text.special, unasked, answer_bytes, text.token_ids, text.special, asked
        )
