"""The search for languages and their order, against all orders by hand."""

import random
from itertools import permutations

import pytest

from neuroglot.errors import ConfigError
from neuroglot.prompting import search_languages


def table(languages, seed):
    """A random score for every order of every subset."""
    generator = random.Random(seed)
    return {
        order: generator.random() for size in range(1, len(languages) + 1) for order in permutations(languages, size)
    }


@pytest.mark.parametrize("sizes", [None, [2], [1, 3]])
def test_all_orders_are_tried_where_they_are_few(sizes):
    for seed in range(5):
        scores = table("abc", seed)
        allowed = {order: score for order, score in scores.items() if len(order) in (sizes or (1, 2, 3))}
        result = search_languages("abc", scores.__getitem__, sizes=sizes)
        assert result.exhaustive
        assert dict(result.tried) == allowed
        assert result.score == max(allowed.values()) == allowed[result.best]


def test_where_they_are_many_the_best_is_added_step_by_step():
    calls = []

    def score(order):
        """Best is a before b before c, in any company."""
        calls.append(order)
        return sum({"a": 4, "b": 2, "c": 1}.get(language, -1) for language in order) + 0.5 * (
            order == tuple(sorted(order))
        )

    result = search_languages("fedcba", score, cap=100)
    assert (result.best, result.exhaustive) == (("a", "b", "c"), False)
    assert len(calls) == len(result.tried) == 6 + 5 * 2 + 4 * 3 + 3 * 4 + 2 * 5 + 1 * 6
    exactly = search_languages("fedcba", score, cap=20, sizes=[2])
    assert (exactly.best, len(exactly.tried)) == (("a", "b"), 16)


def test_equal_scores_give_the_first_order():
    assert search_languages("ba", lambda order: 0.0).best == ("b",)
    assert search_languages("bacd", lambda order: 0.0, cap=1).best == ("b",)


@pytest.mark.parametrize(
    ("languages", "sizes", "score"),
    [("aa", None, 1), ("ab", [3], 1), ("ab", [0], 1), ("ab", [], 1), ("", None, 1), ("ab", None, float("nan"))],
)
def test_searches_that_make_no_sense_are_refused(languages, sizes, score):
    with pytest.raises(ConfigError):
        search_languages(languages, lambda order: score, sizes=sizes)
