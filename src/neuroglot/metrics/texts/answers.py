"""Answers right or wrong: labels, and the exact match and F1 of SQuAD, XQuAD and MLQA."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib.metadata import version

import torch
from torch import Tensor

from neuroglot.errors import ConfigError, CorpusError
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, mean_percent
from neuroglot.signature import Signature

# What MLQA (Lewis et al. 2020) leaves out as articles, by language. In Arabic `ال` goes wherever it stands, as in the
# published script.
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

    Where one side has no words, it is 1 if neither has, as in SQuAD 2.0; the scripts of 1.1 give 0.
    """
    answer = _answer_words(options)

    def best(text: str, references: Sequence[str]) -> float:
        return max(_overlap(answer(text), answer(reference)) for reference in references)

    return _best(best, _settings(options), right_or_wrong=False)


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
    if not first or not second:
        return float(first == second)
    same = (Counter(first) & Counter(second)).total()
    return 2 * same / (len(first) + len(second))


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


# How languages write numbers (CLDR): decimal mark and thousands mark, where a space stands for any space.
NOTATIONS = {
    (",", " "): "af be bg cs et fi fr hu hy ka kk ky lt lv nb nn no pl ru sk sq sv uk uz",
    (",", "."): "az bs ca da de el es eu gl hr id is it lb lo mk nl pt ro sl sr tr vi",
    (
        ".",
        ",",
    ): "am ar bn cy en fa fil ga gu ha he hi ig ja km kn ko ml mn mr ms mt my ne oc or pa sd si so sw ta te th "
    "ti tl ur yo zh zu",
}
SEPARATORS = {language: marks for marks, languages in NOTATIONS.items() for language in languages.split()}
# What stands before the answer, in the languages of MGSM and some more; English and GSM8K's own sign hold everywhere.
ANSWER_SIGNS = {
    "ar": r"(?:الإجابة|الجواب) (?:هي|هو)",
    "bn": r"উত্তর\s*(?:হলো|হল|:)",
    "de": r"antwort\s*(?:ist|lautet|:)",
    "en": r"answer\s*(?:is|:)|####",
    "es": r"respuesta\s*(?:es|:)",
    "fr": r"réponse\s*(?:est|:)",
    "it": r"risposta\s*(?:è|:)",
    "ja": r"答え\s*(?:は|:|：)",
    "ko": r"답은|답\s*:",
    "pt": r"resposta\s*(?:é|:)",
    "ru": r"ответ\s*(?:—|–|-|:)",
    "sw": r"jibu\s*(?:ni|:)",
    "te": r"సమాధానం",
    "th": r"คำตอบ\s*(?:คือ|:)",
    "zh": r"答案\s*(?:是|为|為|:|：)",
}
SPACES = "\u00a0\u2009\u202f"
SIGN = r"(?<![\w)])[-−](?=[$€£¥₹]?[.,]?\d)"
# Before one of these, digits are not the whole number; but 千克 is a kilogram and 조각 a piece.
SCALES = "[十百万萬億亿兆십백천만억]|千(?![克米瓦卡])|조(?!각)"


def numeric(options: TextOptions) -> TextMetric:
    """Share of rows whose number equals the reference's; counts are right, unparsed and 1.

    A text without a number that can be read is its own outcome, and wrong. References are numbers in English notation,
    as in GSM8K and MGSM for all languages. Raises `ConfigError` on a language whose notation is not in the table.
    """
    language = options.needed_language("How numbers are written")
    _separators(language)

    def counts(texts: Texts) -> Tensor:
        rows = []
        for row, text in enumerate(texts.hypotheses):
            found = read_answer(text, language)
            rights = [_reference(reference, row) for reference in texts.of_row(row)]
            rows.append([float(found in rights), float(found is None), 1])
        return torch.tensor(rows, dtype=torch.float64)

    def signature(texts: Texts) -> Signature:
        return Signature.of(
            nrefs=len(texts.references), numbers=language, answer="sign, else last number", unparsed="wrong",
            version=f"neuroglot {version('neuroglot')}",
        )  # fmt: skip

    def verbose(summed: Tensor) -> str:
        return f"unparsed = {int(summed[1])}"

    return TextMetric(counts, mean_percent, signature, verbose, right_or_wrong=True)


