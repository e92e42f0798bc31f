"""Intervals and tests against plain lines from their formulas; the ends of composed intervals too."""

import math
import statistics
from dataclasses import replace
from itertools import product

import pytest
import torch

from neuroglot.metrics import ExactAnswer
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.intervals import (
    Estimate,
    Score,
    by_rows,
    holm,
    mean_scores,
    over,
    row_means,
    share_means,
    sign_told,
    stacked,
)
from neuroglot.metrics.paired import exchanged
from neuroglot.metrics.scoreboard import Scoreboard
from neuroglot.signature import Signature
from tests.reports import making

Z = 1.959964
T = {1: 12.706205, 2: 4.302653, 3: 3.182446, 4: 2.776445, 5: 2.570582, 7: 2.364624, 9: 2.262157, 59: 2.000995}


def ends(score: Score) -> tuple[float, float, float]:
    return score.value, score.low, score.high


def leave_one_out_variance(values: list[float], function) -> float:
    """Of a function of a list, without each of its items in turn."""
    without = [function(values[:at] + values[at + 1 :]) for at in range(len(values))]
    middle = sum(without) / len(without)
    return (len(values) - 1) / len(values) * sum((value - middle) ** 2 for value in without)


def test_a_mean_has_students_interval() -> None:
    rows = [2.0, 3.5, 1.0, 4.0, 2.5]
    half = T[4] * statistics.stdev(rows) / 5**0.5
    (score,) = mean_scores(torch.tensor(rows)[:, None])
    expected = pytest.approx((2.6, 2.6 - half, 2.6 + half))
    assert ends(score) == expected
    assert ends(row_means(torch.tensor(rows)[:, None]).scores()[0]) == expected


