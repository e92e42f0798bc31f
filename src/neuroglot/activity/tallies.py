"""Measures of activations, and tallies: what is kept of each activation while the model runs, on the model's device.

A tally is shown one layer of one batch at a time. What it sees waits until the batch is done (`commit`), so that a
batch that failed half-way leaves nothing behind, and joins `totals` of O(languages × neurons), whatever the corpus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, Protocol

import torch
from torch import Tensor

from neuroglot.activity.recording import HISTOGRAM_EDGES, Recording, Statistic
from neuroglot.activity.selection import Selection
from neuroglot.layout import Layer, Layout
from neuroglot.models.points import Routing
from neuroglot.tokens.batches import Batch

LANES = 8  # bytes in an int64, each of them a counter
COUNTED_AT_ONCE = 255  # rows until a counter of one byte is full
MANTISSA_BITS, EXPONENT_BIAS = 23, 127  # of a float32
EXPONENT_BELOW_EDGES = EXPONENT_BIAS + int(math.log2(min(edge for edge in HISTOGRAM_EDGES if edge > 0))) - 1


@dataclass(frozen=True)
class Measure:
    """One tensor of a statistic: the value of each `element`, reduced over the rows of an activation `[rows, N]`.

    * `sum`: `[N]`, float64 over batches, float32 within one.
    * `max`: `[N]`, −inf where nothing was read.
    * `bins`: `[N, bins]`, counts of a sample of the positions, int64.
    """

    name: str
    element: Callable[[Tensor, Tensor], Tensor]  # of float32 values, and of room for as many
    reduce: Literal["sum", "max", "bins"]

    def empty(self, *shape: int, device: torch.device) -> Tensor:
        """The statistic of no rows."""
        if self.reduce == "bins":
            return torch.zeros(*shape, len(HISTOGRAM_EDGES) + 1, dtype=torch.int64, device=device)
        if self.reduce == "max":
            return torch.full(shape, -torch.inf, device=device)
        return torch.zeros(shape, dtype=torch.float64, device=device)

    def over(self, rows: Tensor, room: Tensor) -> Tensor:
        """Of a dense layer's `rows [rows, N]`, float32; `room` of the same shape is written over."""
        values = self.element(rows, room)
        if self.reduce == "sum":
            return values.sum(0)
        if self.reduce == "max":
            return values.amax(0) if len(values) else values.new_full(values.shape[1:], -torch.inf)
        return _counted_bins(values, torch.zeros(len(values), dtype=torch.int64, device=rows.device), 1)[0]

    def over_experts(self, rows: Tensor, experts: Tensor, one_hot: Tensor) -> Tensor:
        """Of rows that were routed to `experts [rows]`: `[experts, N]`, `one_hot [experts, rows]` saying it again."""
        values = self.element(rows, torch.empty_like(rows))
        if self.reduce == "sum":
            return one_hot @ values
        if self.reduce == "max":
            empty = values.new_full((len(one_hot), values.shape[1]), -torch.inf)
            return empty.scatter_reduce_(0, experts[:, None].expand_as(values), values, "amax")
        return _counted_bins(values, experts, len(one_hot))


def bin_of(values: Tensor) -> Tensor:
    """The bin of `HISTOGRAM_EDGES` that each float32 falls into, an edge belonging to the bin below it.

    Edges are powers of 2, so that a value's exponent tells its bin, twice as fast as a search would.
    """
    bits, octaves = values.contiguous().view(torch.int32), len(HISTOGRAM_EDGES) // 2
    positive = (bits > 0).int()
    size = (bits & 0x7FFFFFFF) - positive  # so that a positive edge has the exponent of the bin below it
    octave = (size >> MANTISSA_BITS).sub_(EXPONENT_BELOW_EDGES).clamp_(0, octaves)
    return (octave * (2 * positive - 1) + (octaves + positive)).long()


