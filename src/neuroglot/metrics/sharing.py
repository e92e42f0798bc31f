"""Sharing in numbers: the categories' shares of neurons with intervals over rows, and their change between models.

The shares themselves are arithmetic on counts and stand in `neurons.categories`; here they become means. G languages,
L layers; categories come in the order of `CATEGORIES`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.metrics.intervals import Score, confidence_of_each, mean_scores, sign_told
from neuroglot.neurons.categories import (
    active_shares_by_row,
    layer_shares_by_row,
    repetition,
    shares_among,
    shares_if_independent,
)
from neuroglot.neurons.comparing import SharingChange


@dataclass(frozen=True)
class CategoryShares:
    """Shares of each category: `by_layer`, 4 lists of L, of the layer's neurons; `overall`, 4, of all neurons.

    Scores have intervals over rows, or, from `category_ranges`, the rows with the least and the most.
    """

    by_layer: list[list[Score]]
    overall: list[Score]


@dataclass(frozen=True)
class PlainShares:
    """The same without intervals: of what would be expected, or of what holds on every row."""

    by_layer: list[list[float]]
    overall: list[float]


def category_shares(sharing: Sharing) -> CategoryShares:
    """Means over rows."""
    return _with_intervals(sharing, layer_shares_by_row(sharing))


def category_ranges(sharing: Sharing) -> CategoryShares:
    """Means over rows, with the least and the most of any row in place of an interval."""
    by_row = layer_shares_by_row(sharing)
    return CategoryShares([_ranges(part) for part in by_row.unbind(2)], _ranges(_overall(sharing, by_row)))


def change_of_shares(change: SharingChange) -> CategoryShares:
    """Means over rows of the change, paired by row, in percentage points."""
    return _with_intervals(change.before, 100 * change.category_shares, -100, 100)


def clear_changes(change: SharingChange) -> list[int]:
    """By category, 1 where the second model has more such neurons, −1 where fewer, 0 where they cannot be told apart.

    The categories are one family (Bonferroni).
    """
    by_category = _overall(change.before, change.category_shares).unbind(1)
    confidence = confidence_of_each(len(by_category))
    return [sign_told(by_row, confidence) for by_row in by_category]


def expected_shares(sharing: Sharing) -> PlainShares:
    """What the categories' shares would be if each neuron fired in each language independently, at its own rate."""
    return _plain(sharing, shares_if_independent(sharing))


def constant_shares(sharing: Sharing) -> PlainShares:
    """Shares of neurons that are of one category on every row."""
    return _plain(sharing, repetition(sharing))


def shares_by_number_of_languages(sharing: Sharing) -> dict[int, list[Score]]:
    """Each category's share of all neurons, mean over all choices of so many of the languages, from 2 to G."""
    return {
        number: _share_scores(_overall(sharing, shares_among(sharing, number)))
        for number in range(2, len(sharing.languages) + 1)
    }


def active_shares(sharing: Sharing) -> dict[str, list[Score]]:
    """Share of each layer's neurons that fire on a text, by language: lists of L."""
    by_language = active_shares_by_row(sharing).unbind(2)
    return {code: _share_scores(by_row) for code, by_row in zip(sharing.languages, by_language, strict=True)}


def _with_intervals(sharing: Sharing, by_row: Tensor, least: float = 0.0, most: float = 1.0) -> CategoryShares:
    parts = [*by_row.unbind(2), _overall(sharing, by_row)]
    *by_layer, overall = ([score.within(least, most) for score in mean_scores(part)] for part in parts)
    return CategoryShares(by_layer, overall)


def _plain(sharing: Sharing, by_layer: Tensor) -> PlainShares:
    return PlainShares(by_layer.T.tolist(), _overall(sharing, by_layer[None])[0].tolist())


def _overall(sharing: Sharing, by_layer: Tensor) -> Tensor:
    """Shares of all neurons from shares of each layer's: `[R, L, K]` → `[R, K]`."""
    widths = torch.tensor([layer.width for layer in sharing.layout.layers], dtype=torch.float64)
    return (by_layer * (widths / widths.sum())[:, None]).sum(1)


def _ranges(by_row: Tensor) -> list[Score]:
    """Mean, least and most over rows: `[R, K]`."""
    ends = torch.stack([by_row.mean(0), by_row.amin(0), by_row.amax(0)], dim=1)
    return [Score(*numbers) for numbers in ends.tolist()]


def _share_scores(by_row: Tensor) -> list[Score]:
    """Means of shares, with ends where a share can be."""
    return [score.within(0, 1) for score in mean_scores(by_row)]
