"""The explorer's data: rates, categories and sets of single neurons, packed so that a page can carry them.

A rate stands as s·√rate, rounded, in two bytes (s = 65,534) where all neurons fit, else in one (s = 254), off by less
than 0.8 percentage points; 0 and s are kept for neurons that never and always fire, and s + 1 for no rate. Deflate
saves another tenth. A page carries at most `PAGE_BYTES`, 8 MB as base64: about 130,000 neurons in 30 languages. Of
larger models it carries the neurons that are in a set, then those whose rate in one language lies farthest above that
in every other.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.sharing import Sharing
from neuroglot.layout import Layout
from neuroglot.metrics.top_texts import TopTexts
from neuroglot.neurons.categories import CATEGORIES, rows_by_category
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import definition_of_fires, language_label, layer_labels

PAGE_BYTES = 5_900_000
ONE_BYTE, TWO_BYTES = 254, 65_534  # what stands for 1; the next whole number stands for no share
LISTED = 5  # of a language's most specific neurons


def explorer_data(
    results: Sequence[Any], texts: TopTexts | None = None, most_bytes: int = PAGE_BYTES
) -> dict[str, Any] | None:
    """What the page's explorer reads: the first Activity, with sets, Sharing and texts of its layout; None without."""
    activity = next((one for one in results if isinstance(one, Activity)), None)
    if activity is None:
        return None
    sharing = next((one for one in results if isinstance(one, Sharing) and one.layout == activity.layout), None)
    sets = next((one for one in results if isinstance(one, Mapping) and _of_layout(one, activity.layout)), {})
    rates = activity.rates(activity.recording.fires[0])
    own_excess = _excess(rates)
    size = partial(_bytes_each, len(rates), len(sets), sharing)
    scale = TWO_BYTES if len(own_excess) * size(TWO_BYTES) <= most_bytes else ONE_BYTE
    kept = _kept(own_excess, sets, most_bytes // size(scale))
    gaps = np.diff(kept.numpy(), prepend=0).astype("<u4")
    packed = {"ids": _packed(gaps), "rates": _packed(_scaled(rates[:, kept].sqrt(), scale))}
    if sharing:
        packed["categories"] = _packed(_scaled(rows_by_category(sharing)[:, kept] / sharing.rows, TWO_BYTES))
    if sets:
        packed["sets"] = _packed(np.packbits(np.stack([one.members[kept].numpy() for one in sets.values()]), axis=1))
    return {
        "layers": [
            (label, layer.width, layer.start)
            for label, layer in zip(layer_labels(activity.layout).full, activity.layout.layers)
        ],
        "languages": [(code, language_label(code)) for code in activity.languages],
        "kept": len(kept),
        "neurons": activity.layout.neuron_count,
        "fires": definition_of_fires(activity.recording).split(" Read on ")[0],
        "sets": list(sets),
        "categories": [CATEGORIES, sharing.rows] if sharing else None,
        "scale": scale,
        "packed": packed,
        "specific": _most_specific(activity, rates, own_excess, kept).to_json(),
        "texts": texts.to_json() if texts and texts.layout == activity.layout else None,
    }


def _of_layout(sets: Mapping[str, NeuronSet], layout: Layout) -> bool:
    return all(one.layout == layout for one in sets.values())


def _bytes_each(languages: int, sets: int, sharing: Sharing | None, scale: int) -> int:
    """Bytes that one neuron takes uncompressed: its number, rates, categories and memberships."""
    rates = languages * (1 if scale == ONE_BYTE else 2)
    return 4 + rates + (2 * len(CATEGORIES) if sharing else 0) + -(-sets // 8)


def _excess(rates: Tensor) -> Tensor:
    """How far each neuron's highest rate lies above its next one: `[N]`; its rate where there is one language."""
    known = rates.nan_to_num(0.0)
    highest = known.topk(min(2, len(known)), dim=0).values
    return highest[0] - highest[1] if len(highest) > 1 else highest[0]


def _kept(excess: Tensor, sets: Mapping[str, NeuronSet], most: int) -> Tensor:
    """Ascending numbers of at most `most` neurons: members of sets first, then the most specific."""
    if most >= len(excess):
        return torch.arange(len(excess))
    in_a_set = torch.stack([one.members for one in sets.values()]).any(0).double() if sets else torch.zeros_like(excess)
    return (excess + 2 * in_a_set).argsort(descending=True, stable=True)[:most].sort().values


def _scaled(shares: Tensor, scale: int) -> np.ndarray:
    """Shares of each neuron beside each other: `[K, ·]` whole numbers, the ends only for exactly 0 and 1."""
    between = (scale * shares.double()).round().clamp(1, scale - 1)
    whole = torch.where((shares == 0) | (shares == 1), scale * shares, between).nan_to_num(scale + 1)
    return whole.T.contiguous().numpy().astype(np.uint8 if scale == ONE_BYTE else "<u2")


def _packed(values: np.ndarray) -> str:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(compressor.compress(values.tobytes()) + compressor.flush()).decode()


def _most_specific(activity: Activity, rates: Tensor, excess: Tensor, kept: Tensor) -> Table:
    """For each language its neurons whose rate lies farthest above that in the next language."""
    labels, layers = layer_labels(activity.layout).full, activity.layout.layers
    layer_of = torch.repeat_interleave(torch.tensor([layer.width for layer in layers]))
    owner = rates[:, kept].nan_to_num(0.0).argmax(0)
    rows = []
    for place, code in enumerate(activity.languages):
        own = kept[owner == place]
        for neuron in own[excess[own].argsort(descending=True, stable=True)[:LISTED]].tolist():
            if excess[neuron] > 0:
                layer, rate = int(layer_of[neuron]), float(rates[place, neuron])
                next_rate = rate - float(excess[neuron])
                rows.append((code, labels[layer], neuron - layers[layer].start, rate, next_rate))
    unit = "share of tokens"
    columns = [Column(name) for name in ("language", "layer", "neuron")]
    columns += [Column("fires", unit), Column("in the next language", unit)]
    return Table.of("most-specific", "The most language-specific neurons", columns, rows)
