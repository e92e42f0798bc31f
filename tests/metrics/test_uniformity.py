"""Alignment and uniformity on the sphere against loops over pairs, and intervals against leaving rows out."""

import math

import pytest
import torch
from torch import Tensor

from neuroglot.errors import ConfigError, CorpusError, LayoutMismatchError
from neuroglot.metrics.uniformity import Uniformity, uniformity
from neuroglot.reports.section import section_of
from neuroglot.signature import Signature
from tests.metrics.test_alignment import LANGUAGES, LAYOUT, SIGNED, random_states

ENDS = ((0, 5), (5, 8))


def measured(states: Tensor) -> Uniformity:
    return uniformity(LAYOUT, LANGUAGES, states, SIGNED)


def unit(values: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def squared(states: Tensor, one: tuple[int, int], other: tuple[int, int], ends: tuple[int, int]) -> float:
    """‖f(x) − f(y)‖² of two sentences, each a row and a language, in one layer."""
    first, second = (unit(states[row, language, slice(*ends)].tolist()) for row, language in (one, other))
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))


def looped(states: Tensor) -> tuple[list[float], list[float], list[float]]:
    """Alignment and its control by pair, and uniformity by language, by the formulas."""
    rows = range(len(states))
    near, others, even = [], [], []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        near.append(sum(squared(states, (i, a), (i, b), e) for e in ENDS for i in rows) / len(ENDS) / len(rows))
        apart = [squared(states, (i, a), (j, b), e) for e in ENDS for i in rows for j in rows if i != j]
        others.append(sum(apart) / len(apart))
    for g in range(3):
        logs = []
        for e in ENDS:
            kernel = [math.exp(-2 * squared(states, (i, g), (j, g), e)) for i in rows for j in rows if i < j]
            logs.append(math.log(sum(kernel) / len(kernel)))
        even.append(sum(logs) / len(logs))
    return near, others, even


def test_numbers_equal_loops_over_pairs() -> None:
    states = random_states(6)
    found, (near, others, even) = measured(states), looped(states)
    assert found.distance.value.tolist() == pytest.approx(near)
    assert found.distance_of_others.value.tolist() == pytest.approx(others)
    assert found.nearer.value.tolist() == pytest.approx([b - a for a, b in zip(near, others)])
    assert found.uniformity.value.tolist() == pytest.approx(even)
    by_layer = [part.mean() for part in found.by_layer]
    assert [float(mean) for mean in by_layer] == pytest.approx([sum(x) / 3 for x in (near, others, even)])
    assert found.signature["rows_with_states"] == 6


def test_what_is_left_without_a_row_is_what_loops_over_the_others_give() -> None:
    states = random_states(6, seed=1)
    found = measured(states)
    for row in range(6):
        near, others, even = looped(torch.cat([states[:row], states[row + 1 :]]))
        assert found.distance.without["rows"][row].tolist() == pytest.approx(near)
        assert found.distance_of_others.without["rows"][row].tolist() == pytest.approx(others)
        assert found.uniformity.without["rows"][row].tolist() == pytest.approx(even)


def test_intervals_hold_the_truth_of_drawn_rows() -> None:
    """Of 200 samples of 40 rows: the truth is that of 3,000 rows."""
    truth = measured(random_states(3000, seed=9))
    held = [0, 0]
    for seed in range(200):
        found = measured(random_states(40, seed=100 + seed))
        for place, name in enumerate(("nearer", "uniformity")):
            score = getattr(found, name).scores()[0]
            held[place] += score.low <= float(getattr(truth, name).value[0]) <= score.high
    assert min(held) >= 180, held


def test_lengths_and_the_order_of_rows_say_nothing() -> None:
    states = random_states(7)
    scale = torch.rand(7, 3, 1, generator=torch.Generator().manual_seed(0)) + 0.1
    for changed in (states * scale, states[torch.randperm(7, generator=torch.Generator().manual_seed(1))]):
        for name in ("distance", "distance_of_others", "uniformity"):
            assert torch.allclose(getattr(measured(changed), name).value, getattr(measured(states), name).value)


def test_the_ends_of_both_numbers() -> None:
    same = torch.ones(4, 3, LAYOUT.neuron_count)
    found = measured(same)
    assert torch.allclose(found.distance.value, torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(found.uniformity.value, torch.zeros(3, dtype=torch.float64), atol=1e-12)
    axes = torch.cat([torch.eye(3, 5), torch.eye(3)], 1)[:, None].expand(3, 3, 8)  # at right angles, in both layers
    apart = measured(axes)
    assert apart.distance_of_others.value.tolist() == pytest.approx([2.0] * 3)
    assert apart.uniformity.value.tolist() == pytest.approx([-4.0] * 3)


def test_rows_without_a_state_are_left_out_and_said() -> None:
    states = random_states(6)
    states[1, 2] = torch.nan
    states[4, 0, :5] = 0  # no neuron of the first layer is on
    found = measured(states)
    kept = measured(states[[0, 2, 3, 5]])
    assert found.signature["rows_with_states"] == 4
    assert torch.equal(found.uniformity.value, kept.uniformity.value)
    states[[0, 2, 3]] = torch.nan
    with pytest.raises(CorpusError, match=r"1 row\(s\) have a state in every layer"):
        measured(states)


def test_too_little_and_other_neurons_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 row"):
        measured(random_states(1))
    with pytest.raises(LayoutMismatchError, match="Got states"):
        uniformity(LAYOUT, LANGUAGES, torch.rand(4, 3, 9), Signature.of())


def test_two_rows_have_numbers_without_intervals() -> None:
    section = section_of(measured(random_states(2)))
    assert "squared distance" in section.sentence
    assert not measured(random_states(2)).uniformity.scores()[0].has_interval
