"""From scores to probabilities: transforms behind one interface, for the next token and for sets of candidates.

A score is read as a utility, of which only the order is certain; a transform says what probability it stands for. The
idea is that of Huang and Fei (2023, arXiv 2305.14859), whose equation is not public: all of this is our
reconstruction, derived from the gradient of the likelihood, and none of it is theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import (
    EpsilonLogitsWarper,
    LogitsProcessor,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from neuroglot.errors import ConfigError
from neuroglot.signature import short_hash

MOST_PAIRED = 4096  # candidates of which all pairs are compared
LARGEST_PARAMETER = 1e30  # of a parameter: scores multiplied by it stay in the range of float32


class Transform(Protocol):
    """Anything that makes log-probabilities of utilities."""

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Log-probabilities over the last axis, `[..., C]` → `[..., C]`; −inf marks what is no candidate.

        `lengths [..., C]` are those of the candidates in tokens, where they are whole texts.
        """
        ...


@dataclass(frozen=True)
class Softmax:
    """The softmax as it is."""

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        return utilities.log_softmax(-1)


@dataclass(frozen=True)
class Power:
    """P ∝ exp(β·u) / length^α: of next tokens this is the temperature 1/β; `alpha` needs lengths.

    Of a text's score u = log p it is p^β / |y|^α.
    """

    beta: float | Tensor = 1.0
    alpha: float | Tensor = 0.0

    def __post_init__(self) -> None:
        _require_positive(beta=self.beta)

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        missing = utilities.isneginf()
        scaled = self.beta * utilities.masked_fill(missing, 0)
        if lengths is not None:
            scaled = scaled - self.alpha * lengths.to(scaled).clamp(min=1).log()
        elif isinstance(self.alpha, Tensor) or self.alpha:
            raise ConfigError(f"alpha={self.alpha} was given without lengths.", "Expected lengths of whole texts.")
        return scaled.masked_fill(missing, -torch.inf).log_softmax(-1)


@dataclass(frozen=True, repr=False)
class Inversion:
    """Trajectory inversion: P = p̄ + (u − u₀) / (ηK), after K steps of SGD of rate η that began with u₀.

    `start` is u₀ and `mean_choice` p̄, the mean of the softmax over the steps, both `[C]`; `total_rate` is ηK. Of plain
    SGD on a table of utilities this is the frequency of each choice in the data, exactly. Of a model it may leave the
    range of probabilities: what is below 0 becomes 0, and the rest sums to 1.
    """

    start: tuple[float, ...]
    mean_choice: tuple[float, ...]
    total_rate: float

    def __post_init__(self) -> None:
        finite = all(map(math.isfinite, (*self.start, *self.mean_choice)))
        sound = finite and len(self.start) == len(self.mean_choice) > 0 and self.total_rate > 0
        _require(sound, f"{len(self.start)} and {len(self.mean_choice)} numbers", "as many finite, at a positive rate")

    def __repr__(self) -> str:
        """In short, as it stands in signatures: how many numbers, and their hash."""
        numbers = torch.tensor([self.start, self.mean_choice], dtype=torch.float64)
        return f"Inversion({len(self.start)} tokens, {short_hash(numbers)}, total_rate={self.total_rate!r})"

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        _require(
            utilities.shape[-1] == len(self.start), f"{utilities.shape[-1]} utilities", f"{len(self.start)} of them"
        )
        start, mean = (utilities.new_tensor(part) for part in (self.start, self.mean_choice))
        frequency = (mean + (utilities - start) / self.total_rate).clamp(min=0)
        return (frequency / frequency.sum(-1, keepdim=True)).log()


