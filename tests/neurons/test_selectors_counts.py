"""Selectors that read counts and statistics of an Activity, against plain loops."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.layout import Layout
from neuroglot.neurons import NeuronSet, by_entropy
from neuroglot.neurons.rules.common import element_at, ranked
from neuroglot.neurons.rules.rates import by_coverage, by_owner_count, by_penalised_entropy, by_percentile
from neuroglot.neurons.rules.scores import at_random, by_magnitude
from neuroglot.neurons.rules.table import SELECTORS, describe_selectors
from tests.neurons.selectors_oracle import (
    BINS,
    LAYERS,
    LAYOUT,
    NEURONS,
    activity_of,
    bar,
    coverage,
    entropy,
    lowest_owned,
    penalised,
    percentile_shares,
    plain,
    random_activity,
    top,
)

SEEDS = st.integers(0, 2**31)
COUNTS = st.integers(1, NEURONS)
VALUES = st.sampled_from([0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan])
GROUPS = {"layer": LAYERS, "stack": (range(12), range(12, 20)), "model": (range(20),)}
quick = settings(deadline=None, max_examples=40)
RECORDED = ("counts", "moments", "magnitude", "histogram")
FROM_ACTIVITY = [selector for selector in SELECTORS.values() if selector.needs in RECORDED]


@quick
@given(st.lists(st.lists(VALUES, min_size=6, max_size=6), min_size=1, max_size=3), st.integers(1, 6))
def test_ranked_takes_the_first_of_equal_scores_and_never_nan(scores: list[list[float]], count: int) -> None:
    got = ranked(torch.tensor(scores), count=count)
    assert [set(row.nonzero()[:, 0].tolist()) for row in got] == [top(row, count) for row in scores]


def test_ranked_takes_whole_numbers_and_rounds_half_to_even() -> None:
    assert ranked(torch.tensor([[3, 1, 3, 2]]), count=2).tolist() == [[True, False, True, False]]
    assert int(ranked(torch.rand(1, 10), top_share=0.25).sum()) == 2
    assert int(ranked(torch.rand(1, 10), top_share=0.35).sum()) == 4
    assert int(ranked(torch.rand(1, 100)).sum()) == 1


@pytest.mark.parametrize(
    "amount",
    [{"count": 0}, {"count": 21}, {"count": True}, {"count": 2.0}, {"top_share": 0}, {"top_share": math.nan},
     {"top_share": 1.5}, {"top_share": 0.5, "count": 3}],
    ids=str,
)  # fmt: skip
def test_amounts_out_of_range_are_refused_by_every_selector(amount: dict) -> None:
    assert len(FROM_ACTIVITY) == 8
    for selector in FROM_ACTIVITY:
        with pytest.raises(ConfigError, match="Expected"):
            selector.select(random_activity(3, 0), **amount)


def test_one_language_no_tokens_and_missing_statistics_are_refused_by_every_selector() -> None:
    empty = activity_of(torch.zeros(2, NEURONS).long(), torch.tensor([5, 0]))
    for selector in FROM_ACTIVITY:
        with pytest.raises(ConfigError, match="two or more"):
            selector.select(random_activity(1, 0))
        with pytest.raises(ConfigError, match="'l1' has no tokens"):
            selector.select(empty)
        if selector.needs != "counts":
            with pytest.raises(ConfigError, match=f"statistics=\\('{selector.needs}',\\)"):
                selector.select(random_activity(3, 0, kept=()))


@quick
@given(SEEDS, st.integers(2, 4), COUNTS)
def test_equal_sets_are_equal_or_refused(seed: int, languages: int, count: int) -> None:
    activity = random_activity(languages, seed)
    for selector in FROM_ACTIVITY:
        options = {"penalty": 0.1} if selector.name == "penalised-entropy" else {}
        try:
            sets = selector.select(activity, count=count, equal=True, **options)
        except ConfigError as error:
            assert "can be selected" in str(error)  # noqa: PT017
            continue
        assert {len(neurons) for neurons in sets.values()} == {count}
        assert dict(sets["l0"].signature.fields)["equal"] is True


def test_every_selector_writes_its_rule_size_and_language() -> None:
    for selector in FROM_ACTIVITY:
        sets = selector.select(random_activity(3, 1), count=2)
        fields = dict(sets["l1"].signature.fields)
        assert fields["rule"]
        assert (fields["count"], fields["language"]) == (2, "l1")
        assert {neurons.signature for neurons in selector.select(random_activity(3, 1), count=2).values()} == {
            neurons.signature for neurons in sets.values()
        }
        assert len({neurons.signature for neurons in sets.values()}) == 3


@quick
@given(SEEDS, st.integers(2, 4), st.integers(1, 6), st.sampled_from([0.3, 0.6, 0.9]))
def test_entropy_with_equal_sizes_equals_the_loops(seed: int, languages: int, count: int, quantile: float) -> None:
    activity = random_activity(languages, seed)
    rates = activity.rates().tolist()
    cost = [entropy([row[n] for row in rates]) for n in range(NEURONS)]
    owned = [{n for n in range(NEURONS) if row[n] > bar(rates, quantile)} for row in rates]
    expected = lowest_owned(cost, owned, count, True)
    options = {"filter_quantile": quantile, "owner_quantile": quantile}
    if {len(neurons) for neurons in expected} == {count}:
        assert plain(by_entropy(activity, count=count, equal=True, **options)) == expected
    else:
        with pytest.raises(ConfigError, match="can be selected"):
            by_entropy(activity, count=count, equal=True, **options)


def test_entropy_takes_the_first_of_equal_neurons_and_keeps_an_empty_last_language() -> None:
    fired = torch.zeros(3, NEURONS).long()
    fired[0, [3, 9, 15]] = 80
    for amount in ({"count": 2}, {"top_share": 2 / NEURONS}):
        sets = by_entropy(activity_of(fired, torch.tensor([100, 100, 100])), filter_quantile=0.5, **amount)
        assert plain(sets) == [{3, 9}, set(), set()]


@quick
@given(SEEDS, st.integers(2, 4), st.integers(1, 9), st.sampled_from([0.3, 0.6, 0.9]))
def test_a_count_is_for_each_language_and_a_share_for_all_of_them_by_entropy(
    seed: int, languages: int, wanted: int, quantile: float
) -> None:
    activity = random_activity(languages, seed)
    rates = activity.rates().tolist()
    owned = [{n for n in range(NEURONS) if row[n] > bar(rates, quantile)} for row in rates]
    candidates = set().union(*owned)
    cost = [entropy([row[n] for row in rates]) if n in candidates else math.nan for n in range(NEURONS)]
    options = {"filter_quantile": quantile, "owner_quantile": quantile}
    for amount, each in (({"count": wanted}, True), ({"top_share": wanted / NEURONS}, False)):
        sets = by_entropy(activity, **amount, **options)
        assert plain(sets) == lowest_owned(cost, owned, wanted, each)
        asked = {True: "each language", False: "all languages together"}[each]
        signature = sets["l0"].signature
        assert (signature["asked"], signature["asked_for"]) == (wanted, asked)


@quick
@given(SEEDS, st.integers(2, 4), COUNTS, st.sampled_from([0.3, 0.8, 0.95]), st.sampled_from([0.0, 0.07, 0.5]))
def test_penalised_entropy_equals_the_loops(seed, languages: int, count: int, quantile: float, penalty: float) -> None:
    activity = random_activity(languages, seed)
    for amount, each in (({"count": count}, True), ({"top_share": count / NEURONS}, False)):
        sets = by_penalised_entropy(activity, owner_quantile=quantile, penalty=penalty, **amount)
        assert plain(sets) == penalised(activity.rates().tolist(), count, quantile, penalty, each)


@quick
@given(SEEDS, st.integers(2, 4), st.integers(1, 8), st.sampled_from([0.2, 0.5, 0.8]))
def test_the_penalty_is_the_largest_that_leaves_no_neuron_to_all(seed, languages: int, count: int, quantile) -> None:
    activity = random_activity(languages, seed)
    rates = activity.rates().tolist()

    def agnostic(penalty: float) -> bool:
        return bool(set.intersection(*penalised(rates, count, quantile, penalty)))

    low, high = 0.0, 0.2
    if agnostic(low) and agnostic(high):
        with pytest.raises(ConfigError, match="belongs to all languages"):
            by_penalised_entropy(activity, top_share=count / NEURONS, owner_quantile=quantile)
        return
    sets = by_penalised_entropy(activity, top_share=count / NEURONS, owner_quantile=quantile)
    while agnostic(high) and high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if agnostic(middle) else (middle, high)
    expected = low if agnostic(high) else high
    assert dict(sets["l0"].signature.fields)["penalty"] == pytest.approx(expected if agnostic(0.2) else 0.2)
    kinds = by_owner_count(sets)
    assert len(kinds["agnostic"]) == 0


@quick
@given(SEEDS, st.integers(2, 4))
def test_kinds_are_numbers_of_owners(seed: int, languages: int) -> None:
    options = {"top_share": 12 / NEURONS, "owner_quantile": 0.3, "penalty": 0.1}
    sets = by_penalised_entropy(random_activity(languages, seed), **options)
    owners = [sum(n in members for members in plain(sets)) for n in range(NEURONS)]
    kinds = by_owner_count(sets)
    assert plain(kinds) == [
        {n for n in range(NEURONS) if owners[n] == 1},
        {n for n in range(NEURONS) if 1 < owners[n] < languages},
        {n for n in range(NEURONS) if owners[n] == languages},
    ]


def test_kinds_of_one_set_or_of_two_layouts_are_refused() -> None:
    first, other = NeuronSet.empty(LAYOUT), NeuronSet.empty(Layout((("decoder", (20,)),)))
    with pytest.raises(ConfigError, match="two or more"):
        by_owner_count({"a": first})
    with pytest.raises(LayoutMismatchError):
        by_owner_count({"a": first, "b": other})


@pytest.mark.parametrize("penalty", [-0.1, math.inf, math.nan])
def test_penalties_out_of_range_are_refused(penalty: float) -> None:
    with pytest.raises(ConfigError, match="penalty"):
        by_penalised_entropy(random_activity(2, 0), penalty=penalty)


@quick
@given(SEEDS, st.integers(2, 4), COUNTS, st.sampled_from([0.25, 0.5, 0.9]), st.sampled_from(list(GROUPS)))
def test_percentile_equals_the_loops(seed: int, languages: int, count: int, share: float, within) -> None:
    activity = random_activity(languages, seed)
    expected = percentile_shares(activity.statistics["histogram"], share, GROUPS[within])
    sets = by_percentile(activity, count=count, percentile=share, within=within)
    assert plain(sets) == [top(row, count) for row in expected]


def test_a_percentile_above_the_last_edge_or_of_nothing_is_refused() -> None:
    activity = random_activity(2, 0)
    for share, histogram in ((1.0, activity.statistics["histogram"]), (0.5, torch.zeros(2, NEURONS, 28).long())):
        changed = activity_of(activity.fired[0], activity.tokens, {"histogram": histogram}, ("histogram",))
        with pytest.raises(ConfigError, match="last edge"):
            by_percentile(changed, percentile=share)


@quick
@given(SEEDS, st.integers(2, 4), st.sampled_from([0.1, 0.5, 0.7, 0.95, 1.0]), st.sampled_from(list(GROUPS)),
       st.sampled_from([3, 10**6]))  # fmt: skip
def test_coverage_equals_the_loops(seed: int, languages: int, share: float, within, most: int) -> None:
    activity = random_activity(languages, seed, most)
    sets = by_coverage(activity, coverage=share, within=within)
    assert plain(sets) == coverage(activity.fired[0].tolist(), share, GROUPS[within])


@quick
@given(SEEDS, st.sampled_from(list(GROUPS)))
def test_coverage_of_a_number_lies_between_two_coverages(seed: int, within) -> None:
    activity = random_activity(2, seed)
    for count in (1, 5, 12):
        sets = by_coverage(activity, count=count, within=within)
        for language, members in enumerate(plain(sets)):
            row = activity.fired[0, language].tolist()
            bounds = []
            for group in GROUPS[within]:
                ordered = sorted((n for n in group if row[n]), key=lambda n: (-row[n], n))
                total = sum(row[n] for n in ordered)
                bounds += [(sum(row[m] for m in ordered[:place]) / total, n) for place, n in enumerate(ordered)]
            assert members == {n for _, n in sorted(bounds)[:count]}


def test_coverage_of_the_example_in_the_source() -> None:
    """Counts [10, 0, 5, 3, 1, 1]: what `get_ns_masks` keeps at each k, by the specification."""
    fired = torch.zeros(2, NEURONS).long()
    fired[:, 12:18] = torch.tensor([10, 0, 5, 3, 1, 1])
    activity = activity_of(fired, torch.tensor([10, 10]))
    expected = {0.5: {0}, 0.7: {0, 2}, 0.9: {0, 2, 3}, 0.95: {0, 2, 3, 4}, 1.0: {0, 2, 3, 4, 5}}
    for share, kept in expected.items():
        assert plain(by_coverage(activity, coverage=share)) == [{12 + n for n in kept}] * 2


def test_silent_activity_selects_nothing() -> None:
    silent = activity_of(torch.zeros(3, NEURONS).long(), torch.tensor([4, 4, 4]))
    for rule in (by_entropy, by_penalised_entropy, by_coverage):
        assert plain(rule(silent, top_share=1.0)) == [set()] * 3
    assert plain(by_coverage(silent)) == [set()] * 3
    for rule in (by_entropy, by_penalised_entropy):
        with pytest.raises(ConfigError, match="has 0 neurons that can be selected"):
            rule(silent, count=2, equal=True)
    with pytest.raises(ConfigError, match="with equal"):
        by_coverage(silent, equal=True)
    with pytest.raises(ConfigError, match="within='head'"):
        by_coverage(silent, within="head")  # type: ignore[arg-type]


@quick
@given(SEEDS, st.integers(2, 4), COUNTS)
def test_baselines(seed: int, languages: int, count: int) -> None:
    activity = random_activity(languages, seed)
    magnitudes = activity.statistics["sum_of_magnitudes"].tolist()
    rows = [[value / tokens for value in row] for row, tokens in zip(magnitudes, activity.tokens.tolist(), strict=True)]
    assert plain(by_magnitude(activity, count=count)) == [top(row, count) for row in rows]
    drawn = at_random(activity, count=count, seed=seed)
    assert {len(neurons) for neurons in drawn.values()} == {count}
    assert plain(drawn) == plain(at_random(activity, count=count, seed=seed))


def test_random_sets_differ_by_seed_and_language_and_reach_every_neuron() -> None:
    draws = [plain(at_random(random_activity(2, 0), count=5, seed=seed)) for seed in range(200)]
    assert sum(first != second for first, second in draws) > 190
    often = [sum(n in first for first, _ in draws) for n in range(NEURONS)]
    assert 20 < min(often) <= max(often) < 85


def test_the_table_describes_every_selector_once() -> None:
    rows = describe_selectors()
    assert len(rows) == len(SELECTORS) == 13
    columns = ["name", "source", "needs", "activity", "share", "description"]
    assert all(list(row) == columns and all(row.values()) for row in rows)
    assert len({row["description"] for row in rows}) == 13


def test_an_element_is_at_the_rounded_rank() -> None:
    values = torch.arange(1, 11)
    assert [int(element_at(values, quantile, "q")) for quantile in (0.01, 0.25, 0.35, 0.78, 0.95, 1.0)] == [
        1, 2, 4, 8, 10, 10,
    ]  # fmt: skip


def test_the_penalty_stays_below_that_at_which_a_neuron_of_all_is_selected() -> None:
    """One neuron fires at 0.9 in both languages, which own it, another at 0.2 and 0.1, which do not own theirs."""
    fired = torch.zeros(2, NEURONS).long()
    fired[:, 3], fired[0, 7], fired[1, 7] = 90, 20, 10
    activity = activity_of(fired, torch.tensor([100, 100]))
    sets = by_penalised_entropy(activity, top_share=1 / NEURONS, owner_quantile=0.95)
    shares, harmonic = (2 / 3, 1 / 3), (1 + 1 / 2) / 2
    uneven = -sum(share * math.log(share) for share in shares) / math.log(2)
    crossing = (1 - uneven) / ((0.9 - 0.2) / harmonic)
    used = dict(sets["l0"].signature.fields)["penalty"]
    assert crossing - 1e-3 <= used < crossing
    assert plain(sets) == [set(), set()]


def test_coverage_reads_the_threshold_that_is_asked_for() -> None:
    low, high = torch.ones(2, NEURONS).long() * 9, torch.zeros(2, NEURONS).long()
    high[:, [4, 15]] = 5
    single = activity_of(low, torch.tensor([10, 10]))
    both = replace(single, recording=replace(single.recording, fires=(0.0, 0.5)), fired=torch.stack([low, high]))
    assert plain(by_coverage(both, coverage=1.0, threshold=0.5)) == [{4, 15}] * 2
    assert plain(by_coverage(both, coverage=1.0, threshold=0.0)) == [set(range(NEURONS))] * 2


def test_candidates_pass_one_quantile_and_owners_another() -> None:
    """Of 40 rates those above 0.1 make candidates, and above 0.5 owners."""
    fired = torch.zeros(2, NEURONS).long()
    fired[0, :5], fired[1, :5] = torch.tensor([90, 80, 30, 10, 60]), torch.tensor([70, 20, 5, 0, 50])
    activity = activity_of(fired, torch.tensor([100, 100]))
    sets = by_entropy(activity, top_share=1.0, filter_quantile=33 / 40, owner_quantile=36 / 40)
    ordered = sorted(fired.flatten().tolist())
    assert (ordered[32], ordered[35]) == (10, 50)
    assert plain(sets) == [{0, 1, 4}, {0}]


def test_kinds_have_read_what_any_of_the_sets_has() -> None:
    first, second = (NeuronSet.empty(LAYOUT).selected_on(texts) for texts in ({1, 2}, {2, 5}))
    for neurons in by_owner_count({"a": first, "b": second}).values():
        assert neurons.read.tolist() == [1, 2, 5]


def test_at_most_a_number_is_fewer_where_a_language_has_fewer_and_is_never_refused() -> None:
    """The quarter of all rates that lie highest is fewer than 20 neurons of each of three languages."""
    activity = random_activity(3, 1)
    plainly = by_entropy(activity, count=NEURONS, owner_quantile=0.75)
    assert max(map(len, plainly.values())) < NEURONS
    assert plain(by_entropy(activity, count=NEURONS, owner_quantile=0.75, equal="at most")) == plain(plainly)
    with pytest.raises(ConfigError, match="can be selected"):
        by_entropy(activity, count=NEURONS, owner_quantile=0.75, equal=True)


def test_a_neuron_that_never_passes_the_percentile_is_no_candidate() -> None:
    histogram = torch.ones(2, NEURONS, BINS, dtype=torch.int64)
    histogram[:, 4] = 0
    histogram[:, 4, 0] = BINS
    activity = activity_of(
        torch.zeros(2, NEURONS).long(), torch.tensor([9, 9]), {"histogram": histogram}, ("histogram",)
    )
    found = by_percentile(activity, count=NEURONS, percentile=0.5)
    assert plain(found) == [set(range(NEURONS)) - {4}] * 2


def test_the_share_of_percentiles_is_that_of_its_source() -> None:
    (first, _) = by_percentile(random_activity(2, 3)).values()
    assert first.signature["top_share"] == 0.00125  # act-prob-90p: 0.125 %
    (first, _) = by_magnitude(random_activity(2, 3)).values()
    assert first.signature["top_share"] == 0.01


def test_an_equal_share_is_for_each_language_also_where_a_share_is_for_all_together() -> None:
    activity = random_activity(3, 1)
    quantiles = {"filter_quantile": 0.3, "owner_quantile": 0.5}
    sets = by_entropy(activity, top_share=0.1, equal=True, **quantiles)
    assert [len(neurons) for neurons in sets.values()] == [2, 2, 2]  # a tenth of 20
    assert plain(sets) == plain(by_entropy(activity, count=2, **quantiles))
    assert {neurons.signature["asked_for"] for neurons in sets.values()} == {"each language"}
