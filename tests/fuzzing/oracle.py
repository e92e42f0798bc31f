"""What may happen to an input: it loads, as something that saves and loads again equal, or a NeuroglotError says why.

Anything else is a defect: another exception, more than two seconds of work, a file outside the input's folder, code
that ran.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from neuroglot.errors import NeuroglotError
from neuroglot.layout import Layout
from neuroglot.signature import Signature
from tests.fuzzing.mutating import OF_SUFFIX, PICKLE_NAME, TEXT, Mutation, disguises, flip
from tests.fuzzing.readers import Reader

LONGEST = 2.0  # seconds of work on one input
Files = dict[str, bytes]


class Hang(BaseException):
    """Not an Exception, so that no reader takes it for damage."""


@dataclass(frozen=True)
class Found:
    """The outcome of one input: `loaded`, the name of a NeuroglotError, or `DEFECT` with its traceback."""

    outcome: str
    detail: str = ""
    stack: str = ""


def read_files(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def valid_files(reader: Reader, folder: Path) -> Files:
    """What `make` writes."""
    folder.mkdir(parents=True)
    reader.make(folder)
    made = read_files(folder)
    shutil.rmtree(folder)
    return made


def mutated(files: Files, rng: random.Random, marker: str) -> Files:
    """The files with one of them changed; now and then two, or one that holds something else altogether."""
    files = dict(files)
    for _ in range(rng.choice((1, 1, 1, 2))):
        name = rng.choice(sorted(files))
        if rng.random() < 0.01:
            files[name] = rng.choice((*disguises(marker), *files.values()))
            continue
        for _ in range(rng.choice((1, 1, 1, 1, 2, 4))):
            change = rng.choice(OF_SUFFIX.get(Path(name).suffix, TEXT))
            files[name] = _changed(files[name], change, rng)[: 2**18]
    return files


def _changed(data: bytes, change: Mutation, rng: random.Random) -> bytes:
    """What an earlier change has broken has no structure left to change: a bit of it then."""
    try:
        return change(data, rng)
    except Exception:
        return flip(data, rng)


class Bench:
    """A folder in which inputs are laid out and read, `box` in it being all that a reader may touch."""

    def __init__(self, root: Path) -> None:
        self.root, self.box = root, root / "box"
        self.marker = str(root / PICKLE_NAME)
        root.mkdir(parents=True, exist_ok=True)

    def try_files(self, reader: Reader, files: Mapping[str, bytes]) -> Found:
        """Lay the files out, read them, and judge."""
        for name, content in files.items():
            path = self.box / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return self.judge(reader)

    def judge(self, reader: Reader) -> Found:
        """Read what lies in the box, and empty it."""
        try:
            found = _outcome(reader, self.box)
            outside = sorted(set(os.listdir(self.root)) - {"box"})
            if outside:
                return Found("DEFECT", f"outside the folder: {outside}")
            hidden = [str(path) for path in self.box.rglob(".*")]
            return Found("DEFECT", f"left behind: {hidden}") if hidden else found
        finally:
            for path in self.root.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _outcome(reader: Reader, box: Path) -> Found:
    try:
        with warnings.catch_warnings(), _at_most(LONGEST):
            warnings.simplefilter("error")
            loaded = reader.load(box)
    except NeuroglotError as error:
        return Found(type(error).__name__)
    except (Exception, Hang) as error:
        return Found("DEFECT", f"{type(error).__name__}: {str(error)[:200]}", _where(error))
    try:
        before = plain(loaded)
        if reader.save is None:
            return Found("loaded")
        reader.save(loaded, box)
        after = plain(reader.load(box))
    except Exception as error:
        return Found("DEFECT", f"saving again: {type(error).__name__}: {str(error)[:200]}", _where(error))
    return Found("loaded") if before == after else Found("DEFECT", "what was saved loads as something else")


def _where(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "neuroglot" in frame.filename]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-4:]))


def plain(value: Any) -> Any:
    """A value as something that compares, NaN equal to NaN; file names and hashes in provenance left out."""
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), value.flatten().view(torch.uint8).numpy().tobytes()
    if isinstance(value, Signature):
        assert all(isinstance(key, str) and isinstance(of, str | int | float | None) for key, of in value.fields), value
        return [(key, repr(of)) for key, of in value.fields if key != "file_hash"]
    if isinstance(value, Layout):
        assert all(type(size) is int for _, widths in value.stacks for width in widths for size in _sizes(width)), value
    if is_dataclass(value):
        for name in ("languages", "categories", "ids"):
            texts = getattr(value, name, ())
            assert isinstance(texts, tuple), (name, texts)
            assert all(isinstance(text, str) for text in texts), (name, texts)
            assert len(set(texts)) == len(texts), (name, texts)
        return type(value).__name__, [(one.name, plain(getattr(value, one.name))) for one in fields(value)]
    if isinstance(value, Mapping):
        return [(key, plain(of)) for key, of in value.items()]
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return repr(value)


def _sizes(width: Any) -> tuple[Any, ...]:
    return width if isinstance(width, tuple) else (width,)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise `Hang` after so much work of the processor, or four times as long on the clock."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds} s")

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, 4 * seconds))
    before = [signal.signal(name, stop) for name, _, _ in timers]
    for _, timer, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (name, timer, _), handler in zip(timers, before):
            signal.setitimer(timer, 0)
            signal.signal(name, handler)
