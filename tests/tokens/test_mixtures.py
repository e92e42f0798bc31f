"""Draws against their formula: shares by temperature or as stated, one part a batch or mixed, every example in turn."""

from collections import Counter
from itertools import pairwise

import pytest

from neuroglot.errors import ConfigError
from neuroglot.tokens.mixtures import drawn, shares

PARTS = [part for part in range(3) for _ in range(6)]
LENGTHS = [1 + (7 * index) % 11 for index in range(18)]


def test_shares_follow_the_temperature() -> None:
    assert shares([16, 1], 1).tolist() == pytest.approx([16 / 17, 1 / 17])
    assert shares([32, 1], 5).tolist() == pytest.approx([2 / 3, 1 / 3])
    for sizes, temperature in (([3, 0], 5), ([], 5), ([3, 1], 0.5)):
        with pytest.raises(ConfigError):
            shares(sizes, temperature)


@pytest.mark.parametrize("mixed", [False, True])
def test_draws_keep_to_one_part_or_mix_and_every_example_comes_once_a_round(mixed: bool) -> None:
    options = {"temperature": 1, "mixed": mixed, "lengths": LENGTHS}
    order = drawn(PARTS, 300, 4, seed=1, **options)
    batches = [[PARTS[index] for index in order[start : start + 4]] for start in range(0, 1200, 4)]
    assert all(len(set(batch)) == 1 for batch in batches) != mixed
    for part in range(3):
        of_part = [index for index in order if PARTS[index] == part]
        assert 300 < len(of_part) < 500
        for start in range(0, len(of_part) - 6, 6):
            assert mixed or set(Counter(of_part[start : start + 6]).values()) == {1}
    for end in range(32, 1200, 32):  # mixed draws are dealt by length within 8 batches: rounds hold at their ends
        for part in range(3):
            times = Counter(index for index in order[:end] if PARTS[index] == part)
            assert max(times.values()) - min([*times.values(), 0] if len(times) < 6 else times.values()) <= 1
    assert order == drawn(PARTS, 300, 4, seed=1, **options)
    assert order[:32] == drawn(PARTS, 8, 4, seed=1, **options)  # a longer run begins as a short one
    assert order != drawn(PARTS, 300, 4, seed=2, **options)
    with pytest.raises(ConfigError, match="one or more"):
        drawn(PARTS, 0, 4)


def test_mixed_draws_are_dealt_by_length_and_are_the_same_draws() -> None:
    plain = drawn(PARTS, 8, 4, mixed=True, seed=3)
    dealt = drawn(PARTS, 8, 4, mixed=True, seed=3, lengths=LENGTHS)
    assert sorted(plain) == sorted(dealt)
    batches = [sorted(LENGTHS[index] for index in dealt[start : start + 4]) for start in range(0, 32, 4)]
    ordered = sorted(batches)
    assert all(before[-1] <= after[0] for before, after in pairwise(ordered))
    assert batches != ordered


def test_stated_shares_are_kept_whatever_the_sizes() -> None:
    parts = [0] * 3 + [1] * 50  # little of what is new, much that is replayed
    order = drawn(parts, 1000, 5, stated=[0.8, 0.2], mixed=True)
    assert sum(parts[index] == 0 for index in order) == pytest.approx(4000, abs=120)
    assert {parts[index] for index in drawn(parts, 9, 5, stated=[0.0, 1.0])} == {1}
    for stated in ([1.0], [0.5, 0.4], [1.2, -0.2]):
        with pytest.raises(ConfigError, match="each of 2 parts, 1 in sum"):
            drawn(parts, 9, 5, stated=stated)


def test_a_part_without_examples_is_refused() -> None:
    for parts in ([0, 2], []):
        with pytest.raises(ConfigError, match="examples in every part"):
            drawn(parts, 2, 2)
