"""Signature: every option that can change a number, printed and stored beside the number."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from neuroglot.errors import ArtifactError

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Signature:
    """Ordered key–value pairs; two numbers are comparable where their signatures are equal.

    Its text reads `model:lab|site:post_act|…`, as in sacrebleu (Post 2018), from which the idea is taken.
    """

    fields: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, **fields: Value) -> "Signature":
        return cls(tuple(fields.items()))

    def __or__(self, other: "Signature") -> "Signature":
        """Both signatures' fields; where a key stands in both, `other` has the last word and the place stays."""
        return Signature(tuple({**dict(self.fields), **dict(other.fields)}.items()))

    def without(self, *keys: str) -> "Signature":
        return Signature(tuple((key, value) for key, value in self.fields if key not in keys))

    def to_json(self) -> dict[str, Value]:
        return dict(self.fields)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Signature":
        """The inverse of `to_json`; raises `ArtifactError` on anything else."""
        if not isinstance(fields, Mapping) or not all(isinstance(value, Value | None) for value in fields.values()):
            raise ArtifactError(f"A stored signature reads {str(fields)[:200]}.", "Expected one value by name.")
        return cls(tuple(fields.items()))

    def __str__(self) -> str:
        return "|".join(f"{key}:{_written(value)}" for key, value in self.fields)


def versions() -> Signature:
    """The versions of neuroglot and of the libraries that run the model."""
    packages = {name: version(name) for name in ("neuroglot", "torch", "transformers")}
    return Signature.of(**packages, python=platform.python_version())


def _written(value: Value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
