"""ROUGE-1, -2 and -L by rouge_score, with a tokenizer that reads every script."""

from __future__ import annotations

import unicodedata
from importlib.metadata import version

import torch
from torch import Tensor

from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, library, mean_percent
from neuroglot.signature import Signature

# Scripts written without spaces between words, where each letter with its marks is a token.
UNSPACED = "".join(
    rf"\p{{{script}}}" for script in ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
)
JOINERS = r"\u200c\u200d"  # stand inside words of Persian and of the scripts of India
SPACED = rf"\p{{L}}\p{{M}}\p{{N}}--[{UNSPACED}]"
WORD = rf"(?V1)[\p{{L}}\p{{N}}&&[{UNSPACED}]]\p{{M}}*|[{SPACED}][{JOINERS}{SPACED}]*"


class MultilingualTokenizer:
    """Words in lower case: runs of letters, marks and digits; in unspaced scripts single letters.

    For English it gives what rouge_score's own tokenizer gives without stemming; that one drops every letter but a-z.
    """

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, normalised to NFC."""
        found: list[str] = library("regex").findall(WORD, unicodedata.normalize("NFC", text.lower()))
        return found


def rouge_1(options: TextOptions) -> TextMetric:
    """F-score of words in common (Lin 2004)."""
    return _rouge("rouge1")


def rouge_2(options: TextOptions) -> TextMetric:
    """F-score of pairs of neighbouring words in common (Lin 2004)."""
    return _rouge("rouge2")


def rouge_l(options: TextOptions) -> TextMetric:
    """F-score of the longest common subsequence of words, a row being one sentence (Lin 2004)."""
    return _rouge("rougeL")


def _rouge(kind: str) -> TextMetric:
    """The mean over rows of the F-score with the best reference; counts are F, precision, recall and 1."""
    scorer = library("rouge_score.rouge_scorer").RougeScorer([kind], tokenizer=MultilingualTokenizer())

    def counts(texts: Texts) -> Tensor:
        scores = [scorer.score_multi(texts.of_row(row), text)[kind] for row, text in enumerate(texts.hypotheses)]
        rows = [[score.fmeasure, score.precision, score.recall, 1] for score in scores]
        return torch.tensor(rows, dtype=torch.float64)

    def signature(texts: Texts) -> Signature:
        return Signature.of(
            nrefs=len(texts.references), case="lc", tok="unicode-words+letters", norm="nfc", stem=False,
            average="row", best="f", version=f"rouge-score {version('rouge-score')}",
        )  # fmt: skip

    def verbose(summed: Tensor) -> str:
        _, precision, recall, rows = summed.tolist()
        return f"P = {100 * precision / rows:.1f} R = {100 * recall / rows:.1f}"

    return TextMetric(counts, mean_percent, signature, verbose)
