"""Selection by responses, importance, scores and sets, against plain loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.errors import ConfigError, LayoutMismatchError
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules import responses as responses_module
from neuroglot.neurons.rules.responses import average_precision, by_average_precision, by_probe, probe_weights
from neuroglot.neurons.rules.scores import by_scores
from neuroglot.neurons.rules.sets import by_consistency, exclusive, shared
from tests.neurons import selectors_oracle as oracle
from tests.neurons.selectors_oracle import LAYERS, LAYOUT, NEURONS, plain, top

SEEDS = st.integers(0, 2**31)
COUNTS = st.integers(1, NEURONS)
NAMES = ("de", "sw", "zh", "ar")
quick = settings(deadline=None, max_examples=40)


def labelled(texts: int, languages: int, seed: int, values: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Responses, of so many distinct values (any where 0), and labels with every language."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, languages, (texts,), generator=generator)
    labels[:languages] = torch.arange(languages)
    drawn = torch.randn(texts, NEURONS, generator=generator)
    if values:
        drawn = torch.randint(0, values, (texts, NEURONS), generator=generator).float()
    drawn[:, 3] = 1.5
    return drawn, labels


def precisions(responses: torch.Tensor, labels: torch.Tensor, languages: int) -> oracle.Rows:
    columns = responses.T.tolist()
    rows = []
    for language in range(languages):
        positive = [label == language for label in labels.tolist()]
        rows.append([oracle.average_precision(column, positive) for column in columns])
    return rows


@quick
@given(SEEDS, st.integers(2, 4), st.integers(4, 15), st.sampled_from([0, 2, 4]))
def test_average_precision_equals_the_steps_of_the_curve(seed: int, languages: int, texts: int, values: int) -> None:
    responses, labels = labelled(texts, languages, seed, values)
    for language, row in enumerate(precisions(responses, labels, languages)):
        assert average_precision(responses, labels == language).tolist() == pytest.approx(row)


def test_average_precision_of_known_cases() -> None:
    """The example of scikit-learn's documentation; ties count as one threshold; NaN is nothing."""
    responses = torch.tensor([[0.1, 1.0, math.nan], [0.4, 1.0, 1.0], [0.35, 1.0, 2.0], [0.8, 1.0, 3.0]])
    got = average_precision(responses, torch.tensor([False, False, True, True])).tolist()
    assert got[:2] == pytest.approx([0.8333333, 0.5])
    assert math.isnan(got[2])


@quick
@given(SEEDS, st.integers(2, 4), COUNTS, st.sampled_from(["both", "top", "bottom"]))
def test_by_average_precision_equals_the_loops(seed: int, languages: int, count: int, ends) -> None:
    responses, labels = labelled(60, languages, seed)
    sets = by_average_precision(responses, labels, LAYOUT, NAMES[:languages], count=count, ends=ends)
    for members, row in zip(plain(sets), precisions(responses, labels, languages), strict=True):
        row[3] = math.nan  # never varies
        at_top = {"both": math.ceil(count / 2), "top": count, "bottom": 0}[ends]
        highest = top(row, at_top)
        lowest = top([math.nan if n in highest else -value for n, value in enumerate(row)], count - at_top)
        worst = {round(row[n], 9) for n in members ^ (highest | lowest)}  # equal on paper, not to the last bit
        assert len(worst) <= 2
        assert len(members) == min(count, NEURONS - 1) == len(highest | lowest)


def test_equal_precisions_give_the_first_neurons_and_never_one_twice() -> None:
    responses = torch.tensor([[1.0], [1.0], [0.0], [0.0]]).expand(4, NEURONS)
    labels = torch.tensor([0, 1, 0, 1])
    assert plain(by_average_precision(responses, labels, LAYOUT, NAMES[:2], count=5)) == [set(range(5))] * 2


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    responses, labels = labelled(20, 3, 0)
    whole = average_precision(responses, labels == 1), probe_weights(responses, labels, 3)
    monkeypatch.setattr(responses_module, "_CHUNK", 3)
    torch.testing.assert_close(whole[0], average_precision(responses, labels == 1))
    torch.testing.assert_close(whole[1], probe_weights(responses, labels, 3), equal_nan=True)


