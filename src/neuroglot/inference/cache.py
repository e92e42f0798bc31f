"""Answers on disk, one file a request: written whole, by any number of processes, and read only where undamaged."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass
from pathlib import Path

from neuroglot.inference.protocol import Answer, answer_of
from neuroglot.storage import parse_json, write_whole

FORMAT = "neuroglot-answer-1"


@dataclass(frozen=True)
class Cache:
    """Answers by the hash of their request; neither prompts nor keys are kept. `folder` None keeps nothing."""

    folder: Path | None = None

    def get(self, key: str) -> Answer | None:
        """The answer to a request, or None where there is none or its file is damaged."""
        try:
            entry = parse_json(self._path(key).read_bytes()) if self.folder and self._path(key).is_file() else None
        except (OSError, ValueError):
            return None
        match entry:
            case [found, answer, check] if found == FORMAT and check == _check(key, answer):
                return answer_of(answer)
        return None

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; raises `ArtifactError` where the folder cannot be written."""
        if self.folder:
            values = list(astuple(answer))
            write_whole(self._path(key), json.dumps([FORMAT, values, _check(key, values)], ensure_ascii=False))

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.json"


def _check(key: str, values: object) -> str:
    return hashlib.sha256(json.dumps([key, values]).encode()).hexdigest()
