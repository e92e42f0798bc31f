"""The run folder on disk: whose it is, one process at a time, and finished whole or not at all.

A run works in `OUT/.unfinished`, so that nothing is ever renamed onto `OUT` itself: it may be a mount point, a link or
the current folder. When the work is done, its files move up one by one; the list of these moves is on disk before the
first of them, and whoever opens the folder next completes them. The marker, `neuroglot-run.json`, is written last and
lists the files: a folder without it is no run, and only what it lists is ever deleted.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from neuroglot.errors import ArtifactError, listed
from neuroglot.storage import as_artifact_error, parse_json, write_whole

MARKER = "neuroglot-run.json"
UNFINISHED = ".unfinished"
_FORMAT = 1


@dataclass(frozen=True)
class RunFolder:
    """`path` is the run folder; work is done below `unfinished`, in `files` (to be kept) and `state` (to go on)."""

    path: Path

    @property
    def unfinished(self) -> Path:
        return self.path / UNFINISHED

    @property
    def files(self) -> Path:
        return self.unfinished / "files"

    @property
    def state(self) -> Path:
        return self.unfinished / "state"

    @property
    def marker(self) -> dict[str, Any] | None:
        """What the finished run's marker says; None without one. Raises `ArtifactError` if it is damaged."""
        marker = _read(self.path / MARKER)
        if marker is not None and not (marker.get("format") == _FORMAT and _are_names(marker.get("files"))):
            raise ArtifactError(f"{self.path / MARKER} is damaged.", f"Expected files by name, in format {_FORMAT}.")
        return marker

    @property
    def job(self) -> dict[str, Any] | None:
        """What an unfinished run is of; None without one."""
        return _read(self.unfinished / "job.json")

    def write_job(self, job: Mapping[str, Any]) -> None:
        write_whole(self.unfinished / "job.json", _json(job))

    def refuse_foreign(self, overwrite: bool, resume: bool) -> None:
        """Raise `ArtifactError` unless the folder is new, empty, or a run that may be replaced or gone on with."""
        with as_artifact_error(self.path):
            if self.path.is_symlink() and not self.path.exists():
                raise ArtifactError(f"{self.path} is a link to nothing.", "Expected a folder or a free name.")
            if not self.path.exists():
                return
        if not self.path.is_dir():
            raise ArtifactError(f"{self.path} is not a folder.", "Expected a new or an empty folder.")
        marker, job = self.marker, self.job
        self._refuse_foreign_work(job)
        others = [path for path in self.path.iterdir() if path.name != UNFINISHED]
        if marker is None and job is None and others:
            raise ArtifactError(
                f"{self.path} holds files that are no run of neuroglot.", "Expected a new or an empty folder.",
                "Name another folder.",
            )  # fmt: skip
        if (marker or job) and not (overwrite or resume):
            what = "a run that was not finished" if job else "a finished run"
            raise ArtifactError(
                f"{self.path} holds {what}.", "Expected a new or an empty folder.",
                "Go on with resume (--resume), replace it with overwrite (--overwrite), or name another folder.",
            )  # fmt: skip

    def _refuse_foreign_work(self, job: Mapping[str, Any] | None) -> None:
        """Raise `ArtifactError` if what lies in `.unfinished` is not of a run: it would be deleted."""
        ours = {"lock", "job.json", "moves.json", "files", "state"}
        known = not self.unfinished.is_symlink()
        if known and self.unfinished.is_dir():
            inside = [path for path in self.unfinished.iterdir() if not path.name.startswith(".job.json.")]
            known = {path.name for path in inside} <= ours and not any(path.is_symlink() for path in inside)
            begun = job is not None or (self.unfinished / "moves.json").exists()
            known &= begun or not any(path.is_dir() and any(path.iterdir()) for path in inside)
        if not known:
            raise ArtifactError(
                f"{self.unfinished} holds files that are no run of neuroglot.", "Expected no such folder, or a run's.",
                "Move it away, or name another folder.",
            )  # fmt: skip

    def require_whole(self) -> None:
        """Raise `ArtifactError` if a file of the finished run is gone."""
        lost = [name for name in (self.marker or {"files": []})["files"] if not (self.path / name).is_file()]
        if lost:
            raise ArtifactError(
                f"{self.path} lacks {listed(lost)} of its run.", "Expected all files that its marker lists.",
                "Make it again with overwrite (--overwrite), or in another folder.",
            )  # fmt: skip

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, prove that it can be written, and keep other processes out until the block ends.

        Whatever a killed process was about to finish is finished first. A folder that is still empty afterwards is
        removed if this made it.
        """
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        with as_artifact_error(self.path):
            self.unfinished.mkdir(parents=True, exist_ok=True)
        with _lock(self.unfinished / "lock", self.path):
            try:
                self._complete()
                yield
            finally:
                self._tidy(new)

    def begin(self) -> None:
        """Forget what an earlier run left unfinished."""
        for folder in (self.files, self.state):
            shutil.rmtree(folder, ignore_errors=True)
        with as_artifact_error(self.path):
            (self.unfinished / "job.json").unlink(missing_ok=True)
            for folder in (self.files, self.state):
                folder.mkdir(parents=True)

    def discard(self) -> None:
        """Remove all that is unfinished."""
        for folder in (self.files, self.state):
            shutil.rmtree(folder, ignore_errors=True)
        (self.unfinished / "job.json").unlink(missing_ok=True)

    def publish(self, job: Mapping[str, Any]) -> None:
        """Move the files into place, replace those of an earlier run, and write the marker."""
        names = sorted(path.relative_to(self.files).as_posix() for path in self.files.rglob("*") if path.is_file())
        before = self.marker or {"files": []}
        foreign = [name for name in names if (self.path / name).exists() and name not in before["files"]]
        if foreign:
            raise ArtifactError(
                f"{self.path / foreign[0]} is in the way and is not of an earlier run.", "Expected a free name.",
                "Move it away, and go on with resume (--resume): nothing was lost.",
            )  # fmt: skip
        plan = {"marker": {"format": _FORMAT, **job, "files": names}, "old": before["files"]}
        write_whole(self.unfinished / "moves.json", _json(plan))
        self._complete()

    def _complete(self) -> None:
        """Make the planned moves; each may have been made already."""
        plan = _read(self.unfinished / "moves.json")
        if plan is None:
            return
        marker = plan.get("marker")
        lists = [marker.get("files"), plan.get("old")] if isinstance(marker, dict) else [None]
        if not all(map(_are_names, lists)):
            raise ArtifactError(
                f"{self.unfinished / 'moves.json'} is damaged.", "Expected what neuroglot wrote.",
                "Move the folder's files away, and begin again.",
            )  # fmt: skip
        with as_artifact_error(self.path):
            (self.path / MARKER).unlink(missing_ok=True)  # while files move, the folder is no finished run
            names = plan["marker"]["files"]
            for name in set(plan["old"]) - set(names):
                _remove(self.path, name)
            for name in names:
                target, source = self.path / name, self.files / name
                if source.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(source, target)
            write_whole(self.path / MARKER, _json(plan["marker"]))
            self.discard()
            (self.unfinished / "moves.json").unlink(missing_ok=True)

    def _tidy(self, new: list[Path]) -> None:
        """Leave no empty folder behind; the lock is the last file to go."""
        if self.job is not None or (self.unfinished / "moves.json").exists():
            return
        for folder in (self.files, self.state):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            (self.unfinished / "lock").unlink(missing_ok=True)
            self.unfinished.rmdir()
            for folder in new:
                folder.rmdir()


@contextmanager
def _lock(path: Path, folder: Path) -> Iterator[None]:
    """Hold the lock file, or raise `ArtifactError`; the system gives it back when the process ends, however it ends."""
    while True:
        with as_artifact_error(folder), path.open("a+") as file:
            _hold(file, folder)
            if not _is_same(file, path):  # the process that held it has just removed it
                continue
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
            return


def _hold(file: IO[str], folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            return  # the file system knows no locks
        file.seek(0)
        owner = file.read(20).strip() or "unknown"
        raise ArtifactError(
            f"Another process ({owner}) is working in {folder}.", "Expected one at a time.", "Wait for it to end."
        ) from None


def _is_same(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove(folder: Path, name: str) -> None:
    """Remove a file of an earlier run, and its folder where that is empty then."""
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        return  # behind a link that somebody has put there
    path.unlink(missing_ok=True)
    with suppress(OSError):
        for parent in path.parents:
            if parent == folder:
                break
            parent.rmdir()


def _are_names(names: object) -> bool:
    """Whether these are names of files inside a folder: whatever a marker lists may be deleted."""
    return isinstance(names, list) and all(
        isinstance(name, str) and name and not Path(name).is_absolute() and not {"..", "."} & {*name.split("/")}
        for name in names
    )


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        stored = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged ({error}).", "Expected what neuroglot wrote.") from error
    if not isinstance(stored, dict):
        raise ArtifactError(f"{path} holds no mapping.", "Expected what neuroglot wrote.")
    return stored


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
