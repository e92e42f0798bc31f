"""Progress with the time left, on standard error and only where a person watches it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")

_running: ContextVar[bool] = ContextVar("neuroglot_progress_running", default=False)


def is_watched() -> bool:
    """Whether standard error is a terminal."""
    return Console(stderr=True).is_terminal


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield the items behind a progress bar; silent in pipes and inside another bar, whose steps are coarser."""
    if _running.get() or not is_watched():
        yield from items
        return
    token = _running.set(True)
    try:
        with _bar() as progress:
            yield from progress.track(items, total=total, description=description)
    finally:
        _running.reset(token)


@contextmanager
def advancing(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to be told how many more are done, which draws a bar where a person watches and no other bar is."""
    if _running.get() or not is_watched():
        yield lambda done: None
        return
    token = _running.set(True)
    try:
        with _bar() as progress:
            task = progress.add_task(description, total=total)
            yield lambda done: progress.advance(task, done)
    finally:
        _running.reset(token)


@contextmanager
def steps(description: str) -> Iterator[Callable[[int, int, float], None]]:
    """A function to be told `(step, steps in all, loss)`, which draws a bar where a person watches."""
    if not is_watched():
        yield lambda step, total, loss: None
        return
    with _bar() as progress:
        task = progress.add_task(description, total=None)
        yield lambda step, total, loss: progress.update(
            task, completed=step, total=total, description=f"{description}, loss {loss:.2f}"
        )


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
