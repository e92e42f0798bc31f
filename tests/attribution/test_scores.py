"""Identities of both scores, categories by plain count, and the top share against sorted Python."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.attribution.scores import (
    GROUPS,
    by_group,
    contribution,
    effective,
    groups_of,
    masked,
    projections,
    scattered,
    top_members,
    top_size,
)
from tests.attribution.oracle import top_of

SEEDS = st.integers(0, 10**6)


def network(seed: int) -> tuple[torch.Tensor, ...]:
    """Coefficients `[5, N]`, value vectors `[N, D]`, bias `[D]` and two directions `[2, D]`, in float64."""
    generator = torch.Generator().manual_seed(seed)
    neurons, width = (int(torch.randint(1, 30, (1,), generator=generator)) for _ in range(2))
    shapes = (5, neurons), (neurons, width), (width,), (2, width)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


@given(SEEDS)
def test_effects_and_bias_add_up_to_what_the_network_writes(seed: int) -> None:
    m, v, b, u = network(seed)
    summed = effective(m, projections(v, u[:1])).sum(1) + u[0] @ b
    torch.testing.assert_close(summed, (m @ v + b) @ u[0], rtol=1e-4, atol=1e-4)


@given(SEEDS, st.floats(-3, 3), st.floats(-3, 3))
def test_the_effective_score_is_linear_in_the_direction(seed: int, a: float, b: float) -> None:
    m, v, _, u = network(seed)
    first, second = (effective(m, projections(v, u[place : place + 1])) for place in range(2))
    mixed = effective(m, projections(v, (a * u[0] + b * u[1])[None]))
    torch.testing.assert_close(mixed, a * first + b * second, rtol=1e-4, atol=1e-3)


@given(SEEDS)
def test_contribution_bounds_the_effect_and_knows_no_sign(seed: int) -> None:
    m, v, _, u = network(seed)
    c = contribution(m, v.norm(dim=1))
    assert bool((effective(m, projections(v, u[:1])).abs() <= c * u[0].norm() * (1 + 1e-5) + 1e-6).all())
    flipped = torch.where(torch.rand(m.shape, generator=torch.Generator().manual_seed(seed)) < 0.5, -m, m)
    assert torch.equal(contribution(flipped, (-v).norm(dim=1)), c)


@given(SEEDS, st.integers(2, 6))
def test_groups_are_counts_of_languages(seed: int, languages: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    fired = torch.rand(3, languages, 11, generator=generator) < torch.rand(1, generator=generator)
    groups = groups_of(fired)
    for row in range(3):
        for neuron in range(11):
            owners = int(fired[row, :, neuron].sum())
            for language in range(languages):
                here = ", active" if bool(fired[row, language, neuron]) else ", inactive"
                expected = "partial-shared" + here if 1 < owners < languages else "specific" + here
                expected = {0: "non-activated", languages: "all-shared"}.get(owners, expected)
                assert GROUPS[groups[row, language, neuron]] == expected


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.floats(0.001, 1))
def test_the_top_is_that_of_a_stable_sort(values: list[int], share: float) -> None:
    size = top_size(share, len(values))
    assert 1 <= size <= len(values)
    members = top_members(torch.tensor([values, values[::-1]], dtype=torch.float32), size)
    for line, listed in zip(members, (values, values[::-1]), strict=True):
        assert set(line.nonzero()[:, 0].tolist()) == top_of([float(value) for value in listed], size)


def test_the_top_share_of_the_paper_is_800_neurons() -> None:
    assert top_size(0.0488, 16_384) == 800
    assert top_size(0.0001, 24) == 1


@settings(max_examples=25)
@given(SEEDS)
def test_groups_partition_sums_counts_and_extremes(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randint(0, 6, (2, 3, 17), generator=generator).to(torch.uint8)
    values = torch.randn(2, 3, 17, generator=generator)
    top = top_members(values, 4)
    kept = by_group(groups, top, {"score": values})
    assert kept["sizes"].sum(-1).unique().tolist() == [17]
    assert kept["top"].sum(-1).unique().tolist() == [4]
    torch.testing.assert_close(kept["score_sum"].sum(-1), values.sum(-1), rtol=1e-4, atol=1e-4)
    assert torch.equal(kept["score_max"].amax(-1), values.amax(-1))
    assert torch.equal(kept["score_min"].amin(-1), values.amin(-1))
    for group in range(6):
        inside = values[0, 0][groups[0, 0] == group]
        expected = (float(inside.max()), float(inside.min())) if len(inside) else (-torch.inf, torch.inf)
        assert (float(kept["score_max"][0, 0, group]), float(kept["score_min"][0, 0, group])) == pytest.approx(expected)


@settings(max_examples=25)
@given(SEEDS, st.sampled_from(["sum", "max", "min"]))
def test_scattering_and_masking_are_the_same(seed: int, statistic: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randint(0, 6, (2, 3, 9), generator=generator).to(torch.uint8)
    values = torch.randn(2, 3, 9, generator=generator)
    torch.testing.assert_close(scattered(groups, values, statistic), masked(groups, values, statistic))
    counts = torch.ones_like(groups, dtype=torch.int32)
    assert torch.equal(scattered(groups, counts, "sum"), masked(groups, counts, "sum"))
