"""The neurons that fire most: rank curves, where they lie, and whether settings agree on them (PMI)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting_common import require_share
from neuroglot.signature import Signature


@dataclass(frozen=True, eq=False)
class Peaks:
    """The neurons of highest count: their number by layer `[L]`, and counts in falling order, `[kept]`, int64."""

    neurons: NeuronSet
    counts: Tensor

    @property
    def by_layer(self) -> list[int]:
        return self.neurons.counts_by_layer()


def find_peaks(counts: Tensor, layout: Layout, top_share: float = 0.2) -> Peaks:
    """The floor(`top_share` · N) neurons of highest count among all layers, from `[N]`, but none with count 0.

    Of equal counts the neuron that comes first in the layout. Source: PMI, Mu et al. 2024, the top-p% figure, whose
    lower panel shows `by_layer` (there labelled as activations). A partial sort: seconds less than ordering all.
    Raises `ConfigError` for a share outside (0, 1].
    """
    require_share("top_share", top_share)
    kept = min(math.floor(top_share * len(counts)), int((counts > 0).sum()))
    members = torch.zeros(len(counts), dtype=torch.bool)
    if kept:
        bar = torch.kthvalue(counts, len(counts) - kept + 1).values
        members = counts > bar
        ties = (counts == bar).nonzero()[:, 0]
        members[ties[: kept - int(members.sum())]] = True
    rule = Signature.of(rule="highest counts", top_share=top_share)
    ordered = torch.sort(counts[members], descending=True).values
    return Peaks(NeuronSet(layout, members, rule), ordered)


def thinned_ranks(peaks: Peaks, points: int = 200) -> list[tuple[int, int]]:
    """Some ranks (from 1) with their counts, for a curve: the first, the last, and others evenly between."""
    total = len(peaks.counts)
    places = sorted({round(place * (total - 1) / max(points - 1, 1)) for place in range(points)}) if total else []
    return [(place + 1, int(peaks.counts[place])) for place in places]


def shares_by_layer(counts: Mapping[str, Tensor], tokens: Mapping[str, int], layout: Layout) -> dict[str, Tensor]:
    """Share of pairs of token and neuron that fired, by layer: counts `[N]` by setting → `[L]`, float64."""
    widths = torch.tensor([layer.width for layer in layout.layers], dtype=torch.float64)
    return {name: layout.sum_by_layer(one).double() / (widths * tokens[name]) for name, one in counts.items()}
