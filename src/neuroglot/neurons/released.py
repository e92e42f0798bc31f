"""Neuron sets as others release them: RUCAIBox's list of lists of tensors, and JSON by language and layer.

Neither says which model or languages it is of, so both are read against a Layout, and the first against languages.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.layout import Layer, Layout
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.signature import Signature
from neuroglot.storage import is_plain, load_foreign, parse_json, whole_folder, write_whole

Listed = Mapping[int, Sequence[int]]  # ascending neurons by layer


def load_released(
    path: Path | str, layout: Layout, languages: Sequence[str], *, stack: str | None = None
) -> dict[str, NeuronSet]:
    """The sets in a RUCAIBox file (`*.neuron.pth`, `list[K][L]` of int64 tensors), for languages in the file's order.

    Read with torch's `weights_only`, which runs nothing from the file. The order is not in it: LLaMA-2-7B and 13B have
    en zh fr es vi id ja, the other five no ja. `stack` is needed where a layout has several. Raises `ArtifactError`
    where the file is anything else; `LayoutMismatchError` where languages, layers or widths do not fit.
    """
    stored, content = load_foreign(path, "Expected list[K][L] of tensors.")
    if not isinstance(stored, list) or not stored or not all(isinstance(layers, list) for layers in stored):
        raise ArtifactError(f"{path} does not hold a list of lists.", "Expected list[K][L] of tensors.")
    if len(stored) != len(languages) or len(set(languages)) != len(languages):
        raise LayoutMismatchError(
            f"{path} holds {len(stored)} languages, and {len(languages)} were named: {', '.join(languages)}.",
            "Expected as many, each once, in the file's order.",
            "Files of the reference lack the last languages where those have no neurons.",
        )
    chosen = _stack_of(layout, stack)
    if found := sorted({len(listed) for listed in stored} - {_depth(layout, chosen)}):
        raise LayoutMismatchError(f"{path} lists {found} layers.", f"Expected {_depth(layout, chosen)} ({layout}).")
    by_language = {
        language: {place: _from_tensor(path, part) for place, part in enumerate(listed)}
        for language, listed in zip(languages, stored)
    }
    return _as_sets(path, content, "list of lists", by_language, layout, chosen)


def save_released(path: Path | str, sets: Mapping[str, NeuronSet], *, stack: str | None = None) -> Path:
    """Write sets as RUCAIBox does, languages in the order of `sets`; every language stays, with neurons or without.

    The file keeps neither names of languages nor provenance. Raises `ConfigError` where the sets have neurons outside
    the `stack`, which the format would lose.
    """
    listed, layout = _listed(sets, stack), next(iter(sets.values())).layout
    depth = _depth(layout, _stack_of(layout, stack))
    stored = [
        [torch.tensor(by_layer.get(place, ()), dtype=torch.int64) for place in range(depth)]
        for by_layer in listed.values()
    ]
    buffer = io.BytesIO()
    torch.save(stored, buffer)
    return write_whole(path, buffer.getvalue())


def load_json(path: Path | str, layout: Layout, *, stack: str | None = None) -> dict[str, NeuronSet]:
    """The sets in a JSON file `{language: {layer: [neurons, ascending]}}`; layers without neurons may be left out.

    Raises `ArtifactError` where the file is anything else, `LayoutMismatchError` on neurons that the layout lacks.
    """
    content = _content(path)
    try:
        stored = parse_json(content)
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON ({error}).", "Expected {language: {layer: [neurons]}}.") from error
    if not isinstance(stored, dict) or not stored or not all(isinstance(one, dict) for one in stored.values()):
        raise ArtifactError(f"{path} does not list languages.", "Expected {language: {layer: [neurons]}}.")
    by_language = {
        language: {_layer_number(path, place): _ascending(path, listed) for place, listed in by_layer.items()}
        for language, by_layer in stored.items()
    }
    return _as_sets(path, content, "JSON", by_language, layout, _stack_of(layout, stack))


def save_json(path: Path | str, sets: Mapping[str, NeuronSet], *, stack: str | None = None) -> Path:
    """Write sets as `{language: {layer: [neurons]}}`, without provenance; raises as `save_released` does."""
    stored = {
        language: {str(place): neurons for place, neurons in listed.items()}
        for language, listed in _listed(sets, stack).items()
    }
    return write_whole(path, json.dumps(stored, ensure_ascii=False, indent=1) + "\n")


def _stack_of(layout: Layout, stack: str | None) -> str:
    """The stack that was named, or the only one; raises `ConfigError` where it is not clear which."""
    stacks = [name for name, _ in layout.stacks]
    if stack not in stacks and (stack is not None or len(stacks) != 1):
        raise ConfigError(f"Got stack={stack!r}.", f"Expected one of {', '.join(stacks)}, because the format has one.")
    return stack or stacks[0]


def _depth(layout: Layout, stack: str) -> int:
    """The number of the stack's layers, those without neurons too."""
    return len(dict(layout.stacks)[stack])


