"""Progress with the time left, on standard error and only where a person watches it."""

from collections.abc import Iterable, Iterator
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
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    token = _running.set(True)
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            yield from progress.track(items, total=total, description=description)
    finally:
        _running.reset(token)
