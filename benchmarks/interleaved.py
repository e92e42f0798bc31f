"""Ways to do one thing, timed in turn, so that what slows the machine slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds by way; each round begins with another way, and one round before warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for place in range(-1, rounds):
        for name in names[place % len(names) :] + names[: place % len(names)]:
            started = time.perf_counter()
            ways[name]()
            if place >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def line(name: str, seconds: list[float], base: list[float]) -> str:
    """Median seconds, and the median and range of the ratios to the base in the same round."""
    ratios = [ours / theirs for ours, theirs in zip(seconds, base, strict=True)]
    middle = statistics.median(ratios)
    return f"{name:28}{statistics.median(seconds):7.2f} s {middle:6.3f} x [{min(ratios):.3f}, {max(ratios):.3f}]"
