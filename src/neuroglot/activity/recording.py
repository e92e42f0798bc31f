"""Recording: what "this neuron fires" means, as a typed object that is validated, printed and stored with every
number.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import torch

from neuroglot import headers
from neuroglot.errors import ConfigError
from neuroglot.layout import Site
from neuroglot.signature import Signature

Tokens = Literal["all", "last", "prompt", "generated", "steps"]
Statistic = Literal["moments", "magnitude", "maximum", "histogram", "zeros"]

_OCTAVES = tuple(2.0**exponent for exponent in range(-6, 7))
HISTOGRAM_EDGES = (*(-edge for edge in reversed(_OCTAVES)), 0.0, *_OCTAVES)  # each bin twice as wide as the one before


@dataclass(frozen=True)
class Recording:
    """Where, on which tokens and above which value a neuron fires.

    * `site`: `post_act`, the output of the nonlinearity before any gate product; or `write`, the input of the down
      projection. They coincide for ungated feed-forward networks only.
    * `tokens`: `all` real tokens, or the `last` one of each text. Where text is generated, the `prompt`, the tokens
      that were `generated` and read again, `all` of both, the `last` token of the prompt, or the `steps`: each token at
      which the next was chosen, that is the prompt's last and the generated ones. Padding never counts.
    * `fires`: one threshold or several, counted in one pass; a neuron fires where its value is strictly greater.
    * `special_tokens`: whether tokens that the tokenizer added (`<s>`, `</s>`) count. The model reads them in any case.
    * `statistics`: what else is kept of the same values in the same pass: `moments` (mean, variance), `magnitude` (mean
      absolute value), `maximum`, `histogram` (of every 32nd token, over the bins of `HISTOGRAM_EDGES`), `zeros` (how
      often a value is exactly 0).

    Raises `ConfigError` on anything else.
    """

    __pydantic_config__ = headers.STRICT

    site: Site = "post_act"
    tokens: Tokens = "all"
    fires: tuple[float, ...] = (0.0,)
    special_tokens: bool = False
    statistics: tuple[Statistic, ...] = ()

    def __post_init__(self) -> None:
        fires = (self.fires,) if isinstance(self.fires, int | float) else tuple(self.fires)
        object.__setattr__(self, "fires", tuple(float(threshold) for threshold in fires))
        _require("site", self.site, get_args(Site))
        _require("tokens", self.tokens, get_args(Tokens))
        for statistic in self.statistics:
            _require("statistics", statistic, get_args(Statistic))
        if len(set(self.statistics)) != len(self.statistics):
            raise ConfigError(f"Recording got the statistics {self.statistics}.", "Expected each once.")
        if not self.fires or len(set(self.fires)) != len(self.fires) or not all(map(math.isfinite, self.fires)):
            raise ConfigError(f"Recording got the thresholds {self.fires}.", "Expected finite numbers, each once.")

    def thresholds(self, dtype: torch.dtype) -> tuple[float, ...]:
        """The thresholds for values of this precision; see `threshold_in`."""
        return tuple(threshold_in(threshold, dtype) for threshold in self.fires)

    @classmethod
    def lape(cls) -> "Recording":
        """LAPE (Tang et al. 2024, §2): output of the nonlinearity > 0, all tokens.

        The reference packs texts into full-length rows, so that documents read each other; here each text is on its
        own.
        """
        return cls(site="post_act", tokens="all", fires=(0.0,), special_tokens=True)

    @classmethod
    def sharing_matters(cls) -> "Recording":
        """Sharing Matters (Wang et al. 2024, §3): output of the nonlinearity > 0 at the last token of the prompt.

        The released notebook passes the position but never uses it; the last token is what its text describes.
        """
        return cls(site="post_act", tokens="last", fires=(0.0,), special_tokens=True)

    @classmethod
    def pmi(cls) -> "Recording":
        """PMI (Mu et al. 2024): output of the nonlinearity > 0 at each step of `generate`, and how often it is 0.

        A step is read at its last position, so that a prompt counts with its last token only, and the last generated
        token never. The reference averages ratios over a batch and lists neurons of its first text only; here every
        text counts. Exact zeros say more of the precision than of the neuron, except with ReLU.
        """
        return cls(site="post_act", tokens="steps", fires=(0.0,), special_tokens=True, statistics=("zeros",))

    @classmethod
    def neuron_specialization(cls) -> "Recording":
        """Neuron Specialization (Tan et al. 2024, §3.1): input of the down projection > 0, all tokens.

        The reference counts h ≠ 0, which is the same behind a ReLU and no definition elsewhere, and padding too.
        """
        return cls(site="write", tokens="all", fires=(0.0,), special_tokens=True)

    @property
    def signature(self) -> Signature:
        thresholds = ",".join(str(threshold).removesuffix(".0") for threshold in self.fires)
        return Signature.of(
            site=self.site, tokens=self.tokens, fires=f">{thresholds}", special_tokens=self.special_tokens
        )

    def threshold_index(self, threshold: float | None) -> int:
        """Where a threshold stands in `fires`; None is right where there is only one. Raises `ConfigError`."""
        if threshold is None and len(self.fires) == 1:
            return 0
        if threshold not in self.fires:
            raise ConfigError(
                f"The threshold {threshold} was asked for.", f"Recorded were {', '.join(map(str, self.fires))}."
            )
        return self.fires.index(threshold)

    def to_json(self) -> dict[str, Any]:
        return headers.to_json(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Recording":
        """The inverse of `to_json`; raises `ArtifactError` on unknown or missing fields."""
        return headers.from_json(fields, cls, "A stored recording")


def _require(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"Recording got {name}={value!r}.", f"Expected one of {', '.join(map(repr, allowed))}.")


@cache
def threshold_in(threshold: float, dtype: torch.dtype) -> float:
    """The largest value of the precision that is not above the threshold: the same values are above both.

    A comparison rounds the threshold to the precision of the values: 0.1 becomes 0.10009765625 in bfloat16, above which
    0.10009765625 does not count.
    """
    rounded = torch.tensor(threshold, dtype=torch.float64).to(dtype)
    if float(rounded) > threshold:
        rounded = torch.nextafter(rounded, torch.tensor(-math.inf, dtype=dtype))
    return float(rounded)
