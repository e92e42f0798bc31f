"""How many tokens a tokenizer needs for parallel text, and how many of them shortening leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import language_compared_with
from neuroglot.experiments.evaluation import independent_rows
from neuroglot.metrics.fertility import Fertility
from neuroglot.models.provenance import made_with
from neuroglot.models.shortened import left_out_token
from neuroglot.models.shortening import Shortening, continues, pending_after, piece_bytes
from neuroglot.signature import Signature

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def fertility(tokenizer: PreTrainedTokenizerBase, corpus: Corpus, relative_to: str | None = None) -> Fertility:
    """Tokens, characters and bytes of every row in every language, special tokens left off.

    Each half of the rows is shortened by the token that the other half has most, so that no row proves what it chose;
    of a tokenizer that is shortened already, nothing is left out.
    Languages are compared with `relative_to`: English if it is there, else the first. Raises as
    `language_compared_with`, and `CorpusError` for rows that cannot be halved because they are one or share texts.
    """
    compared = language_compared_with(corpus.languages, relative_to)
    pieces = piece_bytes(tokenizer)
    ids = {language: _ids(tokenizer, corpus.texts[language]) for language in corpus.languages}
    halves = halves_of(corpus)
    is_short = left_out_token(tokenizer) is not None
    saved, leads = zip(*(_shortened(pieces, ids[language], halves, is_short) for language in corpus.languages))
    counts = torch.stack([_counts(pieces, ids[language], corpus.texts[language]) for language in corpus.languages], 1)
    counts = torch.cat([counts, torch.stack(saved, 1)[..., None]], -1)  # rows, languages, what is counted
    groups, _ = independent_rows(corpus, corpus.ids)
    summed = torch.zeros(max(groups) + 1, *counts.shape[1:], dtype=torch.float64)
    summed.index_add_(0, torch.tensor(groups), counts)
    made = made_with(tokenizer=tokenizer, data=corpus) | Signature.of(relative_to=compared)
    tokens, characters, utf8_bytes, parts, spared = summed.unbind(-1)
    return Fertility(
        corpus.name, corpus.languages, compared, tokens, characters, utf8_bytes, parts, spared, leads, made
    )  # fmt: skip


def _ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    encoding = tokenizer(list(texts), add_special_tokens=False, truncation=False, padding=False, verbose=False)
    return [list(ids) for ids in encoding["input_ids"]]


def halves_of(corpus: Corpus) -> tuple[list[int], list[int]]:
    """The rows of two halves that share no text; raises `CorpusError` where there are none."""
    row_of = {row_id: row for row, row_id in enumerate(corpus.ids)}
    first, second = ([row_of[row_id] for row_id in part.ids] for part in corpus.split(0.5))
    return first, second


def _counts(pieces: Sequence[bytes], ids: Sequence[Sequence[int]], texts: Sequence[str]) -> Tensor:
    """Tokens, characters, bytes, and tokens that hold a part of a character only: `[R, 4]`."""
    partial = [continues(piece) or pending_after(piece) > 0 for piece in pieces]
    return torch.tensor(
        [
            [len(row), len(text), len(text.encode("utf-8", "surrogatepass")), sum(partial[token] for token in row)]
            for row, text in zip(ids, texts, strict=True)
        ],
        dtype=torch.float64,
    )


def _shortened(
    pieces: tuple[bytes, ...], ids: Sequence[Sequence[int]], halves: tuple[list[int], list[int]], is_short: bool
) -> tuple[Tensor, tuple[str, ...]]:
    """How many tokens of each row are left out, `[R]`, and the bytes of those that are, as hexadecimal numbers."""
    saved, leads = torch.zeros(len(ids), dtype=torch.float64), []
    for chosen_on, proved_on in () if is_short else (halves, halves[::-1]):
        shortening = Shortening.by_ids(pieces, (ids[row] for row in chosen_on))
        if shortening is not None:
            leads.append(pieces[shortening.lead].hex(" ").upper())
            for row in proved_on:
                saved[row] = len(ids[row]) - len(shortening.shorten(ids[row]))
    return saved, tuple(dict.fromkeys(leads))
