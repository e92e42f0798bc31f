"""How a model that follows instructions, or continues text, is asked for a translation."""

from __future__ import annotations

from collections.abc import Sequence

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.languages import language_name
from neuroglot.inference.backend import Prompt


def prompts_for(
    texts: Sequence[str], source: str, target: str, demonstrations: Corpus | None = None, chat: bool = True
) -> list[Prompt]:
    """One prompt a text: a conversation where `chat`, else lines `Language: text`, the last one left open."""
    pairs = [] if demonstrations is None else list(zip(*(demonstrations.texts[g] for g in (source, target))))
    return [(_messages if chat else _lines)(text, source, target, pairs) for text in texts]


def stop_for(texts: Sequence[str], source: str, chat: bool = True) -> tuple[str, ...]:
    """Where the answer to such a prompt ends: plain text at the line's end, or, where texts have several lines, at the
    next one of the source language.
    """
    if chat:
        return ()
    return (f"\n{language_name(source)}:",) if any("\n" in text.strip() for text in texts) else ("\n",)


def _messages(text: str, source: str, target: str, pairs: Sequence[Sequence[str]]) -> Prompt:
    messages = []
    for asked, answer in [*pairs, (text, "")]:
        content = f"{_instruction(source, target)} Give only the translation.\n\n{asked}"
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
    return messages[:-1]


def _lines(text: str, source: str, target: str, pairs: Sequence[Sequence[str]]) -> str:
    names = language_name(source), language_name(target)
    shown = [f"{names[0]}: {asked.strip()}\n{names[1]}: {answer.strip()}" for asked, answer in pairs]
    return "\n\n".join([_instruction(source, target), *shown, f"{names[0]}: {text.strip()}\n{names[1]}:"])


def _instruction(source: str, target: str) -> str:
    return f"Translate this text from {language_name(source)} into {language_name(target)}."
