"""LossCurve: windows of steps against plain slices."""

import pytest

from neuroglot.metrics.losses import LossCurve
from neuroglot.signature import Signature

LOSSES = tuple(1 / (step + 1) + 0.1 * (step % 3) for step in range(85))


@pytest.mark.parametrize(("steps", "most"), [(85, 40), (80, 40), (7, 3), (3, 40), (1, 1)])
def test_windows_hold_every_step_once_and_its_mean_is_of_its_own_steps(steps: int, most: int) -> None:
    losses = LOSSES[:steps]
    windows = LossCurve(losses, Signature()).windows(most)
    assert len(windows) <= most
    covered = [step for first, last in windows for step in range(first, last + 1)]
    assert covered == list(range(1, steps + 1))
    for (first, last), score in windows.items():
        part = losses[first - 1 : last]
        assert score.value == pytest.approx(sum(part) / (last - first + 1))
        assert (score.low, score.high) == (min(part), max(part))
