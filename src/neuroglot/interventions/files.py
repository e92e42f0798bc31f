"""Steering: steps and their scope as one thing that is saved, loaded and printed beside every number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.interventions.operators import OPERATORS, Step
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.signature import Signature
from neuroglot.storage import load_tensors, save_tensors

KIND = "steering"
Scope = Literal["all", "prompt", "generated"]
SCOPES = ("all", "prompt", "generated")


@dataclass(frozen=True, eq=False)
class Steering:
    """Steps of one layout, in order, and the tokens on which they act (`steering` says which those are)."""

    steps: tuple[Step, ...]
    scope: Scope = "all"

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        if self.scope not in SCOPES or not self.steps:
            raise ConfigError(
                f"A steering of {len(self.steps)} steps on {self.scope!r} was asked for.",
                f"Expected one step or more, on {', '.join(SCOPES)}.",
            )
        for step in self.steps:
            self.layout.require_same(step.neurons.layout, "A later step")

    @property
    def layout(self) -> Layout:
        return self.steps[0].neurons.layout

    @property
    def signature(self) -> Signature:
        """Scope and steps, to be joined to that of every number made under it."""
        steps = " then ".join(f"({step.signature})" for step in self.steps)
        return Signature.of(steered=steps, steered_tokens=self.scope)

    def __add__(self, other: Steering) -> Steering:
        """These steps, then those of the other; both need the same scope and layout."""
        if not isinstance(other, Steering):
            return NotImplemented
        if other.scope != self.scope:
            raise ConfigError(
                f"The second steering acts on {other.scope!r}.", f"Expected {self.scope!r}.", "Nest two blocks instead."
            )
        return Steering(self.steps + other.steps, self.scope)

    def require_layout(self, layout: Layout) -> None:
        """Raise `LayoutMismatchError` unless the steps are for this layout."""
        layout.require_same(self.layout, "The steering")

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file: ascending indices (int64) and values (float32) of each step's neurons, and a
        JSON header with layout, operators, scope and signatures.
        """
        tensors: dict[str, Tensor] = {}
        for place, step in enumerate(self.steps):
            tensors[f"{place}.indices"] = step.neurons.members.nonzero()[:, 0]
            if isinstance(step.values, Tensor):
                tensors[f"{place}.values"] = step.values[step.neurons.members]
        header = {
            "layout": self.layout.to_json(),
            "scope": self.scope,
            "steps": [_described(step) for step in self.steps],
            "signature": self.signature.to_json(),
        }
        return save_tensors(path, KIND, tensors, header)

    @classmethod
    def load(cls, path: Path | str, layout: Layout | None = None) -> Steering:
        """The steering in a file; raises `ArtifactError` where it is anything else, damaged or not what its signature
        says, and `LayoutMismatchError` where it is not for `layout`.
        """
        tensors, header = load_tensors(path, KIND)
        try:
            stored = Layout.from_json(header["layout"])
            steps = tuple(_step(stored, place, step, tensors) for place, step in enumerate(header["steps"]))
            loaded = cls(steps, header["scope"])
            signed = header["signature"] == loaded.signature.to_json()
        except (
            KeyError,
            TypeError,
            AttributeError,
            IndexError,
            RuntimeError,
            ValueError,
            OverflowError,
        ) as error:
            raise ArtifactError(f"{path} is damaged: {error}", "Expected a complete steering.") from error
        if not signed:
            raise ArtifactError(f"{path} holds other steps than its signature says.", "", "Build it again.")
        if layout is not None:
            loaded.require_layout(layout)
        return loaded


def _described(step: Step) -> dict[str, Any]:
    return {
        "operator": step.operator,
        "formula": OPERATORS[step.operator].formula,
        "site": step.site,
        "value": None if isinstance(step.values, Tensor) else step.values,
        "neurons": step.neurons.signature.to_json(),
        "origin": step.origin.to_json(),
    }


def _step(layout: Layout, place: int, described: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Step:
    indices, value = tensors[f"{place}.indices"], described["value"]
    members = torch.zeros(layout.neuron_count, dtype=torch.bool)
    if indices.dtype != torch.int64 or bool((indices < 0).any()):
        raise IndexError(f"step {place} lists neurons out of range.")
    members[indices] = True
    neurons = NeuronSet(layout, members, Signature.from_json(described["neurons"]))
    if value is not None and type(value) not in (int, float):
        raise TypeError(f"the value {str(value)[:80]!r} is no number")
    if value is None:
        value = torch.zeros(layout.neuron_count)
        value[indices] = tensors[f"{place}.values"]
    return Step(described["operator"], neurons, value, described["site"], Signature.from_json(described["origin"]))
