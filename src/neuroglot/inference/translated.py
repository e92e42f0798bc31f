"""A corpus with its translations: what came back for each row and language, failures included; saved as JSONL."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.inference.backend import Completion
from neuroglot.signature import Signature
from neuroglot.storage import FORMAT_VERSION, parse_json, stored_texts, write_whole

KIND = "translations"
SHORT = 0.5  # of the usual ratio of lengths in a language; below, a translation may have been cut


@dataclass(frozen=True, eq=False)
class Translated:
    """The texts of `original`, which has one language, and `completions[language][r]`; None where nothing was asked."""

    original: Corpus
    completions: Mapping[str, tuple[Completion | None, ...]]
    signature: Signature

    def __post_init__(self) -> None:
        columns = {language: tuple(column) for language, column in self.completions.items()}
        object.__setattr__(self, "completions", MappingProxyType(columns))
        sound = len(self.original.languages) == 1 and self.source not in columns
        if not sound or any(len(column) != len(self.original) for column in columns.values()):
            raise ConfigError("Got translations of another shape.", "Expected one a row and language, of one original.")

    @property
    def source(self) -> str:
        return self.original.languages[0]

    @property
    def is_complete(self) -> bool:
        return all(completion is not None for column in self.completions.values() for completion in column)

    def failures(self) -> dict[str, Counter[str]]:
        """How often each failure happened, by language."""
        return {
            language: Counter(completion.failure for completion in column if completion and completion.failure)
            for language, column in self.completions.items()
        }

    def suspects(self) -> dict[str, list[str]]:
        """By language, the ids of rows whose translation may have been cut.

        Its length in UTF-8 bytes over that of the original is less than half of the language's median ratio, so that
        scripts need no table. It is a flag: such rows stay.
        """
        return {language: self._suspects(column) for language, column in self.completions.items()}

    def _suspects(self, column: tuple[Completion | None, ...]) -> list[str]:
        texts = self.original.texts[self.source]
        ratios = {
            row_id: len(completion.text.strip().encode()) / len(texts[row].encode())
            for row, (row_id, completion) in enumerate(zip(self.original.ids, column))
            if completion and completion.text is not None
        }
        usual = median(ratios.values()) if ratios else 0.0
        return [row_id for row_id, ratio in ratios.items() if ratio < SHORT * usual]

    def to_corpus(self) -> Corpus:
        """Original and translations of the rows without any failure; `dropped` counts the others too.

        Raises `CorpusError` where no row is left.
        """
        columns = {
            language: [completion and completion.text for completion in column]
            for language, column in self.completions.items()
        }
        kept = [row for row in range(len(self.original)) if all(column[row] is not None for column in columns.values())]
        if not kept:
            counts = {language: dict(counter) for language, counter in self.failures().items()}
            raise CorpusError(
                f"No row of {self.original.name!r} was translated into every language: {counts}.",
                "At least one is needed.",
            )
        left = self.original.take(kept)
        texts = {language: tuple(str(column[row]).strip() for row in kept) for language, column in columns.items()}
        dropped = self.original.dropped + len(self.original) - len(kept)
        return Corpus(left.name, left.ids, {**left.texts, **texts}, left.licence, dropped)

    def save(self, path: Path | str) -> Path:
        """Write a header line and one line a row, whole or not at all."""
        header = {
            "neuroglot": KIND, "format": FORMAT_VERSION, "corpus": self.original.name, "licence": self.original.licence,
            "dropped": self.original.dropped, "source": self.source, "into": list(self.completions),
            "signature": self.signature.to_json(),
        }  # fmt: skip
        rows = [
            {"id": row_id, "text": text, **{g: _written(column[row]) for g, column in self.completions.items()}}
            for row, (row_id, text) in enumerate(zip(self.original.ids, self.original.texts[self.source]))
        ]
        lines = [json.dumps(line, ensure_ascii=False) for line in (header, *rows)]
        return write_whole(path, "\n".join(lines) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Translated:
        """Read what `save` wrote; raises `ArtifactError` on any other file."""
        try:
            if not Path(path).is_file():
                raise ValueError("no file")
            header, *rows = (parse_json(line) for line in Path(path).read_text("utf-8").removesuffix("\n").split("\n"))
            if (header["neuroglot"], header["format"]) != (KIND, FORMAT_VERSION):
                raise ValueError("of another kind or format")
            texts = {header["source"]: tuple(row["text"] for row in rows)}
            ids, into = tuple(row["id"] for row in rows), stored_texts(header["into"], "languages")
            said = (header["corpus"], header["licence"], header["source"], *ids, *texts[header["source"]])
            if not all(isinstance(text, str) for text in said) or type(header["dropped"]) is not int:
                raise TypeError("values of another type")
            original = Corpus(header["corpus"], ids, texts, header["licence"], header["dropped"])
            completions = {language: tuple(_read(row[language]) for row in rows) for language in into}
            return cls(original, completions, Signature.from_json(header["signature"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{path} is no file of translations ({type(error).__name__}: {error}).") from error


def _written(completion: Completion | None) -> dict[str, Any] | None:
    known = asdict(completion) if completion else {}
    return {name: value for name, value in known.items() if value is not None} or None


def _read(found: dict[str, Any] | None) -> Completion | None:
    if found is None:
        return None
    counts = [found.get(name) for name in ("prompt_tokens", "generated_tokens")]
    if not all(isinstance(found.get(name), str | None) for name in ("text", "failure")):
        raise TypeError("texts of another type")
    if not all(count is None or (type(count) is int and count >= 0) for count in counts):
        raise TypeError("counts of another type")
    return Completion(**{"text": None, **found})
