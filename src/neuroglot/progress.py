"""Progress with the time left: a bar where a person watches, a line a minute in logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_Item = TypeVar("_Item")
Advance = Callable[..., None]  # (how many more are done, and what to say of it)

LINE_SECONDS = 60.0  # between two lines where nobody watches

_running: ContextVar[bool] = ContextVar("neuroglot_progress_running", default=False)


def is_watched() -> bool:
    """Whether standard error is a terminal."""
    return Console(stderr=True).is_terminal


def track(items: Iterable[_Item], description: str, total: int) -> Iterator[_Item]:
    """Yield the items and show how many are done; silent inside another step, whose own are coarser."""
    with advancing(description, total) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def advancing(description: str, total: int) -> Iterator[Advance]:
    """A function to be told how many more are done; silent inside another step."""
    if _running.get():
        yield lambda done, said="": None
        return
    token = _running.set(True)
    try:
        with _bar(description, total) if is_watched() else _lines(description, total) as advance:
            yield advance
    finally:
        _running.reset(token)


@contextmanager
def steps(description: str) -> Iterator[Callable[..., None]]:
    """A function to be told `(step, steps in all, loss)`, and what else to say.

    A step before the last one begins another training, whose time left is its own.
    """
    if is_watched():
        with _progress() as progress:
            task = progress.add_task(description, total=None)

            def show(step: int, total: int, loss: float, said: str = "") -> None:
                if step < progress.tasks[0].completed:
                    progress.reset(task)
                progress.update(task, completed=step, total=total, description=f"{description}, loss {loss:.2f}{said}")

            yield show
        return
    log = _Log(description)
    yield lambda step, total, loss, said="": log.say(step, total, f", loss {loss:.2f}{said}")


@contextmanager
def _bar(description: str, total: int) -> Iterator[Advance]:
    with _progress() as progress:
        task = progress.add_task(description, total=total)
        yield lambda done, said="": progress.update(task, advance=done, description=f"{description}{said}")


@contextmanager
def _lines(description: str, total: int) -> Iterator[Advance]:
    log, done_so_far = _Log(description), 0

    def advance(done: int, said: str = "") -> None:
        nonlocal done_so_far
        done_so_far += done
        log.say(done_so_far, total, said)

    yield advance


class _Log:
    """Says on standard error, no more than once a minute, how far a step is."""

    def __init__(self, description: str) -> None:
        self.description, self.started = description, time.monotonic()
        self.said = self.started
        self.first = self.done = 0

    def say(self, done: int, total: int, detail: str = "") -> None:
        now = time.monotonic()
        if done < self.done:
            self.started, self.first = now, done
        self.done = done
        if now - self.said < LINE_SECONDS:
            return
        self.said = now
        share = done / total if total else 1.0
        line = f"{self.description}: {done:,} of {total:,} ({share:.0%}){detail}"
        if done > self.first:
            left = timedelta(seconds=round((now - self.started) * (total - done) / (done - self.first)))
            line += f", about {left} left"
        print(line, file=sys.stderr, flush=True)  # noqa: T201


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
