"""Progress with the time left, on standard error and only where a person watches it."""

from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")

_running: ContextVar[bool] = ContextVar("neuroglot_progress_running", default=False)


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield the items behind a progress bar; silent in pipes and inside another bar, whose steps are coarser."""
    console = Console(stderr=True)
    if _running.get() or not console.is_terminal:
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    token = _running.set(True)
    try:
        with Progress(*columns, console=console) as progress:
            yield from progress.track(items, total=total, description=description)
    finally:
        _running.reset(token)
