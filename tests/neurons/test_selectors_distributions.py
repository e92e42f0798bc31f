"""Selection by histograms and by moments, against brute force over partings and plain loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.errors import ConfigError
from neuroglot.neurons.rules import responses
from neuroglot.neurons.rules.responses import by_overlap, partings
from neuroglot.neurons.rules.scores import by_mean_difference
from tests.neurons.selectors_oracle import (
    BINS,
    NEURONS,
    activity_of,
    all_partings,
    lowest_owned,
    overlap,
    plain,
    random_activity,
    top,
)

SEEDS = st.integers(0, 2**31)
quick = settings(deadline=None, max_examples=30)


def with_histogram(histogram: torch.Tensor):
    tokens = torch.full((len(histogram),), 9)
    return activity_of(torch.zeros(len(histogram), NEURONS).long(), tokens, {"histogram": histogram}, ("histogram",))


def owners_of(languages: int, group: frozenset[int]) -> set[int]:
    rest = set(range(languages)) - group
    return {k for side in (group, rest) for k in side if len(side) <= languages / 2}


def best_by_force(histogram: list) -> tuple[list[float], list[set[int]]]:
    """Of each neuron the cost of the best parting, and its owners."""
    costs, owners = [], []
    for neuron in range(NEURONS):
        cost, group = min(all_partings([language[neuron] for language in histogram]), key=lambda found: found[0])
        costs.append(cost)
        owners.append(owners_of(len(histogram), group))
    return costs, owners


def sparse_histogram(languages: int, seed: int) -> torch.Tensor:
    """Few of the bins are filled, differently by language, so that partings differ."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, 5000, (languages, NEURONS, BINS), generator=generator)
    return counts * (torch.rand(languages, NEURONS, BINS, generator=generator) < 0.3) + (counts % 7 == 0)


@quick
@given(SEEDS, st.integers(2, 6))
def test_the_best_parting_is_that_of_brute_force(seed: int, languages: int) -> None:
    histogram = sparse_histogram(languages, seed)
    overlaps, cost, side = partings(histogram)
    rows = histogram.tolist()
    pairs = [overlap(rows[a][n], rows[b][n]) for a in range(languages) for b in range(a) for n in range(NEURONS)]
    assert sorted(overlaps.tolist()) == pytest.approx(sorted(pairs))
    for neuron in range(NEURONS):
        found = all_partings([language[neuron] for language in rows])
        assert cost[neuron] == pytest.approx(min(price for price, _ in found))
        group = {k for k in range(languages) if side[k, neuron]}
        chosen = frozenset(group if languages - 1 not in group else set(range(languages)) - group)
        assert {members: price for price, members in found}[chosen] == pytest.approx(float(cost[neuron]))


@quick
@given(SEEDS, st.integers(2, 5), st.sampled_from([0.01, 0.1, 0.4, 1.0]))
def test_overlap_equals_the_loops(seed: int, languages: int, quantile: float) -> None:
    histogram = sparse_histogram(languages, seed)
    rows = histogram.tolist()
    pairs = sorted(overlap(rows[a][n], rows[b][n]) for a in range(languages) for b in range(a) for n in range(NEURONS))
    bar = pairs[max(1, round(quantile * len(pairs))) - 1] + 1e-12
    costs, owners = best_by_force(rows)
    expected = [{n for n in range(NEURONS) if costs[n] <= bar and k in owners[n]} for k in range(languages)]
    assert plain(by_overlap(with_histogram(histogram), quantile=quantile)) == expected


@quick
@given(SEEDS, st.integers(2, 5), st.integers(1, NEURONS))
def test_overlap_of_a_number_equals_the_loops(seed: int, languages: int, count: int) -> None:
    histogram = sparse_histogram(languages, seed)
    costs, owners = best_by_force(histogram.tolist())
    owned = [{n for n in range(NEURONS) if k in owners[n]} for k in range(languages)]
    expected = lowest_owned(costs, owned, count, True)
    assert plain(by_overlap(with_histogram(histogram), count=count)) == expected


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    histogram = sparse_histogram(4, 1)
    whole = partings(histogram)
    monkeypatch.setattr(responses, "OVERLAP_CHUNK", 3)
    parts = partings(histogram)
    torch.testing.assert_close(whole[1], parts[1])
    assert torch.equal(whole[2], parts[2])
    torch.testing.assert_close(whole[0].sort().values, parts[0].sort().values)


