"""Labels and short answers: exact match and F1 as SQuAD and MLQA normalise; McNemar's test on right and wrong."""

import math

import pytest

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import Score
from neuroglot.metrics.texts import TextOptions, Texts, choose_metrics, score_texts
from neuroglot.metrics.texts.answers import answer_words_mlqa, answer_words_squad
from neuroglot.metrics.texts.scoring import Comparison, told_from_none


def scores(metric: str, rows: list[tuple[str, ...]], options: TextOptions | None = None) -> list[float]:
    """The score of each row by itself; the first of a row is the output, the others are references."""
    return [
        score_texts(Texts(row[:1], tuple((text,) for text in row[1:])), [metric], options)[0].score.value
        for row in rows
    ]


def test_containment_is_in_lower_case_and_of_any_reference() -> None:
    rows = [
        ("It is Mount EVEREST, I think.", "everest"), ("Everest", "Mount Everest"), ("it is", "no", " It "),
        ("", "x"),
    ]  # fmt: skip
    assert scores("containment", rows) == [100, 0, 100, 0]
    blank = Texts(("anything", "y"), ((" ", "y"), ("x", " ")))
    assert choose_metrics(["containment"], TextOptions())["containment"].counts(blank).tolist() == [[0, 1], [1, 1]]
    (whole,) = score_texts(Texts(("ab", "b"), (("a", "a"),)), ["containment"], baseline=("x", "a"))
    assert str(whole.signature).startswith("nrefs:1|case:lc|match:substring|")
    assert whole.baseline is not None
    assert whole.baseline.test == "McNemar, exact"


def test_labels_are_right_or_wrong() -> None:
    rows = [(" entailment", "entailment"), ("Entailment", "entailment"), ("ja", "nein", "ja "), ("", "nein")]
    assert scores("accuracy", rows) == [100, 0, 100, 0]
    (whole,) = score_texts(Texts(("a", "b", "c", "d"), (("a", "b", "c", "x"),)), ["accuracy"])
    assert whole.score.value == 75


def test_squad_normalises_english_only() -> None:
    assert answer_words_squad("The  Cat's (an) “Hat”") == ["cats", "“hat”"]
    rows = [
        ("the Eiffel Tower!", "Eiffel tower"),
        ("Eiffel", "Eiffel tower"),
        ("der Turm", "Turm"),
        ("the", "a"),
        ("x", "y", "x."),
    ]
    assert scores("exact-match", rows) == [100, 0, 0, 100, 100]
    assert scores("f1", rows) == pytest.approx([100, 200 / 3, 200 / 3, 0, 100])  # the fourth has no word


def test_f1_takes_the_best_reference_and_counts_repeated_words() -> None:
    rows = [("b b c", "x", "b c c d"), ("", "word"), ("x y", "z"), ("b b c", "b b d")]
    assert scores("f1", rows) == pytest.approx([100 * 2 * 2 / 7, 0, 0, 100 * 2 * 2 / 6])


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("de", "Der  „Turm“ einer Stadt.", ["turm", "stadt"]),
        ("en", "An apple, the end", ["apple", "end"]),
        ("es", "¿La Casa?", ["casa"]),
        ("vi", "cái Nhà của tôi", ["nhà", "tôi"]),
        ("hi", "दिल्ली।", ["दिल्ली"]),
        ("ar", "في البيت؟", ["في", "بيت"]),
        ("zh", "约 12年，GDP", ["约", "12", "年", "gdp"]),
    ],
)
def test_mlqa_normalises_by_language(language: str, text: str, words: list[str]) -> None:
    assert answer_words_mlqa(text, language) == words


def test_the_normalisation_is_chosen_and_stands_in_the_signature() -> None:
    german = TextOptions(language="deu_Latn", normalization="mlqa")
    assert scores("exact-match", [("der Turm", "Turm")], german) == [100]
    assert scores("f1", [("北京市", "北京")], TextOptions(language="zh", normalization="mlqa")) == pytest.approx([80])
    (found,) = score_texts(Texts(("x",), (("x",),)), ["f1"], german)
    assert dict(found.signature.fields)["norm"] == "mlqa-de"
    for options, message in (
        (TextOptions(normalization="mlqa"), "depends on the language"),
        (TextOptions(language="ru", normalization="mlqa"), "defined for ar, de, en"),
    ):
        with pytest.raises(ConfigError, match=message):
            score_texts(Texts(("x",), (("x",),)), ["exact-match"], options)


def test_right_and_wrong_are_compared_by_mcnemar() -> None:
    reference = ("ja",) * 30
    system = ("ja",) * 20 + ("nein",) * 10
    other = ("ja",) * 8 + ("nein",) * 20 + ("ja",) * 2
    (found,) = score_texts(Texts(system, (reference,)), ["accuracy"], baseline=other)
    assert found.baseline is not None
    assert found.baseline.test == "McNemar, exact"
    assert found.baseline.p == pytest.approx(2 * (1 + 14 + 91) / 2**14)
    assert found.baseline.difference.value == pytest.approx(100 / 3)


def test_a_difference_of_right_and_wrong_has_its_own_interval() -> None:
    """Bonett and Price: as if two rows more changed, one each way."""
    reference = ("ja",) * 30
    system = ("ja",) * 20 + ("nein",) * 10
    other = ("ja",) * 8 + ("nein",) * 20 + ("ja",) * 2
    (found,) = score_texts(Texts(system, (reference,)), ["accuracy"], baseline=other)
    assert found.baseline is not None
    rose, fell, t29 = 12 + 1, 2 + 1, 2.045230
    middle = (rose - fell) / 32
    half = t29 * math.sqrt(((rose + fell) / 32 - middle**2) / 32)
    ends = found.baseline.difference.low, found.baseline.difference.high
    assert ends == pytest.approx((100 * (middle - half), 100 * (middle + half)))


def test_differences_are_counted_after_holms_correction() -> None:
    """0.001 · 3 is below 0.05, then 0.03 · 2 is not, so that the last is none either."""

    def comparison(p: float) -> Comparison:
        return Comparison(50.0, Score(1.0, 0.0, 2.0), p, "exchange of systems")

    assert told_from_none([comparison(p) for p in (0.03, 0.001, 0.04)]) == 1
    assert told_from_none([comparison(0.03)]) == 1
    assert told_from_none([comparison(p) for p in (0.6, 0.9)]) == 0