def read_answer(text: str, language: str) -> Decimal | None:
    """The number that a text gives as its answer, or None.

    It is the first number on the line after the last sign of an answer ('The answer is', in English and in `language`,
    or '####'), else the last number of the text. Digits of all scripts are read, words are not. Marks between digits:

    * both marks in one number, or one of them twice: the meaning is clear, whatever the language;
    * one mark, not before exactly three digits or not after one to three: a decimal mark;
    * one mark otherwise: what it is in the language, so 1.234 is 1234 in German and 1 + 234/1000 in English; where the
      language gives it no meaning (1.234 in French), the number is not read;
    * spaces that do not break, and apostrophes, before three digits: thousands; a plain space only where the language
      separates thousands by spaces.
    """
    text = "".join(str(unicodedata.decimal(character, character)) for character in text)
    signs = "|".join(dict.fromkeys((ANSWER_SIGNS["en"], ANSWER_SIGNS.get(language, ANSWER_SIGNS["en"]))))
    number = _pattern(language)
    answers = list(re.finditer(signs, text, re.IGNORECASE))
    after = number.search(text[answers[-1].end() :].partition("\n")[0]) if answers else None
    found = after or next(iter(list(number.finditer(text))[-1:]), None)
    return _value(found, language) if found else None


def _pattern(language: str) -> re.Pattern[str]:
    spaces = SPACES + (" " if _separators(language)[1] == " " else "")
    thousands = rf"\d{{1,3}}(?:[{spaces}'’٬]\d{{3}})+(?!\d)|\d+"
    return re.compile(
        rf"(?P<sign>{SIGN})?[$€£¥₹]?(?P<digits>(?:(?<![\w.,])[.,](?=\d))?(?:{thousands})(?:[.,٫]\d+)*)(?P<scale>{SCALES})?"
    )


def _value(found: re.Match[str], language: str) -> Decimal | None:
    digits = re.sub(rf"[{SPACES} '’٬]", "", found["digits"])
    plain = None if found["scale"] else _plain(digits, *_separators(language))
    if plain is None:
        return None
    return -Decimal(plain) if found["sign"] else Decimal(plain)


def _plain(digits: str, decimal: str, thousands: str) -> str | None:
    """Digits with marks, as Python writes the number; None where the marks have no one meaning."""
    marks = re.findall("[.,٫]", digits)
    if not marks:
        return digits
    last = marks[-1]
    whole, _, part = digits.rpartition(last)
    if last == "٫" or len(set(marks)) > 1:
        grouped = _grouped(whole)
        return None if grouped is None else f"{grouped}.{part}"
    if len(marks) > 1:
        return _grouped(digits)
    if last == decimal or not re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", digits):
        return digits.replace(",", ".")
    return whole + part if last == thousands else None


def _grouped(digits: str) -> str | None:
    """A whole number without its thousands marks (groups of two with commas, as in India); None if they are none."""
    good = re.fullmatch(r"\d+|\d{1,3}(?:,\d{2,3})*,\d{3}|\d{1,3}(?:\.\d{3})+", digits)
    return re.sub("[.,]", "", digits) if good else None


def _separators(language: str) -> tuple[str, str]:
    if language not in SEPARATORS:
        raise ConfigError(
            f"How numbers are written in the language {language!r} is not known here.",
            f"Expected one of {', '.join(sorted(SEPARATORS))}.",
        )
    return SEPARATORS[language]


def _reference(text: str, row: int) -> Decimal:
    found = read_answer(text, "en")
    if found is None:
        raise CorpusError(
            f"The reference of row {row + 1} holds no number: {text[:80]!r}.", "Expected is one, in English notation."
        )
    return found
