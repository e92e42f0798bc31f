"""Sharing: in how many languages a neuron fires on the same parallel row; what the four categories are read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from neuroglot.activity.activity import RecordedHeader
from neuroglot.activity.recording import Recording
from neuroglot.errors import ArtifactError
from neuroglot.headers import load_artefact, save_artefact
from neuroglot.layout import Layout
from neuroglot.showing import Shown
from neuroglot.signature import Signature

_COUNTS = ("histogram", "fired", "by_row", "active")


@dataclass(frozen=True, eq=False, repr=False)
class Sharing(Shown):
    """Counts over R parallel rows: a neuron fires on a text where it does so on one of the recorded tokens or more (the
    last token, as in the paper, is one).

    * `histogram [G+1, N]`: rows in which the neuron fired in exactly g languages (int64; sums to R for every neuron).
    * `fired [G, N]`: rows in which it fired in that language (int64).
    * `by_row [R, L, G+1]`: neurons of the layer that fired in exactly g languages on that row (int32), for intervals.
    * `active [R, L, G]`: neurons of the layer that fired on that row in that language (int32).
    """

    layout: Layout
    languages: tuple[str, ...]
    recording: Recording
    histogram: Tensor
    fired: Tensor
    by_row: Tensor
    active: Tensor
    signature: Signature

    def __post_init__(self) -> None:
        languages, neurons = len(self.languages), self.layout.neuron_count
        rows, layers = self.by_row.shape[0] if self.by_row.dim() else 0, len(self.layout.layers)
        shapes = tuple(getattr(self, name).shape for name in _COUNTS)
        by_row = (rows, layers, languages + 1), (rows, layers, languages)
        expected = ((languages + 1, neurons), (languages, neurons), *by_row)
        whole = not any(getattr(self, name).is_floating_point() for name in _COUNTS)
        if shapes != expected or not whole or bool((self.histogram.sum(0) != rows).any()) or self._is_negative():
            raise ArtifactError(
                f"Sharing counts have the shapes {[list(shape) for shape in shapes]}.",
                f"Expected {[list(shape) for shape in expected]}, each neuron's histogram adding up to {rows} rows.",
            )

    def _is_negative(self) -> bool:
        return any(bool((getattr(self, name) < 0).any()) for name in _COUNTS)

    @property
    def rows(self) -> int:
        return int(self.by_row.shape[0])

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header."""
        header = RecordedHeader(self.layout, self.languages, self.recording, self.signature)
        return save_artefact(path, "sharing", {name: getattr(self, name) for name in _COUNTS}, header)

    @classmethod
    def load(cls, path: Path | str) -> Sharing:
        """The sharing counts in a file; raises `ArtifactError` where the file is anything else."""
        tensors, header = load_artefact(path, "sharing", RecordedHeader, needed=_COUNTS)
        return cls(**vars(header) | {name: tensors[name] for name in _COUNTS})
