"""The law of scaling: its intervals hold as often as they say, and budgets are spent as a solver spends them."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import linregress

from neuroglot.errors import ConfigError
from neuroglot.metrics.scaling import ScalingLaw, allocate, fit_law, fit_saturating

SIZES = (1e3, 3e3, 1e4, 3e4, 1e5, 3e5)


def points(generator: np.random.Generator, noise: float = 0.05, seeds: int = 3) -> tuple[list[float], list[float]]:
    sizes = [size for size in SIZES for _ in range(seeds)]
    return sizes, [100 - 300 * size**-0.2 * math.exp(generator.normal(0, noise)) for size in sizes]


def test_it_is_the_line_through_the_logarithms() -> None:
    sizes, qualities = points(np.random.default_rng(1), seeds=1)
    line = linregress(np.log(sizes), np.log(100 - np.array(qualities)))
    law = fit_law(sizes, qualities)
    assert (law.slope, law.intercept) == pytest.approx((line.slope, line.intercept))
    half = 2.7764451051977987 * line.stderr  # t of 4 degrees of freedom
    assert (law.exponent.low, law.exponent.high) == pytest.approx((line.slope - half, line.slope + half))
    assert law.factor.value == pytest.approx(math.exp(line.intercept))


def test_its_intervals_hold_the_truth_in_95_percent() -> None:
    generator = np.random.default_rng(7)
    held = np.zeros(2)
    for _ in range(600):
        law = fit_law(*points(generator))
        truth = 100 - 300 * 2e4**-0.2
        quality = law.quality(2e4)
        held += [law.exponent.low <= -0.2 <= law.exponent.high, quality.low <= truth <= quality.high]
    assert (held / 600).min() >= 0.92
    assert (held / 600).max() <= 0.98


def test_seeds_do_not_pass_for_sizes() -> None:
    sizes, qualities = points(np.random.default_rng(3), seeds=1)
    once, often = fit_law(sizes, qualities), fit_law(sizes * 5, qualities * 5)
    assert (once.exponent.low, once.exponent.high) == pytest.approx((often.exponent.low, often.exponent.high))


def law(alpha: float, beta: float) -> ScalingLaw:
    return fit_law(SIZES, [100 - alpha * size**beta for size in SIZES])


@pytest.mark.parametrize("betas", [(-0.2, -0.2, -0.2), (-0.1, -0.3, -0.6), (-0.05, -0.9, -0.4)])
@pytest.mark.parametrize("budget", [1e4, 3e6])
def test_a_budget_is_spent_as_a_numeric_solver_spends_it(betas: tuple[float, ...], budget: float) -> None:
    alphas = (300.0, 150.0, 600.0)
    given = allocate({str(i): law(a, b) for i, (a, b) in enumerate(zip(alphas, betas, strict=True))}, budget)

    def rest(logits: np.ndarray) -> float:
        shares = np.exp(logits - logits.max())
        sizes = budget * shares / shares.sum()
        return float(sum(a * x**b for a, b, x in zip(alphas, betas, sizes, strict=True)))

    solved = minimize(rest, np.zeros(3), method="BFGS", options={"gtol": 1e-12})
    ours = sum(a * x**b for a, b, x in zip(alphas, betas, given.values(), strict=True))
    assert sum(given.values()) == pytest.approx(budget)
    assert ours <= solved.fun * (1 + 1e-9)
    assert ours == pytest.approx(solved.fun, rel=1e-6)


def test_with_one_exponent_sizes_follow_the_closed_form() -> None:
    given = allocate({"de": law(300, -0.2), "sw": law(600, -0.2)}, 1e5)
    assert given["sw"] / given["de"] == pytest.approx(2 ** (1 / 1.2))


def test_what_tells_nothing_is_refused() -> None:
    for sizes, qualities, message in (
        ((1, 2), (1, 2), "Got 2 sizes"), ((1, 2, 3), (1, 2, 100), "quality of 100"), ((0, 2, 3), (1, 2, 3), "size 0"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            fit_law(sizes, qualities)
    with pytest.raises(ConfigError, match="de gains nothing"):
        allocate({"de": fit_law(SIZES, [30, 20, 15, 10, 5, 2])}, 100)
    with pytest.raises(ConfigError, match="budget of 0"):
        allocate({"de": law(300, -0.2)}, 0)


def saturating(limit: float, generator: np.random.Generator, noise: float, sizes: tuple[float, ...] = SIZES):  # type: ignore[no-untyped-def]
    qualities = [limit - 500 * size**-0.5 + generator.normal(0, noise) for size in sizes]
    return fit_saturating(sizes, qualities)


def test_a_limit_is_found_where_quality_ends() -> None:
    law = saturating(60, np.random.default_rng(0), 0.0)
    assert law.limit.value == pytest.approx(60, abs=0.2)
    assert law.exponent == pytest.approx(-0.5, abs=0.02)
    assert law.factor == pytest.approx(500, rel=0.05)


def test_the_profile_holds_the_limit_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    laws = [saturating(60, generator, 0.3) for _ in range(300)]
    held = [law.limit.low <= 60 <= law.limit.high or math.isnan(law.limit.low) for law in laws]
    assert 0.92 <= np.mean(held) <= 0.99


def test_a_limit_that_cannot_be_told_has_no_end() -> None:
    line = fit_saturating(SIZES, [100 - 300 * size**-0.05 + part for size, part in zip(SIZES, (3, -3, 2, -2, 3, -3))])
    assert line is not None
    assert math.isnan(line.limit.high) or math.isinf(line.limit.high)
    assert fit_saturating(SIZES[:3], (1, 2, 3)) is None
