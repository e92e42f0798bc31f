"""Selection by entropy against the loop oracle; random controls; categories and overlap."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons import (
    CATEGORIES,
    NeuronSet,
    at_random_like,
    by_entropy,
    language_entropy,
    layer_shares_by_row,
    overlap_matrix,
    rows_by_category,
    shares_if_independent,
)
from neuroglot.signature import Signature
from tests.oracles import categories, entropy_sets

LAYOUT = Layout((("decoder", (5, 7, 8)),))
LANGUAGES = ("de", "sw", "zh")


def activity_of(fired: torch.Tensor, tokens: torch.Tensor) -> Activity:
    reached = tokens[:, None].expand(-1, 3)
    return Activity(LAYOUT, LANGUAGES[: len(tokens)], Recording(), fired[None], tokens, reached, Signature())


@st.composite
def activities(draw) -> Activity:
    tokens = draw(st.lists(st.integers(1, 997), min_size=2, max_size=3))
    fired = [draw(st.lists(st.integers(0, count), min_size=20, max_size=20)) for count in tokens]
    return activity_of(torch.tensor(fired), torch.tensor(tokens))


@settings(deadline=None)
@given(activities(), st.sampled_from([0.05, 0.2, 0.5, 1.0]), st.sampled_from([0.1, 0.5, 0.9, 0.95, 1.0]))
def test_by_entropy_equals_the_loops(activity: Activity, top_share: float, quantile: float) -> None:
    sets = by_entropy(activity, top_share=top_share, filter_quantile=quantile, owner_quantile=quantile)
    rates = activity.rates().tolist()
    expected = entropy_sets(rates, top_share, quantile, quantile)
    entropy = language_entropy(activity.rates())
    for language, owned in zip(activity.languages, expected, strict=True):
        got = set(sets[language].members.nonzero()[:, 0].tolist())
        # Entropies that are equal on paper may be ordered either way by their last bit: the differing neurons must tie.
        worst = max((float(entropy[neuron]) for neuron in got | owned), default=0.0)
        assert all(math.isclose(float(entropy[neuron]), worst, abs_tol=1e-9) for neuron in got ^ owned)


def test_entropy_of_one_language_is_zero_of_all_alike_is_its_maximum_and_of_none_is_nan() -> None:
    rates = torch.tensor([[1.0, 0.3, 0.0, 0.5], [0.0, 0.3, 0.0, 0.25], [0.0, 0.3, 0.0, 0.25]]).double()
    one, alike, none, mixed = language_entropy(rates).tolist()
    assert one == 0
    assert math.isclose(alike, math.log(3))
    assert math.isnan(none)
    assert math.isclose(mixed, 1.5 * math.log(2))


def test_neurons_that_never_fire_are_never_selected() -> None:
    sets = by_entropy(activity_of(torch.zeros(2, 20).long(), torch.tensor([5, 5])), top_share=1.0)
    assert [len(neurons) for neurons in sets.values()] == [0, 0]


def test_a_neuron_may_have_several_owners_and_a_language_none() -> None:
    fired = torch.zeros(3, 20).long()
    fired[0, 3] = fired[1, 3] = 90
    sets = by_entropy(activity_of(fired, torch.tensor([100, 100, 100])), top_share=0.05, filter_quantile=0.5)
    assert [neurons.indices() for neurons in sets.values()] == [{("decoder", 0): [3]}, {("decoder", 0): [3]}, {}]
    assert dict(sets["zh"].signature.fields)["language"] == "zh"


@pytest.mark.parametrize(
    "options", [{"top_share": 0}, {"top_share": 1.1}, {"filter_quantile": 0}, {"owner_quantile": -1}]
)
def test_shares_outside_their_range_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match="Expected a share"):
        by_entropy(activity_of(torch.ones(2, 20).long(), torch.tensor([5, 5])), **options)


def test_one_language_and_no_tokens_are_refused() -> None:
    with pytest.raises(ConfigError, match="two or more"):
        by_entropy(activity_of(torch.ones(1, 20).long(), torch.tensor([5])))
    with pytest.raises(ConfigError, match="'sw' has no tokens"):
        by_entropy(activity_of(torch.zeros(2, 20).long(), torch.tensor([5, 0])))


masks = st.lists(st.booleans(), min_size=20, max_size=20).map(torch.tensor)


@given(masks, st.integers(0, 2**31))
def test_random_controls_match_the_size_of_every_layer(members: torch.Tensor, seed: int) -> None:
    neurons = NeuronSet(LAYOUT, members)
    control = at_random_like(neurons, seed)
    assert control.counts_by_layer() == neurons.counts_by_layer()
    assert control == at_random_like(neurons, seed)


def test_random_controls_differ_by_seed_and_reach_every_neuron() -> None:
    neurons = NeuronSet.of(LAYOUT, {("decoder", 1): [0, 1]})
    drawn = torch.stack([at_random_like(neurons, seed).members for seed in range(300)]).double().mean(0)
    assert drawn[:5].sum() == drawn[12:].sum() == 0
    assert drawn[5:12].min() > 2 / 7 - 0.12
    assert drawn[5:12].max() < 2 / 7 + 0.12


@given(masks, masks)
def test_set_algebra_is_that_of_sets(first: torch.Tensor, second: torch.Tensor) -> None:
    a, b = NeuronSet(LAYOUT, first), NeuronSet(LAYOUT, second)
    plain_a, plain_b = ({i for i in range(20) if mask[i]} for mask in (first, second))
    for combined, plain in ((a | b, plain_a | plain_b), (a & b, plain_a & plain_b), (a - b, plain_a - plain_b)):
        assert set(combined.members.nonzero()[:, 0].tolist()) == plain
        assert len(combined) == len(plain) == sum(combined.counts_by_layer())
    assert NeuronSet.of(LAYOUT, a.indices()) == a
    matrix = overlap_matrix({"a": a, "b": b})
    union = len(plain_a | plain_b)
    assert math.isnan(matrix[0, 1]) if not union else math.isclose(matrix[0, 1], len(plain_a & plain_b) / union)


def test_sets_of_another_layout_or_range_are_refused() -> None:
    other = NeuronSet.empty(Layout((("decoder", (20,)),)))
    with pytest.raises(LayoutMismatchError, match="decoder 1×20"):
        NeuronSet.empty(LAYOUT) | other
    for place, neuron in ((("decoder", 0), 5), (("decoder", 0), -1), (("decoder", 3), 0), (("encoder", 0), 0)):
        with pytest.raises(LayoutMismatchError, match=f"Neuron {neuron} of {place[0]} layer {place[1]}"):
            NeuronSet.of(LAYOUT, {place: [neuron]})


@given(st.integers(2, 4), st.integers(1, 4), st.integers(0, 2**31))
def test_categories_equal_the_loops(languages: int, rows: int, seed: int) -> None:
    active = torch.rand(rows, languages, 20, generator=torch.Generator().manual_seed(seed)) > 0.4
    shared = active.sum(1)
    histogram = torch.stack([(shared == count).sum(0) for count in range(languages + 1)])
    by_row = torch.stack(
        [LAYOUT.sum_by_layer((shared == count).long()) for count in range(languages + 1)], dim=-1
    ).int()
    names = tuple("abcd"[:languages])
    counts = histogram, active.sum(0), by_row, LAYOUT.sum_by_layer(active.long()).transpose(1, 2).int()
    sharing = Sharing(LAYOUT, names, Recording.sharing_matters(), *counts, Signature())
    shares = layer_shares_by_row(sharing)
    for row in range(rows):
        for place, layer in enumerate(LAYOUT.layers):
            counts = categories(active[row][:, layer.neurons].tolist())
            assert shares[row, place].tolist() == [counts[name] / layer.width for name in CATEGORIES]
    assert rows_by_category(sharing).sum(0).tolist() == [rows] * 20
    check_independence(sharing)


def check_independence(sharing: Sharing) -> None:
    """The baseline against a sum over all 2^G patterns."""
    rates, languages = sharing.fired.double() / sharing.rows, len(sharing.languages)
    expected = torch.zeros(len(CATEGORIES), 20, dtype=torch.float64)
    for pattern in range(2**languages):
        bits = [bool(pattern >> place & 1) for place in range(languages)]
        chance = torch.ones(20, dtype=torch.float64)
        for place, bit in enumerate(bits):
            chance = chance * (rates[place] if bit else 1 - rates[place])
        expected[CATEGORIES.index(next(k for k, v in categories([[bit] for bit in bits]).items() if v))] += chance
    got = shares_if_independent(sharing)
    for place, layer in enumerate(LAYOUT.layers):
        torch.testing.assert_close(got[place], expected[:, layer.neurons].mean(1))


def test_random_controls_have_as_many_neurons_in_every_expert() -> None:
    layout = Layout((("decoder", ((3, 4), 5)),))
    neurons = NeuronSet.of(layout, {("decoder", 0): [0, 1, 2, 9], ("decoder", 1): [4]})
    for seed in range(20):
        members = at_random_like(neurons, seed).members
        assert [int(part.sum()) for part in members.split([4, 4, 4, 5])] == [3, 0, 1, 1]
