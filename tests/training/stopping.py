"""A training that is stopped, as by Ctrl-C."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stopped_after(step: int | None) -> Iterator[Callable[[int, int, float], None]]:
    """What a training calls after each step; raises `KeyboardInterrupt` behind this one."""

    def on_step(number: int, _steps: int, _loss: float) -> None:
        if number == step:
            raise KeyboardInterrupt

    yield on_step
