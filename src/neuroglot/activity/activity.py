"""Activity: how often each neuron fired, by language; all later readings are arithmetic on these counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from neuroglot.activity.artifact import load_recorded, save_recorded
from neuroglot.activity.recording import Recording
from neuroglot.errors import ArtifactError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.signature import Signature

KIND = "activity"
COUNTS = ("fired", "tokens", "reached")


@dataclass(frozen=True, eq=False)
class Activity:
    """Counts of one recording, all int64; Activities of disjoint corpora add up exactly to the Activity of the
    whole.

    * `fired [F, G, N]`: tokens on which a neuron passed each of F thresholds.
    * `tokens [G]`: tokens read.
    * `reached [G, U]`: tokens that reached each feed-forward network. That is all of them in a dense layer, those
      routed to it for an expert, and one a text fewer in a decoder that holds the text behind a start token.
    """

    layout: Layout
    languages: tuple[str, ...]
    recording: Recording
    fired: Tensor
    tokens: Tensor
    reached: Tensor
    signature: Signature

    def __post_init__(self) -> None:
        languages, networks = len(self.languages), len(self.layout.network_widths)
        counts = (self.fired, self.tokens, self.reached)
        neurons = self.layout.neuron_count
        expected = [[len(self.recording.fires), languages, neurons], [languages], [languages, networks]]
        shapes = [list(count.shape) for count in counts]
        if shapes != expected or any(count.dtype != torch.int64 for count in counts):
            raise ArtifactError(f"An activity has counts of the shapes {shapes}.", f"Expected int64 {expected}.")
        if bool((self.fired < 0).any()) or bool((self.fired > self._reached_by_neuron()).any()):
            raise ArtifactError("An activity has a neuron that fired on more tokens than reached it, or fewer than 0.")

    def rates(self, threshold: float | None = None, of: Literal["reached", "all"] = "reached") -> Tensor:
        """Share of a language's tokens on which each neuron fired: `[G, N]`, float64 in [0, 1].

        Of the tokens that `reached` the neuron's network, or of `all` tokens read; they differ for experts. A neuron
        that no token reached has the rate 0, and a language without tokens NaN.
        """
        counts = self.fired[self.recording.threshold_index(threshold)].double()
        tokens = self.tokens.double()[:, None]
        if of == "all":
            return counts / tokens
        reached = self._reached_by_neuron().double()
        return torch.where((reached == 0) & (tokens > 0), 0.0, counts / reached)

    def _reached_by_neuron(self) -> Tensor:
        return self.reached.repeat_interleave(torch.tensor(self.layout.network_widths), dim=1)

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
            self.reached + other.reached,
            _merged(self.signature, other.signature, varying),
        )

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header."""
        return save_recorded(path, KIND, self, {name: getattr(self, name) for name in COUNTS})

    @classmethod
    def load(cls, path: Path | str) -> Activity:
        """The activity in a file; raises `ArtifactError` where the file is anything else."""
        (fired, tokens, reached), described = load_recorded(path, KIND, COUNTS)
        layout, languages, recording, signature = described
        return cls(layout, languages, recording, fired, tokens, reached, signature)


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
