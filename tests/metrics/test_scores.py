"""Metrics and the ablation matrix against explicit sums."""

import dataclasses
import json
import math

import pytest
import torch

from neuroglot.metrics import (
    AblationMatrix,
    BitsPerByte,
    Evaluation,
    ExactAnswer,
    NatsPerToken,
    Predictions,
    Score,
)
from neuroglot.metrics.intervals import by_rows
from neuroglot.signature import Signature

SHARES = ((0.5, 0.3, 0.2), (0.1, 0.2, 0.7), (0.6, 0.3, 0.1))  # probabilities of three words at three scored tokens


def predictions() -> Predictions:
    return Predictions(
        logits=lambda: (torch.tensor(SHARES).log() + 3).split(2),  # a constant does not change probabilities
        targets=torch.tensor([0, 1, 0]),
        scored=torch.tensor([[True, True, False], [True, False, False]]),
        text_bytes=torch.tensor([6, 2]),
    )


def test_metrics_from_counts_equal_their_formulas() -> None:
    nats, bits, exact = NatsPerToken(), BitsPerByte(), ExactAnswer()
    summed = nats.counts(predictions()).sum(0)
    loss = -math.log(0.5) - math.log(0.2) - math.log(0.6)
    assert math.isclose(float(nats.value(summed)), loss / 3, rel_tol=1e-6)
    assert math.isclose(float(bits.value(summed)), loss / math.log(2) / 8, rel_tol=1e-6)
    assert exact.counts(predictions()).tolist() == [[0, 1], [1, 1]]
    assert float(exact.value(exact.counts(predictions()).sum(0))) == 0.5


def test_evaluation_scores_have_intervals_around_their_values() -> None:
    counts = torch.stack([torch.rand(30, 2).double() * 5, torch.full((30, 2), 4.0).double()], dim=-1)
    scores = Evaluation("d", ("de", "zh"), NatsPerToken(), counts, Signature()).scores
    for place, language in enumerate(("de", "zh")):
        assert math.isclose(scores[language].value, float(counts[:, place, 0].sum() / 120))
        assert scores[language].low < scores[language].value < scores[language].high


def a_matrix(metric=None, draws: int = 3) -> AblationMatrix:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(3, 9, (20, 2, 1), generator=generator).double()

    def losses(*shape: int) -> torch.Tensor:
        nll = torch.rand(*shape, 20, 2, 1, generator=generator).double() * 5
        return torch.cat([nll, tokens.expand(*shape, 20, 2, 1), 4 * tokens.expand(*shape, 20, 2, 1)], dim=-1)

    return AblationMatrix(
        "d", ("de", "zh"), (3, 4), metric or NatsPerToken(), losses(), losses(2), losses(draws, 2), Signature()
    )


def loss(counts: torch.Tensor, language: int) -> float:
    return sum(float(row[language][0]) for row in counts) / sum(float(row[language][1]) for row in counts)


def test_ablation_matrix_equals_explicit_sums() -> None:
    matrix = a_matrix()
    effects, random = matrix.effects(), matrix.random_effects()
    for neurons in range(2):
        for language in range(2):
            base = loss(matrix.baseline, language)
            expected = loss(matrix.ablated[neurons], language) - base
            assert math.isclose(effects[neurons][language].value, expected)
            drawn = [loss(matrix.random[draw][neurons], language) - base for draw in range(3)]
            assert math.isclose(random[neurons][language].value, sum(drawn) / 3)
    headline = matrix.headline()
    diagonal = (effects[0][0].value + effects[1][1].value) / 2
    off_diagonal = (effects[0][1].value + effects[1][0].value) / 2
    control = (random[0][0].value + random[1][1].value) / 2
    assert math.isclose(headline.diagonal.value, diagonal)
    assert math.isclose(headline.off_diagonal.value, off_diagonal)
    assert math.isclose(headline.random.value, control)
    expected = diagonal / off_diagonal if min(diagonal, off_diagonal) > 0 else math.nan
    assert diagonal <= 0 or off_diagonal <= 0 or math.isclose(headline.diagonal_over_off_diagonal.value, expected)


def test_no_change_is_an_effect_of_exactly_zero_and_a_ratio_of_zero() -> None:
    matrix = a_matrix()
    same = dataclasses.replace(
        matrix,
        ablated=matrix.baseline.expand(2, -1, -1, -1),
        random=matrix.baseline.expand(3, 2, -1, -1, -1),
    )
    scores = [score for row in same.effects() + same.random_effects() for score in row]
    assert all(score.value == 0 and math.isnan(score.low) and math.isnan(score.high) for score in scores)
    assert same.headline().diagonal_over_random.value == 0


def test_accuracy_lost_is_harm() -> None:
    right = torch.ones(10, 2, 2).double()
    wrong = right.clone()
    wrong[..., 0] = 0
    matrix = AblationMatrix(
        "t", ("de", "zh"), (1, 1), ExactAnswer(), right, torch.stack([wrong, right]), torch.stack([right, right])[None],
        Signature(),
    )  # fmt: skip
    assert [[score.value for score in row] for row in matrix.effects()] == [[1, 1], [0, 0]]
    assert matrix.headline().diagonal_over_random.value == math.inf


def test_scores_that_are_not_finite_are_null_in_json() -> None:
    assert json.dumps(Score(math.inf, math.nan, 1.5).to_json()) == '{"value": null, "low": null, "high": 1.5}'


@pytest.mark.parametrize("draws", [1, 5])
def test_more_draws_do_not_change_the_shape_of_the_answer(draws: int) -> None:
    assert len(a_matrix(draws=draws).random_effects()) == 2


def test_no_interval_goes_beyond_what_a_metric_can_be() -> None:
    """Two rows of which one is read without an error: Student's t would go below no loss at all."""
    losses = torch.tensor([[0.0, 0.1], [3.0, 2.0]], dtype=torch.float64)
    counts = torch.stack([losses, torch.full_like(losses, 4), torch.full_like(losses, 16)], dim=-1)
    evaluation = Evaluation("d", ("de", "zh"), NatsPerToken(), counts, Signature())
    assert [score.low for score in evaluation.scores.values()] == [0, 0]
    assert evaluation.mean.low == 0 < evaluation.mean.value < evaluation.mean.high
    off = torch.stack([counts + 1, counts + 2])
    matrix = AblationMatrix("d", ("de", "zh"), (1, 1), NatsPerToken(), counts, off, off[None], Signature())
    baseline, _ = matrix.values()
    assert [score.low for score in matrix.levels(baseline)] == [0, 0]
    bounded = dataclasses.replace(matrix, metric=NatsPerToken(ends=(0.0, 1.0)))
    change = by_rows(counts).map(lambda summed: 8 * summed[..., 0] / summed[..., 1] - 1)
    free = dataclasses.replace(matrix, metric=NatsPerToken(ends=(-math.inf, math.inf)))
    assert all(score.low < -1 and score.high > 1 for score in free.differences(change))
    assert [(score.low, score.high) for score in bounded.differences(change)] == [(-1, 1)] * 2
