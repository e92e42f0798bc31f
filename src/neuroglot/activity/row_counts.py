"""How often neurons fired in each layer on each row, kept in memory: what paired tests by row are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection
from neuroglot.corpora.batches import Batch
from neuroglot.layout import Layer, Layout
from neuroglot.models.points import Routing


@dataclass(frozen=True, eq=False)
class RowCounts:
    """`fired [R, G, L]`: pairs of counted token and neuron that fired; `tokens [R, G]`: counted tokens; int64."""

    layout: Layout
    fired: Tensor
    tokens: Tensor


class RowCountsTally:
    """`fired` and `tokens` as in `RowCounts`, for texts that are read in one forward or token by token."""

    maxima: frozenset[str] = frozenset()

    def __init__(self, layout: Layout, languages: int, recording: Recording, rows: int) -> None:
        self.recording, self.layout = recording, layout
        self.places = {layer: place for place, layer in enumerate(layout.layers)}
        self.totals = {
            "fired": torch.zeros(rows, languages, len(layout.layers), dtype=torch.int64),
            "tokens": torch.zeros(rows, languages, dtype=torch.int64),
        }

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        """Set which positions count in the coming forward, of as many for each text."""
        self.selected = dict(selected)
        self.texts = (
            torch.tensor([text.row for text in batch.texts]),
            torch.tensor([text.language for text in batch.texts]),
        )
        self.pending: dict[Layer, Tensor] = {}

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Note how many pairs fired on each text: `[B]`."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        positions = torch.arange(len(activation), device=activation.device) if routing is None else routing.tokens
        fired = (activation > self.recording.fires[0]).sum(1) * selection.mask[positions]
        length = len(selection.mask) // len(self.texts[0])
        counts = torch.zeros(len(self.texts[0]), dtype=torch.int64, device=fired.device)
        self.pending[layer] = counts.index_add_(0, positions // length, fired)

    def hold(self) -> None:
        """Texts are read whole, without shared beginnings: there is nothing to keep."""

    def commit(self) -> None:
        """Add the forward's counts to the rows of its texts."""
        for layer, counts in self.pending.items():
            self.totals["fired"][(*self.texts, self.places[layer])] += counts.cpu()
        last = self.selected[self.layout.layers[-1].stack].mask
        self.totals["tokens"][self.texts] += last.reshape(len(self.texts[0]), -1).sum(1).cpu()

    @property
    def counts(self) -> RowCounts:
        return RowCounts(self.layout, self.totals["fired"], self.totals["tokens"])
