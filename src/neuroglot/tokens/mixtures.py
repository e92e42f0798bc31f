"""Sampling: in which order pairs of several directions are trained on, fixed beforehand, so that a run can go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from neuroglot.errors import ConfigError
from neuroglot.tokens.pairs import Pairs

DEALT_TOGETHER = 8  # mixed batches


def shares(sizes: Sequence[int], temperature: float) -> np.ndarray:
    """How often each direction is drawn, p ∝ n^(1/T): in proportion to its pairs at T = 1, all alike as T grows."""
    if temperature < 1 or min(sizes, default=0) < 1:
        raise ConfigError(
            f"Got a temperature of {temperature} and directions of {list(sizes)} pairs.",
            "Expected a temperature from 1, and pairs in every direction.",
        )
    raised = np.array(sizes, dtype=np.float64) ** (1 / temperature)
    return raised / raised.sum()


def sampled(
    pairs: Pairs, batches: int, batch_size: int, *, temperature: float = 5.0, mixed: bool = False, seed: int = 0
) -> list[int]:
    """Places in `pairs.pairs` of `batches · batch_size` draws; the same draws for the same seed.

    Each batch is of one direction, as in the reference, or, `mixed`, each of its pairs is of a direction of its own;
    the draws of 8 mixed batches are dealt to them by length, because languages differ in it and padding costs time.
    Within a direction every pair comes once before any comes again. Raises `ConfigError` for a temperature below 1, a
    direction without pairs, or no batch.
    """
    if batches < 1 or batch_size < 1:
        raise ConfigError(f"Got {batches} batches of {batch_size} pairs.", "Expected one or more of each.")
    places: list[list[int]] = [[] for _ in pairs.directions]
    for place, pair in enumerate(pairs.pairs):
        places[pair.language].append(place)
    generator = np.random.default_rng(seed)
    *own_generators, dealing = generator.spawn(len(places) + 1)
    orders = [_endless(own, listed) for own, listed in zip(own_generators, places, strict=True)]
    probabilities = shares([len(listed) for listed in places], temperature)
    drawn = generator.choice(len(places), size=(batches, batch_size if mixed else 1), p=probabilities)
    chosen = [next(orders[direction]) for direction in np.broadcast_to(drawn, (batches, batch_size)).flat]
    return _dealt_by_length(chosen, pairs, batch_size, dealing) if mixed else chosen


def _dealt_by_length(
    chosen: list[int], pairs: Pairs, batch_size: int, generator: np.random.Generator
) -> list[int]:  # fmt: skip
    """The draws of some batches at a time, shortest first into batches, and the batches in random order."""
    dealt = []
    for start in range(0, len(chosen), DEALT_TOGETHER * batch_size):
        window = sorted(chosen[start : start + DEALT_TOGETHER * batch_size], key=lambda place: _length(pairs, place))
        batches = [window[first : first + batch_size] for first in range(0, len(window), batch_size)]
        for place in generator.permutation(len(batches)).tolist():
            dealt += batches[place]
    return dealt


def _length(pairs: Pairs, place: int) -> int:
    return len(pairs.pairs[place].token_ids) + len(pairs.pairs[place].target_ids)


def _endless(generator: np.random.Generator, places: Sequence[int]) -> Iterator[int]:
    while True:
        yield from generator.permutation(places).tolist()
