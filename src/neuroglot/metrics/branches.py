"""What a branched translation model gives: its quality by flow, and how near the spaces of its branches are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import WHOLE, Estimate, Score, by_rows
from neuroglot.showing import Shown, counted, scores_in_short
from neuroglot.signature import Signature

DIRECTION_KINDS = {"en2x": "out of the pivot", "x2en": "into the pivot", "zero-shot": "past the pivot"}


@dataclass(frozen=True, eq=False, repr=False)
class FlowScores(Shown):
    """Counts of a text metric by flow and direction, `[R, C]` of the same R rows; not every flow has every direction.

    `kinds` says of each direction which of `DIRECTION_KINDS` it is. Others are compared with the `base`. `sets` are
    directions whose mean is told by the flow `chosen` for each: those of a core language, or of languages with much
    text. `right_or_wrong`: whether the metric is a percentage of translations, whose intervals are those of answers.
    Raises `ConfigError` for other numbers of rows, a base that lacks a direction, and sets of others.
    """

    metric: str
    unit: str
    value: Callable[[Tensor], Tensor]
    kinds: Mapping[str, str]
    counts: Mapping[str, Mapping[str, Tensor]]
    base: str
    signature: Signature
    ends: tuple[float, float] = (-math.inf, math.inf)
    chosen: Mapping[str, str] = field(default_factory=dict)  # by direction the flow that is taken if none is named
    sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    higher_is_better: bool = True
    right_or_wrong: bool = False
    key: str = "flows"  # of its section
    title: str = "Quality by flow"

    def __post_init__(self) -> None:
        rows = {len(counts) for columns in self.counts.values() for counts in columns.values()}
        if len(rows) != 1 or set(self.counts.get(self.base, {})) != set(self.kinds):
            raise ConfigError(
                f"Flows have {sorted(rows)} rows, and {self.base!r} {len(self.counts.get(self.base, {}))} directions.",
                f"Expected the same rows everywhere, and the {len(self.kinds)} directions of all.",
            )
        for name, directions in self.sets.items():
            if not directions or not all(each in self.counts.get(self.chosen.get(each, ""), {}) for each in directions):
                raise ConfigError(
                    f"The set {name!r} has the directions {', '.join(directions) or 'none'}.",
                    "Expected some that were translated by the flow that is chosen for them.",
                )

    @property
    def rows(self) -> int:
        return len(next(iter(self.counts[self.base].values())))

    def _facts(self) -> list[str]:
        return [counted(len(self.kinds), "direction"), counted(len(self.counts), "flow"), counted(self.rows, "row")]

    def _numbers(self) -> str:
        found = {
            f"{flow}, {DIRECTION_KINDS[kind]}": score
            for kind in DIRECTION_KINDS
            for flow, score in self.scores(kind).items()
        }
        return scores_in_short(found, f"{self.metric}, {self.unit}")

    def directions(self, flow: str, kind: str) -> list[str]:
        """The directions of a kind that a flow has."""
        return [direction for direction in self.counts[flow] if self.kinds[direction] == kind]

    def scores(self, kind: str) -> dict[str, Score]:
        """The mean over the directions of a kind, by flow, with intervals over rows."""
        return {
            flow: self._scored(self._mean(dict.fromkeys(names, flow)), len(names))
            for flow in self.counts
            if (names := self.directions(flow, kind))
        }

    def differences(self, kind: str) -> dict[str, Score]:
        """Every other flow less the base in the same directions, paired by row."""
        return {
            flow: self._less_base(dict.fromkeys(names, flow))
            for flow in self.counts
            if flow != self.base and (names := self.directions(flow, kind))
        }

    def of_sets(self) -> dict[str, tuple[Score, Score, Score]]:
        """Of each set the mean by the chosen flows, that by the base, and the first less the second, paired by row."""
        found = {}
        for name, directions in self.sets.items():
            taken = {each: self.chosen[each] for each in directions}
            chosen, base = (
                self._scored(self._mean(flows), len(flows)) for flows in (taken, dict.fromkeys(taken, self.base))
            )
            found[name] = (chosen, base, self._less_base(taken))
        return found

    def by_direction(self, flow: str) -> dict[str, Score]:
        """One flow's score in each of its directions."""
        names = dict.fromkeys(self.counts[flow], flow)
        return {name: self._scored(self._mean({name: flow}), 1) for name in names}

    def _mean(self, flows: Mapping[str, str]) -> Estimate:
        """The mean over directions, each by its flow: `[1]`."""
        columns = torch.stack([self.counts[flow][name] for name, flow in flows.items()], dim=1)
        return by_rows(columns).map(self.value).map(lambda values: values.mean(-1, keepdim=True))

    def _scored(self, mean: Estimate, cells: int) -> Score:
        (score,) = mean.share_scores(cells, WHOLE) if self.right_or_wrong else mean.scores()
        return score.within(*self.ends)

    def _less_base(self, flows: Mapping[str, str]) -> Score:
        change = self._mean(flows) - self._mean(dict.fromkeys(flows, self.base))
        (score,) = change.share_differences(len(flows), WHOLE) if self.right_or_wrong else change.scores()
        return score.between(*self.ends)


@dataclass(frozen=True, eq=False, repr=False)
class BranchSpaces(Shown):
    """How alike the states of a language by its own encoder are to those of the pivot by the main one, for R rows.

    `cka` and `main_cka`: linear CKA of both, by language; with its own encoder, and with the main one. `overlap` and
    `main_overlap` `[L]`: mean intersection over union of the neurons of each two branches, in encoders of directions
    into the pivot, in decoders of those out of it; with their own branches, and with the main pair. NaN where fewer
    than two have a branch.
    """

    pivot: str
    cka: Mapping[str, float]
    main_cka: Mapping[str, float]
    layers: tuple[str, ...]
    overlap: Tensor
    main_overlap: Tensor
    rows: int
    signature: Signature

    def _facts(self) -> list[str]:
        return [counted(len(self.cka), "language"), counted(self.rows, "row")]

    def _numbers(self) -> str:
        return scores_in_short(self.cka, f"CKA with {self.pivot}")


def linear_cka(first: Tensor, second: Tensor) -> float:
    """Similarity of two sets of states of the same R rows, `[R, D]` and `[R, E]`: 1 up to rotation and scale.

    ‖BᵀA‖² / (‖AᵀA‖ ‖BᵀB‖) of centred columns, Frobenius norms. Source: Kornblith et al. 2019, eq. 5. It rises with D/R:
    compare equal rows and widths. NaN where all states of one set are equal. Raises `ConfigError` for other rows.
    """
    if first.dim() != 2 or second.dim() != 2 or len(first) != len(second):
        raise ConfigError(
            f"States {list(first.shape)} and {list(second.shape)} were compared.", "Expected the same rows of both."
        )
    a, b = (states.double() - states.double().mean(0) for states in (first, second))
    norms = float((a.T @ a).norm() * (b.T @ b).norm())
    return float((b.T @ a).norm() ** 2) / norms if norms > 0 else math.nan
