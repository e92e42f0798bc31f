"""How a model that has no convention of its own is asked to translate: in a conversation, or in lines of plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.languages import language_name

Turns = list[Mapping[str, str]]


def translation_prompts(
    texts: Sequence[str], source: str, target: str, demonstrations: Corpus | None = None
) -> list[str]:
    """One plain text for each: an instruction, lines `Language: text`, the last one left open for the translation."""
    shown = _shown(source, target, demonstrations)
    return [_lines(text, source, target, shown) for text in texts]


def translation_turns(
    texts: Sequence[str], source: str, target: str, demonstrations: Corpus | None = None
) -> list[Turns]:
    """One conversation for each text; demonstrations are earlier turns."""
    shown = _shown(source, target, demonstrations)
    return [_turns(text, source, target, shown) for text in texts]


def translation_stop(texts: Sequence[str], source: str) -> tuple[str, ...]:
    """Where the answer to a plain text ends: at the line's end, or, if texts have several lines, at the next one of the
    source language.
    """
    return (f"\n{language_name(source)}:",) if any("\n" in text.strip() for text in texts) else ("\n",)


def _shown(source: str, target: str, demonstrations: Corpus | None) -> list[tuple[str, str]]:
    if demonstrations is None:
        return []
    return list(zip(demonstrations.texts[source], demonstrations.texts[target], strict=True))


def _turns(text: str, source: str, target: str, shown: Sequence[tuple[str, str]]) -> Turns:
    turns: Turns = []
    for asked, answer in [*shown, (text, "")]:
        content = f"{_instruction(source, target)} Give only the translation.\n\n{asked}"
        turns += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
    return turns[:-1]


def _lines(text: str, source: str, target: str, shown: Sequence[tuple[str, str]]) -> str:
    names = language_name(source), language_name(target)
    pairs = [f"{names[0]}: {asked.strip()}\n{names[1]}: {answer.strip()}" for asked, answer in shown]
    return "\n\n".join([_instruction(source, target), *pairs, f"{names[0]}: {text.strip()}\n{names[1]}:"])


def _instruction(source: str, target: str) -> str:
    return f"Translate this text from {language_name(source)} into {language_name(target)}."
