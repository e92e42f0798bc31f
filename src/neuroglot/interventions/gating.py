"""Gating: each row of a batch runs with the neurons of its own direction; hooks only, no weight is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, InterventionError, UnsupportedModelError
from neuroglot.layout import Layer
from neuroglot.models.feedforward import FeedForward, bias_of, feed_forwards
from neuroglot.models.open_interventions import Intervention, opened
from neuroglot.models.split import require_whole
from neuroglot.models.view import ModelView
from neuroglot.neurons.masks import DirectionMasks

Semantics = Literal["activation", "weight row"]
DIRECTION_IDS = "direction_ids"


@contextmanager
def gating(
    view: ModelView,
    masks: DirectionMasks,
    directions: Direction | str | Sequence[Direction | str] | None = None,
    *,
    semantics: Semantics = "activation",
    beams: int = 1,
) -> Iterator[Gate]:
    """Within the block a model runs with the neurons of its batch's directions: one for all rows, or one for each.

    Without `directions` each call of the model says them: `model(..., direction_ids=…)`, int64 `[B]`, places in
    `masks.directions`; they hold until the next call, so that a backward pass that runs layers anew sees them too.

    * `activation`: the input of the down projection is 0 where the mask is. A removed neuron has no gradient at all.
    * `weight row`: the neuron's rows in the up projection (in gate and up, where there is a gate) count as zero, its
      biases do not, as in the released code: it writes with act(b), or act(b_gate) · b_up, and its biases and value
      vector are trained. Without biases both are the same. The paper's formula has no biases.

    `generate` may repeat each row as often as there are `beams` (or returned sequences). Training works; with gradient
    checkpointing the backward pass belongs into the block too. The model is as before when the block ends, on
    exceptions too. Raises `UnsupportedModelError` for models with experts, for encoders alone, and where up projections
    cannot be found; `InterventionError` in a forward without directions, with another number of rows, or past a layer.
    """
    gate = Gate(view, masks, beams)
    if semantics not in get_args(Semantics):
        raise ConfigError(f"Got semantics={semantics!r}.", f"Expected one of {', '.join(get_args(Semantics))}.")
    if directions is not None:
        named = [directions] if isinstance(directions, Direction | str) else list(directions)
        gate.set(torch.tensor([masks.place(direction) for direction in named]))
    if semantics == "weight row":
        require_whole(view.model, "Gating by weight row")
    networks = feed_forwards(view) if semantics == "weight row" else {}
    name = f"gating by {semantics} ({masks.described.inline})"
    with ExitStack() as hooks:
        hooks.enter_context(opened(view.model, Intervention(lambda: f"{name} of {gate.in_force}", chosen=(masks,))))
        for layer in view.layout.layers:
            _install(view, layer, gate, networks.get(layer), hooks)
        hooks.callback(view.model.register_forward_pre_hook(gate.take, with_kwargs=True).remove)
        hooks.callback(view.model.base_model.register_forward_hook(gate.check).remove)
        yield gate


class Gate:
    """What is in force: for each row of the batch its direction's place, `rows [B]`; one place holds for any batch."""

    def __init__(self, view: ModelView, masks: DirectionMasks, beams: int = 1) -> None:
        view.layout.require_same(masks.layout, "The masks")
        if any(layer.experts > 1 for layer in view.layout.layers) or not view.family.generates:
            raise UnsupportedModelError(
                f"The model has {view.layout} and is of the kind {view.family.kind!r}.",
                "Expected a dense decoder, or encoder and decoder.",
            )
        if beams < 1:
            raise ConfigError(f"Got beams={beams}.", "Expected one or more.")
        self.directions, self.beams, self.layers = masks.directions, beams, view.layout.layers
        self.kept = dict(masks.layout.by_layer(masks.kept))
        self.reached: set[Layer] = set()
        self.rows: Tensor | None = None

    @property
    def in_force(self) -> str:
        """The directions of the rows that come, or of all rows where there is one."""
        rows = [] if self.rows is None else self.rows.tolist()
        return " ".join(str(self.directions[row]) for row in rows) or "no direction yet"

    def set(self, rows: Tensor) -> None:
        """The places of the coming batch's directions; raises `InterventionError` where they are none."""
        valid = rows.dim() == 1 and len(rows) > 0 and not rows.is_floating_point()
        if not valid or int(rows.min()) < 0 or int(rows.max()) >= len(self.directions):
            raise InterventionError(
                f"Got {DIRECTION_IDS} {rows.tolist()}.",
                f"Expected a row of numbers from 0 to {len(self.directions) - 1}.",
            )
        self.rows = rows

    def where_kept(self, layer: Layer, values: Tensor, otherwise: Tensor | float, halves: int = 1) -> Tensor:
        """`values`, `[B, T, N]` or `[B·T, N]`, where the row's direction keeps the neuron, else `otherwise`.

        Rows that `generate` has repeated lie next to each other, so that all that belongs to a row is one block.
        """
        self.reached.add(layer)
        rows = self._rows_of(values)
        if self.kept[layer].device != values.device:
            self.kept[layer] = self.kept[layer].to(values.device)
        kept = self.kept[layer][rows.to(values.device)].repeat(1, halves)[:, None]
        by_row = values.reshape(len(rows), -1, values.shape[-1])
        return torch.where(kept, by_row, otherwise).reshape(values.shape)

    def take(self, _module: nn.Module, args: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Take the directions out of what the model is given."""
        if named.get(DIRECTION_IDS) is not None:
            self.set(named[DIRECTION_IDS])
        return args, {name: value for name, value in named.items() if name != DIRECTION_IDS}

    def check(self, module: nn.Module, *_: Any) -> None:
        """Every layer was passed; in training, where models may skip layers by chance, at least one."""
        missed = [layer for layer in self.layers if layer not in self.reached]
        if missed and not (module.training and self.reached):
            raise InterventionError(
                f"A forward did not pass {missed[0].stack} layer {missed[0].index}.",
                f"Expected all of {len(self.layers)} layers to be passed.",
            )

    def _rows_of(self, values: Tensor) -> Tensor:
        if self.rows is None:
            raise InterventionError(
                "The model was called without directions.",
                f"Expected {DIRECTION_IDS} in the call, or directions given to gating.",
            )
        count, found = len(self.rows), values.shape[0]
        fits = found % count == 0 if values.dim() == 2 else found in (count, count * self.beams)
        if count > 1 and not fits:
            raise InterventionError(
                f"A forward of {found} rows passed the gate.",
                f"Directions were given for {count}, which may be repeated {self.beams} times.",
                "Give one direction for each row, and the number of beams.",
            )
        return self.rows


def _install(view: ModelView, layer: Layer, gate: Gate, network: FeedForward | None, hooks: ExitStack) -> None:
    if network is None:
        view.points[layer].install("write", layer, lambda layer, hidden, _: gate.where_kept(layer, hidden, 0.0), hooks)
        return

    def without_weights(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return gate.where_kept(layer, output, bias_of(module).to(output.dtype), network.halves)

    for module in network.up:
        hooks.callback(module.register_forward_hook(without_weights).remove)
