"""Readings of sharing against plain loops over rows, neurons and choices of languages."""

import math
from itertools import combinations
from statistics import mean, stdev

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.metrics.sharing import (
    category_ranges,
    category_shares,
    change_of_shares,
    shares_by_number_of_languages,
)
from neuroglot.neurons.categories import (
    active_shares_by_row,
    layer_shares_by_row,
    repetition,
    repetition_histogram,
    shares_among,
)
from neuroglot.neurons.comparing import SharingChange
from neuroglot.signature import Signature
from tests.oracles import categories

LAYOUT = Layout((("decoder", (7, 5)),))


def random_sharing(languages: int, rows: int, seed: int, corpus: str = "a") -> tuple[Sharing, torch.Tensor]:
    """Sharing of random firing `[R, G, N]`, and the firing."""
    active = torch.rand(rows, languages, 12, generator=torch.Generator().manual_seed(seed)) > 0.4
    shared = active.sum(1)
    histogram = torch.stack([(shared == count).sum(0) for count in range(languages + 1)])
    by_row = torch.stack([LAYOUT.sum_by_layer((shared == count).long()) for count in range(languages + 1)], dim=-1)
    counts = histogram, active.sum(0), by_row.int(), LAYOUT.sum_by_layer(active.long()).transpose(1, 2).int()
    signature = Signature.of(model="m", corpus_hash=corpus, rows=rows, site="post_act")
    return Sharing(LAYOUT, tuple("abcdef"[:languages]), Recording.sharing_matters(), *counts, signature), active


def by_loops(active: torch.Tensor) -> torch.Tensor:
    """Category shares `[R, L, 4]` of firing `[R, G, N]`."""
    return torch.tensor(
        [
            [
                [count / layer.width for count in categories(row[:, layer.neurons].tolist()).values()]
                for layer in LAYOUT.layers
            ]
            for row in active
        ],
        dtype=torch.float64,
    )


@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 2**31))
def test_shares_among_fewer_languages_are_the_mean_over_all_choices(languages: int, rows: int, seed: int) -> None:
    sharing, active = random_sharing(languages, rows, seed)
    torch.testing.assert_close(shares_among(sharing, languages), layer_shares_by_row(sharing))
    for number in range(2, languages + 1):
        choices = list(combinations(range(languages), number))
        expected = sum(by_loops(active[:, list(choice)]) for choice in choices) / len(choices)
        torch.testing.assert_close(shares_among(sharing, number), expected)


@given(st.integers(2, 4), st.integers(1, 6), st.integers(0, 2**31))
def test_repetition_equals_the_loops(languages: int, rows: int, seed: int) -> None:
    sharing, active = random_sharing(languages, rows, seed)
    always, histogram = repetition(sharing), repetition_histogram(sharing, bins=4)
    kinds = ["all-shared", "partial-shared", "specific", "non-activated"]
    kind = [[next(k for k, n in categories([[bool(f)] for f in row[:, n]]).items() if n) for row in active]
            for n in range(12)]  # fmt: skip
    for place, name in enumerate(kinds):
        times = [of_neuron.count(name) for of_neuron in kind]
        for number, layer in enumerate(LAYOUT.layers):
            of_layer = times[layer.neurons]
            assert always[number, place].item() == sum(time == rows for time in of_layer) / layer.width
        expected = [sum(time == 0 for time in times)]
        expected += [sum(bin < 4 * time / rows <= bin + 1 for time in times) for bin in range(4)]
        assert histogram[place].tolist() == expected


def test_active_shares_count_neurons_of_each_language() -> None:
    sharing, active = random_sharing(3, 4, 0)
    shares = active_shares_by_row(sharing)
    for row in range(4):
        for number, layer in enumerate(LAYOUT.layers):
            for language in range(3):
                count = sum(active[row, language, layer.neurons].tolist())
                assert shares[row, number, language].item() == count / layer.width


def test_a_number_of_languages_that_is_not_there_is_refused() -> None:
    sharing, _ = random_sharing(3, 2, 0)
    for number in (1, 4):
        with pytest.raises(ConfigError, match="Expected 2 to 3"):
            shares_among(sharing, number)


def test_a_change_pairs_rows_and_refuses_others() -> None:
    before, first = random_sharing(3, 5, 0)
    after, second = random_sharing(3, 5, 1)
    torch.testing.assert_close(SharingChange(before, after).category_shares, by_loops(second) - by_loops(first))
    other, _ = random_sharing(3, 5, 1, corpus="b")
    with pytest.raises(LayoutMismatchError, match="corpus_hash"):
        SharingChange(before, other)
    fewer, _ = random_sharing(2, 5, 1)
    with pytest.raises(LayoutMismatchError, match="the languages"):
        SharingChange(before, fewer)


def overall(active: torch.Tensor) -> list[list[float]]:
    """Category shares `[R][4]` of all neurons, whatever their layer."""
    return [[count / active.shape[2] for count in categories(row.tolist()).values()] for row in active]


def test_shares_of_all_neurons_are_means_of_counts_not_of_layers() -> None:
    sharing, active = random_sharing(3, 6, 0)
    of_all, of_layers = overall(active), by_loops(active)
    shares, ranges = category_shares(sharing), category_ranges(sharing)
    for kind in range(4):
        column = [row[kind] for row in of_all]
        assert shares.overall[kind].value == pytest.approx(mean(column))
        least_to_most = ranges.overall[kind]
        assert [least_to_most.value, least_to_most.low, least_to_most.high] == pytest.approx(
            [mean(column), min(column), max(column)]
        )
        for depth in range(2):
            of_layer = of_layers[:, depth, kind].tolist()
            score = ranges.by_layer[kind][depth]
            assert [score.value, score.low, score.high] == pytest.approx([mean(of_layer), min(of_layer), max(of_layer)])


def test_shares_are_given_for_every_number_of_languages_from_two_to_all() -> None:
    sharing, active = random_sharing(4, 5, 1)
    found = shares_by_number_of_languages(sharing)
    assert list(found) == [2, 3, 4]
    for number, scores in found.items():
        choices = list(combinations(range(4), number))
        for kind, score in enumerate(scores):
            rows = [row[kind] for choice in choices for row in overall(active[:, list(choice)])]
            assert score.value == pytest.approx(mean(rows))


def test_a_change_is_in_points_and_its_interval_is_not_cut_at_one() -> None:
    before, first = random_sharing(3, 6, 0)
    after, second = random_sharing(3, 6, 1)
    found = change_of_shares(SharingChange(before, after))
    for kind in range(4):
        points = [100 * (b[kind] - a[kind]) for a, b in zip(overall(first), overall(second), strict=True)]
        half = float(t.ppf(0.975, 5)) * stdev(points) / math.sqrt(6)
        score = found.overall[kind]
        assert score.value == pytest.approx(mean(points))
        assert [score.low, score.high] == pytest.approx([mean(points) - half, mean(points) + half])
