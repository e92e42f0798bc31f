"""Standings and LangSpec-F1 against explicit sums; ranks by counting."""

import math

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.metrics import ExactAnswer, NatsPerToken
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.scoreboard import Scoreboard, langspec_f1
from neuroglot.signature import Signature

LANGUAGES = ("de", "sw", "zh")


def matrix(seed: int, own: float, other: float, random: float, own_only: bool = False) -> AblationMatrix:
    """Losses of 8 rows: each condition adds its harm to every token, a little different on each row."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(3, 9, (8, 3), generator=generator).double()
    noise = torch.rand(8, 3, generator=generator).double()

    def losses(harm: torch.Tensor) -> torch.Tensor:
        return torch.stack([tokens * (1 + harm) + noise, tokens, tokens], dim=-1)

    same = torch.eye(3, dtype=torch.float64)
    ablated = torch.stack([losses(own * same[s] + other * (1 - same[s])) for s in range(3)])
    drawn = torch.stack([losses(torch.full((3,), random + 0.01 * k, dtype=torch.float64)) for k in range(2)])
    drawn = drawn[:, None].expand(2, 3, 8, 3, 3).clone()
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
        assert found.low <= found.value + 1e-12
        assert found.high >= found.value - 1e-12
    assert math.isclose(best.beyond_random.value, 0.465)
    assert best.sizes == (4, 6)
    assert all(math.isclose(value, 0.4) for value in best.by_model)
    assert standings[2].beyond_random.high <= 0


def test_ranks_are_shared_by_equal_selectors_and_random_sets_need_only_their_own_language() -> None:
    standings = board(first=(0.5, 0.1, 0.0), second=(0.5, 0.1, 0.0)).standings()
    assert [one.rank.value for one in standings] == [1, 1]
    full, own_only = matrix(3, 0.4, 0.1, 0.05), matrix(3, 0.4, 0.1, 0.05, own_only=True)
    for one, other in zip(full.means(), own_only.means(), strict=True):
        torch.testing.assert_close(one, other)
    assert full.headline() == own_only.headline()


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
