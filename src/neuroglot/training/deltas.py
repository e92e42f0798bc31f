"""Tuning of chosen neurons alone: what is added to their rows and columns is all that is learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.headers import STRICT, StoredLayout, StoredSignature, load_artefact, save_artefact
from neuroglot.interventions.compacting import require_plain
from neuroglot.layout import Layer, Layout
from neuroglot.models.feedforward import FeedForward, bias_of, feed_forwards
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.showing import Described
from neuroglot.signature import Signature, short_hash

DELTAS_FILE = "deltas.safetensors"
_ROWS, _BIASES, _COLUMNS = "delta_rows", "delta_bias", "delta_columns"  # Trainer's weight decay leaves biases out


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    layout: StoredLayout
    signature: StoredSignature


@dataclass(frozen=True, eq=False, repr=False)
class NeuronDeltas(Described):
    """What is added to the weights of `neurons`, float32, by the name of its place.

    `decoder.0.up0.delta_rows [n, D]` are rows of the first up projection of layer 0 (the gate, or both halves one after
    the other where they are fused: `[2n, D]`), `delta_bias [n]` its biases, `decoder.0.down.delta_columns [n, D]` value
    vectors. `signature` says of which model, and how they were tuned.
    """

    neurons: NeuronSet
    values: Mapping[str, Tensor]
    signature: Signature

    def _facts(self) -> list[str]:
        numbers = sum(value.numel() for value in self.values.values())
        return [f"{len(self.neurons):,} of {self.neurons.layout.neuron_count:,} neurons", f"{numbers:,} numbers"]

    @property
    def hash(self) -> str:
        """A hash of the neurons and of what is added to each."""
        return short_hash(
            self.neurons.hash, *(part for name in sorted(self.values) for part in (name, self.value(name)))
        )

    def value(self, name: str) -> Tensor:
        """What is added at one place."""
        return self.values[name]

    def scaled(self, factor: float) -> NeuronDeltas:
        """So many times these: -1 takes away what was tuned."""
        values = {name: factor * value for name, value in self.values.items()}
        return NeuronDeltas(self.neurons, values, self.signature | Signature.of(scaled=factor))

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header."""
        header = _Header(self.neurons.layout, self.signature)
        tensors = {"indices": self.neurons.members.nonzero()[:, 0]} | dict(self.values)
        return save_artefact(path, "neuron deltas", tensors, header)

    @classmethod
    def load(cls, path: Path | str) -> NeuronDeltas:
        """The deltas in a file; raises `ArtifactError` on anything else."""
        tensors, header = load_artefact(path, "neuron deltas", _Header, needed=("indices",))
        neurons = _neurons(header.layout, tensors.pop("indices"), path)
        for name, value in tensors.items():
            if value.dtype != torch.float32 or not bool(value.isfinite().all()):
                raise ArtifactError(f"{path} holds {name!r} as {value.dtype}.", "Expected finite float32 numbers.")
        return cls(neurons, tensors, header.signature)


def _neurons(layout: Layout, indices: Tensor, path: Path | str) -> NeuronSet:
    ascending = indices.dtype == torch.int64 and indices.dim() == 1 and bool((indices[1:] > indices[:-1]).all())
    if not ascending or bool(((indices < 0) | (indices >= layout.neuron_count)).any()):
        raise ArtifactError(
            f"{path} lists neurons out of range or order.", f"Expected 0–{layout.neuron_count - 1}, ascending."
        )
    members = torch.zeros(layout.neuron_count, dtype=torch.bool)
    members[indices] = True
    return NeuronSet(layout, members)