MEASURES: dict[Statistic, tuple[Measure, ...]] = {
    "moments": (
        Measure("sum", lambda values, room: values, "sum"),
        Measure("sum_of_squares", lambda values, room: torch.square(values, out=room), "sum"),
    ),
    "magnitude": (Measure("sum_of_magnitudes", lambda values, room: torch.abs(values, out=room), "sum"),),
    "zeros": (Measure("zeros", lambda values, room: torch.eq(values, 0.0, out=room), "sum"),),
    "maximum": (Measure("maximum", lambda values, room: values, "max"),),
    "histogram": (Measure("histogram", lambda values, room: bin_of(values), "bins"),),
}


def count_true(fired: Tensor) -> Tensor:
    """How many rows are true in each column: `[rows, N]` bool → `[N]` int64.

    Eight columns are added at once, as the bytes of one integer, until a byte could overflow. That is about 20 times
    faster than a sum of bools, and exact.
    """
    rows, columns = fired.shape
    if columns % LANES:
        return fired.view(torch.uint8).sum(0)
    lanes = fired.contiguous().view(torch.uint8).view(torch.int64)
    if rows <= COUNTED_AT_ONCE:
        return lanes.sum(0).view(torch.uint8).long()
    whole = rows // COUNTED_AT_ONCE * COUNTED_AT_ONCE
    parts = lanes[:whole].reshape(-1, COUNTED_AT_ONCE, columns // LANES).sum(1)
    rest = lanes[whole:].sum(0, keepdim=True)
    return torch.cat([parts, rest]).view(torch.uint8).sum(0)


def _counted_bins(bins: Tensor, groups: Tensor, group_count: int) -> Tensor:
    """How often each neuron fell into each bin, by group of rows: `[rows, N]` → `[groups, N, bins]`."""
    neurons, bin_count = bins.shape[1], len(HISTOGRAM_EDGES) + 1
    places = (groups[:, None] * neurons + torch.arange(neurons, device=bins.device)) * bin_count + bins
    counts = torch.zeros(group_count * neurons * bin_count, dtype=torch.int64, device=bins.device)
    counts.scatter_add_(0, places.flatten(), torch.ones_like(places.flatten()))
    return counts.reshape(group_count, neurons, bin_count)


class Tally(Protocol):
    """Anything that can be shown the activations of a forward, layer by layer.

    Parts of a corpus combine by adding `totals`, or by their maximum for those named in `maxima`.
    """

    recording: Recording
    totals: dict[str, Tensor]
    maxima: frozenset[str]

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None: ...
    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None: ...
    def commit(self) -> None: ...
    def hold(self) -> None: ...


class Room:
    """Memory that is used again for each layer: asking for it anew costs more than writing to it."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def like(self, example: Tensor, purpose: str, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor of the example's shape and device with anything in it."""
        dtype, needed = dtype or example.dtype, example.numel()
        kept = self.kept.get(purpose)
        if kept is None or kept.numel() < needed or kept.dtype != dtype or kept.device != example.device:
            kept = self.kept[purpose] = torch.empty(needed, dtype=dtype, device=example.device)
        return kept[:needed].view(example.shape)


class ActivityTally:
    """Tokens on which each neuron passed each threshold: `fired [F, G, N]`; tokens read: `tokens [G]`; tokens that
    reached each feed-forward network: `reached [G, U]`; and the recording's statistics. One language a batch.
    """

    def __init__(self, layout: Layout, languages: int, recording: Recording, device: torch.device) -> None:
        self.recording = recording
        self.networks = _network_slices(layout)
        self.measures = [measure for name in recording.statistics for measure in MEASURES[name]]
        self.maxima = frozenset(measure.name for measure in self.measures if measure.reduce == "max")
        thresholds, neurons, networks = len(recording.fires), layout.neuron_count, len(layout.network_widths)
        self.totals = {
            "fired": torch.zeros(thresholds, languages, neurons, dtype=torch.int64, device=device),
            "tokens": torch.zeros(languages, dtype=torch.int64, device=device),
            "reached": torch.zeros(languages, networks, dtype=torch.int64, device=device),
        } | {measure.name: measure.empty(languages, neurons, device=device) for measure in self.measures}
        self.pending = {name: torch.empty_like(self._of_language(name, 0)) for name in self.totals}
        self.held: dict[str, Tensor] | None = None
        self.room = Room()

    def _of_language(self, name: str, language: int) -> Tensor:
        return self.totals[name][:, language] if name == "fired" else self.totals[name][language]

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        """Set what counts in the coming forward, by stack."""
        self.batch, self.selected = batch, dict(selected)
        self.pending["tokens"].fill_(len(next(iter(selected.values())).counted))
        if batch.prefix is None:
            self.held = None

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Note one layer's `activation [rows, N]`."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        if routing is not None:
            self._update_experts(layer, activation, routing, selection.mask)
            return
        self.pending["reached"][self.networks[layer]] = len(selection.counted)
        rows, others = activation, selection.others
        if selection.is_sparse or (self.measures and len(others)):
            room = self.room.like(activation[: len(selection.counted)], "rows")
            rows, others = torch.index_select(activation, 0, selection.counted, out=room), others[:0]
        for place, threshold in enumerate(self.recording.thresholds(rows.dtype)):
            fired = torch.gt(rows, threshold, out=self.room.like(rows, "fired", torch.bool))
            if len(others):
                fired.index_fill_(0, others, False)
            self.pending["fired"][place, layer.neurons] = count_true(fired)
        values = rows.float() if self.measures else rows
        for measure in self.measures:
            chosen = activation.index_select(0, selection.sampled).float() if measure.reduce == "bins" else values
            reduced = measure.over(chosen, self.room.like(chosen, "values"))
            self.pending[measure.name][layer.neurons] = reduced.to(self.pending[measure.name])

    def _update_experts(self, layer: Layer, activation: Tensor, routing: Routing, mask: Tensor) -> None:
        """Rows are pairs of token and expert; a neuron does not fire on tokens that it does not get."""
        counted = mask[routing.tokens]
        one_hot = torch.zeros(layer.experts, len(counted), device=activation.device)
        one_hot.scatter_(0, routing.experts[None], counted.float()[None])  # 0s and 1s: exact below 2²⁴ rows
        self.pending["reached"][self.networks[layer]] = one_hot.sum(1).to(self.pending["reached"])
        for place, threshold in enumerate(self.recording.thresholds(activation.dtype)):
            fired = one_hot @ (activation > threshold).float()
            self.pending["fired"][place, layer.neurons] = fired.flatten().to(self.pending["fired"])
        if self.measures:
            self._measure_experts(layer, activation, routing, one_hot)

    def _measure_experts(self, layer: Layer, activation: Tensor, routing: Routing, one_hot: Tensor) -> None:
        selection = self.selected[layer.stack]
        sampled = torch.isin(routing.tokens, selection.sampled)
        counted = selection.mask[routing.tokens]
        for measure in self.measures:
            chosen = sampled if measure.reduce == "bins" else counted
            values = activation[chosen].float()
            reduced = measure.over_experts(values, routing.experts[chosen], one_hot[:, chosen])
            self.pending[measure.name][layer.neurons] = reduced.flatten(0, 1).to(self.pending[measure.name])

    def hold(self) -> None:
        """Keep what was seen as the shared beginning of all texts of the coming batches."""
        self.held = {name: pending.clone() for name, pending in self.pending.items()}

    def commit(self) -> None:
        """Add the batch to the totals, each text as often as it stands in the corpus."""
        texts = len(self.batch.texts) * self.batch.times
        for name, pending in self.pending.items():
            total, held = self._of_language(name, self.batch.texts[0].language), (self.held or {}).get(name)
            if name in self.maxima:
                total.copy_(torch.maximum(total, pending if held is None else torch.maximum(pending, held)))
            else:
                total.add_(pending, alpha=self.batch.times)
                if held is not None:
                    total.add_(held, alpha=texts)


class SharingTally:
    """In how many languages each neuron fires on a row; batches hold whole rows, all languages of a row together.

    `histogram [G+1, N]`, `fired [G, N]`, `by_row [R, L, G+1]` and `active [R, L, G]` as in `Sharing`.
    """

    maxima: frozenset[str] = frozenset()

    def __init__(self, layout: Layout, languages: int, recording: Recording, rows: int, device: torch.device) -> None:
        self.recording, self.languages = recording, languages
        self.layer_places = {layer: place for place, layer in enumerate(layout.layers)}
        neurons, layers = layout.neuron_count, len(layout.layers)
        self.totals = {
            "histogram": torch.zeros(languages + 1, neurons, dtype=torch.int64, device=device),
            "fired": torch.zeros(languages, neurons, dtype=torch.int64, device=device),
            "by_row": torch.zeros(rows, layers, languages + 1, dtype=torch.int32, device=device),
            "active": torch.zeros(rows, layers, languages, dtype=torch.int32, device=device),
        }
        self.fired_on: dict[Layer, Tensor] = {}

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        """Set which tokens of each text count, by stack."""
        self.selected = dict(selected)
        self.rows = torch.tensor([text.row for text in batch.texts[:: self.languages]])

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Note which of one layer's neurons fire on each row, in each language."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        (threshold,) = self.recording.thresholds(activation.dtype)
        if self.recording.tokens == "last" and routing is None:
            fired = activation.index_select(0, selection.counted) > threshold
        else:
            fired = fired_on_texts(activation > threshold, selection.mask, selection.shape, layer, routing)
        self.fired_on[layer] = fired.reshape(len(self.rows), self.languages, -1)

    def hold(self) -> None:
        """Rows are read whole, without shared beginnings: there is nothing to keep."""

    def commit(self) -> None:
        """Add the batch's rows."""
        device, categories = self.totals["fired"].device, self.languages + 1
        rows = self.rows.to(device)
        for layer, fired_on in self.fired_on.items():
            fired, place = fired_on.to(device), self.layer_places[layer]
            shared = fired.sum(1)  # [rows, N]: in how many languages
            self.totals["active"][rows, place] = count_true(fired.flatten(0, 1).T).reshape(len(rows), -1).int()
            self.totals["fired"][:, layer.neurons] += fired.sum(0) if len(rows) > 1 else fired[0]
            self.totals["histogram"][:, layer.neurons].scatter_add_(0, shared, torch.ones_like(shared))
            numbered = shared + categories * torch.arange(len(rows), device=device)[:, None]
            counts = torch.bincount(numbered.flatten(), minlength=categories * len(rows))
            self.totals["by_row"][rows, place] = counts.reshape(-1, categories).int()


def fired_on_texts(
    fired: Tensor, counted: Tensor, shape: Sequence[int], layer: Layer, routing: Routing | None
) -> Tensor:
    """On which of B texts each of the layer's neurons fired at one counted token or more: `[B, N]` bool.

    `fired [rows, N]` is about the flattened positions of a batch of the `shape` (B, T), or about the pairs of position
    and expert that `routing` names; `counted [B·T]` marks the positions that count.
    """
    texts, length = shape
    if routing is None:
        return (fired & counted[:, None]).reshape(texts, length, -1).any(1)
    groups = routing.tokens // length * layer.experts + routing.experts
    hit = torch.zeros(texts * layer.experts, fired.shape[1], dtype=torch.uint8, device=fired.device)
    values = (fired & counted[routing.tokens, None]).to(torch.uint8)
    hit.scatter_reduce_(0, groups[:, None].expand_as(values), values, "amax")
    return hit.bool().reshape(texts, -1)


def _network_slices(layout: Layout) -> dict[Layer, slice]:
    """Where each layer's networks stand among all U."""
    ends = accumulate(layer.experts for layer in layout.layers)
    return {layer: slice(end - layer.experts, end) for layer, end in zip(layout.layers, ends)}
