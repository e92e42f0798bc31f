"""Tallies: what is kept of each activation while the model runs; integer counts on the model's device.

A tally is shown one layer of one batch at a time and keeps O(languages × neurons), whatever the corpus. Sums of 0s and
1s in float32 are exact below 2²⁴ tokens a batch, and one matrix product per threshold costs less than indexing by a
mask.
"""

import torch
from torch import Tensor

from neuroglot.corpora.batches import Batch
from neuroglot.layout import Layer, Layout


def last_only(counts: Tensor) -> Tensor:
    """Keep only the last counted token of each text: `[B, T]` → `[B, T]`."""
    positions = torch.arange(1, counts.shape[1] + 1, device=counts.device) * counts
    return (positions == positions.amax(1, keepdim=True)) & counts


class FiredTally:
    """Tokens on which each neuron passed each threshold: `fired [F, G, N]`, `tokens [G]`; one language a batch."""

    def __init__(self, layout: Layout, languages: int, thresholds: tuple[float, ...], device: torch.device) -> None:
        self.thresholds = thresholds
        self.fired = torch.zeros(len(thresholds), languages, layout.neuron_count, dtype=torch.int64, device=device)
        self.tokens = torch.zeros(languages, dtype=torch.int64, device=device)

    def begin(self, batch: Batch, counted: Tensor) -> None:
        """Set which tokens of the coming forward count: `counted [B, T]`."""
        self.language = batch.texts[0].language
        self.weights = counted.reshape(1, -1).float()
        self.tokens[self.language] += counted.sum()

    def update(self, layer: Layer, activation: Tensor) -> None:
        """Add one layer's `activation [B·T, N]`."""
        for place, threshold in enumerate(self.thresholds):
            counts = self.weights @ (activation > threshold).float()
            self.fired[place, self.language, layer.neurons] += counts[0].to(torch.int64)


class SharingTally:
    """In how many languages each neuron fires on a row; batches hold whole rows, all languages of a row together."""

    def __init__(self, layout: Layout, languages: int, threshold: float, rows: int, device: torch.device) -> None:
        neurons = layout.neuron_count
        self.languages, self.threshold = languages, threshold
        self.layer_places = {layer: place for place, layer in enumerate(layout.layers)}
        self.histogram = torch.zeros(languages + 1, neurons, dtype=torch.int64, device=device)
        self.fired = torch.zeros(languages, neurons, dtype=torch.int64, device=device)
        self.by_row = torch.zeros(rows, len(layout.layers), languages + 1, dtype=torch.int32, device=device)

    def begin(self, batch: Batch, counted: Tensor) -> None:
        """Set which token of each text counts: `counted [B, T]` with one True a text."""
        self.positions = counted.reshape(-1).nonzero()[:, 0]
        self.rows = torch.tensor([text.row for text in batch.texts[:: self.languages]], device=counted.device)

    def update(self, layer: Layer, activation: Tensor) -> None:
        """Add one layer's `activation [B·T, N]`."""
        active = (activation[self.positions] > self.threshold).reshape(len(self.rows), self.languages, -1)
        self.fired[:, layer.neurons] += active.sum(0)
        shared = active.sum(1)  # [rows, N]: in how many languages
        for count in range(self.languages + 1):
            hit = shared == count
            self.histogram[count, layer.neurons] += hit.sum(0)
            self.by_row[self.rows, self.layer_places[layer], count] = hit.sum(1, dtype=torch.int32)
