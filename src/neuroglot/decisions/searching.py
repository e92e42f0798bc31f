"""Exact search for the likeliest of all texts: best first over prefixes (Dijkstra 1959; Stahlberg and Byrne 2019)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain

from torch import Tensor

from neuroglot.errors import ConfigError

NextToken = Callable[[Sequence[int]], Tensor]  # log-probabilities `[V]` of the token behind a prefix
MOST_FORWARDS = 10_000


@dataclass(frozen=True)
class Mode:
    """The likeliest text, its log-probability, and how many forwards the search took."""

    token_ids: tuple[int, ...]
    score: float
    forwards: int


def exact_search(
    step: NextToken,
    ends: Collection[int],
    max_tokens: int,
    most_forwards: int = MOST_FORWARDS,
    stopped: Callable[[Sequence[int]], bool] = lambda prefix: False,
) -> Mode:
    """The text with the largest sum of log-probabilities that ends with one of `ends`, is `stopped`, or has
    `max_tokens`.

    A prefix is never likelier than what it begins with, so that the first whole text that comes up is the mode. Equal
    ones are decided by their tokens. Raises `ConfigError` where it is not known after `most_forwards`.
    """
    waiting: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    forwards = 0
    while True:
        loss, prefix = heapq.heappop(waiting)
        if prefix and (prefix[-1] in ends or len(prefix) == max_tokens or stopped(prefix)):
            return Mode(prefix, -loss, forwards)
        if forwards == most_forwards:
            raise ConfigError(
                f"The likeliest text is not known after {forwards:,} forwards.",
                "Expected a small space: a short text, or a model that is sure.",
                "Take fewer new tokens, or search with beams.",
            )
        forwards += 1
        longer = (
            (loss - score, (*prefix, token_id))
            for token_id, score in enumerate(step(prefix).double().tolist())
            if score > float("-inf")
        )
        # Further ones cannot come up before the last forward; a sorted list is a heap.
        waiting = heapq.nsmallest(most_forwards - forwards + 1, chain(waiting, longer))
