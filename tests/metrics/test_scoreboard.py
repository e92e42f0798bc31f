"""Standings and LangSpec-F1 against explicit sums; ranks by counting."""

import math
import statistics
from itertools import combinations

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.metrics import ExactAnswer, NatsPerToken
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.intervals import holm
from neuroglot.metrics.scoreboard import Scoreboard, langspec_f1
from neuroglot.signature import Signature

LANGUAGES = ("de", "sw", "zh")


def matrix(
    seed: int,
    own: float,
    other: float,
    random: float,
    own_only: bool = False,
    spread: float = 0.0,
    rows: int = 8,
    draws: int = 2,
) -> AblationMatrix:
    """Losses of 8 rows: each condition adds its harm to every token, with a `spread` over rows and conditions."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(3, 9, (rows, 3), generator=generator).double()
    noise = torch.rand(rows, 3, generator=generator).double()

    def losses(harm: torch.Tensor) -> torch.Tensor:
        uneven = spread * torch.randn(rows, 3, generator=generator).double()
        return torch.stack([tokens * (1 + harm + uneven) + noise, tokens, tokens], dim=-1)

    same = torch.eye(3, dtype=torch.float64)
    ablated = torch.stack([losses(own * same[s] + other * (1 - same[s])) for s in range(3)])
    drawn = torch.stack([losses(torch.full((3,), random + 0.01 * k, dtype=torch.float64)) for k in range(draws)])
    drawn = drawn[:, None].expand(draws, 3, rows, 3, 3).clone()
    if own_only:
        drawn = torch.where(same.bool()[None, :, None, :, None], drawn, torch.nan)
    sizes = (4, 5, 6)
    signature = Signature.of(model="m")
    return AblationMatrix("d", LANGUAGES, sizes, NatsPerToken(), losses(torch.zeros(3)), ablated, drawn, signature)


def board(**harms: tuple[float, float, float]) -> Scoreboard:
    matrices = {name: [matrix(seed, *harm) for seed in (0, 1)] for name, harm in harms.items()}
    return Scoreboard(("one", "two"), 5, matrices, {}, Signature())


def test_standings_are_the_planted_harms_in_order() -> None:
    standings = board(weak=(0.1, 0.05, 0.02), strong=(0.5, 0.1, 0.03), none=(0.0, 0.2, 0.0)).standings()
    assert [one.selector for one in standings] == ["strong", "weak", "none"]
    assert [one.rank.value for one in standings] == [1, 2, 3]
    best = standings[0]
    for found, expected in ((best.own, 0.5), (best.other, 0.1), (best.random, 0.035), (best.selectivity, 0.4)):
        assert math.isclose(found.value, expected, abs_tol=1e-12)
    assert math.isclose(best.beyond_random.value, 0.465)
    assert best.sizes == (4, 6)
    assert all(math.isclose(value, 0.4) for value in best.by_model)
    assert math.isnan(best.own.low)  # alike on all rows


def test_ranks_are_shared_by_equal_selectors_and_random_sets_need_only_their_own_language() -> None:
    standings = board(first=(0.5, 0.1, 0.0), second=(0.5, 0.1, 0.0)).standings()
    assert [one.rank.value for one in standings] == [1, 1]
    full, own_only = matrix(3, 0.4, 0.1, 0.05), matrix(3, 0.4, 0.1, 0.05, own_only=True)
    torch.testing.assert_close(full.means().value, own_only.means().value)
    for level, values in full.means().without.items():
        torch.testing.assert_close(values, own_only.means().without[level])


def uneven_board(
    harms: dict[str, tuple[float, float, float]], models: int = 1, rows: int = 30, draws: int = 2
) -> Scoreboard:
    matrices = {
        name: [matrix(100 * index + model, *harm, spread=0.1, rows=rows, draws=draws) for model in range(models)]
        for index, (name, harm) in enumerate(harms.items())
    }
    return Scoreboard(tuple(f"m{model}" for model in range(models)), 5, matrices, {}, Signature())


def test_ranks_follow_from_paired_tests_of_all_pairs() -> None:
    harms = {"best": (0.9, 0.1, 0.0), "close": (0.88, 0.1, 0.0), "far": (0.3, 0.1, 0.0), "none": (0.1, 0.1, 0.1)}
    made = uneven_board(harms)
    standings = {one.selector: one for one in made.standings()}
    assert [(one.rank.low, one.rank.high) for one in standings.values()] == [(1, 2), (1, 2), (3, 3), (4, 4)]
    selectivity = {
        name: of_models[0].means().map(lambda m: m[..., :1] - m[..., 1:2]) for name, of_models in made.matrices.items()
    }
    raw = {pair: (selectivity[pair[0]] - selectivity[pair[1]]).p_values().item() for pair in combinations(harms, 2)}
    told = {pair for pair, p in zip(raw, holm(list(raw.values())), strict=True) if p <= 0.05}
    assert told == set(raw) - {("best", "close")}


def test_more_than_random_is_claimed_by_the_adjusted_p_not_by_the_value() -> None:
    harms = {f"s{index}": (0.02, 0.0, 0.0) for index in range(8)} | {"real": (0.9, 0.0, 0.0)}
    standings = {one.selector: one for one in uneven_board(harms, rows=8, draws=8).standings()}
    assert standings["real"].more_than_random
    weak = [one for name, one in standings.items() if name != "real" and one.beyond_random.value > 0]
    assert weak
    assert not any(one.more_than_random for one in weak)
    raw = [
        matrices[0].means().map(lambda m: m[..., :1] - m[..., 2:]).p_values().item()
        for matrices in uneven_board(harms, rows=8, draws=8).matrices.values()
    ]
    assert [standings[name].p for name in harms] == pytest.approx(holm(raw), rel=1e-6)


def test_differences_have_intervals_for_all_selectors_at_once() -> None:
    made = uneven_board({f"s{index}": (0.3, 0.1, 0.0) for index in range(5)})
    (matrices, *_) = made.matrices.values()
    selectivity = matrices[0].means().map(lambda m: m[..., :1] - m[..., 1:2])
    standing = next(one for one in made.standings() if one.selector == "s0")
    (alone,), (at_once,) = selectivity.scores(), selectivity.scores(1 - 0.05 / 5)
    assert (standing.selectivity.low, standing.selectivity.high) == pytest.approx((at_once.low, at_once.high))
    assert at_once.low < alone.low < alone.high < at_once.high


def test_models_that_differ_widen_the_interval() -> None:
    alike = uneven_board({"a": (0.5, 0.1, 0.0)}, models=3).standings()[0].own
    apart = [matrix(model, 0.5 + 0.3 * (model - 1), 0.1, 0.0, spread=0.1, rows=30) for model in range(3)]
    differing = Scoreboard(("x", "y", "z"), 5, {"a": apart}, {}, Signature()).standings()[0].own
    assert differing.high - differing.low > 5 * (alike.high - alike.low)
    half = (differing.high - differing.low) / 2
    by_model = [float(one.means().value[0]) for one in apart]
    assert half > 4.302653 * statistics.stdev(by_model) / 3**0.5  # t over models, and the rows beside


def test_a_scoreboard_needs_a_matrix_a_model() -> None:
    with pytest.raises(ConfigError, match="each with a matrix a model"):
        Scoreboard(("one", "two"), 5, {"a": [matrix(0, 0.1, 0.1, 0.1)]}, {}, Signature())
    with pytest.raises(ConfigError, match="got 0 selectors"):
        Scoreboard(("one",), 5, {}, {}, Signature())


def accuracies(base: list[float], masked: list[list[float]]) -> AblationMatrix:
    def right(shares: list[float]) -> torch.Tensor:
        counts = torch.zeros(20, len(shares), 2, dtype=torch.float64)
        counts[..., 1] = 1
        for place, share in enumerate(shares):
            counts[: round(20 * share), place, 0] = 1
        return counts

    ablated = torch.stack([right(row) for row in masked])
    size = len(base)
    random = right(base).expand(1, size, 20, size, 2)
    return AblationMatrix("t", LANGUAGES[:size], (1,) * size, ExactAnswer(), right(base), ablated, random, Signature())


def test_langspec_f1_equals_the_formula() -> None:
    base, masked = [0.8, 0.6, 0.4], [[0.2, 0.5, 0.45], [0.8, 0.6, 0.4], [0.7, 0.5, 0.0]]
    found = langspec_f1(accuracies(base, masked))
    for t, language in enumerate(LANGUAGES):
        harm = [max(base[g] - masked[t][g], 0) for g in range(3)]
        others = sum(harm[g] for g in range(3) if g != t) / 2
        expected = 0.0
        if harm[t] > 0:
            precision, recall = harm[t] / (harm[t] + others), harm[t] / base[t]
            expected = 2 * precision * recall / (precision + recall)
        assert math.isclose(found[language].value, expected, abs_tol=1e-12)
    with pytest.raises(ConfigError, match="more is better"):
        langspec_f1(matrix(0, 0.1, 0.1, 0.1))
