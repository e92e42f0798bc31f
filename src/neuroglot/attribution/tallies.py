"""Two coupled tallies: one sees which neurons fire at the last token, the other, in the same forward, what they write.

The types of a layer wait only until the same layer's coefficients come, so that nothing is held of a whole model.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection
from neuroglot.attribution.scores import (
    GROUPS,
    STATISTICS,
    by_group,
    contribution,
    effective,
    groups_of,
    top_members,
    top_size,
)
from neuroglot.attribution.targets import Targets
from neuroglot.attribution.unembedding import Unembedding
from neuroglot.corpora.batches import Batch
from neuroglot.errors import InterventionError
from neuroglot.layout import Layer
from neuroglot.models.points import Routing
from neuroglot.models.view import ModelView

SCORES = ("contribution", "effective")
COUNTS = ("sizes", "top")
KEPT = (*COUNTS, *(f"{score}_{statistic}" for score in SCORES for statistic in STATISTICS))


class TypesTally:
    """In which group of `scores.GROUPS` each neuron is: `take(layer)` gives `[rows, G, N]` of the batch, once."""

    maxima: frozenset[str] = frozenset()

    def __init__(self, languages: int, recording: Recording) -> None:
        self.recording, self.languages = recording, languages
        self.totals: dict[str, Tensor] = {}
        self._groups: dict[Layer, Tensor] = {}

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        self.shape, self.selected = batch.token_ids.shape, dict(selected)
        self._groups.clear()

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Note one layer's groups; a neuron of an expert does not fire on tokens that it does not get."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        threshold = self.recording.fires[0]
        if routing is None:
            fired = activation.index_select(0, selection.counted) > threshold
        else:
            fired = by_text(activation > threshold, selection, self.shape, layer, routing)
        self._groups[layer] = groups_of(fired.reshape(-1, self.languages, fired.shape[-1]))

    def take(self, layer: Layer) -> Tensor:
        if layer not in self._groups:
            raise InterventionError(
                f"Layer {layer.index} of the {layer.stack} wrote before its nonlinearity was seen.",
                "Expected the site 'post_act' to be passed first.",
            )
        return self._groups.pop(layer)

    def commit(self) -> None:
        """The types are in what the scores keep."""

    def hold(self) -> None:
        """Rows are read whole, without shared beginnings: there is nothing to keep."""


class ScoresTally:
    """What is kept of both scores by group, `KEPT`: each `[R, G, L, 6]`, over the rows of `targets.task`."""

    maxima: frozenset[str] = frozenset()

    def __init__(
        self, view: ModelView, types: TypesTally, targets: Targets, unembedding: Unembedding, top_share: float
    ):
        special_tokens = types.recording.special_tokens
        self.recording = Recording(site="write", tokens="last", special_tokens=special_tokens)
        self.types, self.targets, self.unembedding, self.top_share = types, targets, unembedding, top_share
        self.places = {layer: place for place, layer in enumerate(view.layout.layers)}
        shape = len(targets.task), types.languages, len(self.places), len(GROUPS)
        dtypes = {name: torch.int32 if name in COUNTS else torch.float32 for name in KEPT}
        self.totals = {name: torch.zeros(shape, dtype=dtypes[name], device=view.model.device) for name in KEPT}
        self.pending: dict[Layer, dict[str, Tensor]] = {}
        self.factors: Tensor | None = None

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        """Look up the batch's targets, each different one once."""
        self.shape, self.selected, self.pending = batch.token_ids.shape, dict(selected), {}
        self.rows = torch.tensor([text.row for text in batch.texts[:: self.types.languages]])
        wanted = [self.targets.of[text.row][text.language] for text in batch.texts]
        self.distinct = list(dict.fromkeys(wanted))
        places = {target: place for place, target in enumerate(self.distinct)}
        self.target_places = torch.tensor([places[target] for target in wanted])

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Score one layer's neurons; what an expert writes counts times the weight that its router gives it."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        if routing is None:
            coefficients = activation.index_select(0, selection.counted).float()
        else:
            weighted = activation.float() * routing.weights.float()[:, None]
            coefficients = by_text(weighted, selection, self.shape, layer, routing)
        groups = self.types.take(layer).to(coefficients.device)
        contributions = contribution(coefficients, self.unembedding.value_norms(layer))
        projected = self.unembedding.projected(layer, self.distinct)
        effects = effective(coefficients, projected[self.target_places.to(projected.device)])
        contributions, effects = (scores.reshape(groups.shape) for scores in (contributions, effects))
        top = top_members(contributions, top_size(self.top_share, layer.width))
        self.pending[layer] = by_group(groups, top, {"contribution": contributions, "effective": effects})

    def see_norm(self, before: Tensor, after: Tensor) -> None:
        """Take the final norm's factors at the last token of each text, from its input and output `[positions, D]`."""
        assert self.unembedding.norm is not None
        last = next(iter(self.selected.values())).counted.to(before.device)
        self.factors = self.unembedding.norm.factors(before[last], after[last]).reshape(len(self.rows), -1)

    def commit(self) -> None:
        """Write down the batch's rows."""
        for layer, kept in self.pending.items():
            for name, values in kept.items():
                total = self.totals[name]
                if self.factors is not None and name.startswith("effective"):
                    values = values * self.factors.to(values.device)[..., None]
                total[:, :, self.places[layer]][self.rows.to(total.device)] = values.to(total.device)

    def hold(self) -> None:
        """Rows are read whole, without shared beginnings: there is nothing to keep."""


def by_text(values: Tensor, selection: Selection, shape: torch.Size, layer: Layer, routing: Routing) -> Tensor:
    """Values of routed rows `[rows, width]` at the counted token of each text: `[B, N]`, 0 where none was routed."""
    texts, length = shape
    chosen = selection.mask[routing.tokens]
    placed = values.new_zeros(texts, layer.experts, values.shape[1])
    placed[routing.tokens[chosen] // length, routing.experts[chosen]] = values[chosen]
    return placed.flatten(1)
