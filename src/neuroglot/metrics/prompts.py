"""PromptComparison: settings of a prompt on the same rows, by score, by activated share, and by cost (PMI)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.metrics.bootstrap import Score, resampled_sums, scores_from
from neuroglot.metrics.paired import mcnemar
from neuroglot.signature import Signature

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
    """A setting less the base, with an interval over rows; `p` of a sign test over rows, which ties leave out."""

    score: Score
    p: float


@dataclass(frozen=True, eq=False)
class PromptComparison:
    """Results by setting, the first being the base of all differences; all of the same rows and originals G."""

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

    def __post_init__(self) -> None:
        shapes = {tuple(result.score.shape) for result in self.settings.values()}
        if len(shapes) != 1:
            raise ConfigError(f"Settings have counts of the shapes {sorted(shapes)}.", "Expected the same rows in all.")

    @property
    def base(self) -> str:
        return next(iter(self.settings))

    def scores(self) -> dict[str, Score]:
        """The metric by setting, mean over originals, with intervals over rows."""
        return {name: self._score(*self._values(result.score)) for name, result in self.settings.items()}

    def score_differences(self) -> dict[str, Difference]:
        """Each setting's score less the base's; the sign test is on a row's mean over originals."""
        base = self.settings[self.base]
        value, resamples = self._values(base.score)
        found = {}
        for name, result in self._others():
            other, other_resamples = self._values(result.score)
            by_row = [self.value(one).mean(1) for one in (base.score, result.score)]
            found[name] = Difference(self._score(other - value, other_resamples - resamples), mcnemar(*by_row).p)
        return found

    def activated(self, role: str = "steps") -> dict[str, Score]:
        """Share of pairs of counted token and neuron that fired, by setting that has the role."""
        return {name: self._score(*self._shares(result.firing[role])) for name, result in self._with(role)}

    def activated_differences(self, role: str = "steps") -> dict[str, Difference]:
        """Each setting's activated share less the base's, paired by row."""
        base = self.settings[self.base].firing[role]
        value, resamples = self._shares(base)
        found = {}
        for name, result in self._with(role):
            if name == self.base:
                continue
            other, other_resamples = self._shares(result.firing[role])
            by_row = [self._row_shares(one) for one in (base, result.firing[role])]
            found[name] = Difference(self._score(other - value, other_resamples - resamples), mcnemar(*by_row).p)
        return found

    def activated_by_layer(self, role: str = "steps") -> dict[str, list[Score]]:
        """The activated share of each layer, by setting."""
        widths = self._widths()
        found = {}
        for name, result in self._with(role):
            counted = result.firing[role]
            fired, tokens = counted.fired.sum(1), counted.tokens.sum(1, keepdim=True)
            value = fired.sum(0) / (tokens.sum(0) * widths)
            resamples = resampled_sums(fired) / (resampled_sums(tokens) * widths)
            found[name] = scores_from(value, resamples)
        return found

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

    def _values(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """The mean over originals of the metric, `[]`, and of resampled rows, `[resamples]`."""
        return self.value(counts.sum(0)).mean(), self.value(resampled_sums(counts)).mean(1)

    def _shares(self, counted: Counted) -> tuple[Tensor, Tensor]:
        fired, tokens = counted.fired.sum((1, 2))[:, None], counted.tokens.sum(1)[:, None]
        neurons = self._widths().sum()
        value = fired.sum() / (tokens.sum() * neurons)
        return value, (resampled_sums(fired) / (resampled_sums(tokens) * neurons))[:, 0]

    def _row_shares(self, counted: Counted) -> Tensor:
        return counted.fired.sum((1, 2)) / (counted.tokens.sum(1) * self._widths().sum())

    @staticmethod
    def _score(value: Tensor, resamples: Tensor) -> Score:
        (score,) = scores_from(value[None].round(decimals=EXACT), resamples[:, None].round(decimals=EXACT))
        return score
