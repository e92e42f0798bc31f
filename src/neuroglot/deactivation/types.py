"""Which neurons of a row are of which type, and random sets of the same size; masks of a few rows at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import select
from neuroglot.activity.tallies import fired_on_texts
from neuroglot.corpora.batches import Batch
from neuroglot.layout import Layer, Layout
from neuroglot.models.inputs import forward_inputs
from neuroglot.models.points import Routing
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting import at_random_like


def languages_firing(view: ModelView, prompts: Batch, languages: int, recording: Recording) -> Tensor:
    """In how many languages each neuron fires on each row of a batch of whole rows: `[rows, N]`, int16, on the CPU."""
    selected, shape = select(view, prompts, recording), prompts.token_ids.shape
    firing = torch.zeros(shape[0] // languages, view.layout.neuron_count, dtype=torch.int16)

    def tap(layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        counted = selected[layer.stack].mask.to(activation.device)
        fired = fired_on_texts(activation > recording.fires[0], counted, shape, layer, routing)
        firing[:, layer.neurons] = fired.reshape(len(firing), languages, -1).sum(1).cpu().to(torch.int16)

    device = view.model.device
    with view.reading({recording.site: tap}) as forward:
        forward(**forward_inputs(view, prompts.token_ids.to(device), prompts.real.to(device)))
    return firing


def members_by_type(firing: Tensor, languages: int, types: Sequence[str]) -> dict[str, Tensor]:
    """The neurons of each type, bool like `firing`; G languages, as in `neurons.categories_of`."""
    found = {
        "all-shared": firing == languages,
        "partial-shared": (firing >= 2) & (firing < languages),
        "specific": firing == 1,
        "non-activated": firing == 0,
    }
    return {name: found[name] for name in types}


def at_random(layout: Layout, members: Tensor, seed: int, ids: Sequence[str], name: str, draw: int) -> Tensor:
    """For each row as many neurons in every layer as `members [rows, N]` has, drawn from all of that layer.

    Each row, type and draw has a seed of its own, made from these and `seed`, so that a row's draws depend neither on
    the other rows nor on the batches.
    """
    sets = (NeuronSet(layout, row) for row in members)
    drawn = [at_random_like(one, seed_of(seed, row_id, name, draw)).members for one, row_id in zip(sets, ids)]
    return torch.stack(drawn)


def of_equal_size(layout: Layout, members: Mapping[str, Tensor], seed: int, ids: Sequence[str]) -> dict[str, Tensor]:
    """Each type cut, at random in every layer and row, to the size of the smallest type that is not empty there."""
    counts = torch.stack([layout.sum_by_layer(part.long()) for part in members.values()])  # [T, rows, L]
    smallest = counts.masked_fill(counts == 0, torch.iinfo(counts.dtype).max).amin(0)
    cut = {}
    for place, (name, part) in enumerate(members.items()):
        sizes = torch.minimum(smallest, counts[place])
        cut[name] = torch.stack([
            _some(layout, row, of_row, seed_of(seed, row_id, name, "equal size"))
            for row, of_row, row_id in zip(part, sizes.tolist(), ids)
        ])  # fmt: skip
    return cut


def seed_of(*parts: object) -> int:
    """A seed from a hash of the parts: other parts, other seed, in any order of work."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _some(layout: Layout, members: Tensor, sizes: Sequence[int], seed: int) -> Tensor:
    """So many of the members of each layer `[N]`."""
    generator = torch.Generator().manual_seed(seed)
    kept = torch.zeros_like(members)
    for (layer, part), size in zip(layout.by_layer(members), sizes):
        places = part.nonzero()[:, 0]
        kept[layer.start + places[torch.randperm(len(places), generator=generator)[:size]]] = True
    return kept
