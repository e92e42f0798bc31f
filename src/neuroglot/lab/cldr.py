"""Values that the lab's sentences take from the Unicode CLDR, through Babel: the same value in every language.

Only full patterns and format-context names are read. Babel 2.18 resolves the aliases of stand-alone month and day names
into data shared by all locales, so those names depend on which locale was read first.
"""

from datetime import date, timedelta
from functools import cache
from typing import Any

from neuroglot.lab.extras import require
from neuroglot.lab.phrasebook import words

# Countries with one currency each in 2020; few share one, so that a currency has to be known by country.
COUNTRIES = words(
    "US GB FR CN JP RU IN KE TZ MX BR EG SA TR PL SE CH CA AU ZA KR TH VN ID NG ET GH MA AR CL CO PE UA HU CZ NO DK IS "
    "NP PK"
)
CURRENCY_DAY = date(2020, 1, 1)


@cache
def locale(language: str) -> Any:
    """Babel's Locale of a language code."""
    return require("babel").Locale.parse(language)


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
    numbers = require("babel.numbers")
    return numbers.get_territory_currencies(country_code, start_date=CURRENCY_DAY, end_date=CURRENCY_DAY)[0]


@cache
def amount(value: int, country_code: str, language: str) -> str:
    """`value` units of a country's currency, the name inflected by CLDR's plural rules: '15 US dollars'."""
    return require("babel.numbers").format_currency(
        value, _currency_code(country_code), "#,##0", locale=language, format_type="name", currency_digits=False
    )


@cache
def language_name(code: str, language: str) -> str:
    """Name of a language, as CLDR writes it inside a sentence."""
    return locale(language).languages[code]


@cache
def day(value: date, length: str, language: str) -> str:
    """A date in words: 'long' is day, month and year, 'full' adds the day of the week."""
    return require("babel.dates").format_date(value, length, locale=language)


@cache
def unit(value: int, name: str, language: str) -> str:
    """A measure with its unit written out, inflected by CLDR's plural rules: '3 kilograms'."""
    return require("babel.units").format_unit(value, name, length="long", locale=language)


@cache
def ago(hours: int, language: str) -> str:
    """A time in the past relative to now: '3 days ago'."""
    return require("babel.dates").format_timedelta(-timedelta(hours=hours), add_direction=True, locale=language)


def listing(values: list[str], language: str) -> str:
    """The values joined as a list: 'A, B, and C'."""
    return require("babel.lists").format_list(values, locale=language)