def ridge(responses: torch.Tensor, labels: list[int], languages: int, penalty: float) -> torch.Tensor:
    """Weights (XᵀX + λM·I)⁻¹XᵀY over neurons that vary, by the textbook; NaN for the others."""
    columns = []
    for column in responses.T.double().tolist():
        mean = sum(column) / len(column)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in column) / len(column))
        columns.append([(value - mean) / deviation for value in column] if deviation else None)
    used = [n for n, column in enumerate(columns) if column]
    features = torch.tensor([columns[n] for n in used], dtype=torch.float64).T
    shares = [labels.count(language) / len(labels) for language in range(languages)]
    targets = torch.tensor([[float(label == g) - shares[g] for g in range(languages)] for label in labels]).double()
    normal = features.T @ features + penalty * len(used) * torch.eye(len(used), dtype=torch.float64)
    weights = torch.full((languages, NEURONS), math.nan, dtype=torch.float64)
    weights[:, used] = torch.linalg.solve(normal, features.T @ targets).T
    return weights


@quick
@given(SEEDS, st.integers(2, 4), st.integers(5, 40), st.sampled_from([0.01, 1.0, 30.0]), COUNTS)
def test_the_probe_is_ridge_regression(seed: int, languages: int, texts: int, penalty: float, count: int) -> None:
    responses, labels = labelled(texts, languages, seed)
    expected = ridge(responses, labels.tolist(), languages, penalty)
    torch.testing.assert_close(probe_weights(responses, labels, languages, penalty), expected, equal_nan=True)
    sets = by_probe(responses, labels, LAYOUT, NAMES[:languages], count=count, penalty=penalty)
    assert plain(sets) == [top(row, count) for row in expected.tolist()]


def test_the_probe_leaves_out_what_is_not_finite_and_finds_what_tells_languages_apart() -> None:
    responses, labels = labelled(40, 2, 1)
    responses[3, 8], responses[5, 9] = math.nan, math.inf
    responses[:, 11] = (labels == 1).float()
    weights = probe_weights(responses, labels, 2)
    assert weights.isnan().all(0).nonzero()[:, 0].tolist() == [3, 8, 9]
    assert plain(by_probe(responses, labels, LAYOUT, NAMES[:2], count=1))[1] == {11}
    assert torch.equal(weights.nan_to_num(), probe_weights(responses, labels, 2).nan_to_num())
    with pytest.raises(ConfigError, match="'de' has 17 neurons"):
        by_probe(responses, labels, LAYOUT, NAMES[:2], count=18, equal=True)
    with pytest.raises(ConfigError, match="penalty"):
        by_probe(responses, labels, LAYOUT, NAMES[:2], penalty=0)


