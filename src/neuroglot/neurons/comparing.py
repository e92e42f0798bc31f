"""How alike neuron sets are, beside what chance would give, and how stable a selection is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.cluster.hierarchy import average
from scipy.spatial.distance import squareform
from scipy.stats import hypergeom
from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons.categories import active_shares_by_row, layer_shares_by_row
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.rules.common import require_share
from neuroglot.showing import Shown, known_facts
from neuroglot.signature import Signature


def jaccard(first: NeuronSet, second: NeuronSet) -> float:
    """Neurons in both over neurons in either, from 0 to 1; NaN where both are empty. Raises `LayoutMismatchError`."""
    either = len(first | second)
    return len(first & second) / either if either else float("nan")


def overlap_matrix(sets: Mapping[str, NeuronSet]) -> Tensor:
    """Jaccard index of every pair of sets, in their order: `[S, S]`, float64, symmetric."""
    return torch.tensor([[jaccard(a, b) for b in sets.values()] for a in sets.values()], dtype=torch.float64)


def overlap_by_layer(first: NeuronSet, second: NeuronSet) -> Tensor:
    """Jaccard index within each layer, `[L]`, float64; NaN where neither set has a neuron. Raises
    `LayoutMismatchError`.
    """
    both, either = (first & second).counts_by_layer(), (first | second).counts_by_layer()
    return torch.tensor(both, dtype=torch.float64) / torch.tensor(either, dtype=torch.float64)


@dataclass(frozen=True)
class OverlapTest:
    """A Jaccard index, the mean and the middle 95 % of those of random sets, and the one-sided p of as large a one."""

    jaccard: float
    expected: float
    expected_low: float
    expected_high: float
    p: float


def overlap_test(first: NeuronSet, second: NeuronSet) -> OverlapTest:
    """The overlap of two sets beside that of random sets with as many neurons in every layer.

    With the neurons of a layer permuted at random, the number in both of its sets is hypergeometric; the law of the sum
    over layers is the convolution of theirs, so that p is exact. The ends of the middle 95 % are values of that law.
    Raises `ConfigError` for two empty sets, `LayoutMismatchError` for other layouts.
    """
    if not len(first | second):
        raise ConfigError("Two empty sets were to be compared.", "Expected a neuron in one of them.")
    in_both, chances = _overlap_law(first, second)
    indices = in_both / (len(first) + len(second) - in_both)
    below = chances.cumsum()
    low, high = (float(indices[min(int(np.searchsorted(below, end)), len(below) - 1)]) for end in (0.025, 0.975))
    p = float(chances[in_both >= len(first & second)].sum())
    return OverlapTest(jaccard(first, second), float(indices @ chances), low, high, min(1.0, p))


def _overlap_law(first: NeuronSet, second: NeuronSet) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of neurons in both of two random sets, in rising order, and the chance of each, all above 0."""
    least, chances = 0, np.ones(1)
    sizes = zip(first.layout.layers, first.counts_by_layer(), second.counts_by_layer(), strict=True)
    for layer, mine, others in sizes:
        in_layer = np.arange(max(0, mine + others - layer.width), min(mine, others) + 1)
        of_layer = hypergeom.pmf(in_layer, layer.width, mine, others)
        possible = of_layer > 0  # the smallest chances are 0 in floating point, and would only cost time
        least, chances = least + int(in_layer[possible][0]), np.convolve(chances, of_layer[possible])
    return least + np.arange(len(chances)), chances


@dataclass(frozen=True)
class Join:
    """Two groups of leaves that become one; `distance` is the mean over all pairs with one leaf in each."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    distance: float


def average_linkage(distances: np.ndarray) -> list[Join]:
    """The G − 1 joins of G leaves `[G, G]`, in order: always the two groups with the least mean distance.

    In each join the group with the lowest leaf comes first. Distances never decrease from one join to the next. Source:
    Sokal and Michener 1958 (UPGMA), by scipy.
    """
    groups: list[tuple[int, ...]] = [(leaf,) for leaf in range(len(distances))]
    joins = []
    for left, right, distance, _ in average(squareform(distances, checks=False)).tolist():
        first, second = sorted((groups[int(left)], groups[int(right)]), key=min)
        groups.append(first + second)
        joins.append(Join(first, second, distance))
    return joins


def stability(
    select: Callable[[Tensor], Mapping[str, NeuronSet]], rows: int, *, resamples: int = 10, seed: int = 0
) -> dict[str, dict[str, Tensor]]:
    """How alike the sets are that a selection gives on other rows: Jaccard indices by language.

    `select` gets places of rows, `[R]`, and returns one set a language. `resampled [resamples]`: the set of all rows
    against that of as many rows drawn with replacement; `halves [resamples]`: the sets of two disjoint halves. Raises
    `ConfigError` for fewer than two rows or one resample.
    """
    if rows < 2 or resamples < 1:
        raise ConfigError(f"Got {rows} rows and {resamples} resamples.", "Expected two rows and one resample or more.")
    generator = torch.Generator().manual_seed(seed)
    whole = select(torch.arange(rows))
    found: dict[str, dict[str, list[float]]] = {language: {"resampled": [], "halves": []} for language in whole}
    for _ in range(resamples):
        again = select(torch.randint(rows, (rows,), generator=generator))
        order = torch.randperm(rows, generator=generator)
        first, second = select(order[: rows // 2].sort().values), select(order[rows // 2 :].sort().values)
        for language, neurons in whole.items():
            found[language]["resampled"].append(jaccard(neurons, again[language]))
            found[language]["halves"].append(jaccard(first[language], second[language]))
    return {
        language: {name: torch.tensor(values, dtype=torch.float64) for name, values in kinds.items()}
        for language, kinds in found.items()
    }


SAME = ("corpus_hash", "rows", "site", "tokens", "fires", "special_tokens")


@dataclass(frozen=True, eq=False, repr=False)
class SharingChange(Shown):
    """Two sharings, row by row; raises `LayoutMismatchError` unless models are built alike and read the same rows.

    The number of rows and the languages must be equal, because fewer languages make more neurons all-shared.
    """

    before: Sharing
    after: Sharing

    def __post_init__(self) -> None:
        self.before.layout.require_same(self.after.layout, "The second model")
        ours, theirs = self.before.signature.to_json(), self.after.signature.to_json()
        differing = [key for key in SAME if ours.get(key) != theirs.get(key)]
        if differing or self.before.languages != self.after.languages:
            raise LayoutMismatchError(
                f"The two models differ in {', '.join(differing) or 'the languages that they read'}.",
                "Expected the same rows, languages and definition of firing, so that rows can be paired.",
                "A context or a tokenizer of another length drops other rows: read rows that both can hold.",
            )

    def _facts(self) -> list[str]:
        return known_facts(self.after)

    @property
    def category_shares(self) -> Tensor:
        """Change of each category's share of the layer's neurons, row by row: `[R, L, 4]`, after less before."""
        return layer_shares_by_row(self.after) - layer_shares_by_row(self.before)

    @property
    def active_shares(self) -> Tensor:
        """Change of the share of the layer's neurons that fire in each language, row by row: `[R, L, G]`."""
        return active_shares_by_row(self.after) - active_shares_by_row(self.before)


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
