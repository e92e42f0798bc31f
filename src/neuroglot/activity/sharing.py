"""Sharing: in how many languages a neuron fires on the same parallel row; what the four categories are read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from neuroglot.activity.artifact import load_recorded, save_recorded
from neuroglot.activity.recording import Recording
from neuroglot.errors import ArtifactError
from neuroglot.layout import Layout
from neuroglot.signature import Signature

KIND = "sharing"
COUNTS = ("histogram", "fired", "by_row")


@dataclass(frozen=True, eq=False)
class Sharing:
    """Counts over R parallel rows at one token each.

    * `histogram [G+1, N]`: rows in which the neuron fired in exactly g languages (int64; sums to R for every neuron).
    * `fired [G, N]`: rows in which it fired in that language (int64).
    * `by_row [R, L, G+1]`: neurons of the layer that fired in exactly g languages on that row (int32), for intervals.
    """

    layout: Layout
    languages: tuple[str, ...]
    recording: Recording
    histogram: Tensor
    fired: Tensor
    by_row: Tensor
    signature: Signature

    def __post_init__(self) -> None:
        languages, neurons = len(self.languages), self.layout.neuron_count
        rows = self.by_row.shape[0] if self.by_row.dim() else 0
        shapes = (self.histogram.shape, self.fired.shape, self.by_row.shape)
        expected = ((languages + 1, neurons), (languages, neurons), (rows, len(self.layout.layers), languages + 1))
        if shapes != expected or bool((self.histogram.sum(0) != rows).any()):
            raise ArtifactError(
                f"Sharing counts have the shapes {[list(shape) for shape in shapes]}.",
                f"Expected {[list(shape) for shape in expected]}, each neuron's histogram adding up to {rows} rows.",
            )

    @property
    def rows(self) -> int:
        return int(self.by_row.shape[0])

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header."""
        tensors = {"histogram": self.histogram, "fired": self.fired, "by_row": self.by_row}
        return save_recorded(path, KIND, self, tensors)

    @classmethod
    def load(cls, path: Path | str) -> Sharing:
        """The sharing counts in a file; raises `ArtifactError` where the file is anything else."""
        tensors, (layout, languages, recording, signature) = load_recorded(path, KIND, COUNTS)
        histogram, fired, by_row = (tensors[name] for name in COUNTS)
        return cls(layout, languages, recording, histogram, fired, by_row, signature)
