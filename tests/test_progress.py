"""How far a step is, and how long it takes yet."""

import time

import pytest

from neuroglot import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(progress, "is_watched", lambda: False)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_the_time_left_of_each_training_is_its_own(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.steps("tuning") as say:
        for seconds, step in [(90, 1), (90, 2), (5, 3), (900, 1), (90, 2), (90, 4)]:  # 900 s between two trainings
            clock[0] += seconds
            say(step, 8, 2.5)
    assert capsys.readouterr().err.splitlines() == [
        "tuning: 1 of 8 (12%), loss 2.50, about 0:10:30 left",
        "tuning: 2 of 8 (25%), loss 2.50, about 0:09:00 left",
        "tuning: 1 of 8 (12%), loss 2.50",
        "tuning: 2 of 8 (25%), loss 2.50, about 0:09:00 left",
        "tuning: 4 of 8 (50%), loss 2.50, about 0:04:00 left",
    ]


def test_items_are_counted_together(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.advancing("reading", 100) as advance:
        for done in (10, 30):
            clock[0] += 61
            advance(done, ", texts")
    assert capsys.readouterr().err.splitlines() == [
        "reading: 10 of 100 (10%), texts, about 0:09:09 left",
        "reading: 40 of 100 (40%), texts, about 0:03:03 left",
    ]
