"""Consistency of answers across languages against counts by hand and over all pairs."""

from itertools import combinations
from math import sqrt

import pytest
import torch

from neuroglot.errors import ConfigError
from neuroglot.metrics.consistency import (
    ALL_RIGHT,
    ALL_SAME,
    NONE_RIGHT,
    RIGHT,
    RIGHT_ALIKE,
    SAME_ANSWER,
    Consistency,
)
from neuroglot.metrics.intervals import share_means
from neuroglot.signature import Signature

LANGUAGES = ("de", "en", "sw")
GOLD = ("3", "5", "7", "9")
ANSWERS = {"de": ("3", "5", None, "1"), "en": ("3", "5", "7", "2"), "sw": ("3", "6", None, "1")}


def made(answers: dict[str, tuple[str | None, ...]] = ANSWERS, *, comparable: bool = True) -> Consistency:
    right = [[float(answers[language][row] == gold) for language in answers] for row, gold in enumerate(GOLD)]
    read = answers if comparable else {}
    return Consistency("numeric", tuple(answers), tuple("abcd"), torch.tensor(right), read, Signature())


def test_every_measure_is_a_mean_over_questions() -> None:
    found = {name: score.value for name, score in made().scores.items()}
    pairs = list(combinations(ANSWERS, 2))
    same = [[ANSWERS[one][row] == ANSWERS[two][row] is not None for one, two in pairs] for row in range(4)]
    right = [[ANSWERS[language][row] == gold for language in ANSWERS] for row, gold in enumerate(GOLD)]
    alike = [[row[i] == row[j] for i, j in combinations(range(3), 2)] for row in right]
    assert found == pytest.approx(
        {
            RIGHT: 100 * sum(map(sum, right)) / 12,
            ALL_RIGHT: 100 * sum(map(all, right)) / 4,
            NONE_RIGHT: 100 * sum(not any(row) for row in right) / 4,
            RIGHT_ALIKE: 100 * sum(map(sum, alike)) / 12,
            SAME_ANSWER: 100 * sum(map(sum, same)) / 12,
            ALL_SAME: 100 * sum(map(all, same)) / 4,
        }
    )
    assert found == pytest.approx(
        {RIGHT: 50, ALL_RIGHT: 25, NONE_RIGHT: 25, RIGHT_ALIKE: 200 / 3, SAME_ANSWER: 500 / 12, ALL_SAME: 25}
    )


def test_languages_are_compared_pair_by_pair() -> None:
    found = made().same_by_pair
    assert {pair: score.value for pair, score in found.items()} == {
        ("de", "en"): 50, ("de", "sw"): 50, ("en", "sw"): 25,
    }  # fmt: skip
    z, share, rows = 1.959964, 0.25, 4
    middle, half = (share + z * z / 8) / (1 + z * z / 4), z * sqrt(share * 0.75 / rows + z * z / 64) / (1 + z * z / 4)
    score = found["en", "sw"]
    assert (score.low, score.high) == pytest.approx((100 * (middle - half), 100 * (middle + half)), abs=1e-4)
    assert made(comparable=False).same_by_pair == {}
    assert set(made(comparable=False).scores) == {RIGHT, ALL_RIGHT, NONE_RIGHT, RIGHT_ALIKE}


def test_a_difference_is_paired_by_question() -> None:
    worse = {"de": (None,) * 4, "en": ("3", "1", "1", "9"), "sw": ("3", "1", "1", "1")}
    found = made().minus(made(worse))
    assert found[RIGHT].score.value == pytest.approx(100 * (6 - 3) / 12)
    assert found[RIGHT].p == pytest.approx(2 * (1 + 4) / 16)  # three questions rose, one fell
    assert found[ALL_RIGHT].score.value == 25
    assert found[ALL_RIGHT].score.low <= 25 <= found[ALL_RIGHT].score.high


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="two languages or more"):
        Consistency("numeric", ("de",), ("a",), torch.ones(1, 1), {}, Signature())
    with pytest.raises(ConfigError, match=r"\[1, 2\]"):
        Consistency("numeric", ("de", "en"), ("a", "b"), torch.ones(1, 2), {}, Signature())
    fewer = {language: ANSWERS[language] for language in ("de", "en")}
    with pytest.raises(ConfigError, match="The baseline has 4 questions in de, en"):
        made().minus(made(fewer))


def test_shares_over_languages_and_pairs_have_as_many_answers() -> None:
    """Wilson's interval grows with the variance of one answer, which a mean over languages hides if rows agree."""
    made_right = torch.tensor([[1.0, 1, 0]] * 4)
    scores = Consistency("numeric", LANGUAGES, tuple("abcd"), made_right, {}, Signature()).scores
    (languages,), (pairs,) = (share_means(torch.full((4, 1), share), 3) for share in (2 / 3, 1 / 3))
    for name, expected in ((RIGHT, languages), (RIGHT_ALIKE, pairs)):
        assert (scores[name].low, scores[name].high) == pytest.approx((100 * expected.low, 100 * expected.high))
