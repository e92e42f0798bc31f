"""DirectionMasks: which neurons each direction of translation keeps; one bit a neuron on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neuroglot.corpora.directions import PIVOT, Direction, as_direction
from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.headers import (
    NOTHING_READ,
    STRICT,
    StoredLayout,
    StoredSignature,
    hashes_of,
    load_artefact,
    save_artefact,
)
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NO_PROVENANCE, NeuronSet, selection_of
from neuroglot.showing import Shown, counted, scores_in_short
from neuroglot.signature import Signature, short_hash


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    layout: StoredLayout
    directions: tuple[tuple[str, str], ...]
    signature: StoredSignature


@dataclass(frozen=True, eq=False, repr=False)
class DirectionMasks(Shown):
    """The neurons that each of G directions keeps, `kept` bool `[G, N]` in layout order; all others are removed.

    `read` has a hash of each text that they were counted on, as in a `NeuronSet`. Raises `LayoutMismatchError` for
    tensors of another form and `ConfigError` for directions named twice.
    """

    layout: Layout
    directions: tuple[Direction, ...]
    kept: Tensor
    signature: Signature = NO_PROVENANCE
    read: Tensor = NOTHING_READ

    def __post_init__(self) -> None:
        expected = (len(self.directions), self.layout.neuron_count)
        if self.kept.dtype != torch.bool or self.kept.shape != expected:
            raise LayoutMismatchError(
                f"Masks are {self.kept.dtype} {list(self.kept.shape)}.", f"Expected bool {list(expected)}."
            )
        if not self.directions or len(set(self.directions)) != len(self.directions):
            raise ConfigError(f"Masks are of {', '.join(map(str, self.directions))}.", "Expected each direction once.")

    def _facts(self) -> list[str]:
        directions = counted(len(self.directions), "direction")
        return [directions, str(self.layout), f"{float(self.kept.double().mean()):.1%} of the neurons kept"]

    def _numbers(self) -> str:
        kept = dict(zip(map(str, self.directions), self.kept.sum(1).tolist()))
        return scores_in_short(kept, "neurons kept")

    @property
    def hash(self) -> str:
        """A hash of layout, directions and of which neurons they keep."""
        return short_hash(json.dumps(self.layout.to_json()), ",".join(map(str, self.directions)), self.kept)

    def place(self, direction: Direction | str) -> int:
        """Where a direction stands; raises `ConfigError` where it has no mask."""
        direction = as_direction(direction)
        if direction not in self.directions:
            raise ConfigError(
                f"There is no mask of {direction}.",
                f"There are those of {', '.join(map(str, self.directions))}.",
                "A mask of a zero-shot direction is put together by with_zero_shot.",
            )
        return self.directions.index(direction)

    def __getitem__(self, direction: Direction | str) -> NeuronSet:
        """The neurons that the direction keeps."""
        place = self.place(direction)
        origin = self.signature | Signature.of(direction=str(self.directions[place]))
        return NeuronSet(self.layout, self.kept[place], origin, self.read)

    @property
    def described(self) -> Signature:
        """Which neurons of which directions, by which rule, and on which rows they were counted."""
        named = Signature.of(directions=" ".join(map(str, self.directions)), masks=self.hash)
        return named | selection_of(self.signature)

    def sizes(self) -> Tensor:
        """Neurons kept in each layer: `[G, L]`, int64."""
        return self.layout.sum_by_layer(self.kept.long())

    def sparsity(self) -> Tensor:
        """Share of each layer's neurons that is removed, 1 − |S|/N: `[G, L]`, float64."""
        return 1 - self.sizes().double() / torch.tensor([layer.width for layer in self.layout.layers])

    def overlap(self) -> Tensor:
        """Intersection over union of each two directions' neurons by layer: `[L, G, G]`, float64; NaN of two empty."""
        by_layer = []
        for _, part in self.layout.by_layer(self.kept.double()):
            both, size = part @ part.T, part.sum(1)
            by_layer.append(both / (size[:, None] + size - both))
        return torch.stack(by_layer)

    def with_zero_shot(self, directions: Sequence[Direction | str], pivot: str = PIVOT) -> DirectionMasks:
        """And masks of these directions past the pivot: the encoder's part of x→pivot, the decoder's of pivot→y.

        A model without an encoder has the decoder's part only. Raises `ConfigError` where one of the two is missing, or
        a direction has a mask already.
        """
        chosen, in_encoder = [as_direction(direction) for direction in directions], encoder_neurons(self.layout)
        kept = [self.kept]
        for direction in chosen:
            into, out_of = self[Direction(direction.source, pivot)], self[Direction(pivot, direction.target)]
            kept.append(torch.where(in_encoder, into.members, out_of.members)[None])
        return DirectionMasks(self.layout, (*self.directions, *chosen), torch.cat(kept), self.signature, self.read)

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header: G rows of N bits."""
        directions = tuple((direction.source, direction.target) for direction in self.directions)
        header = _Header(self.layout, directions, self.signature)
        known = {"read": self.read} if len(self.read) else {}
        return save_artefact(path, "direction masks", {"kept": torch.from_numpy(self._packed())} | known, header)

    def _packed(self) -> np.ndarray:
        return np.packbits(self.kept.numpy(), axis=1)

    @classmethod
    def load(cls, path: Path | str) -> DirectionMasks:
        """The masks in a file; raises `ArtifactError` where the file is anything else."""
        tensors, header = load_artefact(path, "direction masks", _Header, needed=("kept",))
        packed, neurons = tensors["kept"], header.layout.neuron_count
        directions = tuple(Direction(source, target) for source, target in header.directions)
        expected = (len(directions), -(-neurons // 8))
        if packed.dtype != torch.uint8 or packed.shape != expected:
            raise ArtifactError(
                f"{path} holds {packed.dtype} {list(packed.shape)}.", f"Expected {list(expected)} bytes."
            )
        bits = np.unpackbits(packed.numpy(), axis=1, count=neurons)
        kept, read = torch.from_numpy(bits.astype(np.bool_)), hashes_of(tensors, path)
        return cls(header.layout, directions, kept, header.signature, read)


def encoder_neurons(layout: Layout) -> Tensor:
    """Which neurons are of an encoder: bool `[N]`."""
    return torch.cat([torch.full((layer.width,), layer.stack.startswith("encoder")) for layer in layout.layers])
