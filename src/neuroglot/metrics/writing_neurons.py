"""ReadingAndWriting: whether the neurons that carry a language are the same while an encoder reads and writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neuroglot.errors import ConfigError
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.showing import Shown, counted, languages_in_short
from neuroglot.signature import Signature


@dataclass(frozen=True)
class Overlap:
    """Neurons selected while a language is read, while it is written, in both, and how many of both chance gives."""

    reading: int
    writing: int
    both: int
    by_chance: float

    @property
    def jaccard(self) -> float:
        """Intersection over union; 0 of two empty sets."""
        union = self.reading + self.writing - self.both
        return self.both / union if union else 0.0


@dataclass(frozen=True, eq=False, repr=False)
class ReadingAndWriting(Shown):
    """The neurons of each language by one rule, selected `reading` it and `writing` it, of one layout.

    Raises `ConfigError` for other languages on the two sides.
    """

    reading: Mapping[str, NeuronSet]
    writing: Mapping[str, NeuronSet]
    signature: Signature

    def __post_init__(self) -> None:
        if list(self.reading) != list(self.writing) or not self.reading:
            raise ConfigError(
                f"Got neurons of {', '.join(self.reading)} and of {', '.join(self.writing)}.",
                "Expected the same languages on both sides.",
            )

    def overlaps(self) -> dict[str, Overlap]:
        """By language. By chance: two sets of these sizes drawn at random in each layer share a·b/n of its n."""
        return {language: _overlap(self.reading[language], self.writing[language]) for language in self.reading}

    def _facts(self) -> list[str]:
        return [languages_in_short(tuple(self.reading)), counted(len(self.reading), "language")]


def _overlap(reading: NeuronSet, writing: NeuronSet) -> Overlap:
    layout = reading.layout
    layout.require_same(writing.layout, "The neurons that write")
    parts = zip(layout.by_layer(reading.members), layout.by_layer(writing.members), strict=True)
    chance = sum(float(read.sum()) * float(write.sum()) / len(read) for (_, read), (_, write) in parts)
    return Overlap(len(reading), len(writing), len(reading & writing), chance)
