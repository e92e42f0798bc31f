"""How alike neuron sets are, beside what chance would give, and how stable a selection is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.neurons.neuronset import NeuronSet


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


def overlap_test(first: NeuronSet, second: NeuronSet, *, draws: int = 1000, seed: int = 0) -> OverlapTest:
    """The overlap of two sets beside that of random sets with as many neurons in every layer.

    With neurons of a layer permuted at random, the number in both of its sets is hypergeometric; it is drawn for each
    layer, `draws` times. p = (1 + draws with a Jaccard index at least as large) / (1 + draws). Raises `ConfigError` for
    fewer than one draw or two empty sets, `LayoutMismatchError` for other layouts.
    """
    if draws < 1 or not len(first | second):
        raise ConfigError(
            f"Two sets of {len(first)} and {len(second)} neurons were to be compared with {draws} draws.",
            "Expected a neuron and a draw or more.",
        )
    generator = np.random.default_rng(seed)
    widths = np.array([layer.width for layer in first.layout.layers])
    mine, other = (np.array(neurons.counts_by_layer()) for neurons in (first, second))
    both = generator.hypergeometric(mine, widths - mine, other, size=(draws, len(widths))).sum(1)
    drawn = torch.from_numpy(both / (len(first) + len(second) - both))
    found = jaccard(first, second)
    low, high = torch.quantile(drawn, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    at_least = int((drawn >= found).sum())
    return OverlapTest(found, float(drawn.mean()), low, high, (1 + at_least) / (1 + draws))


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
