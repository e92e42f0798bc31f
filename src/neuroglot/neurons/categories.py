"""The four categories of Sharing Matters: all-shared, partial-shared, specific and non-activated neurons."""

import math

import torch
from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.errors import ConfigError

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


def active_shares_by_row(sharing: Sharing) -> Tensor:
    """Share of the layer's neurons that fire on each row in each language: `[R, L, G]`, float64."""
    widths = torch.tensor([layer.width for layer in sharing.layout.layers])
    return sharing.active.double() / widths[:, None]


def repetition(sharing: Sharing) -> Tensor:
    """Share of the layer's neurons that are of one category on every row: `[L, 4]`, float64.

    Source: Wang et al. 2024, §4 ("behaviour repeating"); there, as here, a neuron that is specific to another language
    on every row counts. `rows_by_category` holds the whole distribution.
    """
    always = rows_by_category(sharing) == sharing.rows
    widths = torch.tensor([layer.width for layer in sharing.layout.layers])
    return (sharing.layout.sum_by_layer(always.long()).double() / widths).T


def repetition_histogram(sharing: Sharing, bins: int = 10) -> Tensor:
    """Neurons by how often they are of a category: `[4, bins + 1]`, int64; the first bin is never, the last holds those
    of a share of rows in (1 − 1/bins, 1]. Each category adds up to N.
    """
    shares = rows_by_category(sharing).double() / sharing.rows
    places = torch.ceil(shares * bins - 1e-9).long().clamp(0, bins)
    return torch.stack([torch.bincount(of_category, minlength=bins + 1) for of_category in places])


def shares_among(sharing: Sharing, languages: int) -> Tensor:
    """Category shares by row `[R, L, 4]` as they are on average over all choices of that many of the G languages.

    The more languages, the fewer neurons can be all-shared: results with different G are comparable at an equal number
    only. A neuron that fires in c of G languages fires in all of a random choice of k with the probability
    C(c, k) / C(G, k), and so on for the other categories; no choice has to be tried. Raises `ConfigError` unless
    2 ≤ languages ≤ G.
    """
    total = len(sharing.languages)
    if not 2 <= languages <= total:
        raise ConfigError(f"Categories among {languages} languages were asked for.", f"Expected 2 to {total}.")
    weights = torch.zeros(total + 1, len(CATEGORIES), dtype=torch.float64)
    choices = math.comb(total, languages)
    for firing in range(total + 1):
        everywhere = math.comb(firing, languages) / choices
        once = firing * math.comb(total - firing, languages - 1) / choices
        nowhere = math.comb(total - firing, languages) / choices
        weights[firing] = torch.tensor([everywhere, 1 - everywhere - once - nowhere, once, nowhere])
    widths = torch.tensor([layer.width for layer in sharing.layout.layers])
    return (sharing.by_row.double() @ weights) / widths[:, None]
