"""Wordings of instructions: prompts with named fields and the answer behind them, published ones to the byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from neuroglot.corpora.languages import language_code, language_name
from neuroglot.corpora.tasks.phrasing import FIELD
from neuroglot.errors import ConfigError

Naming = Literal["plain", "published"]

ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
ALPACA_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
    "response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
QUESTION_TRANSLATION = "Translate the following sentences from {source_language} to {target_language}. {source}"

# Our own; x-LLM's 33 are ParroT's. Row k of a training takes k mod 6, held-out rows the first.
TRANSLATION_INSTRUCTIONS = (
    "Translate the text from {source_language} into {target_language}.",
    "Give the {target_language} translation of this {source_language} text.",
    "Write in {target_language} what the text says.",
    "What does this text say in {target_language}?",
    "How would you put this {source_language} text into {target_language}?",
    "Please turn the text below into {target_language}.",
)

# Names of PyPI's iso-639 0.4.5, which QAlign and x-LLM print: two of them are unlike any name in use.
PUBLISHED_NAMES: Mapping[str, str] = {
    "ar": "Arabic", "bn": "Bengali", "de": "German", "el": "Modern Greek (1453-)", "en": "English", "es": "Spanish",
    "fr": "French", "hi": "Hindi", "ja": "Japanese", "ru": "Russian", "sw": "Swahili (macrolanguage)", "th": "Thai",
    "tr": "Turkish", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


@dataclass(frozen=True)
class InstructionWording:
    """Prompts, of which row k takes number k mod their count, and the answer; `{name}` stands for a field.

    Where there is a `bare` prompt, rows without a text in the field `input` take it. What a field holds is never read
    as another field.
    """

    prompts: tuple[str, ...]
    answer: str
    bare: str | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """The fields that every row must have."""
        names = [name for text in (*self.prompts, self.answer) for name in FIELD.findall(text)]
        return tuple(name for name in dict.fromkeys(names) if not (name == "input" and self.bare is not None))

    def require(self, fields: Sequence[str], what: str) -> None:
        """Raise `ConfigError` that names the fields of the wording that the data lack."""
        missing = [name for name in self.needed if name not in fields]
        if missing:
            raise ConfigError(
                f"The template of {what} names {', '.join(f'{{{name}}}' for name in missing)}.",
                f"Its rows have {', '.join(f'{{{name}}}' for name in fields) or 'no fields'}.",
                "Correct the template, or say under `fields` what the file calls it.",
            )

    def filled(self, fields: Mapping[str, str], number: int = 0) -> tuple[str, str]:
        """Prompt and answer of a row by its number."""
        is_bare = self.bare is not None and not fields.get("input")
        prompt = self.bare if is_bare and self.bare is not None else self.prompts[number % len(self.prompts)]
        return _put(prompt, fields), _put(self.answer, fields)


def with_instructions(instructions: Sequence[str], given: str, answer: str) -> InstructionWording:
    """Alpaca's wording with an input, and one of several instructions for each row."""
    prompts = tuple(_put(ALPACA_INPUT, {"instruction": line, "input": given}) for line in instructions)
    return InstructionWording(prompts, answer)


def language_fields(source: str, target: str, naming: Naming) -> dict[str, str]:
    """Names of two languages as wordings call them, `{source_lang}` and `{target_lang}` (ParroT's) among them.

    Raises `ConfigError` for a published name that is not known.
    """
    names = _name(source, naming), _name(target, naming)
    return {
        "source_language": names[0], "target_language": names[1], "source_lang": names[0], "target_lang": names[1],
    }  # fmt: skip


def _name(language: str, naming: Naming) -> str:
    code = language_code(language)
    if naming == "plain":
        return language_name(code)
    if code not in PUBLISHED_NAMES:
        raise ConfigError(
            f"The published name of {language_name(code)} ({code}) is not known.",
            f"Expected one of {', '.join(PUBLISHED_NAMES)}.",
            "Take plain names (language_names: plain).",
        )
    return PUBLISHED_NAMES[code]


def _put(text: str, fields: Mapping[str, str]) -> str:
    return FIELD.sub(lambda match: fields.get(match[1], match[0]), text)


INSTRUCTION_WORDINGS: Mapping[str, InstructionWording] = {
    "alpaca": InstructionWording((ALPACA_INPUT,), "{output}", ALPACA),
    "alpaca question": InstructionWording((_put(ALPACA, {"instruction": "{question}"}),), "{answer}"),
    "qalign": InstructionWording((_put(ALPACA, {"instruction": QUESTION_TRANSLATION}),), "{target}"),
    "translation": with_instructions(TRANSLATION_INSTRUCTIONS, "{source}", "{target}"),
}
