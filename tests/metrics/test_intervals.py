"""Resampling of draws, models and seeds against a plain loop, and conditions that add up to effects."""

import pytest
import torch

from neuroglot.metrics.intervals import RESAMPLES, RESAMPLING_SEEDS, Score, mean_scores, resampled_means, score_table
from tests.reports import making


def drawn_with(seed: int, *shape: int, among: int) -> torch.Tensor:
    return torch.randint(among, shape, generator=torch.Generator().manual_seed(seed))


def test_each_set_has_draws_of_its_own() -> None:
    values = torch.randn(RESAMPLES, 3, 2, 4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    drawn = drawn_with(1, RESAMPLES, 3, 2, among=3)
    means = resampled_means(values, "draws")
    for resample in (0, 1, 999):
        for one_set in range(2):
            picked = [values[resample, int(draw), one_set] for draw in drawn[resample, :, one_set]]
            torch.testing.assert_close(means[resample, one_set], sum(picked) / 3)
    assert (drawn[:, :, 0] != drawn[:, :, 1]).any()


@pytest.mark.parametrize(("level", "seed"), [("models", 2), ("seeds", 3)])
def test_models_and_seeds_are_drawn_once_for_all_that_they_give(level: str, seed: int) -> None:
    values = torch.randn(RESAMPLES, 4, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    means = resampled_means(values, level)  # type: ignore[arg-type]
    drawn = drawn_with(seed, RESAMPLES, 4, among=4)
    for resample in (0, 1, 999):
        torch.testing.assert_close(means[resample], values[resample, drawn[resample]].sum(0) / 4)


def test_no_two_levels_are_drawn_in_step() -> None:
    assert sorted(RESAMPLING_SEEDS) == ["draws", "models", "rows", "seeds"]
    assert len(set(RESAMPLING_SEEDS.values())) == 4


def test_tables_of_scores_keep_their_places() -> None:
    resamples = torch.arange(6.0).reshape(2, 3).expand(RESAMPLES, 2, 3)
    table = score_table(resamples[0], resamples)
    assert [[score.value for score in row] for row in table] == [[0, 1, 2], [3, 4, 5]]
    assert mean_scores(torch.ones(5, 2, dtype=torch.int64)) == [Score.exact(1), Score.exact(1)]


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
