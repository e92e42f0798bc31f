"""Activity: how often each neuron fired, by language; all later readings are arithmetic on these counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from neuroglot.activity.artifact import load_recorded, save_recorded
from neuroglot.activity.recording import Recording
from neuroglot.errors import ArtifactError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.signature import Signature

KIND = "activity"


@dataclass(frozen=True, eq=False)
class Activity:
    """Counts of one recording: `fired [F, G, N]` tokens on which a neuron passed each of F thresholds, `tokens [G]`
    seen.

    Both are int64. Activities of disjoint corpora add up exactly to the Activity of the whole.
    """

    layout: Layout
    languages: tuple[str, ...]
    recording: Recording
    fired: Tensor
    tokens: Tensor
    signature: Signature

    def __post_init__(self) -> None:
        shape = (len(self.recording.fires), len(self.languages), self.layout.neuron_count)
        integers = self.fired.dtype == self.tokens.dtype == torch.int64
        if self.fired.shape != shape or self.tokens.shape != shape[1:2] or not integers:
            raise ArtifactError(
                f"An activity has counts {list(self.fired.shape)} and tokens {list(self.tokens.shape)}.",
                f"Expected int64 {list(shape)} and {list(shape[1:2])}.",
            )
        if bool((self.fired < 0).any()) or bool((self.fired > self.tokens[None, :, None]).any()):
            raise ArtifactError(
                "An activity has a neuron that fired on more tokens than were seen, or on fewer than 0."
            )

    def rates(self, threshold: float | None = None) -> Tensor:
        """Share of a language's tokens on which each neuron fired: `[G, N]`, float64 in [0, 1]; NaN without tokens."""
        counts = self.fired[self.recording.threshold_index(threshold)]
        return counts.double() / self.tokens.double()[:, None]

    def __add__(self, other: Activity) -> Activity:
        """The counts of both corpora; raises `LayoutMismatchError` unless all but the corpus is the same.

        A corpus that stands in both would count twice and is refused.
        """
        if not isinstance(other, Activity):
            return NotImplemented
        self.layout.require_same(other.layout, "The second activity")
        mine, others = _corpora(self), _corpora(other)
        varying = ("corpus", "corpus_hash", "rows", "rows_dropped")
        if self.languages != other.languages or self.signature.without(*varying) != other.signature.without(*varying):
            raise LayoutMismatchError(
                f"The second activity is {','.join(other.languages)}: {other.signature}.",
                f"Expected all but the corpus to equal {','.join(self.languages)}: {self.signature}.",
            )
        if repeated := mine & others:
            raise LayoutMismatchError(f"Both activities hold corpus {', '.join(sorted(repeated))}, which counts twice.")
        return Activity(
            self.layout,
            self.languages,
            self.recording,
            self.fired + other.fired,
            self.tokens + other.tokens,
            _merged(self.signature, other.signature, varying),
        )

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header."""
        return save_recorded(path, KIND, self, {"fired": self.fired, "tokens": self.tokens})

    @classmethod
    def load(cls, path: Path | str) -> Activity:
        """The activity in a file; raises `ArtifactError` where the file is anything else."""
        (fired, tokens), (layout, languages, recording, signature) = load_recorded(path, KIND, ("fired", "tokens"))
        return cls(layout, languages, recording, fired, tokens, signature)


def _corpora(activity: Activity) -> set[str]:
    stored = dict(activity.signature.fields).get("corpus_hash")
    return set(str(stored).split("+")) if stored else set()


def _merged(first: Signature, second: Signature, varying: tuple[str, ...]) -> Signature:
    """Names and hashes joined in sorted order and counts added, so that the order of adding leaves no trace."""
    mine, others = dict(first.fields), dict(second.fields)
    fields = {}
    for key in mine:
        a, b = mine[key], others[key]
        if key not in varying:
            fields[key] = a
        elif isinstance(a, int) and isinstance(b, int):
            fields[key] = a + b
        else:
            fields[key] = "+".join(sorted(set(f"{a}+{b}".split("+"))))
    return Signature.of(**fields)
