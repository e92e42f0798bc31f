"""What pages of scaling and of curricula call clear is seldom false, however many languages or groups there are."""

import math

import numpy as np
import torch

from neuroglot.metrics.intervals import CONFIDENCE, confidence_of_each
from neuroglot.metrics.losses import HeldOutLosses
from neuroglot.metrics.scaling import ScalingLaws, fit_law
from neuroglot.reports.section import section_of
from neuroglot.signature import Signature

SIZES = (1e3, 3e3, 1e4, 3e4, 1e5)
PAGES = 300


def losses(groups: int, rise: float, seed: int, rows: int = 20) -> HeldOutLosses:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.full((2, rows), 5.0, dtype=torch.float64)
    counts = {}
    for group in range(groups):
        nats = 10 + torch.randn(2, rows, generator=generator, dtype=torch.float64)
        nats[1] += 5 * rise
        counts[str(group)] = torch.stack([nats, tokens], -1)
    return HeldOutLosses(("before", "after"), counts, Signature())


def test_a_page_of_many_groups_seldom_says_that_something_was_forgotten() -> None:
    pages = [losses(12, 0.0, seed) for seed in range(PAGES)]
    assert sum(bool(page.risen or page.fallen) for page in pages) / PAGES <= 0.07  # 5% and noise of so many pages
    everything = tuple(map(str, range(12)))
    assert (losses(12, 1.0, 0).risen, losses(12, 1.0, 0).fallen) == (everything, ())
    assert (losses(12, -1.0, 0).risen, losses(12, -1.0, 0).fallen) == ((), everything)
    said = section_of(losses(2, -1.0, 0)).sentence
    for part in ("clearly lower than before for 0 [", "; 1 [", "higher in none of 2 groups"):
        assert part in said
    one, several = losses(1, 0.0, 5), losses(4, 0.0, 5)
    assert several.change("0", 1).low == one.change("0", 1).low  # what is printed is the interval of one
    assert "in none of 12 groups" in section_of(losses(12, 0.0, 1)).sentence


def laws(languages: int, slope: float, seed: int) -> ScalingLaws:
    generator = np.random.default_rng(seed)
    fitted = {
        str(language): fit_law(SIZES, [100 - 50 * size**slope * math.exp(generator.normal(0, 0.1)) for size in SIZES])
        for language in range(languages)
    }
    return ScalingLaws(fitted, dict.fromkeys(fitted), {})


def test_a_page_of_many_languages_seldom_says_that_data_help() -> None:
    said = [bool(laws(12, 0.0, seed).rising) for seed in range(PAGES)]
    assert sum(said) / PAGES <= 0.05
    assert laws(3, -0.6, 0).rising == ("0", "1", "2")


def test_points_that_lie_on_a_line_have_no_interval_and_make_no_claim() -> None:
    exact = fit_law(SIZES, [100 - 50 * size**-0.2 for size in SIZES])
    assert math.isnan(exact.exponent.low)
    assert math.isnan(exact.quality(2e3).high)
    results = ScalingLaws({"de": exact}, {"de": None}, {})
    assert results.rising == ()
    section = section_of(results)
    assert section.sentence.endswith("in none.")
    assert [table.key for table in section.tables] == ["scaling-laws"]  # none of limits without one


def test_the_confidence_of_each_claim_leaves_five_percent_for_all() -> None:
    assert confidence_of_each(1) == CONFIDENCE
    assert math.isclose(10 * (1 - confidence_of_each(10)), 1 - CONFIDENCE)
