"""Steering: steps on neurons, in order, while the block lasts; on all tokens, the prompt's, or generated ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from neuroglot.errors import ArtifactError, ConfigError, InterventionError
from neuroglot.headers import (
    NOTHING_READ,
    STRICT,
    Chosen,
    StoredLayout,
    StoredSignature,
    hashes_of,
    load_artefact,
    save_artefact,
)
from neuroglot.interventions.operators import OPERATORS, Step
from neuroglot.layout import Layer, Layout, Site
from neuroglot.models.points import Routing
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.showing import Described, counted
from neuroglot.signature import Signature

CHANGED_WITH_A_CACHE = "Generate with a cache, one token at a time (use_cache=True, neither chunked nor assisted)."


@contextmanager
def steering(view: ModelView, steps: Steering | Step | Iterable[Step], scope: Scope | None = None) -> Iterator[None]:
    """Within the block each step changes its neurons, in the order given; each sees what those before it made.

    `scope`: `all` tokens (the default, in any forward), those of the `prompt`, or those that were `generated`, that is
    generated tokens where the model reads them to choose the next one; the token after the prompt is chosen by the
    prompt. They are told by the cache: one token behind a cache that is not empty counts as generated, also where it
    is the rest of a prompt that the caller cached. A `Steering` brings its own scope. Steps at `post_act` act before
    those at `write`, as the model computes.

    No weight is touched; blocks nest; the model is as before when the block ends, on exceptions too. Raises
    `LayoutMismatchError` for steps of another layout, `ConfigError` for a scope of a model that is no decoder, and
    `InterventionError` in a forward that does not reach the neurons or, with a scope, is no part of `generate` with a
    cache.
    """
    plan = _plan(steps, scope)
    for step in plan.steps:
        view.layout.require_same(step.neurons.layout, "A step of the steering")
    if plan.scope != "all" and not view.family.predicts_next:
        raise ConfigError(
            f"The scope {plan.scope!r} was asked of a model of the kind {view.family.kind!r}.",
            "Expected a decoder, in which prompt and generated tokens are told apart.",
            "Take the scope 'all'.",
        )
    phase = _Phase(plan.scope)
    with ExitStack() as hooks:
        if plan.scope != "all":
            phase.follow(view, hooks)
        for step in sorted(plan.steps, key=lambda step: step.site):  # stable: post_act, then write
            change = _Change(step, phase)
            name = f"steering {plan.scope} tokens ({step.signature.inline})"
            hooks.enter_context(
                view.tapping(step.site, change.tap, layers=tuple(change.parts), name=name, chosen=step.chosen)
            )
        yield


def _plan(steps: Steering | Step | Iterable[Step], scope: Scope | None) -> Steering:
    if isinstance(steps, Steering):
        return steps if scope is None else Steering(steps.steps, scope)
    return Steering((steps,) if isinstance(steps, Step) else tuple(steps), scope or "all")


class _Phase:
    """Whether the forward in progress reads a prompt or a generated token, told by the cache that it is given."""

    def __init__(self, scope: Scope) -> None:
        self.scope, self.now = scope, "" if scope != "all" else "all"

    def follow(self, view: ModelView, hooks: ExitStack) -> None:
        model = view.model  # some models go past their base model
        hooks.callback(model.register_forward_pre_hook(self._begin, with_kwargs=True).remove)
        hooks.callback(model.register_forward_hook(self._end, always_call=True).remove)

    def changes(self) -> bool:
        if not self.now:
            raise _untold(self.scope, "of the model without its head")
        return self.scope in ("all", self.now)

    def _begin(self, _model: Any, arguments: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        cache = named.get("past_key_values")
        if cache is None:
            raise _untold(self.scope, "without a cache")
        token_ids = arguments[0] if arguments else named.get("input_ids")
        given = named["inputs_embeds"] if token_ids is None else token_ids
        held = int(cache.get_seq_length())
        if held and given.shape[1] != 1:
            raise _untold(self.scope, f"of {given.shape[1]} tokens behind {held} cached ones")
        self.now = "generated" if held else "prompt"

    def _end(self, *_: Any) -> None:
        self.now = ""


class _Change:
    """One step as a tap; parts of its set and values lie on the device of their layer once that was reached."""

    def __init__(self, step: Step, phase: _Phase) -> None:
        self.phase, self.change = phase, OPERATORS[step.operator].change
        by_layer = step.neurons.layout.by_layer(step.neurons.members)
        values = step.values
        self.parts: dict[Layer, tuple[Tensor, Tensor | float]] = {
            layer: (part, values[layer.neurons] if isinstance(values, Tensor) else values)
            for layer, part in by_layer
            if bool(part.any())
        }

    def tap(self, layer: Layer, activation: Tensor, routing: Routing | None) -> Tensor | None:
        """The activation `[rows, N]` with the step done on its neurons; None where the scope leaves it alone."""
        if not self.phase.changes():
            return None
        members, values = self._on(layer, activation.device)
        if routing is not None:  # each row is one expert's
            members = members.reshape(layer.experts, -1)[routing.experts]
            values = values.reshape(layer.experts, -1)[routing.experts] if isinstance(values, Tensor) else values
        if isinstance(values, Tensor):
            values = values.to(activation.dtype)
        return torch.where(members, self.change(activation, values), activation)

    def _on(self, layer: Layer, device: torch.device) -> tuple[Tensor, Tensor | float]:
        members, values = self.parts[layer]
        if members.device != device:  # layers of one model may lie on several devices
            moved = values.to(device) if isinstance(values, Tensor) else values
            self.parts[layer] = members, values = members.to(device), moved
        return members, values


def _untold(scope: str, forward: str) -> InterventionError:
    assert scope in SCOPES
    return InterventionError(
        f"A forward {forward} was made while neurons were steered on the scope {scope!r}.",
        "Prompt and generated tokens cannot be told apart in it.",
        CHANGED_WITH_A_CACHE,
    )


Scope = Literal["all", "prompt", "generated"]
SCOPES = ("all", "prompt", "generated")


@dataclass(frozen=True, eq=False, repr=False)
class Steering(Described):
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

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """What depends on texts: the neurons and the values of all steps."""
        return tuple(choice for step in self.steps for choice in step.chosen)

    def _facts(self) -> list[str]:
        return [counted(len(self.steps), "step"), f"{self.scope} tokens", str(self.layout)]

    def _numbers(self) -> str:
        return str(self.signature["steered"])

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
        """Write one safetensors file: ascending indices (int64) and values (float32) of each step's neurons, hashes of
        the texts that they depend on, and a JSON header with layout, operators, scope and signatures.
        """
        tensors: dict[str, Tensor] = {}
        for number, step in enumerate(self.steps):
            tensors[f"{number}.indices"] = step.neurons.members.nonzero()[:, 0]
            if isinstance(step.values, Tensor):
                tensors[f"{number}.values"] = step.values[step.neurons.members]
            read = {"neurons": step.neurons.read, "values": step.read}
            tensors |= {f"{number}.read of {name}": hashes for name, hashes in read.items() if len(hashes)}
        header = _Header(self.layout, self.scope, tuple(map(_stored, self.steps)), self.signature)
        return save_artefact(path, "steering", tensors, header)

    @classmethod
    def load(cls, path: Path | str, layout: Layout | None = None) -> Steering:
        """The steering in a file; raises `ArtifactError` where it is anything else, damaged or not what its signature
        says, and `LayoutMismatchError` where it is not for `layout`.
        """
        tensors, header = load_artefact(path, "steering", _Header)
        try:
            steps = [_step(header.layout, number, step, tensors, path) for number, step in enumerate(header.steps)]
            loaded = cls(tuple(steps), header.scope)
        except (KeyError, IndexError, RuntimeError, ValueError, OverflowError) as error:
            raise ArtifactError(f"{path} is damaged: {error}", "Expected a complete steering.") from error
        if header.signature != loaded.signature:
            raise ArtifactError(f"{path} holds other steps than its signature says.", "", "Build it again.")
        if layout is not None:
            loaded.require_layout(layout)
        return loaded


@dataclass(frozen=True)
class _StoredStep:
    __pydantic_config__ = STRICT

    operator: str
    formula: str
    site: Site
    value: float | None
    neurons: StoredSignature
    origin: StoredSignature


@dataclass(frozen=True)
class _Header:
    __pydantic_config__ = STRICT

    layout: StoredLayout
    scope: Scope
    steps: tuple[_StoredStep, ...]
    signature: StoredSignature


def _stored(step: Step) -> _StoredStep:
    value = None if isinstance(step.values, Tensor) else step.values
    formula = OPERATORS[step.operator].formula
    return _StoredStep(step.operator, formula, step.site, value, step.neurons.signature, step.origin)


def _step(layout: Layout, number: int, stored: _StoredStep, tensors: Mapping[str, Tensor], path: Path | str) -> Step:
    indices, members = tensors[f"{number}.indices"], torch.zeros(layout.neuron_count, dtype=torch.bool)
    if indices.dtype != torch.int64 or bool((indices < 0).any()):
        raise IndexError(f"step {number} lists neurons out of range.")
    members[indices] = True
    value: float | Tensor = torch.zeros(layout.neuron_count) if stored.value is None else stored.value
    if isinstance(value, Tensor):
        value[indices] = tensors[f"{number}.values"]
    of_neurons, of_values = (
        hashes_of({"read": tensors.get(f"{number}.read of {name}", NOTHING_READ)}, path)
        for name in ("neurons", "values")
    )
    neurons = NeuronSet(layout, members, stored.neurons, of_neurons)
    return Step(stored.operator, neurons, value, stored.site, stored.origin, of_values)
