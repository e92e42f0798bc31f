"""What is to be written from a longer text: questions about a passage, headlines of an article; by language."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.languages import language_code
from neuroglot.errors import CorpusError
from neuroglot.signature import short_hash
from neuroglot.storage import parse_json

_BETWEEN = "\n"  # an answer, and the passage that it stands in


@dataclass(frozen=True)
class ToWrite:
    """Sources and what is to be written of them, `texts[language]` a list of pairs; `dropped` counts blank ones."""

    name: str
    texts: Mapping[str, tuple[tuple[str, str], ...]]
    dropped: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.texts.values()))

    @property
    def hash(self) -> str:
        """Of all texts."""
        return short_hash(*(text for pairs in self.texts.values() for pair in pairs for text in pair))

    @property
    def columns(self) -> list[tuple[str, ...]]:
        """The sources of each language, and what is to be written of them."""
        return [column for pairs in self.texts.values() if pairs for column in zip(*pairs, strict=True)]

    def sources_among(self, others: ToWrite) -> tuple[str, ...]:
        """The ids of the pairs whose source is also one of the others', such as `de-0`."""
        known = {source for pairs in others.texts.values() for source, _ in pairs}
        named = (
            (f"{language}-{row}", pair) for language, pairs in self.texts.items() for row, pair in enumerate(pairs)
        )
        return tuple(name for name, (source, _) in named if source in known)

    def head(self, limit: int | None) -> ToWrite:
        """The first pairs of each language, at most so many."""
        return ToWrite(self.name, {language: pairs[:limit] for language, pairs in self.texts.items()}, self.dropped)


def read_to_write(source: Path | str, layout: str) -> ToWrite:
    """A file, or the files of a folder, each of the language that its name begins with (`de.json`, `de_train.jsonl`).

    `questions`: SQuAD's layout, which XQuAD and MLQA have too; of an answer and its passage the question is to be
    written. `headlines`: XL-Sum's lines; of the `text` the `title`. `summaries`: the same, the `summary`. Raises
    `CorpusError` for another layout, for a file that is none of it, and for none.
    """
    path = Path(source)
    if layout not in _LAYOUTS:
        raise CorpusError(f"The layout {layout!r} was asked for.", f"Expected {' or '.join(_LAYOUTS)}.")
    files = sorted(part for part in path.iterdir() if part.suffix in (".json", ".jsonl")) if path.is_dir() else [path]
    texts: dict[str, tuple[tuple[str, str], ...]] = {}
    dropped = 0
    for file in files:
        language = _language_of(file)
        try:
            pairs = list(_LAYOUTS[layout](file.read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorpusError(
                f"{file} is no file of {layout} ({type(error).__name__}: {error}).",
                f"Expected {_EXPECTED[layout]}.",
            ) from error
        kept = tuple(pair for pair in pairs if not any(map(is_blank, pair)))
        dropped += len(pairs) - len(kept)
        texts[language] = texts.get(language, ()) + kept
    if not any(texts.values()):
        raise CorpusError(f"{path} holds nothing to write.", f"Expected {_EXPECTED[layout]}.")
    return ToWrite(path.name, texts, dropped)


def _language_of(file: Path) -> str:
    """The code that a file's name begins with, in front of a dot, a hyphen or an underscore."""
    for separator in (".", "_"):
        try:
            return language_code(file.name.split(separator)[0])
        except (CorpusError, ValueError):
            continue
    raise CorpusError(f"{file} names no language.", "Expected a name such as de.json or de_train.jsonl.")


def _questions(text: str) -> Iterator[tuple[str, str]]:
    for article in parse_json(text)["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                if asked.get("is_impossible") or not asked["answers"]:
                    continue
                answer = _text(asked["answers"][0], "text")
                yield f"{answer}{_BETWEEN}{_text(paragraph, 'context')}", _text(asked, "question")


def _lines(text: str, target: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line.strip():
            row = json.loads(line)
            yield _text(row, "text"), _text(row, target)


def _text(row: Mapping[str, Any], key: str) -> str:
    if not isinstance(row[key], str):
        raise TypeError(f"{key} is no text")
    return row[key]


_LAYOUTS: Mapping[str, Callable[[str], Iterator[tuple[str, str]]]] = {
    "questions": _questions,
    "headlines": lambda text: _lines(text, "title"),
    "summaries": lambda text: _lines(text, "summary"),
}
_EXPECTED = {
    "questions": "JSON in SQuAD's layout: data, paragraphs with context and qas, each with question and answers",
    "headlines": "lines of JSON with text and title, as XL-Sum has them",
    "summaries": "lines of JSON with text and summary, as XL-Sum has them",
}
