"""Mask files as the reference keeps them: `en-de.pt`, a dict of bool matrices, one for each layer's first projection.

Each matrix has the form of the weight, `[N, D]`, and all of a row is equal: True where the neuron is kept.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.layout import Layer, Layout
from neuroglot.signature import Signature
from neuroglot.specialization.directions import Direction
from neuroglot.specialization.masks import DirectionMasks
from neuroglot.storage import is_plain, load_foreign, whole_folder

EXPECTED = "Expected a dict of bool row masks [N, D] named encoder.layers.0.fc1.weight and so on."


def save_reference_masks(folder: Path | str, masks: DirectionMasks, model_width: int) -> Path:
    """Write one `{source}-{target}.pt` a direction into a new folder, N · D bytes a layer as in the reference.

    Raises `LayoutMismatchError` for layouts other than dense encoders and decoders, and `ArtifactError` where the
    folder is not free.
    """
    names = _names(masks.layout)
    if model_width < 1:
        raise ConfigError(f"Got a model width of {model_width}.", "Expected D, the width of the residual stream.")
    with whole_folder(folder) as temporary:
        for direction, kept in zip(masks.directions, masks.kept, strict=True):
            rows = {
                names[layer]: part[:, None].expand(-1, model_width).contiguous()
                for layer, part in masks.layout.by_layer(kept)
            }
            torch.save(rows, temporary / f"{direction}.pt")
    return Path(folder)


def load_reference_masks(folder: Path | str, layout: Layout) -> DirectionMasks:
    """The masks in a folder of `{source}-{target}.pt`, in the order of their names.

    Read with torch's `weights_only`, which runs nothing from the file. Raises `ArtifactError` for files that hold
    anything else, such as masks of single weights; `LayoutMismatchError` for other layers or widths; `ConfigError` for
    names that are no directions.
    """
    paths = sorted(Path(folder).glob("*.pt"))
    if not paths:
        raise ArtifactError(f"{folder} holds no mask file.", "Expected files such as en-de.pt.")
    directions = tuple(Direction.parse(path.stem) for path in paths)
    kept = torch.stack([_read(path, layout) for path in paths])
    return DirectionMasks(layout, directions, kept, Signature.of(imported=Path(folder).name, format="reference masks"))


def _read(path: Path, layout: Layout) -> Tensor:
    """What one file keeps: bool `[N]`."""
    names, (stored, _) = _names(layout), load_foreign(path, EXPECTED)
    if not isinstance(stored, dict) or not all(isinstance(name, str) for name in stored):
        raise ArtifactError(f"{path} holds no dict of names.", EXPECTED)
    if foreign := sorted(name for name in stored if not re.fullmatch(r"(en|de)coder\.layers\.\d+\.fc1\.weight", name)):
        raise ArtifactError(f"{path} has a mask of {foreign[0]}.", EXPECTED, "Only masks of neurons can be taken over.")
    if set(stored) != set(names.values()):
        missing = sorted(set(stored) ^ set(names.values()))
        raise LayoutMismatchError(f"{path} differs from the model in {missing[0]}.", f"The layout is {layout}.")
    return torch.cat([_rows(path, names[layer], stored[names[layer]], layer) for layer in layout.layers])


def _rows(path: Path, name: str, matrix: Any, layer: Layer) -> Tensor:
    if not is_plain(matrix) or matrix.dtype != torch.bool or matrix.dim() != 2 or not matrix.shape[1]:
        raise ArtifactError(f"{path} holds something else than a bool matrix as {name}.", EXPECTED)
    if len(matrix) != layer.width:
        raise LayoutMismatchError(f"{path} masks {len(matrix)} neurons in {name}.", f"The layer has {layer.width}.")
    if bool((matrix != matrix[:, :1]).any()):
        raise ArtifactError(
            f"{path} masks single weights in {name}.", EXPECTED, "Only masks of whole neurons can be taken over."
        )
    return matrix[:, 0]


def _names(layout: Layout) -> dict[Layer, str]:
    """The reference's name of each layer's first projection."""
    if {layer.stack for layer in layout.layers} != {"encoder", "decoder"} or any(
        layer.experts > 1 for layer in layout.layers
    ):
        raise LayoutMismatchError(f"The layout is {layout}.", "The reference has a dense encoder and decoder.")
    return {layer: f"{layer.stack}.layers.{layer.index}.fc1.weight" for layer in layout.layers}
