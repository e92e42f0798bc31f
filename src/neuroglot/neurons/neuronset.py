"""NeuronSet: a set of neurons of one layout, with its provenance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

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
from neuroglot.showing import Shown
from neuroglot.signature import Signature, merged, short_hash

NO_PROVENANCE = Signature()


def selection_of(signature: Signature) -> Signature:
    """How neurons were selected: the `rule` with its options, and the data and rows they were `selected_on`.

    Of a signature without a rule all is kept but the language, as one value.
    """
    names = [name for name, _ in signature.fields]
    first = names.index("rule") if "rule" in names else 0
    rule = Signature(signature.fields[first:]).without("language")
    data = [str(signature[name]) for name in ("corpus", "corpus_hash", "rows") if name in names]
    selected_on = f"{' '.join(data)} rows" if len(data) == 3 else None
    return Signature.of(rule=rule.inline.removeprefix("rule=") or None, selected_on=selected_on)


def described_sets(sets: Mapping[str, NeuronSet]) -> Signature:
    """By which rules the sets of several languages were selected, on which rows, and a hash of all of them."""
    selected = merged(list(dict.fromkeys(selection_of(neurons.signature) for neurons in sets.values())))
    which = short_hash(*(part for name in sorted(sets) for part in (name, sets[name].hash)))
    return Signature.of(neurons=selected.get("rule"), selected_on=selected.get("selected_on"), sets=which)


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    layout: StoredLayout
    signature: StoredSignature


class Neuron(NamedTuple):
    """Where one neuron is: its stack, its layer, and its number in the layer."""

    stack: str
    layer: int
    number: int


@dataclass(frozen=True, eq=False, repr=False)
class NeuronSet(Shown):
    """Members as booleans `[N]` in layout order; `signature` says how they were chosen, and `read` has a hash of each
    text that the choice depends on, int64 in ascending order, so that a proof on the same rows can be told.

    `a | b`, `a & b` and `a - b` are the usual sets and refuse another layout; `len(a)` counts the members,
    `list(a)` names them, and `(layer, number) in a` asks for one.
    """

    layout: Layout
    members: Tensor
    signature: Signature = NO_PROVENANCE
    read: Tensor = NOTHING_READ

    def __post_init__(self) -> None:
        if self.members.dtype != torch.bool or self.members.shape != (self.layout.neuron_count,):
            raise LayoutMismatchError(
                f"Members are {self.members.dtype} {list(self.members.shape)}.",
                f"Expected booleans [{self.layout.neuron_count}] ({self.layout}).",
            )

    @classmethod
    def empty(cls, layout: Layout) -> NeuronSet:
        return cls(layout, torch.zeros(layout.neuron_count, dtype=torch.bool))

    @classmethod
    def of(cls, layout: Layout, indices: Mapping[tuple[str, int], Iterable[int]]) -> NeuronSet:
        """The neurons listed by (stack, layer); raises `LayoutMismatchError` on one that the layout lacks."""
        members = torch.zeros(layout.neuron_count, dtype=torch.bool)
        places = {(layer.stack, layer.index): layer for layer in layout.layers}
        for place, listed in indices.items():
            layer = places.get(place)
            for neuron in listed:
                if layer is None or not 0 <= neuron < layer.width:
                    raise LayoutMismatchError(
                        f"Neuron {neuron} of {place[0]} layer {place[1]} was listed.", f"The layout is {layout}."
                    )
                members[layer.start + neuron] = True
        return cls(layout, members)

    def indices(self) -> dict[tuple[str, int], list[int]]:
        """Ascending neuron indices by (stack, layer); layers without members are left out."""
        by_layer = ((layer, part.nonzero()[:, 0].tolist()) for layer, part in self.layout.by_layer(self.members))
        return {(layer.stack, layer.index): listed for layer, listed in by_layer if listed}

    def counts_by_layer(self) -> list[int]:
        """Members in each of the L layers."""
        return [int(count) for count in self.layout.sum_by_layer(self.members.long())]

    def __len__(self) -> int:
        return int(self.members.sum())

    @property
    def hash(self) -> str:
        """A hash of layout and members, however they were chosen."""
        return short_hash(json.dumps(self.layout.to_json()), self.members)

    @property
    def described(self) -> Signature:
        """How many neurons, which, by which rule, and on which rows they were selected: for signatures of numbers."""
        return Signature.of(neurons=len(self), set=self.hash) | selection_of(self.signature)

    def __or__(self, other: NeuronSet) -> NeuronSet:
        return self._combined(other, self.members | self._same_layout(other), "|")

    def __and__(self, other: NeuronSet) -> NeuronSet:
        return self._combined(other, self.members & self._same_layout(other), "&")

    def __sub__(self, other: NeuronSet) -> NeuronSet:
        return self._combined(other, self.members & ~self._same_layout(other), "-")

    def __eq__(self, other: object) -> bool:
        """Equal layout and members, however they were chosen."""
        if not isinstance(other, NeuronSet):
            return NotImplemented
        return self.layout == other.layout and torch.equal(self.members, other.members)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Neuron]:
        """The neurons in the order of the layout."""
        for (stack, layer), listed in self.indices().items():
            yield from (Neuron(stack, layer, number) for number in listed)

    def __contains__(self, neuron: object) -> bool:
        """Whether a `Neuron` is a member, or in a layout of one stack a pair (layer, number)."""
        if isinstance(neuron, tuple) and len(neuron) == 2 and len(self.layout.stacks) == 1:
            neuron = (self.layout.stacks[0][0], *neuron)
        if not isinstance(neuron, tuple) or len(neuron) != 3:
            raise ConfigError(
                f"{neuron!r} was looked for in a set of {self.layout}.",
                "Expected (stack, layer, number), or (layer, number) if there is one stack.",
            )
        stack, layer, number = neuron
        return number in self.indices().get((stack, layer), ())

    def _facts(self) -> list[str]:
        language, rule = self.signature.get("language"), self.signature.get("rule")
        members = f"{len(self):,} of {self.layout.neuron_count:,} neurons ({self.layout})"
        return [members, *([str(language)] if language else []), *([f"by {rule}"] if rule else [])]

    def _same_layout(self, other: NeuronSet) -> Tensor:
        self.layout.require_same(other.layout, "The second set")
        return other.members

    def _combined(self, other: NeuronSet, members: Tensor, sign: str) -> NeuronSet:
        read = torch.cat([self.read, other.read]).unique()
        if self.signature == other.signature:
            return NeuronSet(self.layout, members, self.signature, read)
        both = [str(each.signature["corpus_hash"]) for each in (self, other) if each.signature.get("corpus_hash")]
        corpora = "+".join(dict.fromkeys(part for hashes in both for part in hashes.split("+")))
        provenance = Signature.of(
            combined=f"({self.signature}) {sign} ({other.signature})", corpus_hash=corpora or None
        )  # the hashes by themselves, so that rows that chose either set are known
        return NeuronSet(self.layout, members, provenance, read)

    def selected_on(self, texts: Iterable[int] | Tensor) -> NeuronSet:
        """The same set, which remembers the hashes of the texts that it was selected on (`corpora.text_hashes`)."""
        read = texts if isinstance(texts, Tensor) else torch.tensor(sorted(texts), dtype=torch.int64)
        return replace(self, read=read)

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header; members are stored as ascending flat indices (int64)."""
        header = _Header(self.layout, self.signature)
        tensors = {"indices": self.members.nonzero()[:, 0]} | ({"read": self.read} if len(self.read) else {})
        return save_artefact(path, "neurons", tensors, header)

    @classmethod
    def load(cls, path: Path | str) -> NeuronSet:
        """The set in a file; raises `ArtifactError` where the file is anything else or lists neurons out of range."""
        tensors, header = load_artefact(path, "neurons", _Header, needed=("indices",))
        neurons = header.layout.neuron_count
        if not _ascending(tensors["indices"], neurons):
            raise ArtifactError(f"{path} lists neurons out of range or order.", f"Expected 0–{neurons - 1}.")
        members = torch.zeros(neurons, dtype=torch.bool)
        members[tensors["indices"]] = True
        return cls(header.layout, members, header.signature, hashes_of(tensors, path))


def _ascending(indices: Tensor, end: int) -> bool:
    if indices.dtype != torch.int64 or indices.dim() != 1:
        return False
    bounded = bool(((indices >= 0) & (indices < end)).all())
    return bounded and bool((indices[1:] > indices[:-1]).all())
