"""Headers of artefacts: a frozen dataclass says what stands in one, and writing and reading both follow from it.

A header's dataclass has `__pydantic_config__ = STRICT`: values of another type and unknown keys are refused. Its fields
are plain JSON types, the ones below, or dataclasses of the same kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import torch
from pydantic import AfterValidator, ConfigDict, NonNegativeInt, PlainSerializer, PlainValidator, TypeAdapter
from pydantic import ValidationError as PydanticError
from torch import Tensor

from neuroglot.errors import ArtifactError
from neuroglot.layout import Layout
from neuroglot.signature import Signature
from neuroglot.storage import load_tensors, save_tensors

Header = TypeVar("Header")
STRICT = ConfigDict(strict=True, extra="forbid")
SHOWN = 80  # characters of a wrong value that a message repeats


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len({*names}) < len(names):
        raise ValueError("Expected each once")
    return names


Names = Annotated[tuple[str, ...], AfterValidator(_each_once)]
Counts = Annotated[dict[str, NonNegativeInt], PlainSerializer(dict)]
StoredLayout = Annotated[Layout, PlainValidator(Layout.from_json), PlainSerializer(Layout.to_json)]
StoredSignature = Annotated[Signature, PlainValidator(Signature.from_json), PlainSerializer(Signature.to_json)]


def save_artefact(path: Path | str, kind: str, tensors: Mapping[str, Tensor], header: Any) -> Path:
    """Write one safetensors file of this `kind` with the fields of the dataclass `header`."""
    return save_tensors(path, kind, tensors, to_json(header))


def load_artefact(
    path: Path | str, kind: str, form: type[Header], needed: Sequence[str] = ()
) -> tuple[dict[str, Tensor], Header]:
    """The tensors and the header of a file that `save_artefact` wrote.

    Raises `ArtifactError` on any other file, a header that is not of the `form`, and if a `needed` tensor is missing.
    """
    tensors, header = load_tensors(path, kind)
    if missing := [name for name in needed if name not in tensors]:
        raise ArtifactError(f"{path} lacks the tensor {missing[0]!r}.", f"Expected a complete {kind}.")
    return tensors, from_json(header, form, f"The header of {path}")


def to_json(header: Any) -> dict[str, Any]:
    """The fields of a header as plain JSON types, in their order."""
    plain: dict[str, Any] = TypeAdapter(type(header)).dump_python(header, mode="json")
    return plain


def from_json(stored: Any, form: type[Header], what: str) -> Header:
    """The inverse of `to_json`; raises `ArtifactError` that says `what` it is about, what was got and expected."""
    try:
        return TypeAdapter(form).validate_json(json.dumps(stored))  # of JSON, where lists may be tuples
    except PydanticError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(map(str, fault["loc"])) or "its value"
        raise ArtifactError(
            f"{what} has {field} = {str(fault['input'])[:SHOWN]!r}.", f"{fault['msg'].removeprefix('Value error, ')}."
        ) from error


NOTHING_READ = torch.empty(0, dtype=torch.int64)  # hashes of no texts


class Chosen(Protocol):
    """What was chosen by, or read from, texts: its provenance, and `read`, a hash of each of the texts, int64."""

    @property
    def signature(self) -> Signature: ...
    @property
    def read(self) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Choice:
    """What is left of something chosen where only its provenance is needed, as of neurons that weights lack."""

    signature: Signature
    read: Tensor = NOTHING_READ


def hashes_of(tensors: dict[str, Tensor], path: Path | str) -> Tensor:
    """The hashes of the texts that an artefact depends on, taken out of its tensors; none if it does not know them.

    Raises `ArtifactError` if they are none.
    """
    hashes = tensors.pop("read", NOTHING_READ)
    if hashes.dtype != torch.int64 or hashes.dim() != 1:
        raise ArtifactError(f"{path} has hashes {hashes.dtype} {list(hashes.shape)}.", "Expected int64 [n].")
    return hashes
