"""How prompts are worded: words by language, templates, and where the space between prompt and answer stands.

The convention of all tasks: a prompt ends without a space, and an answer begins with one where its language is written
with spaces between words (`" Berlin"`, but `"柏林"`). Prompt and answer put together then read as running text, and a
tokenizer that joins a space to the word behind it cuts exactly between the two.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from neuroglot.errors import ConfigError, CorpusError

# ISO 15924 codes of scripts that put no space between words
WITHOUT_SPACES = frozenset(("Bopo", "Hani", "Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"))
FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Words:
    """What stands before a passage, a question and an answer in one language, and the colon after it."""

    context: str
    question: str
    answer: str
    colon: str = ": "


WORDS: Mapping[str, Words] = {
    "ar": Words("السياق", "السؤال", "الإجابة"),
    "bn": Words("প্রসঙ্গ", "প্রশ্ন", "উত্তর"),
    "cs": Words("Kontext", "Otázka", "Odpověď"),
    "de": Words("Kontext", "Frage", "Antwort"),
    "el": Words("Κείμενο", "Ερώτηση", "Απάντηση"),
    "en": Words("Context", "Question", "Answer"),
    "es": Words("Contexto", "Pregunta", "Respuesta"),
    "fr": Words("Contexte", "Question", "Réponse"),
    "hi": Words("संदर्भ", "प्रश्न", "उत्तर"),
    "ja": Words("文脈", "問題", "答え", "："),
    "nl": Words("Context", "Vraag", "Antwoord"),
    "pt": Words("Contexto", "Pergunta", "Resposta"),
    "ro": Words("Context", "Întrebare", "Răspuns"),
    "ru": Words("Контекст", "Вопрос", "Ответ"),
    "sw": Words("Muktadha", "Swali", "Jibu"),
    "te": Words("సందర్భం", "ప్రశ్న", "సమాధానం"),
    "th": Words("บริบท", "คำถาม", "คำตอบ"),
    "tr": Words("Bağlam", "Soru", "Cevap"),
    "vi": Words("Ngữ cảnh", "Câu hỏi", "Trả lời"),
    "zh": Words("上下文", "问题", "答案", "："),
    "zh-Hant": Words("上下文", "問題", "答案", "："),
}


def words_of(code: str) -> Words:
    """The words of a language, those of the language at large for a variety; `CorpusError` where there are none."""
    from langcodes import Language

    found = WORDS.get(code) or WORDS.get(Language.get(code).language or "")
    if found is None:
        raise CorpusError(
            f"There are no words for 'question' and 'answer' in {code!r}.",
            f"Expected one of {', '.join(WORDS)}.",
            "Ask for those languages, or describe the task in a YAML file with prompts of its own.",
        )
    return found


def question_prompt(code: str, question: str, context: str = "") -> str:
    """`Context: ... Question: ... Answer:` in the words of the language, each on a line of its own."""
    word = words_of(code)
    passage = f"{word.context}{word.colon}{context.strip()}\n" if context else ""
    return f"{passage}{word.question}{word.colon}{question.strip()}\n{word.answer}{word.colon}".rstrip()


@cache
def has_spaces(code: str) -> bool:
    """Whether the language's usual script puts spaces between words."""
    from langcodes import Language

    return Language.get(code).maximize().script not in WITHOUT_SPACES


def spaced(answer: str, code: str) -> str:
    """The answer as it follows a prompt: with one space before it where the language is written with spaces."""
    return f" {answer.strip()}" if has_spaces(code) else answer.strip()


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each `{name}` replaced by its value as it is; a brace inside a value is text."""
    return FIELD.sub(lambda match: values[match[1]], template)


def check_fields(template: str, known: Collection[str], where: str) -> None:
    """Raises `ConfigError` on a `{name}` that is no field, such as one with an index or an attribute."""
    unknown = next((name for name in FIELD.findall(template) if name not in known), None)
    if unknown is not None:
        raise ConfigError(
            f"{where} has the field {{{unknown[:40]}}}.",
            f"The fields are {', '.join(f'{{{name}}}' for name in known)}.",
            "Name one of those.",
        )
