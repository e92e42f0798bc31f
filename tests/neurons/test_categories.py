"""Readings of sharing against plain loops over rows, neurons and choices of languages."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
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
        mean = sum(by_loops(active[:, list(choice)]) for choice in choices) / len(choices)
        torch.testing.assert_close(shares_among(sharing, number), mean)


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
