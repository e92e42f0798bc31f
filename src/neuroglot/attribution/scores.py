"""Contribution and effective scores of neurons, and what is kept of them by category: arithmetic on tensors.

Source: Wang et al. 2024 (Sharing Matters), §5; the effective score is that of Geva et al. 2022, §3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.layout import Layer

if TYPE_CHECKING:
    from neuroglot.models.view import ModelView  # the scores that a report reads need no model

# Each neuron of a row and language is in one group: its category, which all languages decide, and if it fires here.
GROUPS = (
    "all-shared", "partial-shared, active", "partial-shared, inactive", "specific, active", "specific, inactive",
    "non-activated",
)  # fmt: skip
ALL_SHARED, PARTIAL, SPECIFIC, SILENT = 0, 1, 3, 5  # of the two groups of a category the active one stands first
REDUCTIONS = ("sum", "max", "min")
EMPTY_GROUP = {"sum": 0, "max": -torch.inf, "min": torch.inf}


def value_norms(view: ModelView, layer: Layer) -> Tensor:
    """Euclidean length of each neuron's value vector: `[N]`, float32."""
    return view.value_vectors(layer).detach().float().norm(dim=1)


def contribution(coefficients: Tensor, norms: Tensor) -> Tensor:
    """C = |m_i|·‖v_i‖, the length of what each neuron writes: `[..., N]` and `[N]` → `[..., N]`.

    It is never negative and knows no token: an upper bound of the effect on any direction of length 1.
    """
    return coefficients.abs() * norms


def projections(vectors: Tensor, directions: Tensor) -> Tensor:
    """u·v_i for each direction and value vector: `[N, D]` and `[K, D]` → `[K, N]`, float32."""
    return directions.to(vectors.device).float() @ vectors.float().T


def effective(coefficients: Tensor, projected: Tensor) -> Tensor:
    """E = m_i (u·v_i), what each neuron adds to the logit of the direction u, from `projected` u·v_i: `[..., N]`.

    Positive where the neuron promotes the token. Where we differ from the paper's code: u is a row of the LM head, not
    of the input embedding, which only coincide where a model ties them.
    """
    return coefficients * projected


def groups_of(fired: Tensor) -> Tensor:
    """Which of `GROUPS` each neuron is in, from whether it fires on a row in each language: `[R, G, N]` → uint8."""
    languages = fired.shape[1]
    count = fired.sum(1, keepdim=True, dtype=torch.int32)
    base = torch.full_like(count, PARTIAL)
    for owners, base_group in ((languages, ALL_SHARED), (1, SPECIFIC), (0, SILENT)):
        base.masked_fill_(count == owners, base_group)
    inactive = ~fired & (count > 0) & (count < languages)
    return (base + inactive).to(torch.uint8)


def top_size(top_share: float, neurons: int) -> int:
    """How many neurons of a layer make up its top share: rounded, one or more."""
    return max(1, min(neurons, round(top_share * neurons)))


def top_members(values: Tensor, size: int) -> Tensor:
    """The `size` largest of each line, of equal ones those that stand first: `[..., N]` → bool `[..., N]`."""
    least = values.topk(size, dim=-1, sorted=False).values.amin(-1, keepdim=True)
    above, equal = values > least, values == least
    wanted = size - above.sum(-1, keepdim=True)
    if bool((equal.sum(-1, keepdim=True) != wanted).any()):
        equal &= equal.cumsum(-1, dtype=torch.int32) <= wanted
    return above | equal


def by_group(groups: Tensor, top: Tensor, scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is kept of one layer: `groups`, `top` and each score `[R, G, N]` → tensors `[R, G, 6]` by name.

    `sizes` and `top` count neurons (int32); `<score>_sum`, `_max` and `_min` are over the neurons of the group, 0, −inf
    and +inf where it is empty. On a CPU values are scattered, which is many times faster there; on an accelerator each
    group is masked, because scattering into six places is slow there and adds up in no fixed order.
    """
    reduce = scattered if groups.device.type == "cpu" else masked
    ones = torch.ones_like(groups, dtype=torch.int32)
    groups = groups.long() if reduce is scattered else groups
    kept = {"sizes": reduce(groups, ones, "sum"), "top": reduce(groups, top.to(torch.int32), "sum")}
    for name, values in scores.items():
        kept |= {f"{name}_{statistic}": reduce(groups, values, statistic) for statistic in REDUCTIONS}
    return kept


def scattered(groups: Tensor, values: Tensor, statistic: str) -> Tensor:
    """A statistic of the values of each group, `[R, G, N]` → `[R, G, 6]`, in one go over all neurons."""
    places = groups.long()
    if statistic == "sum":
        wide = torch.float64 if values.is_floating_point() else values.dtype
        into = torch.zeros(*values.shape[:-1], len(GROUPS), dtype=wide, device=values.device)
        return into.scatter_add_(-1, places, values.to(wide)).to(values.dtype)
    into = values.new_full((*values.shape[:-1], len(GROUPS)), EMPTY_GROUP[statistic])
    return into.scatter_reduce_(-1, places, values, f"a{statistic}")


def masked(groups: Tensor, values: Tensor, statistic: str) -> Tensor:
    """The same, one group after another."""
    found = []
    for group in range(len(GROUPS)):
        part = values.masked_fill(groups != group, EMPTY_GROUP[statistic])
        if statistic == "sum":
            found.append(part.sum(-1, dtype=values.dtype))
        else:
            found.append(part.amax(-1) if statistic == "max" else part.amin(-1))
    return torch.stack(found, dim=-1)
