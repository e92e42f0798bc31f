"""Identity: what a run is made of; a job goes on only where all of it is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from neuroglot.errors import ConfigError
from neuroglot.signature import Signature, versions

Loaded = TypeVar("Loaded")
_BLOCK = 2**20


@dataclass
class Identity:
    """Signatures of all that a job read, by what each is: a model, data, a file, and the versions of the libraries.

    `stored` are those of the run that is to go on; what is noted must equal them.
    """

    where: str = ""
    stored: Mapping[str, Mapping[str, Any]] | None = None
    noted: dict[str, dict[str, Any]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)  # sentences about what was read, for the report
    on_note: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.note("versions", versions())

    def note(self, name: str, signature: Signature) -> None:
        """Remember what was read; raises `ConfigError` if the run that is to go on read something else."""
        fields = signature.to_json()
        before = None if self.stored is None else self.stored.get(name)
        if before is not None and dict(before) != fields:
            differing = [key for key in {**before, **fields} if before.get(key) != fields.get(key)]
            stated = "; ".join(f"{key}: {before.get(key)} there, {fields.get(key)} here" for key in differing)
            raise ConfigError(
                f"{self.where} holds a run with another {name} ({stated}).",
                "Expected the same, or the numbers would mix.",
                "Name another folder, or begin again with overwrite.",
            )
        self.noted[name] = fields
        self.on_note()

    def file(self, name: str, path: Path, load: Callable[[Path], Loaded]) -> Loaded:
        """Load a file, and note the hash of its bytes."""
        loaded = load(path)  # refuses first what is not there
        self.note(name, Signature.of(sha256=_hash(path)))
        return loaded


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()[:16]
