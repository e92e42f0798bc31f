"""Answers right or wrong: labels, and the exact match and F1 of SQuAD, XQuAD and MLQA."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, mean_percent
from neuroglot.signature import Signature

# What MLQA (Lewis et al. 2020) leaves out as articles, by language. In Arabic `ال` goes wherever it stands, as in the
# published script; lm-eval's copy of it looks at the beginnings of words alone.
MLQA_ARTICLES = {
    "ar": "ال",
    "de": r"\b(?:ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "en": r"\b(?:a|an|the)\b",
    "es": r"\b(?:un|una|unos|unas|el|la|los|las)\b",
    "hi": "",
    "vi": r"\b(?:của|là|cái|chiếc|những)\b",
    "zh": "",
}
HAN = re.compile("([\u4e00-\u9fa5])")


def accuracy(options: TextOptions) -> TextMetric:
    """Share of rows whose text equals a reference, white space at the ends aside."""

    def right(text: str, references: Sequence[str]) -> float:
        return float(text.strip() in {reference.strip() for reference in references})

    return _best(right, {"case": "mixed", "norm": "strip"})


def exact_match(options: TextOptions) -> TextMetric:
    """Share of rows whose normalised words equal those of a reference (Rajpurkar et al. 2016)."""
    answer = _answer_words(options)

    def right(text: str, references: Sequence[str]) -> float:
        return float(any(answer(text) == answer(reference) for reference in references))

    return _best(right, _settings(options))


def f1(options: TextOptions) -> TextMetric:
    """Mean over rows of the F1 of normalised words with the best reference (Rajpurkar et al. 2016).

    It is 0 where no word is common, also where neither side has one, as in the scripts of SQuAD 1.1 and MLQA; that of
    SQuAD 2.0 gives 1 for the latter.
    """
    answer = _answer_words(options)

    def best(text: str, references: Sequence[str]) -> float:
        return max(_overlap(answer(text), answer(reference)) for reference in references)

    return _best(best, _settings(options), right_or_wrong=False)


def containment(options: TextOptions) -> TextMetric:
    """Share of rows whose text holds a reference, in lower case: what long answers are forgiven (Zhu et al. 2023).

    References without text are held by none.
    """

    def right(text: str, references: Sequence[str]) -> float:
        return float(any(reference.strip().lower() in text.lower() for reference in references if reference.strip()))

    return _best(right, {"case": "lc", "match": "substring"})


def answer_words_squad(text: str) -> list[str]:
    """Lower case, without ASCII punctuation and English articles, split at white space."""
    kept = "".join(character for character in text.lower() if character not in string.punctuation)
    return re.sub(r"\b(?:a|an|the)\b", " ", kept).split()


def answer_words_mlqa(text: str, language: str) -> list[str]:
    """Lower case, without any punctuation and the language's articles; in Chinese each letter is a word."""
    kept = "".join(character for character in text.lower() if not _punctuation(character))
    kept = re.sub(MLQA_ARTICLES[language], " ", kept) if MLQA_ARTICLES[language] else kept
    return (HAN.sub(r" \1 ", kept) if language == "zh" else kept).split()


def _punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character)[0] == "P"


def _answer_words(options: TextOptions) -> Callable[[str], list[str]]:
    if options.normalization == "squad":
        return answer_words_squad
    language = options.needed_language("MLQA's normalisation")
    if language not in MLQA_ARTICLES:
        raise ConfigError(
            f"MLQA's normalisation was asked for the language {language!r}.",
            f"It is defined for {', '.join(MLQA_ARTICLES)}.",
            "Take --normalization squad, as XQuAD does.",
        )
    return lambda text: answer_words_mlqa(text, language)


def _settings(options: TextOptions) -> dict[str, str]:
    squad = options.normalization == "squad"
    return {"case": "lc", "norm": "squad" if squad else f"mlqa-{options.needed_language('The signature')}"}


def _overlap(first: list[str], second: list[str]) -> float:
    same = (Counter(first) & Counter(second)).total()
    return 2 * same / (len(first) + len(second)) if same else 0.0


def _best(
    score: Callable[[str, Sequence[str]], float], settings: dict[str, str], right_or_wrong: bool = True
) -> TextMetric:
    """The mean over rows, in percent, of a score against all references of the row; counts are the score and 1."""

    def counts(texts: Texts) -> Tensor:
        rows = [[score(text, texts.of_row(row)), 1] for row, text in enumerate(texts.hypotheses)]
        return torch.tensor(rows, dtype=torch.float64)

    def signature(texts: Texts) -> Signature:
        return Signature.of(nrefs=len(texts.references), **settings, version=f"neuroglot {version('neuroglot')}")

    return TextMetric(counts, mean_percent, signature, right_or_wrong=right_or_wrong)
