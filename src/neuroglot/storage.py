"""Files on disk: safetensors with a JSON header, written whole or not at all; never pickle."""

import errno
import io
import json
import os
import re
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from glob import escape as glob_escape
from itertools import count
from pathlib import Path
from socket import gethostname
from typing import IO, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from neuroglot import distribution
from neuroglot.errors import ArtifactError, ConfigError

FORMAT_VERSION = "1"
HEADER_LIMIT = 16 * 2**20  # characters of JSON that a header may hold
DEEPEST = 64  # lists and mappings inside each other in JSON; more would end in Python's recursion limit
LARGEST_VIEW = 2**28  # elements of a foreign tensor: a view of one number can be of any shape
DTYPES = frozenset((
    torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64
))  # fmt: skip

_numbers = count()  # of what this process has written, in any of its threads


def write_whole(path: Path | str, content: bytes | str) -> Path:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    path = Path(path)
    with _whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path`, once it is on the disk, when the block ends without an exception."""
    with as_artifact_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = beside(path)
        try:
            temporary.touch()
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)  # safetensors' files are for their owner only
            written = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(written)
            finally:
                os.close(written)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def whole_folder(path: Path | str) -> Iterator[Path]:
    """A temporary folder whose files become those of `path` when the block ends without an exception.

    Raises `ArtifactError` if `path` exists and is not an empty folder.
    """
    path = Path(path)
    check_free(path)
    with as_artifact_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = beside(path)
        temporary.mkdir()
    try:
        yield temporary
        with as_artifact_error(path):
            if path.exists():  # it stays the folder that it is: a mount point, say
                for part in temporary.iterdir():
                    shutil.move(part, path / part.name)
                temporary.rmdir()
            else:
                os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def check_free(path: Path | str) -> None:
    """Raise `ArtifactError` unless `path` is a new name or an empty folder."""
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise ArtifactError(f"{path} is a link to nothing.", "Expected a folder or a free name.")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ArtifactError(f"{path} exists already.", "Expected a new or an empty folder.", "Name another one.")


def beside(path: Path) -> Path:
    """A hidden name beside `path` for what is being written; those that killed processes left there are removed."""
    host = re.sub(r"\W", "", gethostname())  # a process of another machine, on a shared disk, cannot be asked after
    start = f".{path.name[:150]}.{host[:40]}-"
    for left in path.parent.glob(f"{glob_escape(start)}*~"):
        owner = left.name.removeprefix(start).partition("-")[0]
        if owner.isdigit() and not _is_running(int(owner)):
            with suppress(OSError):  # another user's, or another process was faster
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink(missing_ok=True)
    return path.with_name(f"{start}{os.getpid()}-{next(_numbers)}~")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True


def save_tensors(path: Path | str, kind: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Path:
    """Write tensors and a JSON header as one safetensors file of this `kind` (for example `activity`)."""
    # One metadata entry, because safetensors writes several in random order and equal content must give equal bytes.
    described = {"format": FORMAT_VERSION, "kind": kind, "header": header}
    metadata = {"neuroglot": json.dumps(described, ensure_ascii=False)}
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with _whole_file(path := Path(path)) as temporary:
        save_file(contiguous, temporary, metadata)  # not `save`, which would hold the file twice
    return path


def load_tensors(path: Path | str, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a file that `save_tensors` wrote; raises `ArtifactError` on any other file."""
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(f"{path} is not a file.", f"Expected a saved {kind}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(path, kind, (file.metadata() or {}).get("neuroglot", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, KeyError) as error:  # KeyError: a type that torch does not have
        raise ArtifactError(f"{path} is damaged or not safetensors ({error}).", f"Expected a saved {kind}.") from error
    if foreign := sorted({str(tensor.dtype) for tensor in tensors.values() if tensor.dtype not in DTYPES}):
        raise ArtifactError(f"{path} holds {', '.join(foreign)}.", "Expected whole numbers, floats and booleans.")
    return tensors, header


@dataclass(frozen=True)
class Kept:
    """Where a long step keeps what it has done, so that a killed job goes on; without a folder nothing is kept.

    What lies there is of the same job: whoever hands it on sees to that. `save_seconds` is the least time between two
    savings of what grows, such as counts.
    """

    folder: Path | None = None
    save_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.save_seconds < 0:
            raise ConfigError(f"Got {self.save_seconds:g} seconds between savings.", "Expected no negative time.")

    def below(self, name: str) -> "Kept":
        """The same for a part of the step."""
        return self if self.folder is None else replace(self, folder=self.folder / name)

    def file(self, name: str) -> Path | None:
        """Where a step may keep a file of its own; None without a folder."""
        return None if self.folder is None else self.folder / name

    def once(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The tensors called `name`, made and kept unless they are there; a damaged file is made again.

        Processes that share a job come here together: all make the same, or none, and the first one writes.
        """
        if self.folder is None or distribution.process_count() == 1:
            return self.own(name, make)
        path = self.folder / f"{name}.safetensors"
        there = _kept(path)
        if distribution.from_first(there is not None):
            if there is None:
                raise ArtifactError(f"{path} cannot be read.", "Expected a file that the first process reads.")
            return there
        made = self.own(name, make) if distribution.rank() == 0 else make()
        distribution.wait_for_all()
        return {key: tensor.detach().cpu() for key, tensor in made.items()}

    def own(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """As `once`, of what this process alone makes, or would make."""
        if self.folder is None:
            return dict(make())
        path = self.folder / f"{name}.safetensors"
        if (there := _kept(path)) is not None:
            return there
        made = {key: tensor.detach().cpu() for key, tensor in make().items()}
        save_tensors(path, "kept", made, {"names": list(made)})  # tensors come back in another order
        return made


@contextmanager
def locked_file(path: Path | None, *, waits: bool = True) -> Iterator[bool]:
    """Keep other processes out of what the lock file stands for until the block ends, waiting for them first.

    Without `waits` False is given where another process holds it. The system gives a lock back when the process ends,
    however it ends. True without a path, and where the system knows no locks.
    """
    if path is None:
        yield True
        return
    with as_artifact_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        yield _lock(file, waits)


def _lock(file: IO[str], waits: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _kept(path: Path) -> dict[str, Tensor] | None:
    with suppress(ArtifactError, KeyError, TypeError, ValueError):
        tensors, header = load_tensors(path, "kept")
        return {name: tensors[name] for name in stored_texts(header.get("names"), "names")}
    return None


NOTHING_KEPT = Kept()


def parse_json(text: str | bytes) -> Any:
    """JSON that can be written again as UTF-8; raises `ValueError` on anything else.

    That is also a name that stands twice, a nesting of more than `DEEPEST`, half a surrogate pair, or a number of
    thousands of digits.
    """
    text = text.decode() if isinstance(text, bytes) else text
    try:
        found = json.loads(text, object_pairs_hook=each_once)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(f"a nesting deeper than {DEEPEST}") from None
    if _is_deeper(found, DEEPEST):
        raise ValueError(f"a nesting deeper than {DEEPEST}")
    return found


def stored_texts(value: object, what: str) -> tuple[str, ...]:
    """A list of different texts as a header holds it; raises `ArtifactError` on anything else."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value) or len({*value}) < len(value):
        raise ArtifactError(f"Stored {what} read {str(value)[:80]}.", "Expected a list of texts, each once.")
    return tuple(value)


def load_foreign(path: Path | str, expected: str) -> tuple[object, bytes]:
    """What a `.pt` or `.pth` file of another program holds, and its bytes; raises `ArtifactError` on any other file.

    Read with torch's `weights_only`, which runs nothing from the file. Compressed archives are refused: torch writes
    none, and a small one could unpack to more than the memory holds.
    """
    if not Path(path).is_file():
        raise ArtifactError(f"{path} is not a file.", expected)
    try:
        content = Path(path).read_bytes()
        with warnings.catch_warnings(action="ignore"):  # of old protocols, which are refused or read
            archive = io.BytesIO(content)
            if zipfile.is_zipfile(archive):
                sizes = [info.file_size for info in zipfile.ZipFile(archive).infolist()]
                if sum(sizes) > len(content):
                    raise ValueError("a compressed archive")
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), content
    except Exception as error:  # damaged archives and pickles raise whatever they run into
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ArtifactError(f"{path} cannot be read safely ({reason}).", expected) from error


def is_plain(value: object) -> bool:
    """Whether a foreign value is a dense tensor in memory; not a view whose shape is larger than that."""
    if not isinstance(value, Tensor) or value.device.type != "cpu" or value.layout != torch.strided:
        return False
    return not value.is_quantized and value.numel() <= LARGEST_VIEW


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of a JSON object; raises `ValueError` if a name stands twice, because the last would win unseen."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _is_deeper(value: object, levels: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(part, levels - 1) for part in parts if isinstance(part, dict | list))


def _header(path: Path, kind: str, metadata: str) -> dict[str, Any]:
    if len(metadata) > HEADER_LIMIT:
        raise ArtifactError(f"{path} has a header of {len(metadata)} characters.", f"The limit is {HEADER_LIMIT}.")
    try:
        described = parse_json(metadata)
    except ValueError as error:
        raise ArtifactError(f"{path} has a damaged header ({error}).", f"Expected a saved {kind}.") from error
    found = described if isinstance(described, dict) else {}
    if found.get("format") != FORMAT_VERSION or found.get("kind") != kind or not isinstance(found.get("header"), dict):
        raise ArtifactError(
            f"{path} holds {str(found.get('kind', 'tensors of another program'))[:80]!r} "
            f"in format {str(found.get('format', 'unknown'))[:80]}.",
            f"Expected {kind!r} in format {FORMAT_VERSION}.",
        )
    return dict(found["header"])


@contextmanager
def as_artifact_error(path: Path) -> Iterator[None]:
    """Say in one sentence that a place cannot be written."""
    try:
        yield
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise ArtifactError(f"{path} cannot be written: {said}.", "", "Free the place, or name another one.") from error
    except SafetensorError as error:
        raise ArtifactError(
            f"{path} cannot be written: {error}.", "", "Free the place, or name another one."
        ) from error
    except UnicodeEncodeError as error:
        raise ArtifactError(f"{path} cannot be written: its text holds half a surrogate pair.") from error
