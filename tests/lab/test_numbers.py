"""Number words: known values of the hand-written languages, and that no two numbers read alike."""

import pytest

from neuroglot.errors import ConfigError
from neuroglot.lab.cldr import LARGEST, number_words
from neuroglot.lab.languages import LANGUAGES

# Known values, typed in by hand from grammars, not computed.
KNOWN = {
    "zh": {
        7: "七", 10: "十", 15: "十五", 20: "二十", 47: "四十七", 100: "一百", 105: "一百零五",
        110: "一百一十", 115: "一百一十五", 200: "二百", 999: "九百九十九",
    },
    "hi": {
        1: "एक", 19: "उन्नीस", 25: "पच्चीस", 29: "उनतीस", 49: "उनचास", 50: "पचास",
        79: "उनासी", 89: "नवासी", 99: "निन्यानवे", 100: "एक सौ", 347: "तीन सौ सैंतालीस",
    },
    "sw": {
        1: "moja", 10: "kumi", 11: "kumi na moja", 25: "ishirini na tano", 40: "arobaini",
        100: "mia moja", 101: "mia moja na moja", 110: "mia moja na kumi", 125: "mia moja ishirini na tano",
        347: "mia tatu arobaini na saba",
    },
    "ar": {3: "ثلاثة", 21: "واحد وعشرون", 100: "مائة", 200: "مئتان", 347: "ثلاثمائة وسبعة وأربعون"},
    "de": {21: "einundzwanzig"},
    "ru": {21: "двадцать один", 200: "двести"},
    "ja": {47: "四十七", 300: "三百"},
}  # fmt: skip


@pytest.mark.parametrize("language", KNOWN)
def test_known_values(language):
    assert {number: number_words(number, language) for number in KNOWN[language]} == KNOWN[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_numbers_read_alike(language):
    assert len({number_words(number, language) for number in range(1, LARGEST + 1)}) == LARGEST


@pytest.mark.parametrize("number", [0, -1, 1000])
def test_other_numbers_are_refused(number):
    with pytest.raises(ConfigError, match="1 to 999"):
        number_words(number, "sw")


def test_hindi_reads_back():
    """The irregular table, read by the tens that its words end in: an oracle that does not share the table's order."""
    endings = {2: ("ीस", "ाईस", "ेईस"), 3: ("ीस",), 4: ("लीस", "चास"), 6: ("साठ", "सठ", "हत्तर")}
    for tens, allowed in endings.items():
        for number in range(10 * tens, 10 * tens + 10):
            assert number_words(number, "hi").endswith(allowed), number
