"""Numbers read from answers: notations of languages, digits of scripts, and what is not read."""

from decimal import Decimal
from pathlib import Path

import pytest
from babel.numbers import get_decimal_symbol, get_group_symbol
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.errors import ConfigError, CorpusError
from neuroglot.metrics.texts import TextOptions, Texts, score_texts
from neuroglot.metrics.texts.notations import SEPARATORS
from neuroglot.metrics.texts.numbers import read_answer, read_published


@pytest.mark.parametrize(
    ("language", "text", "number"),
    [
        ("en", "She has 3 apples, then 5. The answer is 18.", "18"),
        ("en", "The answer is $1,234.50 in 2 days", "1234.50"),
        ("en", "16 - 3 - 4 = 9 and 9 * 2 = 18 dollars", "18"),
        ("en", "long story 5\n#### 1,200", "1200"),
        ("en", "The answer is 5. No wait, the answer is 7.\nThere are 9 of them.", "7"),
        ("en", "Answer: **42**", "42"),
        ("en", "It falls to -5", "-5"),
        ("en", "It costs -$5.5", "-5.5"),
        ("en", "10-5", "5"),
        ("en", "- 5 apples", "5"),
        ("en", "about .5 of it", "0.5"),
        ("en", "1,234", "1234"),
        ("en", "1.234", "1.234"),
        ("en", "0,125", "0.125"),
        ("en", "1,5", "1.5"),
        ("en", "1.234,5", "1234.5"),
        ("en", "1.234.567", "1234567"),
        ("en", "12'345", "12345"),
        ("de", "1.234,5", "1234.5"),
        ("de", "1,234.5", "1234.5"),
        ("de", "1.234", "1234"),
        ("de", "1,234", "1234"),
        ("de", "1,234 statt 2,5", "2.5"),
        ("de", "2,5 statt 1,234", "1.234"),
        ("de", "2.5 statt 1.234", "1.234"),
        ("de", "The answer is 1,125.", "1125"),
        ("fr", "The answer is 1.125.", "1.125"),
        ("de", "12.5", "12.5"),
        ("de", "1.234.567,25", "1234567.25"),
        ("de", "Die Antwort ist 11 und nicht 3.", "11"),
        ("de", "The answer is 11, nicht 3.", "11"),
        ("fr", "1 234", "1234"),
        ("fr", "1\u202f234\u202f567,5", "1234567.5"),
        ("fr", "en 2020 150 personnes", "150"),
        ("fr", "La réponse est 12 345,5 euros, pas 3.", "12345.5"),
        ("en", "12 345", "12345"),
        ("en", "12\u00a0345", "12345"),
        ("ru", "Ответ — 11.", "11"),
        ("es", "La respuesta es 2.125.", "2125"),
        ("sw", "Jibu ni 1,200. Si 7.", "1200"),
        ("zh", "答案是 11。共3个", "11"),
        ("zh", "一共18个苹果", "18"),
        ("zh", "重18千克", "18"),
        ("ja", "答えは１１です。", "11"),
        ("ko", "답은 5조각입니다", "5"),
        ("hi", "कुल १,२३,४५६ रुपये", "123456"),
        ("bn", "উত্তর হল ১৮।", "18"),
        ("te", "సమాధానం ౧౮.", "18"),
        ("th", "คำตอบคือ ๑,๒๓๔ บาท", "1234"),
        ("ar", "الإجابة هي ١٬٢٣٤٫٥", "1234.5"),
        ("fa", "۱۲۳", "123"),
    ],
)
def test_answers_are_read_by_the_rules_of_their_language(language: str, text: str, number: str) -> None:
    assert read_answer(text, language) == Decimal(number)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", ""), ("en", "eighteen"), ("en", "m²"), ("fr", "1.234"), ("de", "am 12.05.2020"), ("en", "1.234,567.8"),
        ("en", "1,2,3"), ("zh", "一共3万"), ("ko", "5조"), ("zh", "5千元"), ("ar", "١٫٢٫٣"),
    ],
)  # fmt: skip
def test_what_has_no_one_meaning_is_not_read(language: str, text: str) -> None:
    assert read_answer(text, language) is None


