"""Which neurons a direction keeps: in each layer the fewest that make up a share of all its firing."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.corpora.directions import PIVOT, Direction
from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.neurons.masks import DirectionMasks, encoder_neurons
from neuroglot.neurons.rules.rates import covered_before
from neuroglot.signature import Signature


@dataclass(frozen=True)
class Coverage:
    """Percent of the firing that is kept, by stack and by type of direction; whole numbers from 0 to 100.

    A direction past the `pivot` has the encoder's number of x→pivot and the decoder's of pivot→y; a model without an
    encoder has the decoder's numbers only. The published run has 95 everywhere. Raises `ConfigError` on other values.
    """

    en2x_enc: int = 95
    en2x_dec: int = 95
    x2en_enc: int = 95
    x2en_dec: int = 95
    pivot: str = PIVOT

    def __post_init__(self) -> None:
        percents = (self.en2x_enc, self.en2x_dec, self.x2en_enc, self.x2en_dec)
        if any(type(percent) is not int or not 0 <= percent <= 100 for percent in percents):
            raise ConfigError(f"Got {self}.", "Expected whole percents from 0 to 100.")

    @classmethod
    def of(cls, percent: int) -> Coverage:
        """The same everywhere."""
        return cls(percent, percent, percent, percent)

    def percents(self, direction: Direction) -> tuple[int, int]:
        """Of the encoder, and of the decoder."""
        encoder = self.en2x_enc if direction.source == self.pivot else self.x2en_enc
        return encoder, self.x2en_dec if direction.target == self.pivot else self.en2x_dec


def select_masks(activity: Activity, coverage: Coverage | int = 95) -> DirectionMasks:
    """The neurons that each direction keeps (Neuron Specialization, Tan et al. 2024).

    In every layer the neurons are ordered by how often they fired, a_(1) ≥ a_(2) ≥ …, and the first n are kept, n the
    least for which Σ_{m≤n} a_(m) ≥ k/100 · Σ a. Of equal counts the neuron that comes first in the layer, where the
    reference leaves it to an unstable sort. A layer keeps one neuron at least, as in the reference: the first where
    none fired. Raises `ConfigError` for an Activity whose languages are no directions.
    """
    coverage = Coverage.of(coverage) if isinstance(coverage, int) else coverage
    directions = tuple(Direction.parse(language) for language in activity.languages)
    counts = activity.fired[activity.recording.threshold_index(None)]
    percents = torch.tensor([coverage.percents(direction) for direction in directions])
    shares = torch.where(encoder_neurons(activity.layout), percents[:, :1], percents[:, 1:]).double() / 100
    provenance = activity.signature | Signature.of(rule="coverage by direction", **asdict(coverage))
    return DirectionMasks(
        activity.layout, directions, covering(counts, shares, activity.layout), provenance, activity.read
    )


def covering(counts: Tensor, shares: Tensor, layout: Layout) -> Tensor:
    """In each layer the neurons before which less than a share of the counts is reached, and the one that fired most.

    `counts [G, N]` of int64, `shares [G, N]` of float64, equal within a layer → bool `[G, N]`.
    """
    kept = covered_before(counts, layout) < shares  # exact: both are the nearest floats to ratios of small numbers
    for layer, part in layout.by_layer(counts):
        most = part.argmax(1, keepdim=True)  # the first of equal ones
        kept[:, layer.neurons] |= torch.zeros_like(part, dtype=torch.bool).scatter_(1, most, True)
    return kept
