"""Numbers that texts give as answers, right or wrong: GSM8K, MGSM, MSVAMP and their kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version

import torch
from torch import Tensor

from neuroglot.corpora.suspicion import without_reasoning
from neuroglot.errors import CorpusError
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts, mean_percent
from neuroglot.metrics.texts.notations import NUMBER, ascii_digits, decimal_mark, separators, value
from neuroglot.signature import Signature

# What announces an answer, in the languages of MGSM, MSVAMP and some more: words for it, and what stands between them
# and the number. English holds everywhere.
_WORDS = {
    "ar": ("الإجابة|الجواب", "هي|هو"),
    "bn": ("উত্তর(?:টি)?", "হলো|হল|হচ্ছে|"),
    "de": ("antwort|lösung|ergebnis", "ist|lautet|beträgt"),
    "en": ("answer|final result", "is|are|equals|would be"),
    "es": ("respuesta|resultado", "es|son"),
    "fr": ("réponse|résultat", "est|sont"),
    "hi": ("उत्तर|जवाब", "है|"),
    "it": ("risposta|risultato", "è|sono"),
    "ja": ("答え|解答|正解", "は、?|"),
    "ko": ("정답|답", "은|는"),
    "pt": ("resposta|resultado", "é|são"),
    "ru": ("ответ|ответом", "равен|составляет|является|будет"),
    "sw": ("jibu|majibu", "ni"),
    "te": ("సమాధానం|జవాబు", ""),
    "th": ("คำตอบ", "คือ|เท่ากับ|"),
    "vi": ("đáp án|câu trả lời|đáp số", "là"),
    "zh": ("答案|解答", "是|为|為|等于|"),
}
# Labels of the next question, which a model that goes on writes by itself.
_QUESTIONS = (
    "question|problem|q|frage|aufgabe|pregunta|problema|domanda|pergunta|вопрос|задача|swali|প্রশ্ন|ప్రశ్న|โจทย์|คำถาม|问题|問題|質問|"
    "질문|문제|سؤال|السؤال|प्रश्न|câu hỏi"
)
PUBLISHED_TOLERANCE = Decimal("0.001")  # below which a number is right in the published scripts
NEXT = re.compile(rf"\n\s*[*#]*\s*(?:{_QUESTIONS})\s*\d*\s*[*]*\s*[:：]", re.IGNORECASE)
BETWEEN = r"[^\d\n.!?。।:：]{0,30}?"  # 'The answer to the question is', 'La respuesta final es'
CALCULATION = re.compile(r"\s*(?:[^\W\d_]+\s*)?[%$€£¥₹]?\s*(?P<operator>[-+−–*×x·/÷^=])\s*[$€£¥₹(]?\s*|:")
DENIED = re.compile(r"\b(?:not|nicht|kein|no|pas|не|si)\s+[$€£¥₹]?\d[\d.,]*\d|\b(?:not|nicht|kein|no|pas|не|si)\s+\d")


def numeric(options: TextOptions) -> TextMetric:
    """Share of rows whose number equals the reference's; counts are right, unparsed and 1.

    A text without a number that can be read is its own outcome, and wrong. References are numbers in English notation,
    as in GSM8K and MGSM for all languages. Raises `ConfigError` on a language whose notation is not in the table.
    """
    language = options.needed_language("How numbers are written")
    separators(language)
    settings = {"numbers": language, "answer": "boxed, sign, else last number", "unparsed": "wrong"}
    return _metric(lambda text: read_answer(text, language), lambda text: read_answer(text, "en"), settings)


def numeric_published(options: TextOptions) -> TextMetric:
    """Share of rows whose last number is the reference's, within a thousandth, as users of MGSM and MSVAMP publish it.

    Commas between digits are deleted, signs are not read, and a text without a number counts as 0 (`read_published`).
    """
    settings = {"answer": "published (last number)", "unparsed": "0"}
    return _metric(read_published, read_published, settings, PUBLISHED_TOLERANCE)


def read_published(text: str) -> Decimal:
    """The last number, commas between digits deleted, no sign read; 0 if there is none (MathOctopus, 2310.20246)."""
    numbers = re.findall(r"\d+(?:\.\d+)?", re.sub(r"(\d),(\d)", r"\1\2", text))
    return Decimal(numbers[-1]) if numbers else Decimal(0)


def read_answer(text: str, language: str) -> Decimal | None:
    r"""The number that a text gives as its answer, or None.

    Reasoning blocks are left out, and the next question that a model asks itself. The answer is what the last
    `\boxed{}` holds, else the first number behind the last announcement ('The answer is', in English and in
    `language`, or '####'), on its line or the next one with text, else the last number of the text. A calculation
    gives what stands behind its last '='; without one, it is not read. Digits of all scripts are read, words
    are not. Marks:

    * both marks in one number, or one of them twice: the meaning is clear, whatever the language;
    * one mark, not before exactly three digits or not after one to three: a decimal mark;
    * one mark otherwise (1,234 and 1.234): by the notation of English if English announces the answer, else as the
      other numbers of the text show; if they show nothing, a comma separates thousands, and a point does what it does
      in the language, where it may have no meaning (1.234 in French is not read);
    * spaces and apostrophes before three digits: thousands.
    """
    text = ascii_digits(_tidied(without_reasoning(text).strip()))
    text = _before_next_question(text)
    shown = decimal_mark(text)
    boxed = _boxed(text)
    if boxed is not None:
        return _first_value(boxed, language, shown)
    announced, in_english = _announced(text, language)
    if announced is not None:
        return _first_value(announced, language, "." if in_english else shown)
    matches = list(NUMBER.finditer(text))
    return value(matches[-1], language, shown) if matches else None


def _metric(
    read: Callable[[str], Decimal | None], read_reference: Callable[[str], Decimal | None], settings: dict[str, str],
    tolerance: Decimal | None = None,
) -> TextMetric:  # fmt: skip
    def counts(texts: Texts) -> Tensor:
        rows = []
        for row, text in enumerate(texts.hypotheses):
            number = read(text)
            rights = [_reference(read_reference, reference, row) for reference in texts.of_row(row)]
            is_right = number in rights or (
                tolerance is not None
                and number is not None
                and any(abs(number - right) < tolerance for right in rights)
            )
            rows.append([float(is_right), float(number is None), 1])
        return torch.tensor(rows, dtype=torch.float64)

    def signature(texts: Texts) -> Signature:
        return Signature.of(nrefs=len(texts.references), **settings, version=f"neuroglot {version('neuroglot')}")

    def verbose(summed: Tensor) -> str:
        return f"unparsed = {int(summed[1])}"

    def written(text: str) -> Decimal | None:
        return read(text) if re.search(r"\d", text) else None

    return TextMetric(counts, mean_percent, signature, verbose, right_or_wrong=True, read=written)


def _reference(read: Callable[[str], Decimal | None], text: str, row: int) -> Decimal:
    number = read(text) if re.search(r"\d", text) else None
    if number is None:
        raise CorpusError(
            f"The reference of row {row + 1} holds no number: {text[:80]!r}.", "Expected one, in English notation."
        )
    return number


def _tidied(text: str) -> str:
    """Without the marks of TeX and Markdown that may stand inside and around numbers."""
    text = re.sub(r"\\text\s*\{([^{}]*)\}|\\[,;!]", lambda match: match[1] or "", text.replace("{,}", ","))
    return re.sub(r"\*\*|__|\\(?=[$%])", "", text)


def _before_next_question(text: str) -> str:
    before = NEXT.split(text, maxsplit=1)[0]
    return before if NUMBER.search(before) else text


def _boxed(text: str) -> str | None:
    r"""What the last `\boxed{}` with a number holds, braces in it matched."""
    for match in reversed(list(re.finditer(r"\\f?boxed\s*\{", text))):
        depth, end = 1, match.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        if NUMBER.search(text[match.end() : end]):
            return text[match.end() : end - (depth == 0)]
    return None


def _announced(text: str, language: str) -> tuple[str | None, bool]:
    """What follows the last announcement that a number follows, and whether only English announces it."""
    signs = [(match.end(), True) for match in _announcement("en").finditer(text)]
    if language in _WORDS and language != "en":
        signs += [(match.end(), False) for match in _announcement(language).finditer(text)]
    for end, in_english in sorted(signs, reverse=True):
        line = text[end:].lstrip(" \t\r\n:：=*$\\(").partition("\n")[0]
        if NUMBER.search(line):
            return line, in_english and text[end - 1] != "#"
    return None, False


def _announcement(language: str) -> re.Pattern[str]:
    words, verbs = _WORDS[language]
    hashes = "|####" if language == "en" else ""
    edges = (r"(?<!\w)", r"(?!\w)") if language in ("de", "en", "es", "fr", "it", "pt", "ru", "sw") else ("", "")
    between = BETWEEN if all(edges) else r"[^\d\n.!?。।:：]{0,8}?"
    return re.compile(
        rf"{edges[0]}(?:{words}){between}(?:{edges[0]}(?:{verbs}){edges[1]}|[:：=—–-]){hashes}", re.IGNORECASE
    )


def _first_value(text: str, language: str, shown: str | None) -> Decimal | None:
    """The first number, or what the calculation that begins with it gives; None for one that gives nothing."""
    rest = DENIED.sub("", text)
    matches = list(NUMBER.finditer(rest if NUMBER.search(rest) else text))
    text = rest if NUMBER.search(rest) else text
    operators = ""
    for index, match in enumerate(matches):
        following = matches[index + 1] if index + 1 < len(matches) else None
        gap = CALCULATION.fullmatch(text[match.end() : following.start()]) if following else None
        if gap is None:
            break
        operators += gap["operator"] or ":"
    if not operators:
        return value(matches[0], language, shown)
    return value(matches[operators.rindex("=") + 1], language, shown) if "=" in operators else None