@settings(deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 99), st.booleans(), st.sampled_from(sorted(SEPARATORS)))
def test_a_number_written_by_the_rules_is_read_back(whole: int, part: int, negative: bool, language: str) -> None:
    decimal, thousands = SEPARATORS[language]
    written = f"{whole:,}".replace(",", thousands) + f"{decimal}{part:02}"
    expected = Decimal(f"{whole}.{part:02}")
    sign = "-" if negative else ""
    assert read_answer(f"xyz {sign}{written}.", language) == (-expected if negative else expected)
    assert read_answer(f"{sign}{whole:,}".replace(",", thousands), language) == (-whole if negative else whole)


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from(sorted(SEPARATORS)))
def test_any_text_gives_a_number_or_nothing(text: str, language: str) -> None:
    found = read_answer(text, language)
    assert found is None or found.is_finite()


def test_the_notations_are_those_of_cldr() -> None:
    assert len(SEPARATORS) > 80
    for language, (decimal, thousands) in SEPARATORS.items():
        marks = [mark(language, numbering_system="latn") for mark in (get_decimal_symbol, get_group_symbol)]
        assert [decimal, thousands] == [" " if mark in "\u00a0\u202f" else mark for mark in marks], language


def test_unparsed_is_an_outcome_of_its_own() -> None:
    texts = Texts(("The answer is 18.", "no idea", "19", "1,5 Euro"), (("18", "3", "18", "1.5"),))
    (found,) = score_texts(texts, ["numeric"], TextOptions(language="deu"), baseline=("18", "3", "18", "x"))
    assert (found.score.value, found.verbose) == (50, "unparsed = 1")
    assert dict(found.signature.fields)["numbers"] == "de"
    assert found.baseline is not None
    assert (found.baseline.score, found.baseline.test) == (75, "McNemar, exact")


def test_references_are_in_english_notation_whatever_the_language() -> None:
    texts = Texts(("2.125", "2,125"), (("2,125", "#### 2,125"),))
    (found,) = score_texts(texts, ["numeric"], TextOptions(language="de"))
    assert found.score.value == 100
    with pytest.raises(CorpusError, match="row 2 holds no number: 'many'"):
        score_texts(Texts(("1", "1"), (("1", "many"),)), ["numeric"], TextOptions(language="de"))


def test_unknown_notations_are_refused() -> None:
    for options, message in (
        (TextOptions(), "depends on the language"),
        (TextOptions(language="kl"), "not known here"),
    ):
        with pytest.raises(ConfigError, match=message):
            score_texts(Texts(("1",), (("1",),)), ["numeric"], options)


def test_all_answers_of_mgsm_are_numbers(real_data) -> None:
    files = sorted(Path(real_data("mgsm")).glob("mgsm_*.tsv"))
    assert len(files) == 11
    for file in files:
        answers = tuple(line.split("\t")[1] for line in file.read_text().rstrip("\n").split("\n"))
        (found,) = score_texts(Texts(answers, (answers,)), ["numeric"], TextOptions(language="en"))
        assert (found.rows, found.score.value) == (250, 100)


