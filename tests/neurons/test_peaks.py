"""Top-p% neurons against sorting triples, as the figure's definition says."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.errors import ConfigError
from neuroglot.layout import Layout
from neuroglot.neurons.comparing import find_peaks, shares_by_layer, thinned_ranks

LAYOUT = Layout((("decoder", (6, 4)),))


@given(st.lists(st.integers(0, 4), min_size=10, max_size=10), st.floats(0.05, 1))
def test_peaks_equal_sorted_triples(counts: list[int], share: float) -> None:
    triples = sorted(((-count, place) for place, count in enumerate(counts)))[: int(share * 10)]
    kept = [(place, -count) for count, place in triples if count < 0]
    peaks = find_peaks(torch.tensor(counts), LAYOUT, share)
    assert peaks.neurons.members.nonzero()[:, 0].tolist() == sorted(place for place, _ in kept)
    assert peaks.counts.tolist() == [count for _, count in kept]
    assert peaks.by_layer == [sum(place < 6 for place, _ in kept), sum(place >= 6 for place, _ in kept)]
    ranks = thinned_ranks(peaks, 3)
    assert all(peaks.counts[rank - 1] == count for rank, count in ranks)
    assert not kept or (ranks[0][0], ranks[-1][0]) == (1, len(kept))


def test_shares_are_of_tokens_and_neurons() -> None:
    counts = {"direct": torch.arange(10), "pmi-1": torch.ones(10, dtype=torch.int64)}
    shares = shares_by_layer(counts, {"direct": 10, "pmi-1": 2}, LAYOUT)
    assert shares["direct"].tolist() == pytest.approx([15 / 60, 30 / 40])
    assert shares["pmi-1"].tolist() == pytest.approx([0.5, 0.5])


def test_a_share_out_of_range_is_refused() -> None:
    for share in (0.0, 1.5):
        with pytest.raises(ConfigError, match="top_share"):
            find_peaks(torch.ones(10), LAYOUT, share)
