"""How alike neuron sets are."""

from collections.abc import Mapping

import torch
from torch import Tensor

from neuroglot.neurons.neuronset import NeuronSet


def jaccard(first: NeuronSet, second: NeuronSet) -> float:
    """Neurons in both over neurons in either, from 0 to 1; NaN where both are empty. Raises `LayoutMismatchError`."""
    either = len(first | second)
    return len(first & second) / either if either else float("nan")


def overlap_matrix(sets: Mapping[str, NeuronSet]) -> Tensor:
    """Jaccard index of every pair of sets, in their order: `[S, S]`, float64, symmetric."""
    return torch.tensor([[jaccard(a, b) for b in sets.values()] for a in sets.values()], dtype=torch.float64)
