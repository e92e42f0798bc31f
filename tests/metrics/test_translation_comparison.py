"""Means over directions and seeds against explicit sums; differences are paired."""

import math
from dataclasses import replace

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.metrics.translation import TranslationComparison
from neuroglot.signature import Signature

DIRECTIONS = ("en-de", "de-en")


def a_comparison(**systems: torch.Tensor) -> TranslationComparison:
    half = torch.full((2, 3), 0.5, dtype=torch.float64)
    return TranslationComparison(
        "hits", "share", lambda counts: counts[..., 0] / counts[..., 1], DIRECTIONS, systems, ("a", "b", "c"), half,
        half, Signature(),
    )  # fmt: skip


def counts(seed: int) -> torch.Tensor:
    """Hits and trials of 2 seeds, 7 rows, 2 directions."""
    generator = torch.Generator().manual_seed(seed)
    trials = torch.randint(2, 6, (2, 7, 2), generator=generator)
    hits = (torch.rand(2, 7, 2, generator=generator) * (trials + 1)).long()
    return torch.stack([hits, trials], dim=-1).double()


def test_scores_are_means_of_corpus_values() -> None:
    comparison = a_comparison(base=counts(0), other=counts(1))
    expected = {}
    for name, of in comparison.systems.items():
        values = [
            [
                sum(float(of[s, r, d, 0]) for r in range(7)) / sum(float(of[s, r, d, 1]) for r in range(7))
                for d in range(2)
            ]
            for s in range(2)
        ]
        expected[name] = sum(map(sum, values)) / 4
        assert math.isclose(comparison.scores()[name].value, expected[name])
        for place, direction in enumerate(DIRECTIONS):
            mean = (values[0][place] + values[1][place]) / 2
            assert math.isclose(comparison.by_direction(name)[direction].value, mean)
        assert comparison.by_seed(name) == pytest.approx([sum(row) / 2 for row in values])
    change = comparison.differences()["other"]
    assert math.isclose(change.value, expected["other"] - expected["base"])
    assert change.low <= change.value <= change.high
    assert comparison.differences("other")["base"].value == pytest.approx(-change.value)


def test_a_constant_gain_has_no_interval() -> None:
    base = counts(2)
    better = base.clone()
    better[..., 0] += 0.5 * better[..., 1]
    change = a_comparison(base=base, better=better).differences()["better"]
    assert change.value == pytest.approx(0.5)
    assert math.isnan(change.low)
    assert math.isnan(change.high)


def test_systems_must_have_the_same_rows() -> None:
    with pytest.raises(ConfigError, match="Expected 2 directions"):
        a_comparison(base=counts(0), other=counts(1)[:, :5])


def test_a_difference_to_another_system_leaves_that_one_out() -> None:
    comparison = a_comparison(base=counts(0), other=counts(1), third=counts(2))
    assert list(comparison.differences()) == ["other", "third"]
    assert list(comparison.differences("other")) == ["base", "third"]


def test_right_translations_have_the_intervals_of_answers() -> None:
    """All right, which has no t interval: Wilson's of one answer a row, in percent."""
    whole = torch.tensor([100.0, 1.0], dtype=torch.float64).expand(2, 7, 2, 2)
    made = replace(a_comparison(base=whole, other=whole.clone()), right_or_wrong=True)
    z = 1.959963984540054
    score = made.scores()["base"]
    assert (score.value, score.low, score.high) == pytest.approx((100, 100 * 7 / (7 + z * z), 100))
    assert made.by_direction("base")["en-de"].low == pytest.approx(100 * 7 / (7 + z * z))
    change = made.differences()["other"]
    assert change.low < change.value == 0 < change.high
    assert math.isnan(replace(made, right_or_wrong=False).scores()["base"].low)


def test_no_interval_goes_beyond_what_the_metric_can_be() -> None:
    """Three seeds of which one learned far less: the t interval would reach beyond 100."""
    counts = torch.tensor([[79.0, 99.0], [99.5, 99.0], [99.0, 99.5]], dtype=torch.float64)[:, :, None, None]
    counts = torch.cat([counts, torch.ones_like(counts)], -1)  # of one translation each
    other = counts.clone()
    other[..., 0] -= torch.tensor([60.0, 1.0, 0.0], dtype=torch.float64)[:, None, None]
    systems = {"continued": counts, "random": other}
    empty = torch.zeros(3, 1)
    made = (lambda part: part[..., 0] / part[..., 1], ("en-de",), systems, ("encoder 0",), empty, empty, Signature())
    free, bounded = TranslationComparison("chrF2++", "points", *made), TranslationComparison(
        "chrF2++", "points", *made, ends=(0.0, 100.0)
    )  # fmt: skip
    assert free.scores()["continued"].high > 100 > free.scores()["continued"].low
    assert bounded.scores()["continued"].high == 100
    assert bounded.scores()["continued"].low == free.scores()["continued"].low
    assert free.differences()["random"].low < -100 == bounded.differences()["random"].low
    assert bounded.by_direction("continued")["en-de"].high == 100
