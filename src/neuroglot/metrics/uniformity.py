"""Alignment and uniformity of sentences' states on the sphere: how near translations are, and how evenly all lie."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from neuroglot.errors import CorpusError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.metrics.alignment import require_alignable
from neuroglot.metrics.intervals import Estimate, row_means
from neuroglot.showing import Shown, counted, languages_in_short, scores_in_short
from neuroglot.signature import Signature

SHARPNESS = 2.0  # t of exp(−t‖x − y‖²)


@dataclass(frozen=True, eq=False, repr=False)
class Uniformity(Shown):
    """Squared distances of unit vectors, and what they add up to, of R rows in L layers, float64.

    `apart [R, L, P]`: ‖f(x) − f(y)‖² of a row's two sentences in each of P `pairs` of languages. `others [R, L, P]`:
    summed over all other rows, of either language with this one. `crowding [R, L, G]`: Σ exp(−2‖f(x) − f(y)‖²) over
    the other sentences y of the language. Numbers are means over layers; intervals are jackknife ones over rows.
    """

    layout: Layout
    languages: tuple[str, ...]
    apart: Tensor
    others: Tensor
    crowding: Tensor
    signature: Signature

    def _facts(self) -> list[str]:
        return [counted(len(self.apart), "row"), languages_in_short(self.languages)]

    def _numbers(self) -> str:
        scores = dict(zip(self.pairs, self.distance.scores(), strict=True))
        return scores_in_short(scores, "squared distance of translations")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every two languages, in order."""
        return tuple(combinations(self.languages, 2))

    @property
    def distance(self) -> Estimate:
        """The mean squared distance of translations, `[P]`: 0 where they are the same, 2 where at right angles."""
        return row_means(self.apart.mean(1))

    @property
    def distance_of_others(self) -> Estimate:
        """That of sentences of the two languages that are no translations, `[P]`: the control."""
        return _over_pairs(self.others).map(lambda means: means.mean(-2))

    @property
    def nearer(self) -> Estimate:
        """By how much translations are nearer than others, `[P]`, paired by rows."""
        return self.distance_of_others - self.distance

    @property
    def uniformity(self) -> Estimate:
        """log of the mean of exp(−2‖f(x) − f(y)‖²) over two sentences of a language, `[G]`: the lower, the more evenly
        they lie on the sphere, and 0 where all are the same.
        """
        return _over_pairs(2 * self.crowding).map(lambda means: means.log().mean(-2))

    @property
    def by_layer(self) -> tuple[Tensor, Tensor, Tensor]:
        """`[L]` each, means over pairs or languages: distance of translations, of others, and uniformity."""
        crowding = _over_pairs(2 * self.crowding).value.log()
        return self.apart.mean((0, 2)), _over_pairs(self.others).value.mean(-1), crowding.mean(-1)


def uniformity(layout: Layout, languages: tuple[str, ...], states: Tensor, signature: Signature) -> Uniformity:
    """Alignment and uniformity of parallel sentences from their `states [R, G, N]`, as `record_text_means` gives them.

    f(x) are the states of one layer, scaled to length 1. Rows in which a text has no state in some layer (NaN, or no
    neuron on) are left out, and the signature says how many. Source: Wang and Isola 2020 (arXiv 2005.10242), eq. 1 with
    α = 2 and eq. 2 with t = 2; there over one layer's representations and random pairs, here over all pairs of rows.
    Raises `ConfigError` for fewer than two rows or languages, `CorpusError` if fewer than two rows have states, and
    `LayoutMismatchError` for states of other neurons.
    """
    require_alignable(states.shape[0], len(languages))
    if states.shape[1:] != (len(languages), layout.neuron_count):
        raise LayoutMismatchError(
            f"Got states {list(states.shape)}.", f"Expected [R, {len(languages)}, {layout.neuron_count}] ({layout})."
        )
    states = states[rows_with_states(layout, states)]
    if len(states) < 2:
        raise CorpusError(f"{len(states)} row(s) have a state in every layer.", "Expected two or more.")
    by_layer = [_of_layer(part) for _, part in layout.by_layer(states)]
    apart, others, crowding = (torch.stack(parts, dim=1) for parts in zip(*by_layer, strict=True))
    signed = signature | Signature.of(rows_with_states=len(states))
    return Uniformity(layout, languages, apart, others, crowding, signed)


def _over_pairs(sums: Tensor) -> Estimate:
    """Means over ordered pairs of different rows, `[R, ...]` → `[...]`: `sums` has for each row those of the pairs at
    either end of which it is, so that each pair is in two of them.
    """
    rows, total = len(sums), sums.sum(0) / 2
    return Estimate(total / (rows * (rows - 1)), {"rows": (total - sums) / ((rows - 1) * (rows - 2))})


def rows_with_states(layout: Layout, states: Tensor) -> Tensor:
    """Whether all texts of a row have a state in all layers: `[R, G, N]` → `[R]`."""
    by_layer = [part.square().sum(-1) for _, part in layout.by_layer(states.double())]
    lengths = torch.stack(by_layer)
    return ((lengths > 0) & lengths.isfinite()).all(0).all(-1)


def _of_layer(states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of `[R, G, N]`: `apart [R, P]`, `others [R, P]`, `crowding [R, G]`."""
    units = torch.nn.functional.normalize(states.double(), dim=-1).unbind(1)
    apart, others = [], []
    for first, second in combinations(units, 2):
        squares = _squares(first, second)
        apart.append(squares.diagonal())
        others.append(squares.sum(0) + squares.sum(1) - 2 * squares.diagonal())
    crowding = [(-SHARPNESS * _squares(each, each)).exp().sum(1) - 1 for each in units]
    return torch.stack(apart, 1), torch.stack(others, 1), torch.stack(crowding, 1)


def _squares(first: Tensor, second: Tensor) -> Tensor:
    """Squared distances of unit vectors, `[R, N]` and `[R, N]` → `[R, R]`."""
    return (2 - 2 * first @ second.T).clamp(min=0)
