"""The trunk of a model, that is all but its head: computed once for what many forwards of a batch have in common.

The model's own `forward` runs, whatever its family. While it does, layers whose outputs are known return them instead
of computing them, and the head gets states that the trunk gave before. Whether a model can be run so is tried, not
assumed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import ModelOutput

from neuroglot.models.offloaded import is_offloaded
from neuroglot.models.open_interventions import open_interventions
from neuroglot.models.view import ModelView


@dataclass(frozen=True, eq=False)
class Blocks:
    """The transformer layers of all stacks, in the order in which a forward passes them; `stack_of` each, by number."""

    modules: tuple[nn.Module, ...]
    stack_of: tuple[int, ...]

    @classmethod
    def of(cls, view: ModelView) -> Blocks:
        paths = dict.fromkeys(plan.layers for plan in view.family.stacks)
        stacks = [list(view.model.base_model.get_submodule(path).children()) for path in paths]
        return cls(
            tuple(module for stack in stacks for module in stack),
            tuple(number for number, stack in enumerate(stacks) for _ in stack),
        )

    def first_of(self, view: ModelView, members: Tensor) -> int:
        """The first layer that has one of the neurons, bool `[N]`; the number of layers if there is none."""
        paths = list(dict.fromkeys(plan.layers for plan in view.family.stacks))
        path_of = {plan.name: plan.layers for plan in view.family.stacks}
        numbers = [
            self.stack_of.index(paths.index(path_of[layer.stack])) + layer.index
            for layer, part in view.layout.by_layer(members)
            if bool(part.any())
        ]
        return min(numbers, default=len(self.modules))

    def needed(self, firsts: Collection[int]) -> set[int]:
        """Layers whose outputs stand for all before each of `firsts`: the last before it, the last of each stack."""
        ends = {max(numbers) for _, numbers in groupby(range(len(self.modules)), key=self.stack_of.__getitem__)}
        return {first - 1 for first in firsts if first > 0} | (ends if any(firsts) else set())

    def stand_in(self, number: int, first: int, known: Collection[int]) -> int:
        """The layer whose output a layer before `first` returns: the last known of its stack; nobody reads others."""
        return max(other for other in known if other < first and self.stack_of[other] == self.stack_of[number])


@dataclass(frozen=True, eq=False)
class Trunk:
    """One batch behind the trunk: the base model's `output`, or the whole model's where no head lies `apart`.

    `known` holds outputs of layers, so that a forward `behind` them begins there.
    """

    view: ModelView
    inputs: Mapping[str, Any]
    apart: bool
    output: ModelOutput
    blocks: Blocks
    known: Mapping[int, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, view: ModelView, inputs: Mapping[str, Any], apart: bool, firsts: Collection[int] = ()) -> Trunk:
        """A forward over the inputs that keeps what forwards from the layers `firsts` on need."""
        blocks = Blocks.of(view)
        with _keeping(blocks, blocks.needed(firsts)) as known:
            output = _forward(view, inputs, apart)
        return cls(view, inputs, apart, output, blocks, known)

    @property
    def states(self) -> Tensor:
        """What the head reads of each token, `[B, T, D]`; its logits `[B, T, V]` where no head lies apart."""
        states: Tensor = self.output["last_hidden_state" if self.apart else "logits"]
        return states

    def behind(self, first: int, rows: Sequence[int] | None = None) -> Trunk:
        """The same forward with the layers before `first` as they are known, of all texts or of some rows."""
        known, inputs = (_rows(given, rows, len(self.states)) for given in (self.known, self.inputs))
        with _replaying(self.blocks, known, first if known else 0):
            return replace(self, inputs=inputs, output=_forward(self.view, inputs, self.apart), known={})

    def logits(self, states: Tensor) -> Tensor:
        """The head's logits of states `[S, D]`: `[S, V]`."""
        if not self.apart:
            return states
        output = type(self.output)(**{**self.output, "last_hidden_state": states[None]})
        with _answering(self.view.model.base_model, output):
            logits: Tensor = self.view.model(**self.inputs).logits[0]
        return logits


