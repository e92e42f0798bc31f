"""A localized training on disk: where the last whole piece of each branch is, with its moments, and what is done.

`state.json` names them all; it is replaced when a turn is finished, so that a turn happened wholly or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuroglot.errors import ArtifactError
from neuroglot.models.branched.config import MAIN, SIDES, BranchedConfig, Side
from neuroglot.models.branched.folder import BranchedFolder
from neuroglot.models.branched.model import BranchedSeq2Seq, without_branches
from neuroglot.models.branched.stacks import EMBEDDING, prefix_of, stack_of, weights_of
from neuroglot.models.branched.writing import (
    EMBEDDING_FILE,
    load_branch,
    load_embedding,
    piece_file,
    save_branch,
    save_config,
    save_embedding,
)
from neuroglot.signature import Signature
from neuroglot.storage import parse_json, write_whole
from neuroglot.training.continued import Moments, load_moments, save_moments

PIECES_STATE = "state.json"
EMBEDDING_PART = "embedding"
PieceName = str  # "embedding", "encoder-main", "decoder-de"


def piece_name(side: Side, name: str) -> PieceName:
    """What a branch is called here."""
    return f"{side}-{name}"


def parts_in(model: BranchedSeq2Seq) -> Iterator[tuple[PieceName, str, Any]]:
    """Every part in memory: its name, how the names of its parameters begin, and its module."""
    yield EMBEDDING_PART, EMBEDDING, model.shared
    for side in SIDES:
        for name in model.config.branches(side):
            yield piece_name(side, name), prefix_of(side, name), model.branch(side, name)


@dataclass
class Pieces:
    """The pieces of a model that is being trained, in the folder `path`; `done` turns were finished.

    A piece that was not trained yet lies where the model lies that was started from.
    """

    path: Path
    config: BranchedConfig
    done: int = 0
    files: dict[PieceName, str] = field(default_factory=dict)
    moments: dict[PieceName, str] = field(default_factory=dict)
    losses: list[list[Any]] = field(default_factory=list)  # stage, group, and the loss of each step

    @classmethod
    def of(cls, path: Path, start: BranchedFolder, config: BranchedConfig) -> Pieces:
        """What is in the folder, or a beginning: each branch where it is in `start`, or, of a new group, as main is.

        Raises `ArtifactError` for pieces that are not there, damaged, or do not belong together.
        """
        if (path / PIECES_STATE).is_file():
            return cls.stored(path, config)
        start.embedding()
        there, files = start.config, {EMBEDDING_PART: str((start.path / EMBEDDING_FILE).absolute())}
        for side in SIDES:
            for name in config.branches(side):
                known = name if name in there.branches(side) else MAIN
                start.weights(side, known)  # refused now: what is written in the end is said to belong together
                files[piece_name(side, name)] = str((start.path / piece_file(side, known)).absolute())
        return cls(path, config, files=files)

    @classmethod
    def stored(cls, path: Path, config: BranchedConfig) -> Pieces:
        """What is in the folder; raises `ArtifactError` if that is nothing, or damaged."""
        try:
            stored = parse_json((path / PIECES_STATE).read_bytes())
            files, moments = (_moved(stored[key], Path(stored["at"]), path.absolute()) for key in ("files", "moments"))
            parts = {EMBEDDING_PART, *(piece_name(side, name) for side in SIDES for name in config.branches(side))}
            done, losses = stored["done"], stored["losses"]
            if not isinstance(losses, list) or type(done) is not int or done < 0:
                raise TypeError("the turns are none")
            if set(files) != parts or not set(moments) <= parts:
                raise ValueError("its parts are those of another model")
            return cls(path, config, done, files, moments, losses)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"{path / PIECES_STATE} is damaged ({error}).", "Expected what a training wrote."
            ) from error

    def load(self, encoders: list[str], decoders: list[str], device: str | None = None) -> BranchedSeq2Seq:
        """The embedding with these branches, and nothing else, in memory."""
        config = BranchedConfig.from_dict(self.config.to_dict())
        with torch.device("meta"):
            model = BranchedSeq2Seq(without_branches(config))
        model.shared = load_embedding(Path(self.files[EMBEDDING_PART]), config, device)
        for side, names in zip(SIDES, (encoders, decoders), strict=True):
            for name in names:
                weights, _, _ = load_branch(Path(self.files[piece_name(side, name)]), side)
                moved = {key: weight.to(model.shared.weight.device) for key, weight in weights.items()}
                model.attach(side, name, stack_of(config.base, side, moved, model.shared))
        return model

    def load_moments(self, parts: set[PieceName]) -> Moments:
        """What AdamW knows of these parts."""
        known = [load_moments(Path(self.moments[part])) for part in sorted(parts) if part in self.moments]
        return {name: value for each in known for name, value in each.items()}

    def finish_turn(self, model: BranchedSeq2Seq, parts: set[PieceName], moments: Moments, losses: list[Any]) -> None:
        """Write the parts that were trained with their moments, then say that the turn is done, then drop old files."""
        folder = self.path / f"turn-{self.done:06d}"
        for part, prefix, module in parts_in(model):
            if part in parts:
                self.files[part] = str(self._save(folder / f"{part}.safetensors", model.config, part, module))
                own = {name: value for name, value in moments.items() if name.startswith(prefix)}
                if own:
                    self.moments[part] = str(save_moments(folder / f"{part}.adam.safetensors", own).absolute())
        self.losses.append(losses)
        self.done += 1
        self.commit()

    def _save(self, path: Path, config: BranchedConfig, part: PieceName, module: Any) -> Path:
        if part == EMBEDDING_PART:
            return save_embedding(path, config, module.weight).absolute()
        side = next(side for side in SIDES if part.startswith(f"{side}-"))
        name = part.removeprefix(f"{side}-")
        return save_branch(path, config, side, name, weights_of(module)).absolute()

    def commit(self) -> None:
        """Say what is done, then drop the files that nothing names any more."""
        state = {"done": self.done, "files": self.files, "moments": self.moments, "losses": self.losses}
        state["at"] = str(self.path.absolute())
        write_whole(self.path / PIECES_STATE, json.dumps(state) + "\n")
        used = {*self.files.values(), *self.moments.values()}
        for path in self.path.glob("t*-*/*.safetensors"):  # of turns, and what was taken for them
            if str(path.absolute()) not in used:
                path.unlink()
        for folder in self.path.glob("t*-*"):
            if not any(folder.iterdir()):
                folder.rmdir()
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)

    def main_pair(self) -> dict[str, Tensor]:
        """The embedding and the weights of the main pair, which processes exchange."""
        model = self.load([MAIN], [MAIN])
        return {
            f"{part}/{name}": weight
            for part, _, module in parts_in(model)
            for name, weight in weights_of(module).items()
        }

    def put_main_pair(self, pair: Mapping[str, Tensor], folder: str) -> None:
        """Go on from this main pair; it is noted with the turn that follows."""
        config = self.config
        for part in (EMBEDDING_PART, *(piece_name(side, MAIN) for side in SIDES)):
            weights = {
                name.removeprefix(f"{part}/"): each for name, each in pair.items() if name.startswith(f"{part}/")
            }
            path = self.path / folder / f"{part}.safetensors"
            if part == EMBEDDING_PART:
                save_embedding(path, config, weights["weight"])
            else:
                save_branch(path, config, "encoder" if part.startswith("encoder") else "decoder", MAIN, weights)
            self.files[part] = str(path.absolute())

    def export(self, folder: Path, start: BranchedFolder, signature: Signature) -> BranchedFolder:
        """Write the model as a folder of pieces, one at a time, all at home in the embedding as it is now."""
        config = self.config
        shared = load_embedding(Path(self.files[EMBEDDING_PART]), config)
        save_embedding(folder / EMBEDDING_FILE, config, shared.weight)
        for side in SIDES:
            for name in config.branches(side):
                weights, _, _ = load_branch(Path(self.files[piece_name(side, name)]), side)
                save_branch(folder / piece_file(side, name), config, side, name, weights, signature)
        save_config(config, folder, start.generation_config)
        return BranchedFolder(folder)


def _moved(files: Mapping[str, str], before: Path, now: Path) -> dict[str, str]:
    """The files where they are now, if the folder that names them was moved or copied with what is around it."""
    same = 0
    while same < len(before.parts) and before.parts[-1 - same :] == now.parts[-1 - same :]:
        same += 1
    old, new = (Path(*path.parts[: len(path.parts) - same]) for path in (before, now))
    found = {}
    for name, file in files.items():
        path = new / Path(file).relative_to(old) if before != now and Path(file).is_relative_to(old) else Path(file)
        found[name] = str(path) if path.is_file() else file
    return found
