"""Run: where a job that is being done keeps its artefacts, and what it needs to go on after it was killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from neuroglot import distribution
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.runs.folder import MARKER, UNFINISHED
from neuroglot.runs.identity import Identity
from neuroglot.runs.recipe import Recipe
from neuroglot.storage import Kept


class Artefact(Protocol):
    """What is saved as one file and loaded from it."""

    def save(self, path: Path) -> Any: ...
    @classmethod
    def load(cls, path: Path) -> Self: ...


Made = TypeVar("Made", bound=Artefact)


@dataclass(frozen=True, eq=False)
class Run:
    """`files` is the folder of artefacts, `state` what a killed job goes on from; both are empty when a job begins."""

    files: Path
    state: Path
    identity: Identity
    out: Path | None = None
    overwrite: bool = False

    def once(self, name: str, kind: type[Made], make: Callable[[], Made]) -> Made:
        """The artefact `name` of the run: loaded if an earlier start of the same job finished it, else made and saved.

        A file that cannot be read is made again.
        """
        path = self.files / name
        if distribution.from_first(path.exists()):
            try:
                return kind.load(path)
            except ArtifactError:
                pass  # damaged: made again
        made = make()
        self.save(name, made)
        distribution.wait_for_all()
        return made

    def save(self, name: str, artefact: Artefact) -> None:
        """Write an artefact of the run; of processes that share the job the first one does."""
        if distribution.rank() == 0:
            artefact.save(self.files / name)

    def kept(self, name: str) -> Kept:
        """Where a step keeps what it goes on from if the job is killed; gone when the run is finished."""
        return Kept(self.state / name)

    def stage(self, name: str, recipe: Recipe) -> Path:
        """Do another recipe as a part of this job, in the run folder `OUT/name`, and return that folder.

        A stage that an earlier start finished is not done again, and its folder is a run like any other. Raises
        `ConfigError` if this run has no folder.
        """
        from neuroglot.runs.running import run_recipe

        if self.out is None:
            raise ConfigError("A job of several stages needs a run folder.", "Expected out (--out).")
        folder = self.out / name
        run_recipe(recipe, folder, resume=True, overwrite=self.overwrite)
        return folder

    @property
    def is_worth_keeping(self) -> bool:
        """Whether anything was finished from which the job could go on."""
        if any(path.is_file() for folder in (self.state, self.files) for path in folder.rglob("*")):
            return True
        stages = self.out.glob("*") if self.out is not None else ()
        return any((stage / MARKER).exists() or (stage / UNFINISHED).exists() for stage in stages)
