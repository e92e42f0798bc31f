"""Deactivation and prompts: differences are paired by row, and ends are those of their formula."""

import math
import statistics
from dataclasses import replace

import pytest
import torch

from neuroglot.layout import Layout
from neuroglot.metrics.deactivation import OUTCOMES, Deactivation
from neuroglot.metrics.intervals import holm
from neuroglot.metrics.paired import mcnemar
from neuroglot.metrics.prompts import Counted, PromptComparison, SettingResult
from neuroglot.signature import Signature

T = {2: 4.302653, 11: 2.200985}
LAYOUT = Layout((("decoder", (20,)),))


def deactivation(score: torch.Tensor, off: torch.Tensor, random: torch.Tensor) -> Deactivation:
    """Of one category, from log-probabilities `[R, G]`, `[R, G]` and `[K, R, G]`; exact answers are those above 0."""

    def counts(values: torch.Tensor) -> torch.Tensor:
        outcomes = torch.full((*values.shape, len(OUTCOMES)), torch.nan, dtype=torch.float64)
        outcomes[..., list(OUTCOMES).index("log_probability")] = values
        outcomes[..., list(OUTCOMES).index("exact")] = (values > 0).double()
        return outcomes

    rows, languages = score.shape
    return Deactivation(
        "t", LAYOUT, tuple("ab"[:languages]), ("specific",), tuple(map(str, range(rows))), counts(score),
        counts(off)[None], counts(random)[:, None], torch.full((1, rows, 1), 4, dtype=torch.int32), Signature(),
    )  # fmt: skip


