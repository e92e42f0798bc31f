"""PromptComparison: settings of a prompt on the same rows, by score, by activated share, and by cost (PMI)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.metrics.intervals import WHOLE, Estimate, Score, by_rows, combined, holm
from neuroglot.metrics.paired import mcnemar
from neuroglot.showing import Shown, counted, scores_in_short
from neuroglot.signature import Signature

TESTED_ROLES = ("steps", "forced")  # of a page; segments of the prompt are shown without tests
EXACT = 10  # decimals: differences of equal percentages are 0, not what is left of them


@dataclass(frozen=True, eq=False)
class Counted:
    """Firing on some positions: `fired [R, G, L]` pairs of token and neuron, `tokens [R, G]`."""

    fired: Tensor
    tokens: Tensor


@dataclass(frozen=True, eq=False)
class SettingResult:
    """One setting: counts of the score `[R, G, C]`, firing by the positions it was read at, and what it cost.

    `firing`: by role, `steps` (each position at which a token was chosen), `forced` (the same with the reference as the
    output) and `segment xx` (the tokens of a column). `neurons [N]`: how often each neuron fired at the steps.
    `prompt_tokens` and `generated_tokens`: `[R, G]`. `zero_by_layer [L]`: share of exact zeros there.
    """

    score: Tensor
    firing: Mapping[str, Counted]
    neurons: Tensor
    zero_by_layer: Tensor
    prompt_tokens: Tensor
    generated_tokens: Tensor


@dataclass(frozen=True)
class Difference:
    """A setting less the base, with an interval over rows; `p` of a sign test over rows, which ties leave out, adjusted
    for all tests of the comparison (Holm).
    """

    score: Score
    p: float


@dataclass(frozen=True, eq=False, repr=False)
class PromptComparison(Shown):
    """Results by setting, the first being the base of all differences; all of the same rows and originals G.

    `right_or_wrong`: whether the metric is the percentage of answers that are right, one a row and original, so that
    its intervals are Wilson's, and those of its differences Bonett and Price's. `ends`: the least and the most that it
    can be.
    """

    model: str
    data: str
    originals: tuple[str, ...]
    layout: Layout
    metric: str
    unit: str
    value: Callable[[Tensor], Tensor]
    settings: Mapping[str, SettingResult]
    signature: Signature
    excluded: Mapping[str, int] = field(default_factory=dict)
    right_or_wrong: bool = False
    ends: tuple[float, float] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        shapes = {tuple(result.score.shape) for result in self.settings.values()}
        if len(shapes) != 1:
            raise ConfigError(f"Settings have counts of the shapes {sorted(shapes)}.", "Expected the same rows in all.")

    @property
    def base(self) -> str:
        return next(iter(self.settings))

    def _facts(self) -> list[str]:
        return [self.data, self.model, counted(len(self.settings), "setting")]

    def _numbers(self) -> str:
        return scores_in_short(self.scores(), f"{self.metric}, {self.unit}")

    def scores(self) -> dict[str, Score]:
        """The metric by setting, mean over originals, with intervals over rows."""
        return {name: self._scored(self._value(result.score)) for name, result in self.settings.items()}

    def score_differences(self) -> dict[str, Difference]:
        """Each setting's score less the base's; the sign test is on a row's mean over originals."""
        base = self._value(self.settings[self.base].score)
        return {
            name: Difference(self._scored_difference(self._value(result.score) - base), self.p_values["score", name])
            for name, result in self._others()
        }

    def activated(self, role: str = "steps") -> dict[str, Score]:
        """Share of pairs of counted token and neuron that fired, by setting that has the role."""
        return {name: self._score(self._share(result.firing[role])) for name, result in self._with(role)}

    def activated_differences(self, role: str = "steps") -> dict[str, Difference]:
        """Each setting's activated share less the base's, paired by row."""
        base = self._share(self.settings[self.base].firing[role])
        return {
            name: Difference(self._score(self._share(result.firing[role]) - base), self.p_values[role, name])
            for name, result in self._with(role)
            if name != self.base
        }

    def activated_by_layer(self, role: str = "steps") -> dict[str, list[Score]]:
        """The activated share of each layer, by setting."""
        widths = self._widths()

        def share(counts: Tensor) -> Tensor:
            return counts[..., :-1] / (counts[..., -1:] * widths)

        found = {}
        for name, result in self._with(role):
            counted = result.firing[role]
            counts = torch.cat([counted.fired.sum(1), counted.tokens.sum(1, keepdim=True)], dim=1)
            found[name] = by_rows(counts).map(share).scores()
        return found

    @cached_property
    def p_values(self) -> dict[tuple[str, str], float]:
        """By `score` or role, and setting: p of the sign test against the base, adjusted as one family (Holm)."""
        raw = {}
        base = self.settings[self.base]
        for name, result in self._others():
            by_row = [self.value(counts).mean(1) for counts in (base.score, result.score)]
            raw["score", name] = mcnemar(*by_row).p
            for role in TESTED_ROLES:
                if role in result.firing and role in base.firing:
                    by_row = [self._row_shares(counted) for counted in (base.firing[role], result.firing[role])]
                    raw[role, name] = mcnemar(*by_row).p
        return dict(zip(raw, holm(list(raw.values())), strict=True))

    def segment_roles(self) -> list[str]:
        """The roles that are segments of the prompt, in order of appearance."""
        roles = dict.fromkeys(role for result in self.settings.values() for role in result.firing)
        return [role for role in roles if role.startswith("segment ")]

    def cost(self) -> dict[str, tuple[float, float]]:
        """Mean tokens of a prompt and of what was generated, by setting."""
        return {
            name: (float(result.prompt_tokens.double().mean()), float(result.generated_tokens.double().mean()))
            for name, result in self.settings.items()
        }

    def _others(self) -> list[tuple[str, SettingResult]]:
        return [(name, result) for name, result in self.settings.items() if name != self.base]

    def _with(self, role: str) -> list[tuple[str, SettingResult]]:
        return [(name, result) for name, result in self.settings.items() if role in result.firing]

    def _widths(self) -> Tensor:
        return torch.tensor([layer.width for layer in self.layout.layers], dtype=torch.float64)

    def _value(self, counts: Tensor) -> Estimate:
        """The mean over originals of the metric: `[1]`."""
        return by_rows(counts).map(self.value).map(lambda values: values.mean(-1, keepdim=True))

    def _scored(self, value: Estimate) -> Score:
        if not self.right_or_wrong:
            return self._score(value).within(*self.ends)
        (score,) = value.share_scores(len(self.originals), WHOLE)
        return score

    def _scored_difference(self, change: Estimate) -> Score:
        if not self.right_or_wrong:
            return self._score(change).between(*self.ends)
        (score,) = change.share_differences(len(self.originals), WHOLE)
        return score

    def _share(self, counted: Counted) -> Estimate:
        """The share of neurons that fire: `[1]`."""
        neurons = self._widths().sum()
        fired, tokens = by_rows(counted.fired.sum((1, 2))), by_rows(counted.tokens.sum(1))
        return combined(torch.div, fired, tokens).map(lambda values: (values / neurons)[..., None])

    def _row_shares(self, counted: Counted) -> Tensor:
        return counted.fired.sum((1, 2)) / (counted.tokens.sum(1) * self._widths().sum())

    @staticmethod
    def _score(estimate: Estimate) -> Score:
        (score,) = estimate.map(lambda values: values.round(decimals=EXACT)).scores()
        return score
