"""METEOR by nltk, without WordNet: words that are the same, or, in English, have the same stem."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from neuroglot import extras
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, mean_percent
from neuroglot.metrics.texts.overlap import MultilingualTokenizer
from neuroglot.signature import Signature


def meteor(options: TextOptions) -> TextMetric:
    """Mean over rows of METEOR (Lavie and Agarwal 2007) with the best reference: same words, in English same stems."""
    library = extras.require("nltk.translate.meteor_score", extra="scores")
    stems = options.language is not None and options.language.partition("-")[0] == "en"
    stemmer = extras.require("nltk.stem.porter", extra="scores").PorterStemmer() if stems else _AsItIs()
    words = MultilingualTokenizer()

    def counts(texts: Texts) -> Tensor:
        scores = []
        for row, text in enumerate(texts.hypotheses):
            references = [words.tokenize(reference) for reference in texts.of_row(row)]
            said = words.tokenize(text)
            scores.append(library.meteor_score(references, said, stemmer=stemmer, wordnet=_NoSynonyms()))
        return torch.tensor([[score, 1] for score in scores], dtype=torch.float64)

    def signature(texts: Texts) -> Signature:
        return Signature.of(
            nrefs=len(texts.references), case="lc", tok="unicode-words+letters", norm="nfc",
            match="exact+porter" if stems else "exact", alpha=0.9, beta=3, gamma=0.5, average="row", best="score",
            version=f"nltk {version('nltk')}",
        )  # fmt: skip

    return TextMetric(counts, mean_percent, signature)


class _AsItIs:
    """The stemmer of a language without one: a word is its stem."""

    def stem(self, word: str) -> str:
        return word


class _NoSynonyms:
    """In place of WordNet, which would be downloaded and is English."""

    def synsets(self, _word: str) -> list[Any]:
        return []