def simulated(rows: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    easy = 20 * torch.randn(rows, 1, generator=generator).double().expand(rows, 2)
    fall = 1 + 0.1 * torch.randn(rows, 2, generator=generator).double()
    chance = 0.3 + 0.2 * torch.randn(3, rows, 2, generator=generator).double()
    chance += torch.tensor([0.0, 0.5, -0.4]).double()[:, None, None]
    return easy, easy - fall, easy - chance


def test_a_fall_is_paired_by_row_and_has_the_ends_of_its_formula() -> None:
    on, off, random = simulated()
    effect = deactivation(on, off, random).mean_effects("log_probability")["specific"]
    falls = (on - off).mean(1).tolist()
    half = T[11] * statistics.stdev(falls) / 12**0.5
    middle = statistics.mean(falls)
    assert (effect.deactivated.value, effect.deactivated.low, effect.deactivated.high) == pytest.approx(
        (middle, middle - half, middle + half)
    )
    beyond = (random.mean(0) - off).mean(1).tolist()
    by_draw = (random - off).mean((1, 2)).tolist()
    variances = statistics.variance(beyond) / 12, statistics.variance(by_draw) / 3
    half = math.sqrt(T[11] ** 2 * variances[0] + T[2] ** 2 * variances[1])
    middle = statistics.mean(beyond)
    found = effect.beyond_random
    assert (found.value, found.low, found.high) == pytest.approx((middle, middle - half, middle + half))
    assert effect.harmful
    assert effect.beyond == (1 if found.low > 0 else 0)


def test_tests_of_a_page_are_one_family() -> None:
    result = deactivation(*simulated())
    count, adjusted = result.adjusted_tests()
    raw = result.tests("exact")["specific"]
    family = [raw.rows.p, raw.against_random, *(test.p for test in raw.by_language)]
    found = adjusted["exact"]["specific"]
    assert count == 4
    assert [found.rows.p, found.against_random, *(test.p for test in found.by_language)] == holm(family)
    assert (found.rows.fell, found.rows.rose) == (raw.rows.fell, raw.rows.rose)


def comparison(settings: int = 4, rows: int = 12) -> PromptComparison:
    generator = torch.Generator().manual_seed(4)
    hard = 30 * torch.rand(rows, 1, 1, generator=generator).double()

    def setting(gain: float) -> SettingResult:
        score = hard + gain + 0.1 * torch.randn(rows, 1, 1, generator=generator).double()
        counts = torch.cat([score, torch.ones_like(score)], dim=-1)
        fired = Counted(torch.randint(5, 15, (rows, 1, 1), generator=generator), torch.full((rows, 1), 3))
        nothing = torch.zeros(20)
        return SettingResult(
            counts, {"steps": fired}, nothing, torch.zeros(1), torch.ones(rows, 1), torch.ones(rows, 1)
        )

    results = {f"s{index}": setting(0.3 * index) for index in range(settings)}
    return PromptComparison(
        "m", "d", ("de",), LAYOUT, "score", "points", lambda sums: sums[..., 0] / sums[..., 1], results, Signature()
    )


def test_settings_are_paired_by_row() -> None:
    found = comparison()
    base = found.settings["s0"].score[:, 0, 0]
    for name, change in found.score_differences().items():
        by_row = (found.settings[name].score[:, 0, 0] - base).tolist()
        half = T[11] * statistics.stdev(by_row) / 12**0.5
        middle = statistics.mean(by_row)
        assert (change.score.value, change.score.low, change.score.high) == pytest.approx(
            (middle, middle - half, middle + half), abs=1e-6
        )


def test_sign_tests_of_scores_and_of_activation_are_one_family() -> None:
    found = comparison()
    base = found.settings["s0"]
    raw = {}
    for name in ("s1", "s2", "s3"):
        result = found.settings[name]
        raw["score", name] = mcnemar(base.score[:, 0, 0], result.score[:, 0, 0]).p
        raw["steps", name] = mcnemar(*(one.firing["steps"].fired[:, 0, 0] for one in (base, result))).p
    assert found.p_values == dict(zip(raw, holm(list(raw.values())), strict=True))
    assert found.activated_differences()["s2"].p == found.p_values["steps", "s2"]


def test_no_interval_of_a_score_goes_beyond_what_it_can_be() -> None:
    free = comparison()
    least = min(score.value for score in free.scores().values())
    bounded = replace(free, ends=(least - 0.001, least + 10.0))
    assert all(score.low < bounded.ends[0] for score in [free.scores()["s0"]])
    assert bounded.scores()["s0"].low == bounded.ends[0]
    assert bounded.scores()["s0"].high == min(bounded.ends[1], free.scores()["s0"].high)
    tight = replace(free, ends=(0.0, 0.25))
    assert free.score_differences()["s3"].score.high > 0.25 == tight.score_differences()["s3"].score.high


def test_shares_are_of_a_layers_own_neurons_and_a_rows_own_tokens() -> None:
    """Of 12 rows all fire less, though half of them fire more often, because they have more tokens."""
    layout, one, three = Layout((("decoder", (8, 20)),)), torch.tensor([1, 3] * 6), torch.tensor([3, 1] * 6)

    def setting(tokens: torch.Tensor, fired: tuple[int, int]) -> SettingResult:
        counts = Counted((tokens[:, None] * torch.tensor(fired))[:, None], tokens[:, None])
        same = torch.ones(12, 1, 2, dtype=torch.float64)
        return SettingResult(same, {"steps": counts}, torch.zeros(28), torch.zeros(2), tokens, tokens)

    made = PromptComparison(
        "m", "d", ("de",), layout, "score", "points", lambda sums: sums[..., 0] / sums[..., 1],
        {"direct": setting(one, (4, 10)), "pmi-2": setting(three, (2, 6))}, Signature(),
    )  # fmt: skip
    by_layer = {name: [score.value for score in scores] for name, scores in made.activated_by_layer().items()}
    assert by_layer == {"direct": pytest.approx([4 / 8, 10 / 20]), "pmi-2": pytest.approx([2 / 8, 6 / 20])}
    assert made.p_values == {("score", "pmi-2"): 1.0, ("steps", "pmi-2"): pytest.approx(2 * 2 / 2**12)}
