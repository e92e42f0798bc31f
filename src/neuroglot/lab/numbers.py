"""Number words from 1 to 999 in the lab's languages: num2words where it knows the language, tables here where not.

Sources of the hand-written ones: the regular formation of Chinese and Swahili numerals; the Hindi cardinals, which are
irregular up to 99 and therefore a table. `tests/lab/test_numbers.py` checks them against known values.
"""

from functools import cache

from neuroglot.errors import ConfigError
from neuroglot.lab.extras import require
from neuroglot.lab.phrasebook import words

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
    text = require("num2words").num2words(number, lang=language)
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