@dataclass(frozen=True, eq=False)
class _Place:
    """Rows or columns of one projection: `indices` among its outputs (`is_up`) or inputs."""

    name: str
    module: Any
    indices: Tensor
    is_up: bool

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What is added here, by name."""
        matrix = self.weight.shape
        if not self.is_up:
            return {_COLUMNS: (len(self.indices), matrix[0])}
        biases: dict[str, tuple[int, ...]] = {} if self.module.bias is None else {_BIASES: (len(self.indices),)}
        return {_ROWS: (len(self.indices), matrix[1])} | biases

    @property
    def weight(self) -> Tensor:
        """The weight as `[outputs, inputs]`; Conv1D keeps it the other way."""
        weight: Tensor = self.module.weight
        return weight.T if type(self.module).__name__ == "Conv1D" else weight

    def added(self, output: Tensor, given: Tensor) -> Tensor:
        """The output with what the deltas make of the input."""
        if self.is_up:
            bias = getattr(self.module, _BIASES, None)
            rows = linear(given, _as(self.module.delta_rows, given), None if bias is None else _as(bias, given))
            return output.index_add(-1, self.indices, rows.to(output.dtype))
        columns = linear(given.index_select(-1, self.indices), _as(self.module.delta_columns, given).T)
        return output + columns.to(output.dtype)


def _as(delta: Tensor, given: Tensor) -> Tensor:
    return delta.to(given.dtype)


@contextmanager
def tunable(view: ModelView, neurons: NeuronSet, deltas: NeuronDeltas | None = None) -> Iterator[None]:
    """The model with deltas of these neurons as its only parameters that are trained, zero or as given.

    Of a neuron are learned its row in each up projection (with its biases) and its value vector (Sparse Subnetwork
    Enhancement, 2510.13580, there by masked gradients). They are parameters of their own in float32 beside the frozen
    weights, so that optimiser and decay know nothing else. Afterwards the model is as it was.

    Raises `ConfigError` for no neurons, `LayoutMismatchError` for neurons of another layout, and
    `UnsupportedModelError` for networks that are not built as the table says, quantised weights and adapters.
    """
    places = _places(view, neurons)
    before = {name: parameter.requires_grad for name, parameter in view.model.named_parameters()}
    with ExitStack() as undone:
        undone.callback(_restore_gradients, view.model, before)
        view.model.requires_grad_(False)
        for place in places:
            for name, shape in place.shapes().items():
                place.module.register_parameter(name, nn.Parameter(_start(place, name, shape, deltas)))
                undone.callback(delattr, place.module, name)
            undone.callback(place.module.register_forward_hook(_adding(place)).remove)
        yield


def tuned_deltas(view: ModelView, neurons: NeuronSet, signature: Signature) -> NeuronDeltas:
    """What has been learned so far inside `tunable`, copied."""
    values = {
        f"{place.name}.{name}": getattr(place.module, name).detach().float().cpu().clone()
        for place in _places(view, neurons)
        for name in place.shapes()
    }
    return NeuronDeltas(neurons, values, signature)


@torch.no_grad()
def merge(view: ModelView, deltas: NeuronDeltas) -> None:
    """Add the deltas to the model's weights, in place; nothing but the neurons' rows and columns changes.

    In float32 the model computes what it computed under `tunable` up to rounding (2e-6 of the largest value); in a
    lower precision the sums are rounded to it. Raises as `tunable`, and `ConfigError` for deltas of other forms.
    """
    for place in _places(view, deltas.neurons):
        for name, shape in place.shapes().items():
            value = _start(place, name, shape, deltas)
            target = place.module.bias if name == _BIASES else place.weight if name == _ROWS else place.weight.T
            target[place.indices] = (target[place.indices].float() + value).to(target.dtype)


def _places(view: ModelView, neurons: NeuronSet) -> list[_Place]:
    view.layout.require_same(neurons.layout, "The neuron set")
    if not len(neurons):
        raise ConfigError("The neuron set has no members.", "Expected neurons whose weights are to be tuned.")
    networks = feed_forwards(view)
    chosen = [(layer, members) for layer, members in view.layout.by_layer(neurons.members) if bool(members.any())]
    return [place for layer, members in chosen for place in _of_layer(layer, networks[layer], members)]


def _of_layer(layer: Layer, network: FeedForward, members: Tensor) -> Iterator[_Place]:
    start = f"{layer.stack}.{layer.index}"
    for module in (*network.up, network.down):
        require_plain(module)
    device = bias_of(network.down).device
    rows = members.repeat(network.halves).nonzero()[:, 0].to(device)
    for number, module in enumerate(network.up):
        yield _Place(f"{start}.up{number}", module, rows, is_up=True)
    yield _Place(f"{start}.down", network.down, members.nonzero()[:, 0].to(device), is_up=False)


def _start(place: _Place, name: str, shape: tuple[int, ...], deltas: NeuronDeltas | None) -> Tensor:
    device = place.weight.device
    if deltas is None:
        return torch.zeros(shape, device=device)
    value = deltas.values.get(f"{place.name}.{name}")
    if value is None or tuple(value.shape) != shape:
        got = "nothing" if value is None else list(value.shape)
        raise ConfigError(f"The deltas hold {got} for {place.name}.{name}.", f"Expected {list(shape)}, as the model's.")
    return value.to(device, copy=True)


def _adding(place: _Place) -> Any:
    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return place.added(output, inputs[0])

    return hook


def _restore_gradients(model: nn.Module, before: Mapping[str, bool]) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(before.get(name, True))