def _listed(sets: Mapping[str, NeuronSet], stack: str | None) -> dict[str, dict[int, list[int]]]:
    """Neurons by layer of one stack, by language; raises unless all sets have one layout and no other neurons."""
    if not sets:
        raise ConfigError("No sets were given.", "Expected one or more.")
    listed, first = {}, next(iter(sets.values()))
    for language, neurons in sets.items():
        first.layout.require_same(neurons.layout, f"The set of {language!r}")
        indices = neurons.indices()
        if lost := {name for name, _ in indices} - {_stack_of(neurons.layout, stack)}:
            raise ConfigError(f"The set of {language!r} has neurons in {', '.join(lost)}.", "The format has one stack.")
        listed[language] = {place: found for (_, place), found in indices.items()}
    return listed


def _as_sets(
    path: Path | str, content: bytes, kind: str, by_language: Mapping[str, Listed], layout: Layout, stack: str
) -> dict[str, NeuronSet]:
    digest = hashlib.sha256(content).hexdigest()[:16]
    sets = {}
    for language, listed in by_language.items():
        neurons = NeuronSet.of(layout, {(stack, place): found for place, found in listed.items()})
        origin = Signature.of(imported=Path(path).name, format=kind, file_hash=digest, language=language)
        sets[language] = NeuronSet(layout, neurons.members, origin)
    return sets


def _from_tensor(path: Path | str, part: object) -> list[int]:
    if not isinstance(part, Tensor) or part.dtype != torch.int64 or part.dim() != 1 or not is_plain(part):
        raise ArtifactError(f"{path} holds something else than a line of int64 numbers.", "Expected neuron indices.")
    return _ascending(path, part.tolist())


def _ascending(path: Path | str, listed: object) -> list[int]:
    if not isinstance(listed, list) or not all(type(neuron) is int for neuron in listed):
        raise ArtifactError(f"{path} lists {str(listed)[:80]} as neurons.", "Expected whole numbers.")
    if not all(before < after for before, after in pairwise(listed)):
        raise ArtifactError(f"{path} lists neurons out of order or twice.", "Expected ascending numbers.")
    return listed


def _layer_number(path: Path | str, text: str) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,8}", text):
        raise ArtifactError(f"{path} names the layer {text[:80]!r}.", "Expected a number.")
    return int(text)


def _content(path: Path | str) -> bytes:
    try:
        if not Path(path).is_file():
            raise ArtifactError(f"{path} is not a file.", "Expected a file of neuron sets.")
        return Path(path).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.", "Expected a file of neuron sets.") from error


_EXPECTED = "Expected a dict of bool row masks [N, D] named encoder.layers.0.fc1.weight and so on."


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
    names, (stored, _) = _names(layout), load_foreign(path, _EXPECTED)
    if not isinstance(stored, dict) or not all(isinstance(name, str) for name in stored):
        raise ArtifactError(f"{path} holds no dict of names.", _EXPECTED)
    if foreign := sorted(name for name in stored if not re.fullmatch(r"(en|de)coder\.layers\.\d+\.fc1\.weight", name)):
        raise ArtifactError(
            f"{path} has a mask of {foreign[0]}.", _EXPECTED, "Only masks of neurons can be taken over."
        )
    if set(stored) != set(names.values()):
        missing = sorted(set(stored) ^ set(names.values()))
        raise LayoutMismatchError(f"{path} differs from the model in {missing[0]}.", f"The layout is {layout}.")
    return torch.cat([_rows(path, names[layer], stored[names[layer]], layer) for layer in layout.layers])


def _rows(path: Path, name: str, matrix: Any, layer: Layer) -> Tensor:
    if not is_plain(matrix) or matrix.dtype != torch.bool or matrix.dim() != 2 or not matrix.shape[1]:
        raise ArtifactError(f"{path} holds something else than a bool matrix as {name}.", _EXPECTED)
    if len(matrix) != layer.width:
        raise LayoutMismatchError(f"{path} masks {len(matrix)} neurons in {name}.", f"The layer has {layer.width}.")
    if bool((matrix != matrix[:, :1]).any()):
        raise ArtifactError(
            f"{path} masks single weights in {name}.", _EXPECTED, "Only masks of whole neurons can be taken over."
        )
    return matrix[:, 0]


def _names(layout: Layout) -> dict[Layer, str]:
    """The reference's name of each layer's first projection."""
    if {layer.stack for layer in layout.layers} != {"encoder", "decoder"} or any(
        layer.experts > 1 for layer in layout.layers
    ):
        raise LayoutMismatchError(f"The layout is {layout}.", "The reference has a dense encoder and decoder.")
    return {layer: f"{layer.stack}.layers.{layer.index}.fc1.weight" for layer in layout.layers}
