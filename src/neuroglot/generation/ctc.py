"""CTC prefix beam search: the texts that a model's frames most probably say, summed over all paths that say each.

Greedy decoding takes the best path; the best text may have many paths and none of them the best. Nothing here knows of
models: it reads log-probabilities by frame, of translations as of signs in a film.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroglot.errors import ConfigError

Prefix = tuple[int, ...]
PrefixScorer = Callable[
    [Prefix, int | None], float
]  # what a language model adds where the symbol follows; None: the end
NEVER = -math.inf


@dataclass(frozen=True)
class Hypothesis:
    """A text, the log-probability in nats that its frames say it, and the score by which it was ranked: with what a
    language model adds.
    """

    symbols: Prefix
    log_prob: float
    score: float


@dataclass(frozen=True)
class BeamOptions:
    """`width` prefixes are followed; each goes on with the `candidates` likeliest symbols of a frame (None: with all).

    `scorer` is a language model in log-probabilities, or any other judgement of a symbol behind a prefix, counted
    `weight` times. Raises `ConfigError` for counts below 1 and weights below 0.
    """

    width: int = 10
    candidates: int | None = 40
    scorer: PrefixScorer | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.width < 1 or (self.candidates is not None and self.candidates < 1) or not self.weight >= 0:
            raise ConfigError(
                f"Got a width of {self.width}, {self.candidates} candidates and a weight of {self.weight}.",
                "Expected counts from 1 and a weight from 0.",
            )


@torch.no_grad()
def prefix_beam_search(
    log_probs: Tensor, frames: Tensor, blank: int, options: BeamOptions | None = None
) -> list[list[Hypothesis]]:
    """For each row the texts that its frames say, at most `width` of them, best first; equal ones in order of symbols.

    `log_probs` `[B, T, V]`, of which the first `frames` `[B]` of a row are real: rows of a batch change nothing in one
    another. With as many prefixes and candidates as there are, the result is exact (Hannun et al. 2014). Raises
    `ConfigError` for numbers that are no log-probabilities.
    """
    options = options or BeamOptions()
    real = torch.arange(log_probs.shape[1], device=log_probs.device) < frames[:, None]
    if bool((~(log_probs <= 1e-4) & real[..., None]).any()):
        raise ConfigError("Got frames with a value above 0, or that is no number.", "Expected log-probabilities.")
    count = log_probs.shape[-1] if options.candidates is None else min(options.candidates, log_probs.shape[-1])
    best = log_probs.double().topk(count, dim=-1)
    blanks = log_probs[..., blank].double().tolist()
    values, symbols, exact = best.values.tolist(), best.indices.tolist(), log_probs
    return [
        _search(values[row][:length], symbols[row][:length], blanks[row][:length], exact[row], blank, options)
        for row, length in enumerate(frames.tolist())
    ]


@dataclass
class _Paths:
    """Log-probability of the paths of a prefix that end in a blank, and in its last symbol; what a scorer added."""

    in_blank: float = NEVER
    in_symbol: float = NEVER
    added: float = 0.0

    @property
    def total(self) -> float:
        return _plus(self.in_blank, self.in_symbol)


def _search(
    values: Sequence[Sequence[float]],
    symbols: Sequence[Sequence[int]],
    blanks: Sequence[float],
    exact: Tensor,
    blank: int,
    options: BeamOptions,
) -> list[Hypothesis]:
    """The beam of one row, frame by frame."""
    beam: dict[Prefix, _Paths] = {(): _Paths(in_blank=0.0)}
    for frame, (best, ids) in enumerate(zip(values, symbols, strict=True)):
        known = dict(zip(ids, best, strict=True))
        after: dict[Prefix, _Paths] = {}
        for prefix, paths in beam.items():
            stays = after.setdefault(prefix, _Paths(added=paths.added))
            stays.in_blank = _plus(stays.in_blank, paths.total + blanks[frame])
            if prefix:
                last = prefix[-1]
                again = known[last] if last in known else float(exact[frame, last])
                stays.in_symbol = _plus(stays.in_symbol, paths.in_symbol + again)
            for symbol, value in known.items():
                if symbol == blank or value == NEVER:
                    continue
                begun = paths.in_blank if prefix and symbol == prefix[-1] else paths.total
                if begun == NEVER:
                    continue
                longer = (*prefix, symbol)
                if longer not in after:
                    after[longer] = _Paths(added=paths.added + _added(options, prefix, symbol))
                after[longer].in_symbol = _plus(after[longer].in_symbol, begun + value)
        ranked = sorted(after.items(), key=lambda item: (-item[1].total - item[1].added, item[0]))
        beam = {prefix: paths for prefix, paths in ranked[: options.width] if paths.total > NEVER}
    found = [
        Hypothesis(prefix, paths.total, paths.total + paths.added + _added(options, prefix, None))
        for prefix, paths in beam.items()
    ]
    return sorted(found, key=lambda each: (-each.score, each.symbols))


def _added(options: BeamOptions, prefix: Prefix, symbol: int | None) -> float:
    return 0.0 if options.scorer is None else options.weight * options.scorer(prefix, symbol)


def _plus(first: float, second: float) -> float:
    """`log(e^a + e^b)`."""
    if first < second:
        first, second = second, first
    return first if second == NEVER else first + math.log1p(math.exp(second - first))
