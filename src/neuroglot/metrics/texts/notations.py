"""How languages write numbers, and what a written number means: by its marks, by its text, by its language."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from neuroglot.errors import ConfigError

# How languages write numbers (CLDR): decimal mark and thousands mark, where a space stands for any space.
NOTATIONS = {
    (",", " "): "af be bg cs et fi fr hu hy ka kk ky lt lv nb nn no pl ru sk sq sv uk uz",
    (",", "."): "az bs ca da de el es eu gl hr id is it lb lo mk nl pt ro sl sr tr vi",
    (
        ".",
        ",",
    ): "am ar bn cy en fa fil ga gu ha he hi ig ja km kn ko ml mn mr ms mt my ne oc or pa sd si so sw ta te th "
    "ti tl ur yo zh zu",
}
SEPARATORS = {language: marks for marks, languages in NOTATIONS.items() for language in languages.split()}
SPACES = " \u00a0\u2009\u202f"
SIGN = r"(?<![\w)])[-−](?=[$€£¥₹]?[.,]?\d)"
# Before one of these, digits are not the whole number; but 千克 is a kilogram and 조각 a piece.
SCALES = "[十百万萬億亿兆십백천만억]|千(?![克米瓦卡])|조(?!각)"
THOUSANDS = rf"\d{{1,3}}(?:[{SPACES}'’٬]\d{{3}})+(?!\d)|\d+"
NUMBER = re.compile(
    rf"(?P<sign>{SIGN})?[$€£¥₹]?(?P<digits>(?:(?<![\w.,])[.,](?=\d))?(?:{THOUSANDS})(?:[.,٫]\d+)*)"
    rf"(?P<exponent>[eE][+-]?\d{{1,2}}(?![\w.,]\d))?(?P<scale>{SCALES})?"
)
FRACTION = re.compile(r"(?<![\d/.,])(?:(\d+) )?(\d{1,4})/(\d{1,4})(?![\d/]|[.,]\d)")
AMBIGUOUS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")


def ascii_digits(text: str) -> str:
    """The text with the decimal digits of every script as 0 to 9, and fractions (1/2, 3 1/2) as decimal numbers."""
    text = "".join(str(unicodedata.decimal(character, character)) for character in text)
    return FRACTION.sub(_quotient, text)


def decimal_mark(text: str) -> str | None:
    """The mark that the numbers of a text show as the decimal one; None if they show none, or both.

    A number shows it by two kinds of marks (1.234,5), by one mark twice (1.234.567) or by a mark that is not before
    exactly three digits (2,5).
    """
    shown = {_shown(match["digits"]) for match in NUMBER.finditer(text)} - {None}
    return shown.pop() if len(shown) == 1 else None


def value(match: re.Match[str], language: str, shown: str | None = None) -> Decimal | None:
    """The number of a match of `NUMBER`; None if it has no one meaning.

    `shown` is the decimal mark of the text. Where the text shows none, a comma before three digits separates thousands
    in every language; a point does what it does in the language, and has no meaning where it does neither (French).
    """
    digits = re.sub(rf"[{SPACES}'’٬]", "", match["digits"])
    plain = None if match["scale"] else _plain(digits, language, shown)
    if plain is None:
        return None
    number = Decimal(plain + (match["exponent"] or ""))
    return -number if match["sign"] else number


def separators(language: str) -> tuple[str, str]:
    """Decimal and thousands mark of a language; raises `ConfigError` if the table lacks it."""
    if language not in SEPARATORS:
        raise ConfigError(
            f"How numbers are written in the language {language!r} is not known here.",
            f"Expected one of {', '.join(sorted(SEPARATORS))}.",
        )
    return SEPARATORS[language]


def _quotient(match: re.Match[str]) -> str:
    """A fraction as a decimal number, with the one mark that means nothing else; `1/0` stays."""
    whole, above, below = match.groups()
    if int(below) == 0:
        return match[0]
    return f"{int(whole or 0) + Decimal(above) / Decimal(below):f}".replace(".", "٫")


def _shown(digits: str) -> str | None:
    marks = re.findall("[.,]", digits)
    if not marks or AMBIGUOUS.fullmatch(digits):
        return None
    if len(marks) > 1 and len(set(marks)) == 1:
        return "," if marks[0] == "." else "."
    return marks[-1]


def _plain(digits: str, language: str, shown: str | None) -> str | None:
    """Digits with marks, as Python writes the number; None where the marks have no one meaning."""
    marks = re.findall("[.,٫]", digits)
    if not marks:
        return digits
    last = marks[-1]
    whole, _, part = digits.rpartition(last)
    if last == "٫" or len(set(marks)) > 1:
        grouped = _grouped(whole)
        return None if grouped is None else f"{grouped}.{part}"
    if len(marks) > 1:
        return _grouped(digits)
    if not AMBIGUOUS.fullmatch(digits):
        return digits.replace(",", ".")
    return _by_custom(whole, last, part, language, shown)


def _by_custom(whole: str, mark: str, part: str, language: str, shown: str | None) -> str | None:
    """What one mark before three digits means: see `value`."""
    decimal, thousands = separators(language)
    if shown is not None:
        return f"{whole}.{part}" if mark == shown else whole + part
    if mark == "," or mark == thousands:
        return whole + part
    return f"{whole}.{part}" if mark == decimal else None


def _grouped(digits: str) -> str | None:
    """A whole number without its thousands marks (groups of two with commas, as in India); None if they are none."""
    good = re.fullmatch(r"\d+|\d{1,3}(?:,\d{2,3})*,\d{3}|\d{1,3}(?:\.\d{3})+", digits)
    return re.sub("[.,]", "", digits) if good else None
