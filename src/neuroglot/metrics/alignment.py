"""Alignment: how often a sentence and its translation have the most similar neuron states of all (NeuronXA)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.metrics.intervals import Score, share_means
from neuroglot.showing import Shown, scores_in_short
from neuroglot.signature import Signature

TIE = 1e-6  # cosines that differ by less are equal: states are sums of float32


@dataclass(frozen=True, eq=False, repr=False)
class Alignment(Shown):
    """`aligned [R, L, P]`: whether a row's two sentences found each other, in each layer, for each of P `pairs`.

    The score of a pair is the share of rows, averaged over layers. Its interval is over the rows' own outcomes: the
    sentences among which each was found stay the same.
    """

    layout: Layout
    languages: tuple[str, ...]
    aligned: Tensor
    signature: Signature

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every two languages, in order; the score is the same both ways."""
        return tuple(combinations(self.languages, 2))

    @property
    def by_layer(self) -> Tensor:
        """Share of rows aligned: `[L, P]`, float64."""
        return self.aligned.double().mean(0)

    def _numbers(self) -> str:
        return scores_in_short(self.scores, "share of sentences that find their translation", self.mean)

    @property
    def scores(self) -> dict[tuple[str, str], Score]:
        """One Score a pair of languages."""
        return dict(zip(self.pairs, share_means(self.aligned.double().mean(1), self.aligned.shape[1]), strict=True))

    @property
    def mean(self) -> Score:
        """The mean over pairs of languages."""
        by_row = self.aligned.double().flatten(1)
        (score,) = share_means(by_row.mean(1, keepdim=True), by_row.shape[1])
        return score


def alignment(layout: Layout, languages: tuple[str, ...], states: Tensor, signature: Signature) -> Alignment:
    """Alignment of parallel sentences from their `states [R, G, N]`, as `record_text_means` gives them.

    With cosines c between the R sentences of one language and those of another in one layer, row i is aligned where
    c_ii > c_ij and c_ii > c_ji for all j ≠ i, strictly; scores fall as R grows, so compare equal R. A text without a
    state (NaN, or no neuron on) is like no other. Source: NeuronXA (Huang et al. 2025), there with 100 rows, states of
    the quantity `fired` (its NAS) or `magnitude` (NAV), and weights by `position`. Raises `ConfigError` for fewer than
    two rows or languages, and `LayoutMismatchError` for states of other neurons.
    """
    require_alignable(states.shape[0], len(languages))
    if states.shape[1:] != (len(languages), layout.neuron_count):
        raise LayoutMismatchError(
            f"Got states {list(states.shape)}.", f"Expected [R, {len(languages)}, {layout.neuron_count}] ({layout})."
        )
    by_layer = [_aligned(part) for _, part in layout.by_layer(states)]
    return Alignment(layout, languages, torch.stack(by_layer, dim=1), signature)


def require_alignable(rows: int, languages: int) -> None:
    """Raise `ConfigError` unless there are two rows and two languages or more."""
    if rows < 2 or languages < 2:
        raise ConfigError(
            f"Alignment was asked for {rows} row(s) in {languages} language(s).",
            "A sentence is compared with those of other rows, in another language.",
            "Give two of each or more.",
        )


def _aligned(states: Tensor) -> Tensor:
    """Of one layer, `[R, G, N]` → `[R, P]`."""
    units = torch.nn.functional.normalize(states.double().nan_to_num(nan=0.0), dim=-1)
    return torch.stack([_found(a @ b.T) for a, b in combinations(units.unbind(1), 2)], dim=1)


def _found(cosines: Tensor) -> Tensor:
    """Whether each element of the diagonal exceeds all others in its row and column: `[R, R]` → `[R]`."""
    others = cosines.clone().fill_diagonal_(-torch.inf)
    return cosines.diagonal() > torch.maximum(others.amax(0), others.amax(1)) + TIE
