"""GeneratedTexts: prompts and what was written to them, as a file that people and other commands read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from neuroglot.corpora.suspicion import Context, kinds_of
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.showing import Shown
from neuroglot.signature import Signature
from neuroglot.storage import parse_json, write_whole

_KINDS: dict[str, tuple[type, ...]] = {"language": (str,), "id": (str, int), "prompt": (str,), "generated": (str,)}
EXPECTED = "Expected JSONL of `neuroglot generate --out`."


@dataclass(frozen=True, eq=False, repr=False)
class GeneratedTexts(Shown):
    """The texts of R rows in G languages, `texts[language][r]`, and the prompts that they answer, if known."""

    ids: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]
    prompts: Mapping[str, tuple[str, ...]]
    signature: Signature

    def __post_init__(self) -> None:
        for name in ("texts", "prompts"):
            columns = {language: tuple(column) for language, column in getattr(self, name).items()}
            object.__setattr__(self, name, MappingProxyType(columns))
        if not self.texts or any(len(column) != len(self.ids) for column in self.texts.values()):
            raise ConfigError(f"Texts are in {', '.join(self.texts) or 'no language'}.", "Expected one a row in each.")

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.texts)

    def kinds(self) -> dict[str, list[tuple[str, ...]]]:
        """By language, of each row the kinds of text that it may be instead (`corpora.suspicion`)."""
        listed: dict[str, list[tuple[str, ...]]] = {language: [] for language in self.texts}
        for language, _, prompt, text in self.rows():
            listed[language].append(kinds_of(text, Context(language, prompt=prompt or None)))
        return listed

    def first(self, rows: int | None) -> GeneratedTexts:
        """The first rows, or all of them."""
        texts, prompts = (
            {language: column[:rows] for language, column in columns.items()}
            for columns in (self.texts, self.prompts)
        )  # fmt: skip
        return GeneratedTexts(self.ids[:rows], texts, prompts, self.signature)

    def in_order_of(self, ids: Sequence[str]) -> GeneratedTexts:
        """The same rows in the order of these ids, which are the rows' own; raises `ConfigError` for others."""
        if sorted(ids) != sorted(self.ids):
            raise ConfigError(
                f"Got {len(ids)} ids for {len(self.ids)} rows.", "Expected the ids of the rows, each once."
            )
        row_of = {row_id: row for row, row_id in enumerate(self.ids)}
        texts, prompts = (
            {language: tuple(column[row_of[row_id]] for row_id in ids) for language, column in columns.items()}
            for columns in (self.texts, self.prompts)
        )  # fmt: skip
        return GeneratedTexts(tuple(ids), texts, prompts, self.signature)

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Language, id, prompt and text, language by language."""
        for language, column in self.texts.items():
            prompts = self.prompts.get(language, ("",) * len(self.ids))
            for row_id, prompt, text in zip(self.ids, prompts, column, strict=True):
                yield language, row_id, prompt, text

    def save(self, path: Path | str) -> Path:
        """Write one JSON object a text, each with the signature of all."""
        names = ("language", "id", "prompt", "generated")
        lines = [{**dict(zip(names, row)), "signature": self.signature.to_json()} for row in self.rows()]
        return write_whole(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))

    @classmethod
    def load(cls, path: Path | str) -> GeneratedTexts:
        """Read what `save` wrote, or lines with `language`, `id` and `generated`; raises `ArtifactError` on others."""
        texts: dict[str, dict[str, str]] = {}
        prompts: dict[str, dict[str, str]] = {}
        signatures: list[Signature] = []
        for row in _rows(Path(path)):
            language, row_id = row["language"], str(row["id"])
            if row_id in texts.setdefault(language, {}):
                raise ArtifactError(f"{path} has the id {row_id!r} twice in {language}.", "Expected each once.")
            texts[language][row_id] = row["generated"]
            prompts.setdefault(language, {})[row_id] = row.get("prompt", "")
            stored = row.get("signature")
            signatures.append(Signature.from_json(stored) if isinstance(stored, dict) else Signature())
        ids = _shared_ids(Path(path), texts)
        texts_by_row, prompts_by_row = (
            {language: tuple(column[row_id] for row_id in ids) for language, column in columns.items()}
            for columns in (texts, prompts)
        )
        same = len(set(signatures)) == 1
        return cls(ids, texts_by_row, prompts_by_row, signatures[0] if same else Signature())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise ArtifactError(f"{path} is not a file.", EXPECTED)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.", EXPECTED) from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _row(line, f"{path}:{number}")


def _row(line: str, where: str) -> dict[str, Any]:
    """What a line holds; raises `ArtifactError` if it is no text with its language and id."""
    try:
        row = parse_json(line)
        missing = [name for name in ("language", "id", "generated") if name not in row]
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"{where} cannot be read: {error}.", EXPECTED) from error
    if missing or not isinstance(row, dict):
        raise ArtifactError(f"{where} lacks {', '.join(missing) or 'names'}.", EXPECTED)
    for name, kinds in _KINDS.items():  # of anything else, such as null, the text would be its name
        if not isinstance(row.get(name, ""), kinds) or isinstance(row.get(name), bool):
            raise ArtifactError(f"{where} has {str(row[name])[:40]!r} as its {name}.", f"Expected a text. {EXPECTED}")
    return row


def _shared_ids(path: Path, columns: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """The ids, which all languages must have; raises `ArtifactError` otherwise."""
    ids = [set(column) for column in columns.values()]
    if not ids or any(others != ids[0] for others in ids):
        raise ArtifactError(
            f"{path} has other ids in {', '.join(columns) or 'no language'}.", "Expected the same rows in all."
        )
    return tuple(next(iter(columns.values())))
