"""Mixtures: in which order examples of several parts are trained on, fixed beforehand, so that a run can go on.

A part is whatever is mixed: a direction of translation, a language, a corpus, what is new beside what is replayed. How
often each is drawn follows from its size and a temperature, or is stated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from neuroglot.errors import ConfigError

DEALT_TOGETHER = 8  # mixed batches


def shares(sizes: Sequence[int], temperature: float) -> np.ndarray:
    """How often each part is drawn, p ∝ n^(1/T): in proportion to its size at T = 1, all alike as T grows."""
    if temperature < 1 or min(sizes, default=0) < 1:
        raise ConfigError(
            f"Got a temperature of {temperature} and parts of {list(sizes)} examples.",
            "Expected a temperature from 1, and examples in every part.",
        )
    raised = np.array(sizes, dtype=np.float64) ** (1 / temperature)
    return raised / raised.sum()


def drawn(
    parts: Sequence[int],
    batches: int,
    batch_size: int,
    *,
    temperature: float = 5.0,
    stated: Sequence[float] | None = None,
    mixed: bool = False,
    lengths: Sequence[int] | None = None,
    seed: int = 0,
) -> list[int]:
    """Which of the examples are trained on, in order: `batches · batch_size` draws, the same for the same seed.

    Example i is of the part `parts[i]`, counted from 0. Each batch is of one part, or, `mixed`, each of its examples is
    of a part of its own. The `stated` shares, 1 in sum, replace those of the temperature. The draws of 8 mixed batches
    are dealt to them by `lengths`, if given, because parts differ in length and padding costs time. Within a part
    every example comes once before any comes again. Raises `ConfigError` for a temperature below 1, a part without
    examples, other shares, or no batch.
    """
    if batches < 1 or batch_size < 1:
        raise ConfigError(f"Got {batches} batches of {batch_size} examples.", "Expected one or more of each.")
    members: list[list[int]] = [[] for _ in range(max(parts, default=-1) + 1)]
    for index, part in enumerate(parts):
        members[part].append(index)
    probabilities = shares([len(part) for part in members], temperature)
    if stated is not None:
        probabilities = _stated(stated, len(members))
    generator = np.random.default_rng(seed)
    *own_generators, dealing = generator.spawn(len(members) + 1)
    orders = [_endless(own, part) for own, part in zip(own_generators, members, strict=True)]
    chosen_parts = generator.choice(len(members), size=(batches, batch_size if mixed else 1), p=probabilities)
    chosen = [next(orders[part]) for part in np.broadcast_to(chosen_parts, (batches, batch_size)).flat]
    return _dealt_by_length(chosen, lengths, batch_size, dealing) if mixed and lengths is not None else chosen


def apportioned(total: int, weights: Sequence[float]) -> list[int]:
    """`total` in whole numbers as the weights are, by largest remainder; of equal remainders the first is larger."""
    if total < 0 or min(weights, default=0) < 0 or sum(weights) <= 0:
        raise ConfigError(
            f"Got {total} examples for the weights {list(weights)}.", "Expected numbers from 0, one of them above."
        )
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [math.floor(part) for part in exact]
    most = sorted(range(len(exact)), key=lambda index: (counts[index] - exact[index], index))
    for index in most[: total - sum(counts)]:
        counts[index] += 1
    return counts


def drawn_exactly(sizes: Sequence[int], counts: Sequence[int], seed: int) -> list[tuple[int, int]]:
    """Exactly so many examples of each part, as (part, example), in one drawn order.

    Within a part every example comes once before any comes again. What is drawn of a part depends on the seed, its
    number and its size only, not on how many are drawn of others. Raises `ConfigError` for a part without examples of
    which some are asked for.
    """
    empty = [part for part, (size, count) in enumerate(zip(sizes, counts, strict=True)) if count and not size]
    if empty:
        raise ConfigError(f"{counts[empty[0]]} examples of part {empty[0] + 1} were asked for.", "It has none.")
    *own_generators, shuffling = np.random.default_rng(seed).spawn(len(sizes) + 1)
    chosen = [
        (part, index)
        for part, (own, size, count) in enumerate(zip(own_generators, sizes, counts, strict=True))
        for index in islice(_endless(own, range(size)), count)
    ]
    return [chosen[number] for number in shuffling.permutation(len(chosen)).tolist()]


def _stated(stated: Sequence[float], parts: int) -> np.ndarray:
    if len(stated) != parts or min(stated, default=-1) < 0 or not math.isclose(sum(stated), 1):
        raise ConfigError(
            f"Got the shares {list(stated)}.", f"Expected one from 0 to 1 for each of {parts} parts, 1 in sum."
        )
    return np.array(stated, dtype=np.float64)


def _dealt_by_length(
    chosen: Sequence[int], lengths: Sequence[int], batch_size: int, generator: np.random.Generator
) -> list[int]:
    """The draws of some batches at a time, shortest first into batches, and the batches in random order."""
    dealt = []
    for start in range(0, len(chosen), DEALT_TOGETHER * batch_size):
        window = sorted(chosen[start : start + DEALT_TOGETHER * batch_size], key=lambda index: lengths[index])
        batches = [window[first : first + batch_size] for first in range(0, len(window), batch_size)]
        for number in generator.permutation(len(batches)).tolist():
            dealt += batches[number]
    return dealt


def _endless(generator: np.random.Generator, members: Sequence[int]) -> Iterator[int]:
    while True:
        yield from generator.permutation(members).tolist()