@dataclass(frozen=True)
class BradleyTerry:
    """P ∝ W^κ with W(a) = mean over candidates b of σ(β·(u(a) − u(b))), how often a wins (Bradley and Terry 1952)."""

    beta: float | Tensor = 1.0
    kappa: float | Tensor = 1.0

    def __post_init__(self) -> None:
        _require_positive(beta=self.beta, kappa=self.kappa)

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        count = utilities.shape[-1]
        _require(count <= MOST_PAIRED, f"{count} candidates", f"at most {MOST_PAIRED}, whose pairs are compared")
        missing = utilities.isneginf()
        scaled = self.beta * utilities.masked_fill(missing, 0)
        wins = torch.sigmoid(scaled[..., :, None] - scaled[..., None, :])
        present = (~missing).to(scaled)[..., None, :]
        rate = (wins * present).sum(-1) / present.sum(-1)
        return (self.kappa * rate.log()).masked_fill(missing, -torch.inf).log_softmax(-1)


@dataclass(frozen=True)
class Ranks:
    """P ∝ r^−κ with r the rank of a utility, 1 for the largest; equal ones share their mean rank. Only order counts."""

    kappa: float | Tensor = 1.0

    def __post_init__(self) -> None:
        _require_positive(kappa=self.kappa)

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        missing = utilities.isneginf()
        ordered = utilities.detach().sort(-1).values
        below = torch.searchsorted(ordered, utilities.detach().contiguous())
        until = torch.searchsorted(ordered, utilities.detach().contiguous(), right=True)
        rank = utilities.shape[-1] - (below + until - 1).to(utilities) / 2
        return (-self.kappa * rank.log()).masked_fill(missing, -torch.inf).log_softmax(-1)


@dataclass(frozen=True)
class TopK:
    """The softmax over the k largest, those that equal the k-th with them."""

    k: int

    def __post_init__(self) -> None:
        _require(isinstance(self.k, int) and self.k > 0, f"k={self.k}", "a positive whole number")

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        return _warped(TopKLogitsWarper(self.k), utilities)


@dataclass(frozen=True)
class TopP:
    """The softmax over the likeliest that together have the probability p (Holtzman et al. 2020)."""

    p: float

    def __post_init__(self) -> None:
        _require(0 < self.p < 1, f"p={self.p}", "a probability between 0 and 1")

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        return _warped(TopPLogitsWarper(self.p), utilities)


@dataclass(frozen=True)
class Epsilon:
    """The softmax over those that have at least this probability (Hewitt et al. 2022; Freitag et al. 2023)."""

    least: float

    def __post_init__(self) -> None:
        _require(0 < self.least < 1, f"least={self.least}", "a probability between 0 and 1")

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        return _warped(EpsilonLogitsWarper(self.least), utilities)


@dataclass(frozen=True)
class Chain:
    """Several transforms, each on the log-probabilities of the one before; lengths are those of the first only."""

    parts: tuple[Transform, ...]

    def __call__(self, utilities: Tensor, lengths: Tensor | None = None) -> Tensor:
        for index, part in enumerate(self.parts):
            utilities = part(utilities, lengths if index == 0 else None)
        return utilities


TRANSFORMS: dict[str, type[Any]] = {
    "identity": Softmax, "power": Power, "inversion": Inversion, "bradley-terry": BradleyTerry, "ranks": Ranks,
    "top-k": TopK, "top-p": TopP, "epsilon": Epsilon,
}  # fmt: skip


class Transformed(LogitsProcessor):
    """A transform as transformers apply it to the scores of next tokens, after other processors."""

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return self.transform(scores.float()).to(scores)


def _warped(warper: LogitsProcessor, utilities: Tensor) -> Tensor:
    """What a warper of transformers leaves, as log-probabilities."""
    rows = utilities.reshape(-1, utilities.shape[-1])
    none: Any = None
    return warper(none, rows).reshape(utilities.shape).log_softmax(-1)


def _require_positive(**parameters: float | Tensor) -> None:
    """Raise `ConfigError` for numbers that turn the order of scores round or leave the range; tensors are fitted."""
    for name, value in parameters.items():
        _require(isinstance(value, Tensor) or 0 < value <= LARGEST_PARAMETER, f"{name}={value}", "a positive one")


def _require(sound: bool, got: str, expected: str) -> None:
    if not sound:
        raise ConfigError(f"A transform was given {got}.", f"Expected {expected}.")
