"""BranchedFolder: a branched model on disk, of which each use reads only the branches that it needs.

The folder is a sharded checkpoint in transformers' layout, whose shards are the pieces: `embedding.safetensors`,
`encoder-main.safetensors`, `decoder-de.safetensors`. Each is one of this package's artefacts and says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, M2M100ForConditionalGeneration

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.models.branched.config import MAIN, SIDES, BranchedConfig, Side
from neuroglot.models.branched.ensemble import FlowEnsemble
from neuroglot.models.branched.flows import Branches
from neuroglot.models.branched.model import BranchedSeq2Seq, config_from, without_branches
from neuroglot.models.branched.stacks import joined_pair, stack_of, weights_of
from neuroglot.models.branched.writing import (
    EMBEDDING_FILE,
    load_branch,
    load_embedding,
    piece_file,
    save_branch,
    save_config,
    save_embedding,
)


def create(model: M2M100ForConditionalGeneration, groups: Mapping[str, Sequence[str]], folder: Path | str) -> Path:
    """Write the branched model of an M2M-100 or NLLB whose branches are all equal to it; no branch is made in memory.

    Raises as `BranchedSeq2Seq.from_model`, and `ArtifactError` if the folder cannot be written.
    """
    folder, config = Path(folder), config_from(model, groups)
    save_embedding(folder / EMBEDDING_FILE, config, model.model.shared.weight)
    for side in SIDES:
        for name in config.branches(side):
            save_branch(folder / piece_file(side, name), config, side, name, weights_of(getattr(model.model, side)))
    save_config(config, folder, model.generation_config)
    return folder


@dataclass(frozen=True)
class BranchedFolder:
    """The pieces of a branched model in a folder; raises `ArtifactError` where it is none."""

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        _ = self.config

    @property
    def config(self) -> BranchedConfig:
        """Read anew each time."""
        try:
            stored = json.loads((self.path / "config.json").read_text())
            if stored.get("model_type") != BranchedConfig.model_type:
                raise ValueError(f"a model of the type {stored.get('model_type')!r}")
            config = BranchedConfig.from_dict(stored)
        except ConfigError as error:
            raise ArtifactError(f"{self.path} holds a config that is wrong: {error}") from error
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"{self.path} is no branched model ({str(error)[:200]}).",
                "Expected the run folder of `neuroglot lego train`, or what BranchedSeq2Seq.save_pretrained wrote.",
            ) from error
        config.name_or_path = str(self.path)
        return config

    @property
    def generation_config(self) -> GenerationConfig:
        """What is known of how texts are generated."""
        if (self.path / "generation_config.json").is_file():
            return GenerationConfig.from_pretrained(self.path)
        return GenerationConfig.from_model_config(self.config.base)

    def embedding(self, device: str | None = None) -> Any:
        """The shared embedding; raises `ArtifactError` for another file, and for that of another model."""
        return load_embedding(self.path / EMBEDDING_FILE, self.config, device, at_home=True)

    def weights(self, side: Side, name: str, *, file: Path | None = None) -> dict[str, Tensor]:
        """The weights of one branch, from its file in the folder or another one.

        Raises `ArtifactError` for a branch that is not there, damaged, of another embedding, or of another group where
        it is in the folder.
        """
        config, path = self.config, file or self.path / piece_file(side, name)
        tensors, group, embedding = load_branch(path, side)
        if embedding != config.embedding:
            raise ArtifactError(
                f"{path} was trained with the embedding {embedding}, and {self.path} has {config.embedding}.",
                "Expected branches of one embedding, outside which they read noise.",
            )
        if file is None and group != name:
            raise ArtifactError(f"{path} holds the {side} of {group!r}.", f"Expected that of {name!r}.")
        return tensors

    def stack(self, side: Side, name: str, shared: Any, *, file: Path | None = None) -> Any:
        """One branch around an embedding; raises as `weights`, and for weights of another architecture."""
        config, path = self.config, file or self.path / piece_file(side, name)
        tensors = self.weights(side, name, file=file)
        device = shared.weight.device
        try:
            return stack_of(config.base, side, {key: each.to(device) for key, each in tensors.items()}, shared)
        except ConfigError as error:
            raise ArtifactError(f"{path} does not fit: {error}") from error

    def load(
        self, encoders: Sequence[str] | None = None, decoders: Sequence[str] | None = None, *, device: str | None = None
    ) -> BranchedSeq2Seq:
        """The embedding with these branches only, all by default; no other file is read."""
        config = self.config
        wanted = {"encoder": encoders, "decoder": decoders}
        with torch.device("meta"):
            model = BranchedSeq2Seq(without_branches(self.config))
        model.shared, model.generation_config = self.embedding(device), self.generation_config
        for side in SIDES:
            asked = wanted[side]
            for name in config.branches(side) if asked is None else asked:
                self._require(config, side, name)
                model.attach(side, name, self.stack(side, name, model.shared))
        return model.eval()

    def select(
        self, encoder: str = MAIN, decoder: str = MAIN, *, device: str | None = None
    ) -> M2M100ForConditionalGeneration:
        """The ordinary model of one pair; three files are read."""
        return self.pairs([(encoder, decoder)], device=device)[0]

    def pairs(self, branches: Sequence[Branches], *, device: str | None = None) -> list[M2M100ForConditionalGeneration]:
        """The ordinary models of several pairs, each branch read once."""
        config, generation, shared = self.config, self.generation_config, self.embedding(device)
        stacks = {
            (side, name): self._checked(config, side, name, shared)
            for place, side in enumerate(SIDES) for name in dict.fromkeys(each[place] for each in branches)
        }  # fmt: skip
        return [
            joined_pair(
                config.base, shared, stacks["encoder", e], stacks["decoder", d], generation, str(self.path)
            ).eval()
            for e, d in branches
        ]

    def translator(self, branches: Sequence[Branches], *, device: str | None = None) -> Any:
        """What translates by these pairs: an ordinary model, or an ensemble that averages their distributions."""
        models = self.pairs(branches, device=device)
        return models[0] if len(models) == 1 else FlowEnsemble(models)

    def _checked(self, config: BranchedConfig, side: Side, name: str, shared: Any) -> Any:
        self._require(config, side, name)
        return self.stack(side, name, shared)

    def _require(self, config: BranchedConfig, side: Side, name: str) -> None:
        if name not in config.branches(side):
            raise ConfigError(
                f"{self.path} has no {side} {name!r}.", f"Expected one of {', '.join(config.branches(side))}."
            )

    def files(self) -> Iterator[tuple[Side, str, Path]]:
        """Every branch with its file."""
        config = self.config
        for side in SIDES:
            for name in config.branches(side):
                yield side, name, self.path / piece_file(side, name)
