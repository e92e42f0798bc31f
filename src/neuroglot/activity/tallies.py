"""Tallies: what is kept of each activation while the model runs; integer counts on the model's device.

A tally is shown one layer of one batch at a time and keeps O(languages × neurons), whatever the corpus. Sums of 0s and
1s in float32 are exact below 2²⁴ tokens a batch, and one matrix product per threshold costs less than indexing by a
mask.
"""

from collections.abc import Mapping
from itertools import accumulate

import torch
from torch import Tensor

from neuroglot.corpora.batches import Batch
from neuroglot.layout import Layer, Layout
from neuroglot.models.points import Routing


def last_only(counts: Tensor) -> Tensor:
    """Keep only the last counted token of each text: `[B, T]` → `[B, T]`."""
    positions = torch.arange(1, counts.shape[1] + 1, device=counts.device) * counts
    return (positions == positions.amax(1, keepdim=True)) & counts


class FiredTally:
    """Tokens on which each neuron passed each threshold: `fired [F, G, N]`; tokens read: `tokens [G]`; and tokens that
    reached each feed-forward network: `reached [G, U]`. One language a batch.
    """

    def __init__(self, layout: Layout, languages: int, thresholds: tuple[float, ...], device: torch.device) -> None:
        self.thresholds = thresholds
        self.networks = _network_slices(layout)
        networks = len(layout.network_widths)
        self.fired = torch.zeros(len(thresholds), languages, layout.neuron_count, dtype=torch.int64, device=device)
        self.reached = torch.zeros(languages, networks, dtype=torch.int64, device=device)
        self.tokens = torch.zeros(languages, dtype=torch.int64, device=device)

    def begin(self, batch: Batch, counted: Mapping[str, Tensor]) -> None:
        """Set which tokens of the coming forward count, by stack: `counted[stack] [B, T]`."""
        self.language = batch.texts[0].language
        self.weights = {stack: mask.reshape(1, -1).float() for stack, mask in counted.items()}
        self.tokens[self.language] += next(iter(counted.values())).sum()

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Add one layer's `activation [rows, N]`."""
        weights = self.weights[layer.stack].to(activation.device)  # layers may lie on several devices
        if routing is not None:  # the rows' weights under their experts: [experts, rows]
            by_expert = torch.zeros(layer.experts, len(routing.tokens), device=weights.device)
            weights = by_expert.scatter_(0, routing.experts[None], weights[:, routing.tokens])
        self.reached[self.language, self.networks[layer]] += weights.sum(1).to(self.reached)
        for place, threshold in enumerate(self.thresholds):
            counts = weights @ (activation > threshold).float()
            self.fired[place, self.language, layer.neurons] += counts.flatten().to(self.fired)


class SharingTally:
    """In how many languages each neuron fires on a row; batches hold whole rows, all languages of a row together."""

    def __init__(self, layout: Layout, languages: int, threshold: float, rows: int, device: torch.device) -> None:
        neurons = layout.neuron_count
        self.languages, self.threshold = languages, threshold
        self.layer_places = {layer: place for place, layer in enumerate(layout.layers)}
        self.histogram = torch.zeros(languages + 1, neurons, dtype=torch.int64, device=device)
        self.fired = torch.zeros(languages, neurons, dtype=torch.int64, device=device)
        self.by_row = torch.zeros(rows, len(layout.layers), languages + 1, dtype=torch.int32, device=device)

    def begin(self, batch: Batch, counted: Mapping[str, Tensor]) -> None:
        """Set which token of each text counts, by stack: `counted[stack] [B, T]` with one True a text."""
        self.positions = {stack: mask.reshape(-1).nonzero()[:, 0] for stack, mask in counted.items()}
        self.rows = torch.tensor([text.row for text in batch.texts[:: self.languages]], device=batch.token_ids.device)

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Add one layer's `activation [rows, N]`; an expert's neurons do not fire on tokens that it does not get."""
        positions = self.positions[layer.stack].to(activation.device)
        active = _active_at(positions, activation > self.threshold, routing, layer).to(self.fired.device)
        active = active.reshape(len(self.rows), self.languages, -1)
        self.fired[:, layer.neurons] += active.sum(0)
        shared = active.sum(1)  # [rows, N]: in how many languages
        for count in range(self.languages + 1):
            hit = shared == count
            self.histogram[count, layer.neurons] += hit.sum(0)
            self.by_row[self.rows, self.layer_places[layer], count] = hit.sum(1, dtype=torch.int32)


def _active_at(positions: Tensor, active: Tensor, routing: Routing | None, layer: Layer) -> Tensor:
    """Which of the layer's neurons fire at the given positions: `[positions, N]`."""
    if routing is None:
        return active[positions]
    found = torch.zeros(len(positions), layer.experts, active.shape[1], dtype=torch.bool, device=active.device)
    place, row = (positions[:, None] == routing.tokens).nonzero(as_tuple=True)
    found[place, routing.experts[row]] = active[row]
    return found.reshape(len(positions), -1)


def _network_slices(layout: Layout) -> dict[Layer, slice]:
    """Where each layer's networks stand among all U."""
    ends = accumulate(layer.experts for layer in layout.layers)
    return {layer: slice(end - layer.experts, end) for layer, end in zip(layout.layers, ends)}
