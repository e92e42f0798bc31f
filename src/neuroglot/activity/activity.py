"""Activity: how often each neuron fired, by language, and the file that holds it; later readings are arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from neuroglot.activity.recording import HISTOGRAM_EDGES, Recording, Statistic
from neuroglot.activity.tallies import MEASURES, Measure
from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.headers import (
    NOTHING_READ,
    STRICT,
    Names,
    StoredLayout,
    StoredSignature,
    hashes_of,
    load_artefact,
    save_artefact,
)
from neuroglot.layout import Layout
from neuroglot.showing import Shown, in_short, known_facts, scores_in_short
from neuroglot.signature import Signature


@dataclass(frozen=True)
class RecordedHeader:
    """What stands in the header of every recorded statistic."""

    __pydantic_config__ = STRICT

    layout: StoredLayout
    languages: Names
    recording: Recording
    signature: StoredSignature


_COUNTS = ("fired", "tokens", "reached")


@dataclass(frozen=True, eq=False, repr=False)
class Activity(Shown):
    """Counts of one recording, all int64; Activities of disjoint corpora add up exactly to the Activity of the
    whole.

    * `fired [F, G, N]`: tokens on which a neuron passed each of F thresholds.
    * `tokens [G]`: tokens read.
    * `reached [G, U]`: tokens that reached each feed-forward network. That is all of them in a dense layer, those
      routed to it for an expert, and one a text fewer in a decoder that holds the text behind a start token.
    * `statistics`: tensors of the recording's other statistics, `[G, N]` or `[G, N, bins]`, which `mean`, `variance`,
      `mean_magnitude`, `maximum` and `quantile` read.
    * `read`: a hash of each text that was read, int64 in ascending order, so that neurons that are selected from the
      counts are not proved on the same rows; empty if they are not known.
    """

    layout: Layout
    languages: tuple[str, ...]
    recording: Recording
    fired: Tensor
    tokens: Tensor
    reached: Tensor
    signature: Signature
    statistics: Mapping[str, Tensor] = field(default_factory=dict)
    read: Tensor = NOTHING_READ

    def __post_init__(self) -> None:
        languages, networks = len(self.languages), len(self.layout.network_widths)
        counts = (self.fired, self.tokens, self.reached)
        neurons = self.layout.neuron_count
        expected = [[len(self.recording.fires), languages, neurons], [languages], [languages, networks]]
        shapes = [list(count.shape) for count in counts]
        if shapes != expected or any(count.dtype != torch.int64 for count in counts):
            raise ArtifactError(f"An activity has counts of the shapes {shapes}.", f"Expected int64 {expected}.")
        negative = any(bool((count < 0).any()) for count in counts)
        if negative or bool((self.fired > self._reached_by_neuron()).any()):
            raise ArtifactError("An activity has a neuron that fired on more tokens than reached it, or fewer than 0.")

        kept = {measure.name: self._shape_of(measure) for measure in _measures(self.recording)}
        found = {name: tuple(values.shape) for name, values in self.statistics.items()}
        if found != kept:
            raise ArtifactError(f"An activity has the statistics {found}.", f"Expected {kept}.")

    def _facts(self) -> list[str]:
        fires = ", ".join(f"{threshold:g}" for threshold in self.recording.fires)
        return [*known_facts(self), f"{int(self.tokens.sum()):,} tokens", f"fires > {fires} at {self.recording.site}"]

    def _numbers(self) -> str:
        means = self.rates(self.recording.fires[0]).mean(1).tolist()
        rates = {language: in_short(rate) for language, rate in zip(self.languages, means)}
        return scores_in_short(rates, "share of tokens on which a neuron fires")

    def _shape_of(self, measure: Measure) -> tuple[int, ...]:
        bins = (len(HISTOGRAM_EDGES) + 1,) if measure.reduce == "bins" else ()
        return len(self.languages), self.layout.neuron_count, *bins

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

    def layer_rates(self, threshold: float | None = None) -> Tensor:
        """Mean firing rate of each layer's neurons: `[G, L]`; NaN for a language without tokens."""
        widths = torch.tensor([layer.width for layer in self.layout.layers])
        return self.layout.sum_by_layer(self.rates(threshold)) / widths

    def mean(self) -> Tensor:
        """Mean activation of each neuron over the tokens that reached it: `[G, N]`, float64; NaN where none did.

        Needs the statistic `moments`, as `variance` does; each of the others has one of its own. All raise
        `ConfigError` where the recording did not keep it.
        """
        return self._statistic("moments", "sum") / self._reached_by_neuron()

    def variance(self) -> Tensor:
        """Variance over those tokens (that of a whole population): `[G, N]`, float64.

        From sums of squares that are float32 within a batch: about six digits, fewer where the mean is far larger than
        the deviation.
        """
        squares = self._statistic("moments", "sum_of_squares") / self._reached_by_neuron()
        return (squares - self.mean().square()).clamp(min=0)

    def mean_magnitude(self) -> Tensor:
        """Mean absolute activation over those tokens: `[G, N]`, float64. At the site `write`, times the length of a
        neuron's value vector, it is the mean size of what the neuron writes.
        """
        return self._statistic("magnitude", "sum_of_magnitudes") / self._reached_by_neuron()

    def zeros(self) -> Tensor:
        """Share of those tokens on which the activation is exactly 0: `[G, N]`, float64."""
        return self._statistic("zeros", "zeros") / self._reached_by_neuron()

    def maximum(self) -> Tensor:
        """Largest activation over those tokens: `[G, N]`, float32; −inf where there was none."""
        return self._statistic("maximum", "maximum")

    def quantile(self, share: float) -> Tensor:
        """The value below or at which a `share` of the sampled activations lies: `[G, N]`, float64.

        Read from the histogram: the upper edge of the bin that holds the quantile, which is exact to a factor of 2
        (+inf above the last edge, NaN where nothing was sampled).
        """
        if not 0 < share <= 1:
            raise ConfigError(f"Got the quantile {share}.", "Expected a share above 0 and at most 1.")
        below = self._statistic("histogram", "histogram").cumsum(-1)
        place = (below < share * below[..., -1:]).sum(-1)
        upper = torch.tensor([*HISTOGRAM_EDGES, float("inf")], dtype=torch.float64)[place]
        return torch.where(below[..., -1] > 0, upper, torch.nan)

    def _statistic(self, kept: Statistic, name: str) -> Tensor:
        if kept not in self.recording.statistics:
            raise ConfigError(
                f"The statistic {kept!r} was not recorded.",
                f"Recorded were {', '.join(self.recording.statistics) or 'counts only'}.",
                f"Record again with statistics=({kept!r},).",
            )
        return self.statistics[name]

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
        if (
            self.languages != other.languages
            or self.recording != other.recording
            or self.signature.without(*varying) != other.signature.without(*varying)
        ):
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
            {measure.name: _combined(measure, self, other) for measure in _measures(self.recording)},
            torch.cat([self.read, other.read]).unique() if len(self.read) and len(other.read) else NOTHING_READ,
        )

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file with a JSON header."""
        header = RecordedHeader(self.layout, self.languages, self.recording, self.signature)
        counts = {name: getattr(self, name) for name in _COUNTS}
        known = {"read": self.read} if len(self.read) else {}
        return save_artefact(path, "activity", counts | dict(self.statistics) | known, header)

    @classmethod
    def load(cls, path: Path | str) -> Activity:
        """The activity in a file; raises `ArtifactError` where the file is anything else."""
        tensors, header = load_artefact(path, "activity", RecordedHeader, needed=_COUNTS)
        counts = {name: tensors.pop(name) for name in _COUNTS}
        read = hashes_of(tensors, path)
        return cls(**vars(header) | counts, statistics=tensors, read=read)


def _measures(recording: Recording) -> list[Measure]:
    return [measure for name in recording.statistics for measure in MEASURES[name]]


def _combined(measure: Measure, first: Activity, second: Activity) -> Tensor:
    mine, others = first.statistics[measure.name], second.statistics[measure.name]
    return torch.maximum(mine, others) if measure.reduce == "max" else mine + others


def _corpora(activity: Activity) -> set[str]:
    stored = activity.signature.get("corpus_hash")
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
