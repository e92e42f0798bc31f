"""Quadrants: gains from the formula, labels only where they can be told, and few wrong ones in simulated maps."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.quadrants import CASES, SimulatedMap, wrong_maps
from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import confidence_of_each
from neuroglot.metrics.quadrants import QuadrantMap
from neuroglot.reports.section import section_of
from neuroglot.signature import Signature

LANGUAGES = ("de", "sw", "th")


def numbers(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Bits and bytes of answers."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(20, 90, (rows, 3), generator=generator).double()
    return sizes * (2 + 0.3 * torch.randn(rows, 3, generator=generator, dtype=torch.float64)), sizes


def mapped(gains: dict[str, list[float]], rows: int = 60, noise: float = 0.01, seed: int = 0) -> QuadrantMap:
    """Each language's model spares so many bits a byte in each language, with noise by row."""
    before, sizes = numbers(rows, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    after = {}
    for language, by_language in gains.items():
        spread = noise * torch.randn(1, rows, 3, generator=generator, dtype=torch.float64)
        after[language] = before - sizes * (torch.tensor(by_language) + spread)
    return QuadrantMap(LANGUAGES, before, sizes, after, Signature())


def test_gains_are_bits_spared_over_bytes_and_their_mean_over_the_other_languages() -> None:
    before, sizes = numbers(7, 3)
    after = {"sw": (before * torch.tensor([0.9, 0.8, 1.1]))[None]}
    (gains,) = [QuadrantMap(LANGUAGES, before, sizes, after, Signature()).gains("sw").value.tolist()]
    per_byte = [float(before[:, g].sum() / sizes[:, g].sum()) for g in range(3)]
    assert gains[0] == pytest.approx(0.2 * per_byte[1])
    assert gains[1] == pytest.approx((0.1 * per_byte[0] - 0.1 * per_byte[2]) / 2)


def test_each_interval_is_a_jackknife_over_rows_at_the_level_of_all_languages_and_axes() -> None:
    results = mapped({"de": [0.2, 0.1, 0.3]}, rows=9, noise=0.2)
    without = []
    for row in range(9):
        kept = [other for other in range(9) if other != row]
        spared = (results.before - results.after["de"][0])[kept].sum(0) / results.target_bytes[kept].sum(0)
        without.append((float(spared[1]) + float(spared[2])) / 2)
    mean = sum(without) / 9
    deviation = (8 / 9 * sum((value - mean) ** 2 for value in without)) ** 0.5
    _, others = results.scores("de")
    t_at_8 = 3.4788795  # Student's t that 8 degrees of freedom exceed with 0.05 / 6 / 2, from a table
    assert results.confidence == pytest.approx(1 - 0.05 / 6)
    assert others.high - others.value == pytest.approx(t_at_8 * deviation, rel=1e-4)


@pytest.mark.parametrize(
    ("gains", "quadrant"),
    [
        ([0.2, 0.1, 0.1], "reciprocal"),
        ([-0.2, 0.1, 0.1], "altruistic"),
        ([0.0, 0.1, 0.1], "altruistic"),  # flat
        ([0.2, 0.0, 0.0], "selfish"),
        ([0.2, 0.1, -0.2], "selfish"),  # the mean of the others counts
        ([0.0, 0.0, 0.0], "stagnant"),
        ([0.01, 0.2, 0.2], "cannot be told"),  # at the threshold
        ([0.2, 0.01, 0.01], "cannot be told"),
    ],
)
def test_a_language_has_the_quadrant_of_its_gains_or_none(gains: list[float], quadrant: str) -> None:
    assert mapped({"de": gains}).quadrant("de") == quadrant


@pytest.mark.parametrize(
    ("others", "said"), [([0.0, 0.0, 0.0], True), ([0.2, 0.2, 0.01], True), ([0.0, 0.0, 0.2], False)]
)
def test_a_map_on_which_nobody_gains_says_that_the_training_may_be_too_short(others: list[float], said: bool) -> None:
    still = [0.0, 0.0, 0.0]
    remarks = section_of(mapped({"de": still, "sw": still, "th": others})).remarks
    assert any("more steps or a higher rate" in remark for remark in remarks) is said


def test_few_or_noisy_rows_tell_nothing() -> None:
    reciprocal = {"de": [0.2, 0.1, 0.1]}
    assert mapped(reciprocal, rows=2, noise=0.3).quadrant("de") == "cannot be told"
    assert mapped(reciprocal, rows=1).quadrant("de") == "cannot be told"
    assert mapped(reciprocal, noise=2.0).quadrant("de") == "cannot be told"


def test_thresholds_are_those_of_their_axis_times_the_factor() -> None:
    results = mapped({"de": [0.2, 0.1, 0.1]})
    assert replace(results, least_own=0.3).quadrant("de") == "altruistic"
    assert replace(results, least_others=0.3).quadrant("de") == "selfish"
    assert [results.quadrant("de", factor) for factor in (0, 5, 15, 50)] == [
        "reciprocal", "reciprocal", "selfish", "stagnant",
    ]  # fmt: skip
    assert results.counts(15) == Counter({"selfish": 1})


def test_of_several_seeds_the_mean_counts_and_their_spread_too() -> None:
    one = mapped({"de": [0.2, 0.1, 0.1]})
    apart = torch.tensor([-0.05, 0.0, 0.05])[:, None, None] * one.target_bytes
    several = replace(one, after={"de": one.after["de"] + apart})
    assert several.gains("de").value.tolist() == pytest.approx(one.gains("de").value.tolist())
    (alone, _), (together, _) = one.scores("de"), several.scores("de")
    assert together.high - together.low > 10 * (alone.high - alone.low)
    assert (one.quadrant("de"), several.quadrant("de")) == ("reciprocal", "cannot be told")  # 95 % alone would tell


def test_rows_of_which_one_saves_far_less_tell_nothing() -> None:
    before, sizes = numbers(12, 0)
    sizes = torch.full_like(sizes, 50.0)
    gains = torch.full((12, 3), 0.02, dtype=torch.float64)
    gains[0] = 0.00286  # t = 12 (0.01 − d / 12) / d = 6 for d = 0.01714, but the skewness is −3, and Hall's t 1.5
    results = QuadrantMap(LANGUAGES, before, sizes, {"de": (before - sizes * gains)[None]}, Signature())
    own, _ = results.scores("de")
    assert own.low > 0.01
    assert results.signs("de")[0] == 0


def test_the_family_is_all_languages_of_the_map_also_where_few_were_tuned_on() -> None:
    results = mapped({"de": [0.2, 0.1, 0.1]})
    assert results.confidence == confidence_of_each(6)


def test_numbers_that_do_not_fit_are_refused() -> None:
    results = mapped({"de": [0.2, 0.1, 0.1]})
    for changed in (
        {"languages": ("de", "sw")}, {"languages": ("de",)}, {"target_bytes": results.target_bytes[:5]},
        {"after": {"fr": results.after["de"]}}, {"after": {"de": results.after["de"][:, :4]}},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            replace(results, **changed)


@pytest.mark.parametrize("case", CASES)
def test_at_most_one_map_in_twenty_has_a_wrong_label(case: str) -> None:
    simulated = SimulatedMap(case, languages=6, rows=20, maps=150)
    shares = wrong_maps(simulated, seed=1)
    assert shares.wrong <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5  # three deviations of a share of 150 maps


def test_languages_of_known_quadrants_are_told_with_rows_enough() -> None:
    assert wrong_maps(SimulatedMap("known", languages=6, rows=200, maps=20), seed=2).told > 0.8
