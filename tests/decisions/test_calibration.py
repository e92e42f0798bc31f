"""Calibration from its formulas, choice by choice; and what is told of languages and transforms."""

import math

import pytest
import torch
from scipy.special import stdtrit

from neuroglot.errors import ConfigError
from neuroglot.metrics.calibration import (
    COVERAGES,
    Calibration,
    area,
    brier_score,
    calibration_counts,
    expected_error,
    mean_confidence,
    mean_loss,
    reliability,
    risks,
    share_right,
)
from neuroglot.metrics.intervals import by_rows, confidence_of_each, row_means
from neuroglot.signature import Signature


def choices(seed: int, number: int = 90, rows: int = 12, size: int = 4, heat: float = 1.5):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(number, size, generator=generator, dtype=torch.float64) * 2
    chosen = torch.distributions.Categorical(logits=scores / heat).sample()
    chosen = (scores / heat).softmax(-1).multinomial(1, generator=generator)[:, 0]
    return scores.log_softmax(-1), chosen, torch.randint(rows, (number,), generator=generator), rows


def plainly(logs, chosen) -> dict[str, float]:
    """Every number by a loop over choices."""
    bins = [[0, 0.0, 0] for _ in range(10)]
    brier = loss = 0.0
    for row, right in zip(logs.exp().tolist(), chosen.tolist(), strict=True):
        sure = max(row)
        place = min(int(sure * 10), 9)
        bins[place][0] += 1
        bins[place][1] += sure
        bins[place][2] += row.index(sure) == right
        brier += sum((p - (k == right)) ** 2 for k, p in enumerate(row))
        loss -= math.log(row[right])
    n = len(logs)
    return {
        "error": sum(c / n * abs(r / c - s / c) for c, s, r in bins if c),
        "brier": brier / n, "loss": loss / n, "right": sum(b[2] for b in bins) / n, "sure": sum(b[1] for b in bins) / n,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_those_of_a_loop_over_choices(seed) -> None:
    logs, chosen, rows, count = choices(seed)
    counts, expected = calibration_counts(logs, chosen, rows, count), plainly(logs, chosen)
    summed = counts.sum(0)
    own = {
        "error": expected_error(summed), "brier": brier_score(summed), "loss": mean_loss(summed),
        "right": share_right(summed), "sure": mean_confidence(summed),
    }  # fmt: skip
    assert {name: float(value) for name, value in own.items()} == pytest.approx(expected, abs=1e-12)
    without = rows != 3
    assert float(expected_error(summed - counts[3])) == pytest.approx(
        plainly(logs[without], chosen[without])["error"], abs=1e-12
    )


def test_a_sure_model_that_is_half_right_is_off_by_a_half() -> None:
    logs = torch.tensor([[0.0, -torch.inf]] * 4, dtype=torch.float64)
    counts = calibration_counts(logs, torch.tensor([0, 1, 0, 1]), torch.arange(4), 4)
    assert float(expected_error(counts.sum(0))) == 0.5
    assert float(brier_score(counts.sum(0))) == 1.0


def test_the_reliability_diagram_is_each_bins_share_and_mean() -> None:
    logs, chosen, rows, count = choices(2, 300)
    right, sure = reliability(calibration_counts(logs, chosen, rows, count))
    confidence, first = logs.exp().max(-1)
    for place in range(10):
        inside = (confidence * 10).long().clamp(max=9) == place
        if inside.any():
            assert right[place].value == pytest.approx(float((first == chosen)[inside].double().mean()))
            assert sure[place].value == pytest.approx(float(confidence[inside].mean()))
        else:
            assert math.isnan(right[place].value)


def curve(confidence, right) -> list[float]:
    """Risks by coverage, without ties."""
    order = sorted(range(len(right)), key=lambda index: -float(confidence[index]))
    numbers = [math.ceil(len(order) * coverage - 1e-12) for coverage in COVERAGES]
    return [sum(not bool(right[index]) for index in order[:number]) / number for number in numbers]


def test_risks_are_of_the_surest_and_their_intervals_of_rows_left_out() -> None:
    logs, chosen, rows, count = choices(3, 80, rows=9)
    confidence, first = logs.exp().max(-1)
    right = first == chosen
    estimate = risks(confidence, right, rows, count)
    assert estimate.value.tolist() == pytest.approx(curve(confidence, right))
    for row in range(count):
        kept = rows != row
        assert estimate.without["rows"][row].tolist() == pytest.approx(curve(confidence[kept], right[kept]))
    assert area(estimate).value == pytest.approx(sum(curve(confidence, right)) / 10)
    assert area(estimate).low < area(estimate).value < area(estimate).high


def test_the_order_of_choices_that_are_as_sure_changes_no_risk() -> None:
    sure, right = torch.tensor([0.9, 0.5, 0.5, 0.5, 0.5]), torch.tensor([True, True, True, False, False])
    rows = torch.arange(5)
    one = risks(sure, right, rows, 5).value
    order = torch.tensor([4, 3, 2, 1, 0])
    assert torch.allclose(one, risks(sure[order], right[order], rows[order], 5).value)
    assert one.tolist()[-1] == pytest.approx(0.4)
    assert one.tolist()[5] == pytest.approx((0 + 0.5 + 0.5) / 3)


def calibration(*, heats=(1.5, 1.5, 4.0), rows: int = 60) -> Calibration:
    parts = [choices(place, 6 * rows, rows, heat=heat) for place, heat in enumerate(heats)]
    counts, curves = {}, {}
    for name, beta in (("identity", 1.0), ("temperature", 0.6), ("ranks", 0.1)):
        changed = [((beta * logs).log_softmax(-1), *rest) for logs, *rest in parts]
        counts[name] = torch.stack([calibration_counts(*part) for part in changed], dim=1)
        curves[name] = tuple(
            risks(logs.exp().amax(-1), logs.argmax(-1) == right, of, rows) for logs, right, of, _ in changed
        )
    names = ("de", "en", "fr")
    return Calibration("option", "data", names, counts, curves, dict.fromkeys(counts, ({},) * 3), Signature())


def test_differences_are_paired_by_row_and_all_hold_at_once() -> None:
    results = calibration()
    assert results.claims == 6
    per_choice = results.counts["identity"][..., -2] - results.counts["temperature"][..., -2]
    numbers = results.counts["identity"][..., -1]
    difference = per_choice.sum(0) / numbers.sum(0)
    for place, score in enumerate(results.beside_control("identity")):
        assert score.value == pytest.approx(float(difference[place]))
        left = [float(per_choice[:, place].sum() - per_choice[row, place]) /
                float(numbers[:, place].sum() - numbers[row, place]) for row in range(60)]  # fmt: skip
        variance = 59 / 60 * sum((value - sum(left) / 60) ** 2 for value in left)
        (alone,) = row_means(torch.zeros(60, 1) + torch.arange(60)[:, None]).scores(confidence_of_each(6))
        t = (alone.high - alone.value) / math.sqrt(float(torch.arange(60.0).var()) / 60)
        assert score.high - score.value == pytest.approx(t * math.sqrt(variance), rel=1e-6)
    assert [score.value for score in results.error_beside_control("temperature")] == pytest.approx([0, 0, 0])


def test_the_language_that_is_worse_calibrated_is_told() -> None:
    told = calibration().beside_languages("identity")
    assert sum(score.value for score in told) == pytest.approx(0, abs=1e-12)
    assert told[2].low > 0
    wide = told[0].high - told[0].low
    values = by_rows(calibration().counts["identity"]).map(
        lambda summed: expected_error(summed) - expected_error(summed).mean(-1, keepdim=True)
    )
    alone = values.scores()[0]  # at 95 % each; here 95 % of all three
    assert wide / (alone.high - alone.low) == pytest.approx(float(stdtrit(59, 1 - 0.05 / 6) / stdtrit(59, 0.975)))
    alike = calibration(heats=(1.5, 1.5, 1.5)).beside_languages("identity")
    assert all(score.low < 0 < score.high for score in alike)


def test_too_sure_is_above_zero() -> None:
    assert calibration().overconfidence("identity")[2].low > 0


def test_without_its_control_nothing_is_compared() -> None:
    results = calibration()
    counts = {name: part for name, part in results.counts.items() if name != "temperature"}
    with pytest.raises(ConfigError, match="temperature"):
        Calibration("k", "d", results.languages, counts, results.curves, {}, Signature())
