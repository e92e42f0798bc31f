"""The headline says what came out: harm, none, its opposite, or nothing to compare with."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.corpora.directions import is_direction
from neuroglot.metrics.ablation import Headline
from neuroglot.metrics.intervals import Score
from neuroglot.metrics.metrics import ExactAnswer, NatsPerToken
from neuroglot.reports.wording import harm_sentence, joined, language_label, left_out, multiple, number, number_range
from neuroglot.showing import languages_in_short, noun_of

CODES = ("de", "en", "es", "fr", "hi", "ja", "pt-BR", "ru", "sw", "zh-Hans")
HARM, LITTLE, RANDOM = Score(0.08, 0.07, 0.09), Score(0.01, 0.009, 0.011), Score(0.02, 0.015, 0.025)
EIGHT, FOUR = Score(8, 7, 9.5), Score(4, 3, 6)


def sentence(own=HARM, other=LITTLE, random=RANDOM, over_other=EIGHT, over_random=FOUR, metric=None) -> str:
    headline = Headline(own, other, random, over_other, over_random)
    return harm_sentence(headline, metric or NatsPerToken(), "flores", CODES)


def test_harm_that_is_greater_than_both_controls() -> None:
    assert sentence() == (
        "Switching off a language's own neurons raises its loss by 0.0800 nats per token [0.0700, 0.0900], on average "
        "over the 10 languages of flores: 8.0 times [7.0, 9.5] the effect of another language's neurons, and 4.0 times "
        "[3.0, 6.0] the effect of as many random neurons."
    )


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (("en-de", "de-en"), "2 directions (en-de, de-en)"),
        (("en-zh-Hans", "zh-Hans-en"), "2 directions (en-zh-Hans, zh-Hans-en)"),
        (("pt-BR-en",), "1 direction (pt-BR-en)"),
        (("pt-BR", "zh-Hans", "en-GB"), "3 languages (pt-BR, zh-Hans, en-GB)"),
        (("en-de", "de"), "2 languages (en-de, de)"),
        (("ca-valencia", "es-419"), "2 languages (ca-valencia, es-419)"),
        (("ca-valencia",), "1 language (ca-valencia)"),
    ],
)
def test_directions_are_called_so(codes: tuple[str, ...], said: str) -> None:
    assert languages_in_short(codes) == said
    assert (noun_of(codes) == "direction") == all(map(is_direction, codes))
    assert f"Left out in all {noun_of(codes)}s: 1 row (long)." in left_out({"long": 1}, codes)


def test_harm_to_directions_is_told_of_directions() -> None:
    headline = Headline(HARM, LITTLE, RANDOM, EIGHT, FOUR)
    text = harm_sentence(headline, NatsPerToken(), "flores", ("en-de", "de-en"))
    assert text.startswith("Switching off a direction's own neurons raises its loss")
    assert "over the 2 directions of flores: 8.0 times [7.0, 9.5] the effect of another direction's neurons" in text
    assert "language" not in text


def test_accuracy_falls_in_percentage_points() -> None:
    assert "lowers its accuracy by 8.00 percentage points [7.00, 9.00]" in sentence(metric=ExactAnswer())


def test_an_interval_around_zero_is_no_effect_and_has_no_ratio() -> None:
    text = sentence(own=Score(0.01, -0.002, 0.03))
    assert "has no effect on its loss that can be told from zero: 0.0100 nats per token [−0.00200, 0.0300]" in text
    assert "times" not in text
    assert "0.0200 nats per token [0.0150, 0.0250] with as many random neurons off" in text


def test_negative_harm_is_called_the_opposite() -> None:
    text = sentence(own=Score(-0.02, -0.03, -0.01))
    assert "does the opposite of harm, it lowers its loss by 0.0200 nats per token [0.0100, 0.0300]" in text
    assert "times" not in text


def test_a_range_of_numbers_that_read_alike_is_one_number() -> None:
    assert number_range([0.5, 0.023, 0.2]) == "0.0230 to 0.500"
    assert number_range([0.7]) == number_range([0.7, 0.70001]) == "0.700"


def test_an_infinite_ratio_is_no_number() -> None:
    text = sentence(other=Score(-0.001, -0.002, 0.0), over_other=Score(math.inf, math.inf, math.inf))
    assert "another language's neurons do no such harm when switched off (−0.00100 nats per token" in text
    assert "inf" not in text


def test_an_interval_open_above_is_unbounded() -> None:
    assert "8.0 times [3.0, unbounded] the effect" in sentence(over_other=Score(8, 3, math.inf))


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(Score(1.4, 0.8, 2), "an interval that includes 1"), (Score(0.5, 0.3, 0.8), "only 0.5 times [0.3, 0.8]")],
)
def test_a_ratio_that_is_not_above_one_says_so(ratio: Score, words: str) -> None:
    assert words in sentence(over_random=ratio)


def test_one_language_has_no_other_to_compare_with() -> None:
    nothing = Score(math.nan, math.nan, math.nan)
    assert "another language" not in sentence(other=nothing, over_other=Score(math.inf, math.inf, math.inf))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_are_short_and_read_back(value: float) -> None:
    text = number(value)
    assert "nan" not in text
    assert "inf" not in text
    if math.isfinite(value):
        read = float(text.replace("−", "-").replace(",", ""))
        assert read == pytest.approx(value, rel=6e-3, abs=0.0)


def test_ratios_and_lists_in_words() -> None:
    assert (multiple(7.94), multiple(23.4), multiple(math.inf)) == ("7.9", "23", "unbounded")
    assert (joined([]), joined(["a"]), joined(["a", "b", "c"])) == ("", "a", "a, b and c")


def test_a_direction_is_no_country() -> None:
    labels = {code: language_label(code) for code in ("de", "en-de", "de-en", "pt-BR", "en-zh-Hans", "no such code")}
    assert labels == {
        "de": "German (de)",
        "en-de": "English → German (en-de)",
        "de-en": "German → English (de-en)",
        "pt-BR": "Portuguese (Brazil) (pt-BR)",
        "en-zh-Hans": "English → Chinese (Simplified) (en-zh-Hans)",
        "no such code": "no such code",
    }
