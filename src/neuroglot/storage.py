"""Files on disk: safetensors with a JSON header, written whole or not at all; never pickle."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from neuroglot.errors import ArtifactError

FORMAT_VERSION = "1"
HEADER_LIMIT = 16 * 2**20  # characters of JSON that a header may hold


def write_whole(path: Path | str, content: bytes | str) -> Path:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    with _as_artifact_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner reads
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return path


@contextmanager
def whole_folder(path: Path | str, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends without an exception, and is removed otherwise.

    Raises `ArtifactError` where `path` exists and is not an empty folder, unless `overwrite`.
    """
    path = Path(path)
    check_free(path, overwrite)
    with _as_artifact_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        with _as_artifact_error(path):
            os.chmod(temporary, 0o755)
            if path.exists():
                shutil.rmtree(path)
            os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def check_free(path: Path | str, overwrite: bool = False) -> None:
    """Raise `ArtifactError` where writing to the folder `path` would lose something, unless `overwrite`.

    With `overwrite` a folder is replaced, but only one that neuroglot wrote: a wrong path must not cost a home folder.
    """
    path = Path(path)
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise ArtifactError(
            f"{path} exists already.", "Expected a new or an empty folder.", "Name another one, or say --overwrite."
        )
    if not (path / "config.json").is_file():
        raise ArtifactError(f"{path} is not a run folder: it has no config.json.", "", "Remove it yourself.")


def save_tensors(path: Path | str, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Path:
    """Write tensors and a JSON header as one safetensors file of this `kind` (for example `activity`)."""
    metadata = {"neuroglot": FORMAT_VERSION, "kind": kind, "header": json.dumps(header, ensure_ascii=False)}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return write_whole(path, save(contiguous, metadata))


def load_tensors(path: Path | str, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a file that `save_tensors` wrote; raises `ArtifactError` on any other file."""
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(f"{path} is not a file.", f"Expected a saved {kind}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            _check_kind(path, kind, metadata)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            header = json.loads(metadata["header"])
    except (SafetensorError, OSError, json.JSONDecodeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged or not safetensors ({error}).", f"Expected a saved {kind}.") from error
    if not isinstance(header, dict):
        raise ArtifactError(f"{path} has a header that is no JSON object.", f"Expected a saved {kind}.")
    return tensors, header


def _check_kind(path: Path, kind: str, metadata: Mapping[str, str]) -> None:
    if metadata.get("neuroglot") != FORMAT_VERSION or metadata.get("kind") != kind or "header" not in metadata:
        raise ArtifactError(
            f"{path} holds {metadata.get('kind', 'tensors of another program')!r} "
            f"in format {metadata.get('neuroglot', 'unknown')}.",
            f"Expected {kind!r} in format {FORMAT_VERSION}.",
        )
    if len(metadata["header"]) > HEADER_LIMIT:
        raise ArtifactError(f"{path} has a header of {len(metadata['header'])} characters.", "That is over the limit.")


@contextmanager
def _as_artifact_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written: {error.strerror}.", "", "Name a place that can be.") from error
