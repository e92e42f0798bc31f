"""Values that the lab's sentences take from the Unicode CLDR, through Babel: the same value in every language.

Only full patterns and format-context names are read. Babel 2.18 resolves the aliases of stand-alone month and day names
into data shared by all locales, so those names depend on which locale was read first.
"""

from datetime import date, timedelta
from functools import cache, partial
from typing import Any

from neuroglot import extras
from neuroglot.errors import ConfigError
from neuroglot.lab.phrasebook import words

_require = partial(extras.require, extra="lab", note="The shipped lab model and its texts load without it.")

# Countries with one currency each in 2020; few share one, so that a currency has to be known by country.
COUNTRIES = words(
    "US GB FR CN JP RU IN KE TZ MX BR EG SA TR PL SE CH CA AU ZA KR TH VN ID NG ET GH MA AR CL CO PE UA HU CZ NO DK IS "
    "NP PK"
)
CURRENCY_DAY = date(2020, 1, 1)


@cache
def locale(language: str) -> Any:
    """Babel's Locale of a language code."""
    return _require("babel").Locale.parse(language)


@cache
def country(code: str, language: str) -> str:
    """Name of a country."""
    return locale(language).territories[code]


@cache
def currency(country_code: str, language: str) -> str:
    """Name of the currency in use in a country on `CURRENCY_DAY`."""
    return locale(language).currencies[_currency_code(country_code)]


@cache
def _currency_code(country_code: str) -> str:
    numbers = _require("babel.numbers")
    return numbers.get_territory_currencies(country_code, start_date=CURRENCY_DAY, end_date=CURRENCY_DAY)[0]


@cache
def amount(value: int, country_code: str, language: str) -> str:
    """`value` units of a country's currency, the name inflected by CLDR's plural rules: '15 US dollars'."""
    return _require("babel.numbers").format_currency(
        value, _currency_code(country_code), "#,##0", locale=language, format_type="name", currency_digits=False
    )


@cache
def name_of_language(code: str, language: str) -> str:
    """Name of a language, as CLDR writes it inside a sentence."""
    return locale(language).languages[code]


@cache
def day(value: date, length: str, language: str) -> str:
    """A date in words: 'long' is day, month and year, 'full' adds the day of the week."""
    return _require("babel.dates").format_date(value, length, locale=language)


@cache
def unit(value: int, name: str, language: str) -> str:
    """A measure with its unit written out, inflected by CLDR's plural rules: '3 kilograms'."""
    return _require("babel.units").format_unit(value, name, length="long", locale=language)


@cache
def ago(hours: int, language: str) -> str:
    """A time in the past relative to now: '3 days ago'."""
    return _require("babel.dates").format_timedelta(-timedelta(hours=hours), add_direction=True, locale=language)


def listing(values: list[str], language: str) -> str:
    """The values joined as a list: 'A, B, and C'."""
    return _require("babel.lists").format_list(values, locale=language)


LARGEST = 999

CHINESE_DIGITS = "零一二三四五六七八九"
SWAHILI_ONES = words("sifuri moja mbili tatu nne tano sita saba nane tisa")
SWAHILI_TENS = words(". kumi ishirini thelathini arobaini hamsini sitini sabini themanini tisini")
HINDI_BELOW_100 = words("""
    शून्य एक दो तीन चार पाँच छह सात आठ नौ
    दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस
    बीस इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस
    तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस
    चालीस इकतालीस बयालीस तैंतालीस चौवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास
    पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ
    साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर
    सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उनासी
    अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी
    नब्बे इक्यानवे बानवे तिरानवे चौरानवे पचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे
""")


@cache
def number_words(number: int, language: str) -> str:
    """The cardinal `number` in words, as used in counting; raises `ConfigError` outside 1..999."""
    if not 1 <= number <= LARGEST:
        raise ConfigError(f"The number {number} was asked in words.", f"The lab counts from 1 to {LARGEST}.")
    if language in HAND_WRITTEN:
        return HAND_WRITTEN[language](number)
    text = _require("num2words").num2words(number, lang=language)
    return arabic(text) if language == "ar" else text


def arabic(text: str) -> str:
    """Arabic of num2words 0.5.14 put right: 'and' joins the word after it, and a bare 200 keeps its final ن."""
    joined = text.replace(" و ", " و")
    return "مئتان" if joined == "مئتا" else joined


def chinese(number: int) -> str:
    """Chinese: digit and place; a skipped ten is said 零, and the one of ten is silent below twenty."""
    hundreds, tens, ones = number // 100, number // 10 % 10, number % 10
    text = f"{CHINESE_DIGITS[hundreds]}百" if hundreds else ""
    if tens:
        text += ("" if tens == 1 and not hundreds else CHINESE_DIGITS[tens]) + "十"
    elif hundreds and ones:
        text += "零"
    return text + (CHINESE_DIGITS[ones] if ones else "")


def hindi(number: int) -> str:
    """Hindi: hundreds, then one of the hundred irregular words."""
    hundreds, rest = divmod(number, 100)
    parts = [HINDI_BELOW_100[hundreds], "सौ"] if hundreds else []
    return " ".join([*parts, HINDI_BELOW_100[rest]] if rest else parts)


def swahili(number: int) -> str:
    """Swahili: hundreds after 'mia', then tens; 'na' stands once, before the last part."""
    hundreds, tens, ones = number // 100, number // 10 % 10, number % 10
    parts = [f"mia {SWAHILI_ONES[hundreds]}"] if hundreds else []
    parts += [SWAHILI_TENS[tens]] if tens else []
    parts += [SWAHILI_ONES[ones]] if ones else []
    return " na ".join([" ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


HAND_WRITTEN = {"zh": chinese, "hi": hindi, "sw": swahili}