@pytest.mark.parametrize("rule", [by_average_precision, by_probe])
def test_responses_that_do_not_fit_are_refused(rule) -> None:
    responses, labels = labelled(12, 3, 0)
    wrong = (labels * 2, labels[:5], labels.float())
    for changed, names in (
        *((changed, NAMES[:3]) for changed in wrong), (labels, NAMES), (labels * 0, ("de",)),
        (labels, ("de", "sw", "de")),
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            rule(responses, changed, LAYOUT, names)
    with pytest.raises(LayoutMismatchError):
        rule(responses[:, :19], labels, LAYOUT, NAMES[:3])
    with pytest.raises(ConfigError, match="Expected one of both, top, bottom"):
        by_average_precision(responses, labels, LAYOUT, NAMES[:3], ends="middle")  # type: ignore[arg-type]


def importances(languages: int, seed: int, values: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    texts = {}
    for place, name in enumerate(NAMES[:languages]):
        liking = torch.randint(0, values, (1, NEURONS), generator=generator)
        noise = torch.randint(0, values, (place + 1, NEURONS), generator=generator)
        texts[name] = (liking * 2 + noise).float()
    return texts


@quick
@given(SEEDS, st.integers(2, 4), st.integers(1, 9), st.sampled_from([2, 50]))
def test_consistency_is_the_intersection_over_texts(seed: int, languages: int, depth: int, values: int) -> None:
    texts = importances(languages, seed, values)
    expected = []
    for rows in texts.values():
        of_texts = [set().union(*({layer[0] + n for n in top([row[m] for m in layer], depth)} for layer in LAYERS))
                    for row in rows.tolist()]  # fmt: skip
        expected.append(set.intersection(*of_texts))
    sets = by_consistency(texts, LAYOUT, depth=depth)
    assert plain(sets) == expected
    common = set.intersection(*expected)
    assert plain({"": shared(sets)}) == [common]
    assert plain(exclusive(sets)) == [members - common for members in expected]
    others = [set().union(*(other for place, other in enumerate(expected) if place != mine))
              for mine in range(languages)]  # fmt: skip
    assert plain(exclusive(sets, than="any")) == [a - b for a, b in zip(expected, others, strict=True)]


@quick
@given(SEEDS, st.integers(1, NEURONS), st.sampled_from([2, 50]))
def test_consistency_of_a_number_lies_between_two_depths(seed: int, count: int, values: int) -> None:
    texts = importances(3, seed, values)
    sets = by_consistency(texts, LAYOUT, count=count, equal=True)
    depths = [plain(by_consistency(texts, LAYOUT, depth=depth)) for depth in range(1, 9)]
    for place, members in enumerate(plain(sets)):
        assert len(members) == count
        assert any(a[place] <= members <= b[place] for a, b in zip([[set()] * 3, *depths], depths))


@quick
@given(SEEDS, st.integers(2, 4), st.integers(0, 8))
def test_consistency_by_value_is_above_the_threshold_in_all_texts(seed: int, languages: int, threshold: int) -> None:
    texts = importances(languages, seed, 5)
    expected = [{n for n in range(NEURONS) if all(row[n] >= threshold for row in rows.tolist())}
                for rows in texts.values()]  # fmt: skip
    assert plain(by_consistency(texts, LAYOUT, threshold=threshold)) == expected


def test_consistency_keeps_the_share_of_the_code_and_never_nan() -> None:
    texts = {"de": torch.arange(20.0).repeat(2, 1), "sw": torch.arange(20.0).repeat(2, 1)}
    texts["sw"][1, 19] = math.nan
    texts["sw"][0, 11] = math.inf
    assert plain(by_consistency(texts, LAYOUT)) == [{4, 11, 19}, {4, 11}]  # 18 % of 5, 7 and 8 is one each
    assert 19 not in plain(by_consistency(texts, LAYOUT, depth=8))[1]
    assert plain(by_consistency(texts, LAYOUT, threshold=11))[1] == set(range(11, 19))
    text = torch.full((1, 20), -math.inf)
    text[0, 2] = math.nan
    assert plain(by_consistency({"de": text, "sw": text}, LAYOUT, depth=3))[0] == {0, 1, 3, 5, 6, 7, 12, 13, 14}


def test_consistency_refuses_what_is_unclear() -> None:
    texts = importances(2, 0, 9)
    for options in ({"depth": 2, "threshold": 1.0}, {"depth": 2, "count": 3}, {"depth": 0}, {"equal": True},
                    {"threshold": math.nan}):  # fmt: skip
        with pytest.raises(ConfigError):
            by_consistency(texts, LAYOUT, **options)
    with pytest.raises(ConfigError, match="two or more"):
        by_consistency({"de": texts["de"]}, LAYOUT)
    with pytest.raises(ConfigError, match="'sw' has no texts"):
        by_consistency(texts | {"sw": torch.zeros(0, 20)}, LAYOUT)
    with pytest.raises(LayoutMismatchError):
        by_consistency(texts | {"sw": torch.zeros(3, 19)}, LAYOUT)


def test_sets_of_one_language_or_another_comparison_are_refused() -> None:
    empty = NeuronSet.empty(LAYOUT)
    for rule in (shared, exclusive):
        with pytest.raises(ConfigError, match="two or more"):
            rule({"de": empty})
    with pytest.raises(ConfigError, match="than='none'"):
        exclusive({"de": empty, "sw": empty}, than="none")  # type: ignore[arg-type]
    assert dict(exclusive({"de": empty, "sw": empty})["de"].signature.fields)["exclusive_of"] == "shared"


@quick
@given(SEEDS, st.integers(2, 4), COUNTS, st.sampled_from([3, 10**6]))
def test_scores_equal_the_loops(seed: int, languages: int, count: int, values: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, values, (languages, NEURONS), generator=generator).double()
    scores[0, 5] = math.nan
    rows, names = scores.tolist(), NAMES[:languages]
    tops = [top(row, count) for row in rows]
    assert plain(by_scores(scores, LAYOUT, names, count=count, contrast="none")) == tops
    others = [set().union(*(tops[k] for k in range(languages) if k != g)) for g in range(languages)]
    apart = [a - b for a, b in zip(tops, others, strict=True)]
    assert plain(by_scores(scores, LAYOUT, names, top_share=count / NEURONS)) == apart
    margins = []
    for g in range(languages):
        margins.append([rows[g][n] - max(rows[k][n] for k in range(languages) if k != g) for n in range(NEURONS)])
        margins[g][5] = math.nan
    got = by_scores(scores, LAYOUT, names, count=count, contrast="margin")
    assert plain(got) == [top(row, count) for row in margins]


@quick
@given(SEEDS, st.integers(2, 4), st.integers(1, 8), st.sampled_from([3, 10**6]))
def test_differences_of_sets_grow_until_each_language_has_the_count(
    seed: int, languages: int, count: int, values: int
) -> None:
    scores = torch.randint(0, values, (languages, NEURONS), generator=torch.Generator().manual_seed(seed)).double()
    scores[0, 5] = math.nan
    rows = scores.tolist()
    expected = []
    for g in range(languages):
        others = [row for k, row in enumerate(rows) if k != g]
        depths = range(NEURONS + 1)
        apart = [top(rows[g], depth) - set().union(*(top(row, depth) for row in others)) for depth in depths]
        wanted = min(count, max(map(len, apart)))
        expected.append(next(found for found in apart if len(found) >= wanted))
    sets = by_scores(scores, LAYOUT, NAMES[:languages], count=count)
    assert plain(sets) == expected
    assert max(map(len, expected)) <= count
    if {len(found) for found in expected} == {count}:
        assert plain(by_scores(scores, LAYOUT, NAMES[:languages], count=count, equal=True)) == expected


def test_scores_that_do_not_fit_are_refused() -> None:
    scores = torch.rand(2, 20)
    for options in ({"contrast": "sets", "equal": True}, {"contrast": "ratio"}, {"count": 0}):
        with pytest.raises(ConfigError):
            by_scores(scores, LAYOUT, NAMES[:2], **options)
    for wrong, names in ((scores[:, :4], NAMES[:2]), (scores, NAMES[:3]), (scores[0], NAMES[:2])):
        with pytest.raises(LayoutMismatchError):
            by_scores(wrong, LAYOUT, names)


def test_of_an_odd_count_at_both_ends_the_top_has_one_more() -> None:
    """A neuron's precision falls with its place: the earlier the text it fires most on, the fewer are of language 0."""
    responses = torch.full((8, NEURONS), 1.0)
    labels = torch.tensor([0, 0, 1, 1, 1, 1, 1, 1])
    responses[0] = 0.5
    for neuron in range(NEURONS):  # the two texts of language 0 stand behind so many others
        responses[:2, neuron] = 1.0 - neuron / NEURONS
        responses[2:, neuron] = torch.linspace(0.05, 0.95, 6)
    sets = by_average_precision(responses, labels, LAYOUT, NAMES[:2], count=3)
    row = precisions(responses, labels, 2)[0]
    ordered = sorted(range(NEURONS), key=lambda neuron: (-row[neuron], neuron))
    lowest = min(row)
    assert plain(sets)[0] == {*ordered[:2], row.index(lowest)}


def test_what_is_left_of_a_set_has_read_what_both_have() -> None:
    sets = {name: NeuronSet.empty(LAYOUT).selected_on({place, 7}) for place, name in enumerate(NAMES[:2])}
    for than in ("all", "any"):
        assert [neurons.read.tolist() for neurons in exclusive(sets, than=than).values()] == [[0, 1, 7]] * 2
