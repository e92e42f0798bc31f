"""Paired tests against explicit enumeration, and intervals against what they were simulated from."""

from itertools import product

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.metrics.paired import PairedTest, exchanged, mcnemar, over_draws, paired_difference


def p_of(fell: int, rose: int) -> float:
    first = torch.tensor([1.0] * fell + [0.0] * rose)
    return mcnemar(first, 1 - first).p


@pytest.mark.parametrize("pairs", range(11))
def test_the_exact_test_equals_enumeration(pairs: int) -> None:
    """Every way in which so many discordant pairs could fall, if each fell or rose with equal chance."""
    for fell in range(pairs + 1):
        uneven = abs(2 * fell - pairs)
        ways = list(product((0, 1), repeat=pairs))
        as_uneven = sum(abs(2 * sum(way) - pairs) >= uneven for way in ways)
        assert p_of(fell, pairs - fell) == pytest.approx(as_uneven / len(ways))


def test_large_counts_neither_overflow_nor_take_long() -> None:
    assert p_of(5000, 5000) == pytest.approx(1)
    assert 0 < p_of(4800, 5200) < 1e-3
    assert p_of(0, 2000) < 1e-300


def test_pairs_that_agree_say_nothing() -> None:
    first = torch.tensor([1.0, 1, 1, 0, 0, 1, 1])
    second = torch.tensor([1.0, 0, 0, 0, 1, 0, 0])
    assert mcnemar(first, second) == PairedTest(4, 1, pytest.approx(2 * (1 + 5) / 32))
    assert mcnemar(first, first) == PairedTest(0, 0, 1.0)
    with pytest.raises(ConfigError, match="one number a unit"):
        mcnemar(first, second[1:])


def test_counts_of_a_row_are_one_unit() -> None:
    first, second = torch.tensor([3.0, 3, 2, 1]), torch.tensor([0.0, 2, 3, 1])
    assert mcnemar(first, second) == PairedTest(2, 1, 1.0)


def test_several_draws_make_one_p_value_that_is_not_too_small() -> None:
    assert over_draws([0.03]) == 0.03
    assert over_draws([0.9, 0.01, 0.02]) == pytest.approx(0.03)
    assert over_draws([0.01, 0.02, 0.03, 0.5, 0.9]) == pytest.approx(0.05)
    assert over_draws([0.9, 0.9]) == 0.9
    assert over_draws([1.0, 1.0, 1.0]) == 1.0
    generator = torch.Generator().manual_seed(0)
    shared = torch.rand(4000, 1, generator=generator)
    own = torch.rand(4000, 5, generator=generator)
    for uniform in (own, shared.expand(-1, 5)):  # independent, and all alike
        found = torch.tensor([over_draws(row) for row in uniform.tolist()])
        for level in (0.05, 0.2):
            assert float((found <= level).double().mean()) < 1.2 * level


def test_the_test_is_not_too_often_significant_where_there_is_no_effect() -> None:
    generator = torch.Generator().manual_seed(0)
    right = (torch.rand(2, 1000, 40, generator=generator) < 0.7).double()
    found = torch.tensor([mcnemar(a, b).p for a, b in zip(*right)])
    assert float((found <= 0.05).double().mean()) <= 0.05


def test_intervals_of_differences_hold_the_truth_as_often_as_they_say() -> None:
    generator, hits, trials, truth = torch.Generator().manual_seed(1), 0, 200, -0.4
    for _ in range(trials):
        row = 3 * torch.randn(60, 1, generator=generator)  # what languages of a row have in common cancels
        first = row + torch.randn(60, 4, generator=generator)
        second = row + truth + torch.randn(60, 4, generator=generator) + torch.randn(60, 1, generator=generator)
        score = paired_difference(first, second)
        hits += score.low <= truth <= score.high
    assert 0.88 <= hits / trials <= 0.99


def test_thirteen_rows_are_exchanged_in_every_way() -> None:
    """All fall by the same, so that only the two ways that are wholly one-sided differ as much."""
    first = torch.arange(13, dtype=torch.float64)[:, None]
    assert exchanged(first, first - 1, lambda sums: sums[..., 0]) == pytest.approx(2 / 2**13, rel=1e-9)
