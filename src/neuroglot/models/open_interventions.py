"""Which changes of a model's activations are open, so that what is measured meanwhile says so."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from neuroglot.headers import Chosen

# On the module itself, so that all views of a model see the same, and a deep copy, which keeps the hooks, keeps these.
KEPT_AS = "_neuroglot_interventions"
FOLDED_AS = "_neuroglot_folded_out"

Named = str | Callable[[], str]


@dataclass(eq=False)
class Intervention:
    """One change that is open: what it does by `name`, and whether it `replaces` activations (None: not yet known).

    Without a name its text is another one each time, because nobody knows whether it does the same as another. `chosen`
    are the neurons, masks or values that it uses, which know the texts on which they were chosen.
    """

    name: Named | None = None
    replaces: bool | None = None
    chosen: tuple[Chosen, ...] = ()
    tag: str = field(default_factory=lambda: secrets.token_hex(4))

    def __deepcopy__(self, _: Any) -> Intervention:
        return self  # the hooks of a copied model are the same functions

    def __str__(self) -> str:
        if self.name is None:
            return f"unnamed change of activations {self.tag}"
        return self.name if isinstance(self.name, str) else self.name()


@contextmanager
def opened(model: nn.Module, intervention: Intervention) -> Iterator[None]:
    """The intervention stands among those of the model until the block ends."""
    holder = _holder(model)
    listed: list[Intervention] = holder.setdefault(KEPT_AS, [])
    listed.append(intervention)
    try:
        yield
    finally:
        listed.remove(intervention)
        if not listed:
            del holder[KEPT_AS]


def open_interventions(model: nn.Module) -> tuple[str, ...]:
    """What is open on the model, in the order in which it was opened; taps that only read are left out."""
    listed: list[Intervention] = _holder(model).get(KEPT_AS, [])
    return tuple(str(change) for change in listed if change.name is not None or change.replaces is not False)


def chosen_in(model: nn.Module) -> tuple[Chosen, ...]:
    """What was chosen on texts and is in force: neurons, masks and values that are open, neurons that weights lack."""
    holder = _holder(model)
    listed: list[Intervention] = holder.get(KEPT_AS, [])
    return (*holder.get(FOLDED_AS, ()), *(choice for change in listed for choice in change.chosen))


def remember_folded(model: nn.Module, choice: Chosen) -> None:
    """The model's weights lack neurons that were chosen on texts, as a checkpoint of `fold_out` says."""
    _holder(model)[FOLDED_AS] = (choice,)


def _holder(model: nn.Module) -> dict[str, Any]:
    """The attributes of the model without its head, which a model with and one without a head have in common."""
    return vars(getattr(model, "base_model", model))
