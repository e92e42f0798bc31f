"""Unembedding: the direction that a target stands for, and how far each value vector points there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from neuroglot.attribution.frozen_norm import FrozenNorm
from neuroglot.attribution.scores import projections, value_norms
from neuroglot.errors import ConfigError
from neuroglot.layout import Layer
from neuroglot.models.view import ModelView
from neuroglot.tokens.questions import Target

TARGETS_KEPT = 64  # whose projections are kept for later batches: labels repeat, other answers rarely do


def head_weight(view: ModelView) -> Tensor:
    """The rows of the LM head, one a token: `[V, D]`; raises `ConfigError` where there are none to be read."""
    head = view.model.get_output_embeddings()
    weight = getattr(head, "weight", None)
    width = view.value_vectors(view.layout.layers[-1]).shape[1]
    if not isinstance(weight, Tensor) or weight.shape[1:] != (width,) or not weight.is_floating_point():
        found = "no weights" if weight is None else f"weights {list(weight.shape)} of {weight.dtype}"
        raise ConfigError(
            f"The LM head of {type(view.model).__name__} has {found}.",
            f"The effective score needs one row of {width} numbers a token, as wide as a value vector.",
        )
    return weight.detach()


class Unembedding:
    """Projections u·v_i of value vectors on the directions of targets, each computed once while it is in use."""

    def __init__(self, view: ModelView, norm: FrozenNorm | None = None) -> None:
        self.view, self.norm, self.weight = view, norm, head_weight(view)
        self._norms: dict[Layer, Tensor] = {}
        self._kept: dict[Layer, OrderedDict[Target, Tensor]] = {}

    def directions(self, targets: Sequence[Target]) -> Tensor:
        """u of each target: `[K, D]`, float32; the head's row, less the mean row of the tokens it is held against."""
        tokens = torch.tensor([token for target in targets for token in target], device=self.weight.device)
        rows = self.weight.index_select(0, tokens).float().split([len(target) for target in targets])
        listed = [part[0] - part[1:].mean(0) if len(part) > 1 else part[0] for part in rows]
        stacked = torch.stack(listed)
        return stacked if self.norm is None else self.norm.directions(stacked)

    def value_norms(self, layer: Layer) -> Tensor:
        """Lengths of the layer's value vectors: `[N]`."""
        if layer not in self._norms:
            self._norms[layer] = value_norms(self.view, layer)
        return self._norms[layer]

    def projected(self, layer: Layer, targets: Sequence[Target]) -> Tensor:
        """u·v_i of different `targets`: `[K, N]`, float32; with a frozen norm up to the factor of each position."""
        kept = self._kept.setdefault(layer, OrderedDict())
        missing = [target for target in targets if target not in kept]
        found = {target: kept[target] for target in targets if target in kept}
        if missing:
            reach = 1.0 if self.norm is None else self.norm.reach[layer]
            vectors = self.view.value_vectors(layer).detach()
            found |= dict(zip(missing, reach * projections(vectors, self.directions(missing)), strict=True))
        for target in targets[-TARGETS_KEPT:]:
            kept[target] = found[target].clone() if target in missing else found[target]
            kept.move_to_end(target)
        while len(kept) > TARGETS_KEPT:
            kept.popitem(last=False)
        return torch.stack([found[target] for target in targets])
