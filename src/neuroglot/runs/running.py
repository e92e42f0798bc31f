"""From a recipe to its run folder: refused early, gone on with where it was, whole or not at all."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neuroglot import distribution
from neuroglot.errors import (
    ArtifactError,
    ConfigError,
    NeuroglotError,
)
from neuroglot.reports import Report
from neuroglot.runs.files import FILE
from neuroglot.runs.folder import RunFolder
from neuroglot.runs.identity import Identity
from neuroglot.runs.price import Price
from neuroglot.runs.recipe import Recipe
from neuroglot.runs.run import Run

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


def run_recipe(recipe: Recipe, out: Path | None, *, resume: bool = False, overwrite: bool = False) -> Report:
    """Do the job of `Recipe.run`."""
    if distribution.process_count() > 1 and not recipe.shares_rows:
        raise ConfigError(f"{recipe.command!r} was started in several processes.", "Expected one.")
    if out is None:
        return _in_memory(recipe)
    folder = RunFolder(out)
    if distribution.rank() != 0:
        return _beside(recipe, folder)
    folder.refuse_foreign(overwrite, resume)
    with folder.locked():
        folder.refuse_foreign(overwrite, resume)  # again, now that nobody else can write
        return _in_folder(recipe, folder, resume, overwrite)


def price_recipe(recipe: Recipe, out: Path | None, *, resume: bool = False, overwrite: bool = False) -> Price:
    """The price of `Recipe.estimate`."""
    if out is not None:
        RunFolder(out).refuse_foreign(overwrite, resume)
    return recipe.price(recipe.read(Identity()))


def _in_memory(recipe: Recipe) -> Report:
    """Without a run folder nothing is kept."""
    with tempfile.TemporaryDirectory(prefix="neuroglot-") as temporary:
        identity = Identity()
        inputs = recipe.read(identity)
        run = Run(Path(temporary) / "files", Path(temporary) / "state", identity)
        return _remarked(recipe.work(run, inputs), identity)


def _in_folder(recipe: Recipe, folder: RunFolder, resume: bool, overwrite: bool) -> Report:
    stored = (folder.job or folder.marker) if resume else None
    if stored is not None and not all(isinstance(stored.get(name), dict) for name in ("recipe", "identity")):
        raise ArtifactError(
            f"{folder.path} does not say which job it holds.", "Expected what neuroglot wrote.",
            "Name another folder, or replace it with overwrite (--overwrite).",
        )  # fmt: skip
    if stored is not None and (differing := _differing(recipe, stored)):
        if not overwrite:
            raise _another_job(folder, differing)
        stored, resume = None, False
    identity = Identity(str(folder.path), None if stored is None else stored["identity"])
    inputs = recipe.read(identity)
    is_done = resume and folder.job is None and folder.marker is not None
    if distribution.from_first(is_done):
        return _finished(recipe, folder, identity)
    if folder.job is None or not resume:
        folder.begin()
    run = Run(folder.files, folder.state, identity, folder.path, overwrite)
    with _noting(recipe, folder, identity), _keeping(folder, run):
        distribution.wait_for_all()
        report = _remarked(recipe.work(run, inputs), identity)
        write_results(report, recipe, folder.files)
        folder.publish(_job(recipe, identity))
    return report


def _beside(recipe: Recipe, folder: RunFolder) -> Report:
    """The same in a process that is not the first: it shares the work, and writes nothing but its checkpoints."""
    identity = Identity()
    inputs = recipe.read(identity)
    if distribution.from_first(False):
        return Report.load(folder.path / "report.json")
    distribution.wait_for_all()  # until the first process has made the folder
    return _remarked(recipe.work(Run(folder.files, folder.state, identity), inputs), identity)


def _remarked(report: Report, identity: Identity) -> Report:
    """The report with what was remarked while its inputs were read, each sentence once."""
    report.notes = tuple(dict.fromkeys([*report.notes, *identity.remarks]))
    return report


def write_results(report: Report, recipe: Recipe, files: Path) -> None:
    """The report as a page and as JSON, and the recipe."""
    report.save(files / "report.html")
    report.save(files / "report.json")
    recipe.save(files / FILE)


@contextmanager
def _noting(recipe: Recipe, folder: RunFolder, identity: Identity) -> Iterator[None]:
    """Keep on disk what the run is made of, also what is read later."""
    folder.write_job(_job(recipe, identity))
    identity.on_note = lambda: folder.write_job(_job(recipe, identity))
    try:
        yield
    finally:
        identity.on_note = lambda: None


@contextmanager
def _keeping(folder: RunFolder, run: Run) -> Iterator[None]:
    """After an error or an interrupt keep what the job can go on from, or leave nothing."""
    try:
        with _full_disk_is_said(folder.path):
            yield
    except BaseException as error:
        if not run.is_worth_keeping:
            folder.discard()
        elif isinstance(error, KeyboardInterrupt):
            error.args = (f"go on with --resume --out {folder.path}.",)
        raise


@contextmanager
def _full_disk_is_said(path: Path) -> Iterator[None]:
    """Libraries that write checkpoints raise what they like where the disk is full."""
    try:
        yield
    except NeuroglotError:
        raise
    except Exception as error:
        if "no space left" not in str(error).lower() and getattr(error, "errno", None) not in FULL:
            raise
        raise ArtifactError(
            f"{path} cannot be written: {error}.", "", "Free the disk, and go on with resume (--resume)."
        ) from error


def _job(recipe: Recipe, identity: Identity) -> dict[str, Any]:
    return {"recipe": recipe.to_json(), "identity": identity.noted}


def _differing(recipe: Recipe, stored: Mapping[str, Any]) -> list[str]:
    """The options that are not those of the run in the folder."""
    wanted, before = recipe.to_json(), dict(stored["recipe"])
    return [
        f"{key}: {before.get(key)} there, {wanted.get(key)} here"
        for key in {**before, **wanted}
        if before.get(key) != wanted.get(key)
    ]


def _another_job(folder: RunFolder, differing: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{folder.path} holds another job ({'; '.join(differing)}).", "Expected the same options.",
        "Name another folder, or replace it with overwrite (--overwrite).",
    )  # fmt: skip


def _finished(recipe: Recipe, folder: RunFolder, identity: Identity) -> Report:
    """The report of a run that is done, after its files were found and what it was made of was compared."""
    folder.require_whole()
    recipe.compare(identity)
    if unknown := set(identity.stored or {}) - set(identity.noted):
        raise ConfigError(f"{folder.path} was made with {', '.join(sorted(unknown))} as well.", "Expected the same.")
    return Report.load(folder.path / "report.json")