def head_lies_apart(view: ModelView, inputs: Mapping[str, Any]) -> bool:
    """Whether the head gives of single states what a whole forward gives; tried on these inputs."""
    model = view.model
    if model.base_model is model or is_offloaded(model):
        return False
    whole = model(**inputs).logits
    trunk = Trunk.of(view, inputs, apart=True)
    if "last_hidden_state" not in trunk.output or trunk.states.shape[:2] != whole.shape[:2]:
        return False
    again = trunk.logits(trunk.states.flatten(0, 1))
    tolerance = max(1e-4, 4 * torch.finfo(whole.dtype).eps) * float(whole.abs().max())
    return again.shape == whole.flatten(0, 1).shape and bool((again - whole.flatten(0, 1)).abs().max() <= tolerance)


def layers_can_be_known(view: ModelView, inputs: Mapping[str, Any], apart: bool, firsts: Collection[int]) -> bool:
    """Whether forwards from each of the layers on give the very states of a whole forward; tried on these inputs.

    Models that hand more from layer to layer than states cannot; nor is it done under interventions, which expect to be
    passed in every forward.
    """
    if not any(firsts) or is_offloaded(view.model) or open_interventions(view.model):
        return False
    trunk = Trunk.of(view, inputs, apart, firsts)
    if not trunk.known:
        return False
    try:
        return all(torch.equal(trunk.behind(first).states, trunk.states) for first in firsts)
    except Exception:  # whatever such a model runs into; it is run whole then
        return False


def _forward(view: ModelView, inputs: Mapping[str, Any], apart: bool) -> ModelOutput:
    """The output of the base model if the head lies `apart`, or of the whole model, as of those that do not run it."""
    if not apart:
        output: ModelOutput = view.model(**inputs)
        return output

    def stop(_module: nn.Module, _inputs: Any, output: ModelOutput) -> None:
        raise _TrunkPassed(output)

    hook = view.model.base_model.register_forward_hook(stop)
    try:
        output = view.model(**inputs)
    except _TrunkPassed as passed:
        return passed.output
    finally:
        hook.remove()
    return output


class _TrunkPassed(Exception):
    """The base model has given its output: the head is not run."""

    def __init__(self, output: ModelOutput) -> None:
        self.output = output


@contextmanager
def _keeping(blocks: Blocks, wanted: Collection[int]) -> Iterator[dict[int, Any]]:
    """What the wanted layers give in the forward within the block; nothing unless all are passed once, in order."""
    known: dict[int, Any] = {}
    passed: list[int] = []

    def keep(number: int) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            passed.append(number)
            if number in wanted:
                known[number] = output

        return hook

    with ExitStack() as hooks:
        if wanted:
            for number, module in enumerate(blocks.modules):
                hooks.callback(module.register_forward_hook(keep(number)).remove)
        yield known
    if passed != list(range(len(blocks.modules))):
        known.clear()


@contextmanager
def _replaying(blocks: Blocks, known: Mapping[int, Any], first: int) -> Iterator[None]:
    """Layers before `first` return what is known of them, or of one behind them."""
    with ExitStack() as replaced:
        for number, module in enumerate(blocks.modules[:first]):
            replaced.enter_context(_answering(module, known[blocks.stand_in(number, first, known)]))
        yield


@contextmanager
def _answering(module: nn.Module, output: Any) -> Iterator[None]:
    """The module returns this output, without computing anything and without its hooks, which have seen it already."""
    attributes = vars(module)
    replaced = {
        "forward": lambda *_, **__: output,
        "_forward_hooks": OrderedDict(),
        "_forward_pre_hooks": OrderedDict(),
    }
    before = {name: attributes[name] for name in replaced if name in attributes}
    attributes.update(replaced)
    try:
        yield
    finally:
        for name in replaced:
            del attributes[name]
        attributes.update(before)


def _rows(value: Any, rows: Sequence[int] | None, texts: int) -> Any:
    """Some texts of what a forward reads or a layer gives; tensors that begin with another axis are of all texts."""
    if isinstance(value, Tensor) and rows is not None and value.dim() and len(value) == texts:
        return value[list(rows)]
    if isinstance(value, Mapping):
        return {name: _rows(part, rows, texts) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_rows(part, rows, texts) for part in value)
    return value
