"""Signature: every option that can change a number, printed and stored beside the number."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from neuroglot.errors import ArtifactError
from neuroglot.showing import Described, counted

if TYPE_CHECKING:
    from torch import Tensor

Value = str | int | float | bool | None
HASH_DIGITS = 12  # hexadecimal ones


@dataclass(frozen=True, repr=False)
class Signature(Described):
    """Ordered key–value pairs; two numbers are comparable where their signatures are equal.

    Its text reads `model:lab|site:post_act|…`, as in sacrebleu (Post 2018), from which the idea is taken.
    """

    fields: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, **fields: Value) -> Signature:
        return cls(tuple(fields.items()))

    def _facts(self) -> list[str]:
        return [counted(len(self.fields), "field")]

    def _numbers(self) -> str:
        return str(self)

    def __or__(self, other: Signature) -> Signature:
        """Both signatures' fields; where a key stands in both, `other` has the last word and the place stays."""
        return Signature(tuple({**dict(self.fields), **dict(other.fields)}.items()))

    def __getitem__(self, key: str) -> Value:
        """The value of a field; raises `KeyError` where there is none."""
        return dict(self.fields)[key]

    def get(self, key: str, default: Value = None) -> Value:
        """The value of a field, or the default."""
        return dict(self.fields).get(key, default)

    def differing_from(self, stored: Signature) -> str:
        """What a stored signature says otherwise, `rows: 9 there, 8 here; …`; empty where both are equal."""
        here, there = self.to_json(), stored.to_json()
        keys = [key for key in {**there, **here} if key not in there or key not in here or there[key] != here[key]]
        return "; ".join(f"{key}: {_written(there.get(key))} there, {_written(here.get(key))} here" for key in keys)

    @property
    def inline(self) -> str:
        """The fields as one value of another signature: `rule=entropy,top_share=0.05`."""
        return ",".join(f"{key}={_written(value)}" for key, value in self.fields)

    def without(self, *keys: str) -> Signature:
        return Signature(tuple((key, value) for key, value in self.fields if key not in keys))

    def to_json(self) -> dict[str, Value]:
        return dict(self.fields)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Signature:
        """The inverse of `to_json`; raises `ArtifactError` on anything else."""
        if not isinstance(fields, Mapping) or not all(isinstance(value, Value | None) for value in fields.values()):
            raise ArtifactError(f"A stored signature reads {str(fields)[:200]}.", "Expected one value by name.")
        return cls(tuple(fields.items()))

    def __str__(self) -> str:
        return "|".join(f"{key}:{_written(value)}" for key, value in self.fields)


def merged(signatures: Sequence[Signature]) -> Signature:
    """One signature of several: a field on which not all agree holds all their values, in order, `lab + other`."""
    keys = dict.fromkeys(key for signature in signatures for key, _ in signature.fields)
    values = {key: [signature.get(key) for signature in signatures] for key in keys}
    return Signature.of(**{
        key: each[0] if each.count(each[0]) == len(each) else " + ".join(map(_written, each))
        for key, each in values.items()
    })  # fmt: skip


def seed_of(*parts: object) -> int:
    """A seed from a hash of the parts: other parts, other seed, in any order of work."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def short_hash(*parts: str | bytes | Tensor) -> str:
    """The first digits of a SHA-256 over texts, bytes, and tensors with their form."""
    digest = hashlib.sha256()
    for part in parts:
        content = _content(part)
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()[:HASH_DIGITS]


def _content(part: str | bytes | Tensor) -> bytes:
    if isinstance(part, str):
        return part.encode("utf-8", "surrogatepass")
    if isinstance(part, bytes):
        return part
    import torch

    form, values = f"{list(part.shape)} {part.dtype} ", part.detach().cpu().contiguous().view(-1)
    return form.encode() + values.view(torch.uint8).numpy().tobytes()


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
