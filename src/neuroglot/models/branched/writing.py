"""The files of a branched model: a piece each for the embedding and every branch, config and index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from neuroglot.errors import ArtifactError
from neuroglot.headers import STRICT, StoredSignature, load_artefact, save_artefact
from neuroglot.models.branched.config import MAIN, SIDES, BranchedConfig, Side
from neuroglot.models.branched.stacks import EMBEDDING, STACKS, new_embedding, prefix_of, weights_of
from neuroglot.signature import Signature, short_hash
from neuroglot.storage import as_artifact_error, write_whole

EMBEDDING_FILE = "embedding.safetensors"
INDEX_FILE = "model.safetensors.index.json"
PIECE_KIND = "piece of a branched model"


@dataclass(frozen=True)
class _Piece:
    __pydantic_config__ = STRICT

    part: str  # embedding, encoder or decoder
    group: str  # main of what is shared
    languages: tuple[str, ...]
    embedding: str  # the hash of the embedding that it was made with
    source: str  # the model that it began as
    signature: StoredSignature


def piece_file(side: Side, name: str) -> str:
    """What the file of a branch is called."""
    return f"{side}-{name}.safetensors"


def save_branch(
    path: Path, config: BranchedConfig, side: Side, name: str, weights: Mapping[str, Tensor],
    signature: Signature | None = None,
) -> Path:  # fmt: skip
    """Write one branch as one file, whole or not at all."""
    languages = tuple(config.members.get(name, ()))
    header = _Piece(side, name, languages, config.embedding or "", config.source or "", signature or Signature())
    prefix = prefix_of(side, name)
    return save_artefact(path, PIECE_KIND, {prefix + key: weight for key, weight in weights.items()}, header)


def save_embedding(path: Path, config: BranchedConfig, weight: Tensor) -> Path:
    """Write the embedding, and note its hash in the config."""
    config.embedding = short_hash(weight)
    header = _Piece("embedding", MAIN, (), config.embedding, config.source or "", Signature())
    return save_artefact(path, PIECE_KIND, {EMBEDDING: weight}, header)


def load_embedding(path: Path, config: BranchedConfig, device: str | None = None, *, at_home: bool = False) -> Any:
    """The embedding in a file, as the module that all stacks share; raises `ArtifactError` for another file.

    One `at_home` is that which the config names.
    """
    tensors, header = load_artefact(path, PIECE_KIND, _Piece, needed=(EMBEDDING,))
    if at_home and header.embedding != config.embedding:
        raise ArtifactError(f"{path} is the embedding {header.embedding}.", f"Expected {config.embedding}.")
    with torch.device("meta"):
        shared: Any = new_embedding(config.base)
    if tensors[EMBEDDING].shape != shared.weight.shape:
        raise ArtifactError(f"{path} has another shape.", f"Expected {list(shared.weight.shape)}.")
    shared.weight = nn.Parameter(tensors[EMBEDDING].to(device or "cpu"))
    return shared


def load_branch(path: Path, side: Side) -> tuple[dict[str, Tensor], str, str]:
    """The weights in the file of a branch, its group, and the hash of its embedding; `ArtifactError` otherwise."""
    tensors, header = load_artefact(path, PIECE_KIND, _Piece)
    prefix = prefix_of(side, header.group)
    if header.part != side or not all(name.startswith(prefix) for name in tensors):
        raise ArtifactError(f"{path} holds {header.part} {header.group!r}.", f"Expected an {side}.")
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}, header.group, header.embedding


def save_config(config: BranchedConfig, folder: Path, generation: GenerationConfig | None = None) -> None:
    """Write config, generation config, and the index by which transformers finds the pieces."""
    with torch.device("meta"):
        stacks = {side: list(weights_of(STACKS[side](config.base))) for side in SIDES}
    shards = {EMBEDDING: EMBEDDING_FILE} | {
        prefix_of(side, name) + key: piece_file(side, name)
        for side in SIDES for name in config.branches(side) for key in stacks[side]
    }  # fmt: skip
    with as_artifact_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / INDEX_FILE, json.dumps({"metadata": {}, "weight_map": shards}, indent=1) + "\n")
        if generation is not None:
            generation.save_pretrained(folder)
        written = config.to_dict() | {"architectures": ["BranchedSeq2Seq"]}
        for part in (written, written["base"]):
            part.pop("_name_or_path", None)  # where it lay, which is no part of it
        write_whole(folder / "config.json", json.dumps(written, indent=1) + "\n")


def save_pieces(model: Any, folder: Path) -> None:
    """Write all pieces that are in memory."""
    save_embedding(folder / EMBEDDING_FILE, model.config, model.shared.weight)
    for side in SIDES:
        for name in model.config.branches(side):
            save_branch(folder / piece_file(side, name), model.config, side, name, weights_of(model.branch(side, name)))
    save_config(model.config, folder, model.generation_config)
