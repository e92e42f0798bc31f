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
            f"{path} exists already.",
            "Expected a new or an empty folder.",
            "Name another one; `analyze` also takes --overwrite, and `record` --resume.",
        )
    if not (path / "config.json").is_file():
        raise ArtifactError(f"{path} is not a run folder: it has no config.json.", "", "Remove it yourself.")


def save_tensors(path: Path | str, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Path:
    """Write tensors and a JSON header as one safetensors file of this `kind` (for example `activity`)."""
    # One metadata entry, because safetensors writes several in random order and equal content must give equal bytes.
    described = {"format": FORMAT_VERSION, "kind": kind, "header": header}
    metadata = {"neuroglot": json.dumps(described, ensure_ascii=False)}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return write_whole(path, save(contiguous, metadata))


def load_tensors(path: Path | str, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a file that `save_tensors` wrote; raises `ArtifactError` on any other file."""
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(f"{path} is not a file.", f"Expected a saved {kind}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(path, kind, (file.metadata() or {}).get("neuroglot", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, json.JSONDecodeError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged or not safetensors ({error}).", f"Expected a saved {kind}.") from error
    return tensors, header


def _header(path: Path, kind: str, metadata: str) -> dict[str, Any]:
    if len(metadata) > HEADER_LIMIT:
        raise ArtifactError(f"{path} has a header of {len(metadata)} characters.", f"The limit is {HEADER_LIMIT}.")
    described = json.loads(metadata)
    found = described if isinstance(described, dict) else {}
    if found.get("format") != FORMAT_VERSION or found.get("kind") != kind or not isinstance(found.get("header"), dict):
        raise ArtifactError(
            f"{path} holds {found.get('kind', 'tensors of another program')!r} "
            f"in format {found.get('format', 'unknown')}.",
            f"Expected {kind!r} in format {FORMAT_VERSION}.",
        )
    return dict(found["header"])


@contextmanager
def _as_artifact_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written: {error.strerror}.", "", "Name a place that can be.") from error
