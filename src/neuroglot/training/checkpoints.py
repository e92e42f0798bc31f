"""Checkpoints of a training: sealed when they are whole, so that a damaged or unfinished one is never gone on from."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from neuroglot.storage import parse_json, write_whole

SEAL = "whole.json"  # the hash of every other file, written last
PREFIX = "checkpoint-"  # as transformers names them


def seal(checkpoint: Path) -> None:
    """Note that all files of a checkpoint are written."""
    write_whole(checkpoint / SEAL, json.dumps(_hashes(checkpoint), indent=1) + "\n")


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was sealed and all its files, and no others, are as they were then."""
    try:
        sealed = parse_json((checkpoint / SEAL).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(sealed) and sealed == _hashes(checkpoint)


def last_whole(folder: Path) -> Path | None:
    """The newest whole checkpoint of a training; those that are newer and not whole are removed. None without one."""
    for checkpoint in sorted(_all(folder), key=_step, reverse=True):
        if is_whole(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def drop_old(folder: Path, keep: int = 2) -> None:
    """Remove all but the newest checkpoints."""
    for checkpoint in sorted(_all(folder), key=_step)[:-keep]:
        shutil.rmtree(checkpoint)


def step_of(checkpoint: Path | None) -> int:
    """How many steps were made before the checkpoint; 0 without one."""
    return 0 if checkpoint is None else _step(checkpoint)


def _all(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdecimal()]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(PREFIX))


def _hashes(checkpoint: Path) -> dict[str, str]:
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    return {file.relative_to(checkpoint).as_posix(): _hash(file) for file in files}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