@pytest.mark.parametrize(("right", "rows"), [(0, 4), (1, 4), (19, 20), (60, 60), (30, 60)])
def test_a_share_has_wilsons_interval(right: int, rows: int) -> None:
    share = right / rows
    middle = (share + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    half = Z / (1 + Z**2 / rows) * math.sqrt(share * (1 - share) / rows + Z**2 / (4 * rows**2))
    (score,) = share_means((torch.arange(rows) < right).double()[:, None])
    assert ends(score) == pytest.approx((share, middle - half, middle + half), abs=1e-6)


def test_a_ratio_of_sums_is_left_one_out() -> None:
    loss, tokens = [6.0, 2.0, 9.0, 4.0], [3.0, 2.0, 4.0, 1.0]
    counts = torch.tensor([loss, tokens]).T
    pairs = list(zip(loss, tokens, strict=True))
    variance = leave_one_out_variance(pairs, lambda kept: sum(a for a, _ in kept) / sum(b for _, b in kept))  # type: ignore[arg-type]
    (score,) = by_rows(counts).map(lambda sums: (sums[..., 0] / sums[..., 1])[..., None]).scores()
    half = T[3] * math.sqrt(variance)
    assert ends(score) == pytest.approx((2.1, 2.1 - half, 2.1 + half))


def test_a_difference_of_shares_has_two_rows_more() -> None:
    changes = [1.0, 1.0, -1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    (score,) = row_means(torch.tensor(changes)[:, None]).share_differences()
    rows, fell, rose = 10, 4 / 10, 2 / 10  # 3 fell and 1 rose, and one more of each
    half = T[7] * math.sqrt((fell + rose - (fell - rose) ** 2) / rows)
    assert ends(score) == pytest.approx((2 / 8, fell - rose - half, fell - rose + half))


def test_answers_that_are_all_alike_have_an_interval_and_losses_none() -> None:
    (none,) = row_means(torch.zeros(12, 1)).share_differences()
    assert none.low == pytest.approx(-none.high)
    assert 0.2 < none.high < 0.4
    assert all(score.high - score.low > 0 for score in share_means(torch.ones(12, 3)))
    (same,) = mean_scores(torch.full((12, 1), 0.7))
    assert same.value == pytest.approx(0.7)
    assert math.isnan(same.low)
    assert math.isnan(same.high)


@pytest.mark.parametrize("rows", [2, 3, 5, 20])
def test_no_interval_of_a_finite_sample_is_without_width(rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    values = torch.randint(3, (rows, 200), generator=generator).double() / 2
    estimate = row_means(values)
    scores = [*mean_scores(values), *share_means(values), *estimate.scores(), *estimate.share_differences()]
    assert all(math.isnan(score.low) or score.high > score.low + 1e-6 for score in scores)
    assert all(math.isnan(score.low) or score.low <= score.value <= score.high for score in scores)


def test_one_row_has_no_interval() -> None:
    one = torch.tensor([[0.4]])
    estimate = row_means(one)
    scores = [*mean_scores(one), *share_means(one), *estimate.scores(), *estimate.share_differences()]
    assert all(score.value == pytest.approx(0.4) and math.isnan(score.low + score.high) for score in scores)
    assert estimate.p_values().tolist() == [1.0]


def test_levels_add_their_variance_each_with_its_own_t() -> None:
    """Three seeds of four rows: the spread of rows, and that of seeds, left out one by one."""
    values = torch.tensor([[1.0, 2.0, 4.0, 3.0], [2.0, 2.0, 6.0, 3.0], [5.0, 4.0, 8.0, 4.0]])  # [seeds, rows]
    (score,) = over(row_means(values.T[..., None]), "seeds").scores()
    by_seed, by_row = values.mean(1).tolist(), values.mean(0).tolist()
    variances = statistics.variance(by_row) / 4, statistics.variance(by_seed) / 3
    half = math.sqrt(T[3] ** 2 * variances[0] + T[2] ** 2 * variances[1])
    middle = float(values.mean())
    assert ends(score) == pytest.approx((middle, middle - half, middle + half))


def test_one_draw_has_no_interval_and_one_seed_that_of_its_rows() -> None:
    values = torch.tensor([1.0, 2.0, 4.0])[:, None, None]  # [rows, units, 1]
    assert math.isnan(over(row_means(values), "draws").scores()[0].low)
    assert ends(over(row_means(values), "seeds").scores()[0]) == pytest.approx(ends(mean_scores(values[:, 0])[0]))


def test_models_of_different_rows_stay_apart() -> None:
    first, second = torch.tensor([1.0, 3.0, 2.0]), torch.tensor([4.0, 9.0, 5.0, 6.0])
    both = stacked([row_means(first[:, None]), row_means(second[:, None])]).map(lambda values: values.mean(-2))
    variances = statistics.variance(first.tolist()) / 3, statistics.variance(second.tolist()) / 4
    half = math.sqrt(T[2] ** 2 * variances[0] / 4 + T[3] ** 2 * variances[1] / 4)
    assert ends(both.scores()[0]) == pytest.approx((4.0, 4.0 - half, 4.0 + half))


def two_of(harm: list[float], reference: list[float]) -> Estimate:
    return row_means(torch.tensor([harm, reference]).T)


@pytest.mark.parametrize("shift", [0.0, 1.5, -3.0])
def test_a_ratio_holds_all_values_that_cannot_be_told_apart(shift: float) -> None:
    """Of each ρ it is tried whether the mean of harm − ρ · reference can be told from 0 by t."""
    generator = torch.Generator().manual_seed(5)
    reference = (shift + 2.0 + torch.randn(8, generator=generator)).tolist()
    harm = (6.0 + torch.randn(8, generator=generator)).tolist()
    (score,) = two_of(harm, reference).ratio_scores()
    kept = []
    for rho in (step / 1000 for step in range(40_000)):
        rest = [a - rho * b for a, b in zip(harm, reference, strict=True)]
        if abs(statistics.mean(rest)) <= T[7] * statistics.stdev(rest) / 8**0.5:
            kept.append(rho)
    if shift < 0:
        assert (score.value, score.high) == (math.inf, math.inf)  # a reference that helps gives no negative ratio
        assert not kept or score.low == pytest.approx(min(kept), abs=0.01)
    else:
        assert ends(score) == pytest.approx((sum(harm) / sum(reference), min(kept), max(kept)), abs=0.01)


def test_without_harm_a_ratio_is_0_and_without_a_reference_it_is_unbounded() -> None:
    assert two_of([-1.0, -2.0, -1.5], [1.0, 1.2, 0.9]).ratio_scores()[0].value == 0
    unsure = two_of([5.0, 5.5, 6.0, 5.2], [1.0, -1.0, 0.5, 0.1]).ratio_scores()[0]
    assert unsure.high == math.inf
    assert 0 < unsure.low < unsure.value < math.inf


def test_p_is_where_the_interval_ends_at_0() -> None:
    values = torch.randn(9, 6, 4, generator=torch.Generator().manual_seed(3)).double() + 0.4
    estimate = over(row_means(values), "draws")
    for index, p in enumerate(estimate.p_values().tolist()):
        score = estimate.scores(confidence=1 - p)[index]
        assert min(abs(score.low), abs(score.high)) < 1e-6


def test_adjusted_p_values_are_holms() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    for order in product(range(3), repeat=3):
        if len(set(order)) == 3:
            values = [0.01, 0.2, 0.02]
            adjusted = holm([values[at] for at in order])
            assert [adjusted[order.index(at)] for at in range(3)] == pytest.approx([0.03, 0.2, 0.04])


def test_exchange_counts_all_ways_to_exchange_rows() -> None:
    first, second = [3.0, 5.0, 2.0, 8.0], [1.0, 4.0, 2.5, 5.0]

    def mean(sums: torch.Tensor) -> torch.Tensor:
        return sums[..., 0] / sums[..., 1]

    counts = [torch.tensor([values, [1.0] * 4]).T for values in (first, second)]
    seen = abs(sum(first) - sum(second))
    changes = [
        abs(sum(sign * (a - b) for sign, a, b in zip(signs, first, second, strict=True)))
        for signs in product((1, -1), repeat=4)
    ]
    expected = sum(change >= seen - 1e-9 for change in changes) / 16
    assert exchanged(*counts, mean) == pytest.approx(expected)
    assert exchanged(counts[0], counts[0], mean) == 1


@pytest.mark.parametrize("rows", [5, 10, 20])
def test_exchange_is_not_too_often_significant(rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)

    def mean(sums: torch.Tensor) -> torch.Tensor:
        return sums[..., 0] / sums[..., 1]

    def system() -> torch.Tensor:
        return torch.stack([torch.rand(rows, generator=generator).square(), torch.ones(rows)], -1)

    found = [exchanged(system(), system(), mean) for _ in range(150)]
    assert sum(p <= 0.05 for p in found) <= 14  # 0.05 of 150 are 7.5


@pytest.mark.parametrize("rows", [5, 20])
def test_intervals_hold_the_truth_as_often_as_they_say(rows: int) -> None:
    generator = torch.Generator().manual_seed(1)
    normal = torch.randn(rows, 2000, generator=generator)
    answers = (torch.rand(rows, 2000, generator=generator) < 0.8).double()
    for scores, truth in ((mean_scores(normal), 0.0), (share_means(answers), 0.8)):
        held = sum(score.low <= truth <= score.high for score in scores) / 2000
        assert 0.92 <= held <= 0.98


@pytest.mark.parametrize("matrix", [making.loss_matrix(("de", "fr", "sw")), making.accuracy_matrix(("de", "fr", "sw"))])
def test_conditions_differ_by_the_effects(matrix) -> None:
    conditions, harm = matrix.conditions(), matrix.harm()
    effects, random = matrix.effects(), matrix.random_effects()
    sign = -1 if matrix.metric.higher_is_better else 1
    values = {name: [score.value for score in scores] for name, scores in conditions.items()}
    for place in range(3):
        others = [effects[other][place].value for other in range(3) if other != place]
        for name, expected in (("own", effects[place][place]), ("random", random[place][place])):
            found = harm[name][place]
            assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
            assert sign * (values[name][place] - values["on"][place]) == pytest.approx(expected.value)
        assert harm["other"][place].value == pytest.approx(sum(others) / 2)
    assert matrix.mean_of_baseline().value == pytest.approx(sum(values["on"]) / 3)


def test_the_ends_of_a_headline_are_left_one_out_by_row_and_draw() -> None:
    """The mean effect of own and of random neurons, from losses and tokens of each row, by plain loops."""
    matrix = making.loss_matrix(("de", "fr"), rows=6)
    rows, draws = range(6), range(5)

    def loss(counts, kept, g: int) -> float:
        return float(sum(counts[r, g, 0] for r in kept) / sum(counts[r, g, 1] for r in kept))

    def own(kept) -> float:
        return sum(loss(matrix.ablated[g], kept, g) - loss(matrix.baseline, kept, g) for g in (0, 1)) / 2

    def random(kept, drawn) -> float:
        changes = [loss(matrix.random[k, g], kept, g) - loss(matrix.baseline, kept, g) for k in drawn for g in (0, 1)]
        return sum(changes) / len(changes)

    headline = matrix.headline()
    half = T[5] * math.sqrt(leave_one_out_variance(list(rows), own))
    assert ends(headline.diagonal) == pytest.approx((own(rows), own(rows) - half, own(rows) + half))
    by_row = leave_one_out_variance(list(rows), lambda kept: random(kept, draws))
    by_draw = leave_one_out_variance(list(draws), lambda drawn: random(rows, drawn))
    half, value = math.sqrt(T[5] ** 2 * by_row + T[4] ** 2 * by_draw), random(rows, draws)
    assert ends(headline.random) == pytest.approx((value, value - half, value + half))


def test_ends_stay_where_a_number_can_be() -> None:
    assert Score(42.7, -5.2, 110.0).within(0, 100) == Score(42.7, 0, 100)
    assert Score(0.3, 0.1, 0.5).within(0) == Score(0.3, 0.1, 0.5)
    unknown = Score(0.3, math.nan, math.nan).within(0, 1)
    assert math.isnan(unknown.low)
    assert math.isnan(unknown.high)


def pattern(*rows: str) -> torch.Tensor:
    """Right (1) and wrong (0) answers, one string an axis before the rows: counts `[len(rows), R, C]`."""
    right = torch.tensor([[float(sign) for sign in row] for row in rows], dtype=torch.float64)
    return torch.stack([right, torch.ones_like(right)], dim=-1)


def answers_of_two_languages() -> AblationMatrix:
    """8 rows in two languages; both draws are as often right, and so are the languages with all neurons on."""
    ablated = torch.ones(2, 8, 2, 2, dtype=torch.float64)
    ablated[0, :, 0], ablated[1, :, 1] = pattern("01011110", "11001111")
    random = torch.ones(2, 2, 8, 2, 2, dtype=torch.float64)
    random[0, 0, :, 0], random[1, 0, :, 0] = pattern("01111110", "11110110")
    random[0, 1, :, 1], random[1, 1, :, 1] = pattern("10111101", "11101110")
    baseline = pattern("10101010", "01010101").transpose(0, 1)
    return AblationMatrix("d", ("de", "sw"), (3, 4), ExactAnswer(), baseline, ablated, random, Signature())


def two_rows_more(by_row: list[float], cells: int) -> tuple[float, float, float]:
    """Bonett and Price of differences that are means of so many answers, each with a pair of its own."""
    rows, change = len(by_row), sum(by_row)
    squares = sum(value**2 for value in by_row) + 2 / cells
    half = T[rows - 1] * math.sqrt((squares / (rows + 2) - (change / (rows + 2)) ** 2) / (rows + 2))
    return change / rows, change / (rows + 2) - half, change / (rows + 2) + half


def test_differences_of_right_answers_know_how_many_answers_a_row_gives() -> None:
    matrix = replace(answers_of_two_languages(), baseline=torch.ones(8, 2, 2, dtype=torch.float64))
    off, random = 1 - matrix.ablated[..., 0], 1 - matrix.random[..., 0]
    own = [float(off[0, row, 0] + off[1, row, 1]) / 2 for row in range(8)]
    assert ends(matrix.headline().diagonal) == pytest.approx(two_rows_more(own, 2))
    chance = [float(random[:, 0, row, 0].sum() + random[:, 1, row, 1].sum()) / 4 for row in range(8)]
    assert ends(matrix.headline().random) == pytest.approx(two_rows_more(chance, 2))
    draws = [float(random[:, 0, row, 0].mean()) for row in range(8)]
    assert ends(matrix.random_effects()[0][0]) == pytest.approx(two_rows_more(draws, 2))
    assert ends(matrix.harm()["random"][0]) == pytest.approx(two_rows_more(draws, 2))
    assert ends(matrix.effects()[0][0]) == pytest.approx(two_rows_more([float(off[0, row, 0]) for row in range(8)], 1))


def test_differences_that_cancel_are_none() -> None:
    """0.1 + 0.2 − 0.3 is 5.6e-17 in floating point."""
    by_row = torch.tensor([0.1, 0.2, -0.3, 0.0], dtype=torch.float64)
    estimate = Estimate(by_row.sum()[None], {"rows": (by_row.sum() - by_row)[:, None]})
    assert float(estimate.value) != 0
    (score,) = estimate.share_differences()
    assert score.value == 0
    assert score.low < 0 < score.high


def test_shares_of_rows_that_are_all_alike_are_of_all_their_answers() -> None:
    """One of two is right in every row: Wilson's interval of 16 answers."""
    matrix = answers_of_two_languages()
    of_rows = torch.ones(2, 2, 8, 2, 2, dtype=torch.float64)
    of_rows[0, 0, :, 0], of_rows[1, 0, :, 0] = pattern("10101010", "01010101")
    half = Z * math.sqrt(0.25 / 16 + Z**2 / (4 * 16**2)) / (1 + Z**2 / 16)
    assert ends(matrix.mean_of_baseline()) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-6)
    random = replace(matrix, random=of_rows).conditions()["random"][0]
    assert ends(random) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-6)
    scoreboard = Scoreboard(("a", "b"), 5, {"entropy": [matrix, matrix]}, {}, Signature())
    (standing,) = scoreboard.standings()
    base, off = matrix.baseline[..., 0], matrix.ablated[..., 0]
    own = [float(base[row].sum() - off[0, row, 0] - off[1, row, 1]) / 2 for row in range(8)]
    assert ends(standing.own) == pytest.approx(two_rows_more(own, 4))  # two languages in each of two models
    assert standing.sizes == (3, 4)


def test_left_out_units_of_models_and_seeds_give_their_variance() -> None:
    values = torch.tensor([[1.0, 2.0, 6.0], [3.0, 2.0, 7.0]])  # [rows, units]
    without = over(row_means(values[..., None]), "models").without["models"][:, 0].tolist()
    means = values.mean(0).tolist()
    assert without == pytest.approx([(means[1] + means[2]) / 2, (means[0] + means[2]) / 2, (means[0] + means[1]) / 2])


def test_rows_of_the_first_model_keep_their_name() -> None:
    """So that two comparisons of the same first model are paired by its rows."""
    first, second = torch.tensor([1.0, 3.0, 2.0]), torch.tensor([4.0, 9.0, 5.0, 6.0])
    both = stacked([row_means(first[:, None]), row_means(second[:, None])])
    assert set(both.without) == {"rows", "rows 1"}


def test_the_ends_of_a_difference_hold_its_value() -> None:
    """With two rows more the middle moves towards 0: one row of many that all became right."""
    for rows, confidence in ((3, 0.95), (100, 0.5)):  # a narrow interval ends at the value, not before it
        right, wrong = torch.ones(rows, 1), torch.zeros(rows, 1)
        for first, second, value in ((right, wrong, 1.0), (wrong, right, -1.0)):
            (score,) = (row_means(first) - row_means(second)).share_differences(confidence=confidence)
            assert score.value == value
            assert score.low <= value <= score.high


def test_the_lower_end_of_an_unbounded_ratio_is_the_least_that_cannot_be_told_apart() -> None:
    harm, reference = [5.0, 5.5, 6.0, 5.2], [1.0, -1.0, 0.5, 0.1]
    score = two_of(harm, reference).ratio_scores()[0]
    kept = []
    for rho in (step / 1000 for step in range(40_000)):
        rest = [a - rho * b for a, b in zip(harm, reference, strict=True)]
        if abs(statistics.mean(rest)) <= T[3] * statistics.stdev(rest) / 2:
            kept.append(rho)
    assert score.low == pytest.approx(min(kept), abs=0.01)


def test_a_sign_is_told_by_students_and_by_halls_t() -> None:
    """Hall 1992 in plain lines; rows that are skewed to the right look negative more often than they are."""
    clear = torch.tensor([1.0, 1.2, 0.9, 1.1, 1.3])
    assert (sign_told(clear), sign_told(-clear)) == (1, -1)
    assert sign_told(torch.tensor([1.0])) == sign_told(torch.ones(4)) == sign_told(clear - clear.mean()) == 0
    values = [-0.9, -0.8, -0.85, -0.7, -0.9, -0.6, -0.75, 0.9]
    n, mean = len(values), sum(values) / len(values)
    s = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    third = sum((value - mean) ** 3 for value in values) / n / (s * math.sqrt((n - 1) / n)) ** 3
    student = mean / s * math.sqrt(n)
    johnson = (mean + third * s / (6 * n) + third * mean**2 / (3 * s)) / s * math.sqrt(n)
    hall = johnson + third**2 * student**3 / (27 * n)
    assert student < -2.3646 < hall  # Student's t tells the mean from 0, and Hall's does not
    assert sign_told(torch.tensor(values)) == 0


def test_a_mean_is_told_however_clear_it_is_though_rows_are_a_little_skewed() -> None:
    skewed = torch.linspace(0, 1, 60, dtype=torch.float64).pow(2)
    assert [sign_told(skewed - shift) for shift in (2, 5, 1e3)] == [-1, -1, -1]
    assert [sign_told(shift - skewed) for shift in (2, 5, 1e3)] == [1, 1, 1]
