"""Overlap beside chance, and stability under resampling."""

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons import NeuronSet, jaccard, overlap_by_layer, overlap_test, stability

LAYOUT = Layout((("decoder", (6, 4)),))


def a_set(*indices: int) -> NeuronSet:
    members = torch.zeros(10, dtype=torch.bool)
    members[list(indices)] = True
    return NeuronSet(LAYOUT, members)


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_overlap_by_layer_equals_counting(first: set[int], second: set[int]) -> None:
    found = overlap_by_layer(a_set(*first), a_set(*second)).tolist()
    for place, layer in enumerate((range(6), range(6, 10))):
        mine, other = first & set(layer), second & set(layer)
        expected = len(mine & other) / len(mine | other) if mine | other else math.nan
        assert found[place] == expected or (math.isnan(found[place]) and math.isnan(expected))


def test_expected_overlap_equals_all_pairs_of_sets_of_that_size() -> None:
    first, second = a_set(0, 1, 2, 6, 7), a_set(1, 2, 6)
    tested = overlap_test(first, second)
    pairs = [(*low, *high) for low in combinations(range(6), 2) for high in combinations(range(6, 10), 1)]
    indices = [jaccard(first, a_set(*pair)) for pair in pairs]
    assert tested.jaccard == 3 / 5
    assert tested.expected == pytest.approx(sum(indices) / len(indices))
    assert tested.p == pytest.approx(sum(index >= 3 / 5 for index in indices) / len(indices))
    below = sorted(indices)
    assert tested.expected_low == below[math.ceil(0.025 * len(below)) - 1]
    assert tested.expected_high == below[math.ceil(0.975 * len(below)) - 1]


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9), min_size=1))
def test_chance_of_as_large_an_overlap_equals_counting(first: set[int], second: set[int]) -> None:
    low, high = ([number for number in second if number in layer] for layer in (range(6), range(6, 10)))
    pairs = [
        {*one, *other} for one in combinations(range(6), len(low)) for other in combinations(range(6, 10), len(high))
    ]
    as_large = sum(len(first & pair) >= len(first & second) for pair in pairs)
    assert overlap_test(a_set(*first), a_set(*second)).p == pytest.approx(as_large / len(pairs))


def test_large_sets_have_an_exact_chance_too() -> None:
    layout = Layout((("decoder", (4096,) * 32),))
    first = NeuronSet(layout, torch.arange(layout.neuron_count) % 2 == 0)
    tested = overlap_test(first, first - NeuronSet(layout, torch.arange(layout.neuron_count) % 4 == 0))
    assert tested.expected == pytest.approx(tested.expected_low, abs=0.01)
    assert tested.p < 1e-200


def test_overlap_refuses_what_says_nothing() -> None:
    first = a_set(0, 7)
    with pytest.raises(ConfigError, match="Two empty sets"):
        overlap_test(a_set(), a_set())
    with pytest.raises(LayoutMismatchError):
        overlap_test(first, NeuronSet.empty(Layout((("decoder", (10,)),))))


def test_stability_sees_the_rows_that_it_should() -> None:
    seen: list[list[int]] = []

    def select(rows: torch.Tensor) -> dict[str, NeuronSet]:
        seen.append(rows.tolist())
        return {"de": a_set(0, 1), "sw": a_set(int(rows.sum()) % 10)}

    found = stability(select, 9, resamples=4)
    assert seen[0] == list(range(9))
    for resampled, first, second in zip(seen[1::3], seen[2::3], seen[3::3], strict=True):
        assert len(resampled) == 9
        assert sorted(first + second) == list(range(9))
        assert len(first) == 4
    assert found["de"]["resampled"].tolist() == found["de"]["halves"].tolist() == [1.0] * 4
    expected = [float(sum(one) % 10 == sum(two) % 10) for one, two in zip(seen[2::3], seen[3::3], strict=True)]
    assert found["sw"]["halves"].tolist() == expected
    with pytest.raises(ConfigError, match="Expected two rows"):
        stability(select, 1)