def test_a_neuron_that_one_language_uses_otherwise_is_that_languages() -> None:
    histogram = torch.zeros(4, NEURONS, BINS).long()
    histogram[..., 5] = 10
    histogram[2, 7] = torch.eye(BINS).long()[20] * 10  # elsewhere than in the three others: overlap 0
    histogram[:2, 9] = torch.eye(BINS).long()[21] * 10  # two against two
    assert plain(by_overlap(with_histogram(histogram), count=1)) == [{9}, {9}, {7}, {9}]
    assert plain(by_overlap(with_histogram(histogram))) == [{9}, {9}, {7, 9}, {9}]


def test_neurons_without_samples_are_no_candidates() -> None:
    histogram = sparse_histogram(3, 2)
    histogram[1, :18] = 0
    assert set.union(*plain(by_overlap(with_histogram(histogram), top_share=1.0))) == {18, 19}
    for options in ({}, {"count": 3}):
        with pytest.raises(ConfigError, match="No neuron was sampled"):
            by_overlap(with_histogram(torch.zeros(3, NEURONS, BINS).long()), **options)
    with pytest.raises(ConfigError, match="with equal"):
        by_overlap(with_histogram(histogram), equal=True)


@quick
@given(SEEDS, st.integers(2, 4), st.integers(1, NEURONS), st.sampled_from(["higher", "either"]))
def test_mean_difference_equals_the_loops(seed: int, languages: int, count: int, direction) -> None:
    activity = random_activity(languages, seed)
    tokens = activity.tokens.tolist()
    sums, squares = (activity.statistics[name].tolist() for name in ("sum", "sum_of_squares"))
    rows = []
    for g in range(languages):
        row = []
        for n in range(NEURONS):
            means = [sums[h][n] / tokens[h] for h in range(languages)]
            spread = [squares[h][n] / tokens[h] - means[h] ** 2 for h in range(languages)]
            others = [means[h] for h in range(languages) if h != g]
            distance = means[g] - sum(others) / len(others)
            score = distance / math.sqrt(sum(spread) / languages)
            row.append(abs(score) if direction == "either" else score)
        rows.append(row)
    got = by_mean_difference(activity, count=count, direction=direction)
    for members, row in zip(plain(got), rows, strict=True):
        worst = min(row[n] for n in top(row, count))
        assert len(members) == count
        assert all(row[n] == pytest.approx(worst) for n in members ^ top(row, count))  # |d| of two languages are equal


def test_constant_neurons_do_not_stand_out_by_noise() -> None:
    """A neuron that is 0 is no candidate; one that is always the same ranks by what float32 can tell."""
    total = torch.zeros(2, NEURONS).double()
    total[:, 4] = torch.tensor([100.0, 100.00001])  # always 1, but for the sums' last digits
    total[0, 6] = 50.0  # half a unit, of a deviation of 1
    squares = total.square() / 100
    squares[:, 6] += 100
    statistics = {"sum": total, "sum_of_squares": squares}
    activity = activity_of(torch.zeros(2, NEURONS).long(), torch.tensor([100, 100]), statistics, ("moments",))
    assert plain(by_mean_difference(activity, count=1)) == [{6}, {4}]
    assert plain(by_mean_difference(activity, top_share=1.0)) == [{4, 6}, {4, 6}]
    with pytest.raises(ConfigError, match="direction"):
        by_mean_difference(activity, direction="lower")  # type: ignore[arg-type]


def test_overlap_gives_every_language_as_many_or_is_refused() -> None:
    histogram = sparse_histogram(3, 1)
    _, owners = best_by_force(histogram.tolist())
    least = min(sum(k in of for of in owners) for k in range(3))
    assert 0 < least < NEURONS
    sets = by_overlap(with_histogram(histogram), count=least, equal=True)
    assert {len(neurons) for neurons in sets.values()} == {least}
    with pytest.raises(ConfigError, match="can be selected"):
        by_overlap(with_histogram(histogram), count=least + 1, equal=True)