@pytest.mark.parametrize(
    ("language", "text", "number"),
    [
        ("en", r"So we get $\boxed{1,250}$ dollars. (Step 3 of 3)", "1250"),
        ("en", r"\boxed{\$1{,}250 \text{ dollars}}, 3 steps", "1250"),
        ("en", r"\[\boxed{5 + 3 = 8}\]", "8"),
        ("en", "The answer is 5 + 3 = 8.", "8"),
        ("en", "The answer is 5 apples + 3 apples = 8 apples.", "8"),
        ("en", "The answer is 5 + 3 = 4 + 4 = 8.", "8"),
        ("en", "The answer is 18 (x=2).", "18"),
        ("en", "The answer is **18**.", "18"),
        ("en", "The answer is:\n18\n\nQuestion: A farmer has 20 cows.", "18"),
        ("en", "#### 18\n\nQuestion: There are 15 trees. The answer is 6.", "18"),
        ("de", "Die Antwort ist 18.\n\nFrage: Es gibt 15 Bäume. Die Antwort ist 6.", "18"),
        ("en", "The answer is 1/2", "0.5"),
        ("en", "The answer is 3 1/2", "3.5"),
        ("en", "The answer is 1e3", "1000"),
        ("en", "1 000", "1000"),
        ("en", "The answer is not 5 but 7.", "7"),
        ("en", "<think>The answer is 3? no</think>\nThe answer is 4.", "4"),
        ("en", "It was step 2.\n<think>\nThe answer is 3", "2"),
        ("ru", "Ответ равен 18. Проверка: 9*2", "18"),
        ("fr", "La réponse finale est 18. Vérification: 9 x 2", "18"),
        ("es", "La respuesta final es 18. (2 pasos)", "18"),
        ("sw", "Jibu la mwisho ni 18; kati ya 20.", "18"),
        ("bn", "উত্তরটি হল ১৮। ৯ + ৯", "18"),
        ("ja", "答えは、18。検算9+9", "18"),
        ("zh", "答案是：18。检验 9+9", "18"),
        ("th", "คำตอบ 18 ตรวจ 9", "18"),
        ("te", "జవాబు: 18. 9", "18"),
        ("de", "Die Lösung ist 18. Probe: 9+9", "18"),
    ],
)
def test_an_answer_is_what_is_boxed_or_announced(language: str, text: str, number: str) -> None:
    assert read_answer(text, language) == Decimal(number)


@pytest.mark.parametrize("text", ["The answer is 9 * 2.", "answer: 5:30", "The answer is 10^3", "The answer is 1/0"])
def test_a_calculation_without_its_result_is_not_read(text: str) -> None:
    assert read_answer(text, "en") is None


def test_the_published_rule_takes_the_last_number_and_zero_for_none() -> None:
    for text, number in (("no idea", "0"), ("The answer is 18. (Step 3)", "3"), ("1,250.50 euros", "1250.50")):
        assert read_published(text) == Decimal(number)
    texts = Texts(("The answer is 18 of 20", "?"), (("20", "0"),))
    (score,) = score_texts(texts, ["numeric-published"])
    assert (score.score.value, score.verbose) == (100, "unparsed = 0")
    assert dict(score.signature.fields)["answer"] == "published (last number)"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.000 Euro", "1.000"), ("3,5", "35"), ("1 000", "0"), ("-7", "7"), ("1/2", "2"), ("1,2,3", "3"),
        ("The answer is 5. (See step 2)", "2"), ("১২৩", "123"), ("٤٥", "45"), ("７", "7"),
    ],
)  # fmt: skip
def test_the_published_rule_reads_as_qaligns_does(text: str, number: str) -> None:
    assert read_published(text) == Decimal(number)


def test_the_published_rule_is_right_within_a_thousandth() -> None:
    texts = Texts(("5.0009", "5.001", "4.9995"), (("5", "5", "5"),))
    (score,) = score_texts(texts, ["numeric-published"])
    assert score.score.value == pytest.approx(200 / 3)


def test_gold_answers_of_mgsm_equal_themselves_in_every_language(real_data) -> None:
    for file in sorted(Path(real_data("mgsm")).glob("mgsm_*.tsv")):
        answers = tuple(line.split("\t")[1] for line in file.read_text().rstrip("\n").split("\n"))
        language = file.stem.removeprefix("mgsm_")
        (score,) = score_texts(Texts(answers, (answers,)), ["numeric"], TextOptions(language=language))
        assert (language, score.score.value) == (language, 100)
