"""The exchange of the main pair between processes that train groups on their own, through files in a folder.

Each process publishes the main pair and the embedding when a turn ends, and before a turn takes over those of others:
none, one drawn at random of the recent ones, or the mean of its own and all recent ones. What was taken is linked into
the taker's own folder before it is noted in its log, and every file appears whole or not at all: a process may be
killed anywhere, and goes on as its log says.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.models.branched.config import GROUP_NAME
from neuroglot.signature import seed_of, short_hash
from neuroglot.storage import as_artifact_error, beside, load_tensors, parse_json, save_tensors, write_whole

Policy = Literal["none", "random-recent", "average"]
PUBLISHED_KIND = "published main pair"
LOG, TAKEN, SUFFIX = "exchanges.json", "taken", ".safetensors"


@dataclass(frozen=True)
class Exchange:
    """How one process, called `name`, exchanges with all others in the `folder`.

    Recent is what was published in the last `minutes`, by the clock of the files. Raises `ConfigError` for a name that
    is none of a file, another policy and no time.
    """

    folder: Path
    name: str
    policy: Policy = "random-recent"
    minutes: float = 60.0
    seed: int = 0
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if not GROUP_NAME.fullmatch(self.name) or self.policy not in get_args(Policy) or self.minutes <= 0:
            raise ConfigError(
                f"Got an exchange {self.policy!r} of {self.name!r} over {self.minutes:g} minutes.",
                f"Expected one of {', '.join(get_args(Policy))}, a name of letters and digits, and some minutes.",
            )

    @property
    def own(self) -> Path:
        """Where this process publishes, and keeps what it took."""
        return self.folder / self.name

    def publish(self, turn: int, pair: Mapping[str, Tensor]) -> Path:
        """Let others see the main pair and the embedding as they are behind a turn; the two last ones are kept."""
        path = self.own / f"{turn:06d}{SUFFIX}"
        os.replace(
            save_tensors(self.own / f"next{SUFFIX}", PUBLISHED_KIND, pair, {"by": self.name, "turn": turn}), path
        )
        for old in published(self.own)[:-2]:
            old.unlink(missing_ok=True)
        return path

    def before(self, turn: int, pair: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """The main pair to begin a turn with, from one's own and those of others, as the policy says; None to keep it.

        What the log says of this turn is done again as it was done. Raises `ArtifactError` where the log is damaged, or
        what it names is gone or another.
        """
        if self.policy == "none":
            return None
        log = self.log()
        if str(turn) not in log:
            log[str(turn)] = self._take(turn)
            write_whole(self.own / LOG, json.dumps(log, indent=1) + "\n")
        return self._mixed(pair, log[str(turn)])

    def log(self) -> dict[str, list[dict[str, Any]]]:
        """By turn, what was taken: by whom it was published, its turn there, and the hash of its content."""
        path = self.own / LOG
        if not path.exists():
            return {}
        try:
            found = parse_json(path.read_bytes())
            sound = all(
                turn.isdecimal() and all({"by", "turn", "hash", "file"} == set(each) for each in taken)
                for turn, taken in found.items()
            )
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise ArtifactError(f"{path} is damaged ({error}).", "Expected a log of exchanges.") from error
        if not sound:
            raise ArtifactError(f"{path} is no log of exchanges.", "Expected what was taken, by turn.")
        return dict(found)

    def _take(self, turn: int) -> list[dict[str, Any]]:
        """Hold on to what is there for this turn."""
        recent = self._recent()
        if self.policy == "random-recent" and recent:
            draw = np.random.default_rng(seed_of(self.seed, self.name, turn))
            recent = [recent[int(draw.integers(len(recent)))]]
        taken = (self._held(turn, path) for path in recent)
        return [each for each in taken if each is not None]

    def _recent(self) -> list[Path]:
        """The last whole file of every other process, if it is recent, in the order of their names."""
        found = []
        for folder in sorted(self.folder.glob("*")):
            if folder.name != self.name and (files := published(folder)):
                with suppress(OSError):  # replaced by a newer one meanwhile
                    if self.clock() - files[-1].stat().st_mtime <= 60 * self.minutes:
                        found.append(files[-1])
        return found

    def _held(self, turn: int, path: Path) -> dict[str, Any] | None:
        """A link of one's own to a published file, which stays when its publisher drops it; None if it just did."""
        held = self.own / TAKEN / f"{turn:06d}-{path.parent.name}{SUFFIX}"
        with as_artifact_error(held):
            held.parent.mkdir(parents=True, exist_ok=True)
            temporary = beside(held.parent / "next")  # of one name, so that those of killed processes are removed
            try:
                _link(path, temporary)
            except FileNotFoundError:
                return None
            os.replace(temporary, held)
        tensors, header = load_tensors(held, PUBLISHED_KIND)
        return {"by": header["by"], "turn": header["turn"], "hash": _hash(tensors), "file": held.name}

    def _mixed(self, pair: Mapping[str, Tensor], taken: list[dict[str, Any]]) -> dict[str, Tensor] | None:
        others = []
        for each in taken:
            tensors, _ = load_tensors(self.own / TAKEN / each["file"], PUBLISHED_KIND)
            if set(tensors) != set(pair) or _hash(tensors) != each["hash"]:
                raise ArtifactError(
                    f"{self.own / TAKEN / each['file']} is not what the log says.", f"Expected {each['hash']}."
                )
            others.append(tensors)
        if not others:
            return None
        if self.policy == "random-recent":
            return others[0]
        return {name: _mean([weight, *(other[name] for other in others)]) for name, weight in pair.items()}


def published(folder: Path) -> list[Path]:
    """What a process has published and not dropped, the oldest first."""
    files = (path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())
    return sorted(files, key=lambda path: int(path.stem))


def _mean(weights: list[Tensor]) -> Tensor:
    return torch.stack([weight.double() for weight in weights]).mean(0).to(weights[0].dtype)


def _hash(tensors: Mapping[str, Tensor]) -> str:
    return short_hash(*(part for name in sorted(tensors) for part in (name, tensors[name])))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # a disk without hard links
        shutil.copy(source, target)
