"""The four categories of Sharing Matters: all-shared, partial-shared, specific and non-activated neurons."""

import torch
from torch import Tensor

from neuroglot.activity.sharing import Sharing

CATEGORIES = ("all-shared", "partial-shared", "specific", "non-activated")


def categories_of(languages_firing: Tensor) -> Tensor:
    """Counts by number of languages `[..., G+1]` → by category `[..., 4]`, in the order of `CATEGORIES`.

    A neuron that fires in all G languages on a row is all-shared, in 2 to G-1 partial-shared, in one specific, in none
    non-activated; with two languages none is partial-shared. Source: Wang et al. 2024, §3.1.
    """
    groups = (
        languages_firing[..., -1],
        languages_firing[..., 2:-1].sum(-1),
        languages_firing[..., 1],
        languages_firing[..., 0],
    )
    return torch.stack(groups, dim=-1)


def rows_by_category(sharing: Sharing) -> Tensor:
    """Rows on which each neuron is of each category: `[4, N]`, int64; the four add up to R for every neuron."""
    return categories_of(sharing.histogram.T).T


def layer_shares_by_row(sharing: Sharing) -> Tensor:
    """Share of the layer's neurons of each category on each row: `[R, L, 4]`, float64, the four adding up to 1."""
    widths = torch.tensor([layer.width for layer in sharing.layout.layers])
    return categories_of(sharing.by_row).double() / widths[:, None]


def shares_if_independent(sharing: Sharing) -> Tensor:
    """Category shares by layer `[L, 4]` if each neuron fired in each language independently at its own rate.

    A category's share means little unless it is held against this: neurons that fire often are all-shared by chance.
    The distribution of the number of languages is the Poisson binomial one of the neuron's rates.
    """
    rates = sharing.fired.double() / sharing.rows
    distribution = torch.zeros(len(sharing.languages) + 1, rates.shape[1], dtype=torch.float64)
    distribution[0] = 1
    for rate in rates:
        shifted = torch.cat([torch.zeros_like(distribution[:1]), distribution[:-1]])
        distribution = distribution * (1 - rate) + shifted * rate
    by_layer = [part.mean(-1) for _, part in sharing.layout.by_layer(distribution)]
    return categories_of(torch.stack(by_layer))
