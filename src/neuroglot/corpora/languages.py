"""Language codes: which language a file, a column or a config names, what it is called and which way it is written."""

from collections.abc import Mapping, Sequence
from functools import cache

from neuroglot.corpora.recognised import recognised
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.forms.table import FORMS

NOT_ONE_LANGUAGE = frozenset({"und", "mul", "zxx", "mis", "art"})  # ISO 639 codes for "unknown", "several", "none"
BESIDE_MACROLANGUAGE = frozenset({"tw"})  # FLORES has both Twi and Akan
# ISO 639-3 gives codes to languages that are far more often a word in a column or file name; taken only when asked for.
ALSO_WORDS = frozenset(
    ("doc", "key", "lab", "len", "lid", "num", "org", "pos", "raw", "row", "seq", "set", "src", "sub")
)
ALSO_WORDS |= {"tag", "tgt", "top", "uri", "url"}
LONGEST_TAG = 60  # characters; what is longer is a text
RIGHT_TO_LEFT = frozenset(("Adlm", "Arab", "Armi", "Hebr", "Mand", "Nkoo", "Phnx", "Rohg", "Samr", "Syrc", "Thaa"))


def language_code(tag: str) -> str:
    """The one BCP-47 tag of a language, however written: `deu`, `DE` and `deu_Latn` are `de`, `zh-hans` is `zh-Hans`.

    A script is left out where it is the language's only usual one, and an individual language stands for its
    macrolanguage where CLDR calls it the dominant one (`arb` is `ar`, `arz` stays). Raises `CorpusError` otherwise.
    """
    code = code_or_name(tag)
    if code is None:
        raise CorpusError(
            f"{tag!r} is no language code that is known.",
            "Expected a BCP-47 or ISO 639 code, such as 'de', 'deu', 'deu_Latn' or 'zh-Hans', or the language's name.",
            _suggestion(tag),
        )
    return code


def known_code(tag: str) -> str | None:
    """As `language_code`, with None for what is no language; formal languages have private codes, such as `x-sql`."""
    from langcodes import Language

    if tag in FORMS:
        return tag
    try:
        language = Language.get(tag.replace("_", "-"))
    except (ValueError, LookupError):
        return None
    if not language.is_valid() or language.language is None or language.language in NOT_ONE_LANGUAGE:
        return None
    if "-x-" in f"-{language}" or language.language_name().startswith("Unknown language"):
        return None
    if language.language not in BESIDE_MACROLANGUAGE:
        language = language.prefer_macrolanguage()
    return str(language.simplify_script())


def code_or_name(tag: str) -> str | None:
    """As `known_code`, also of a name in full, in English or in the language itself: `German`, `Deutsch`, `русский`."""
    return known_code(tag) or _names().get(tag.strip().casefold())


@cache
def _names() -> dict[str, str]:
    """English names and autonyms of the languages that CLDR translates into; a name of two of them is left out."""
    from langcodes import Language
    from langcodes.language_lists import CLDR_LANGUAGES

    codes: dict[str, set[str]] = {}
    for tag in CLDR_LANGUAGES:
        code = known_code(tag)
        if code is not None and "-" not in code:
            for name in (Language.get(code).display_name("en"), Language.get(code).autonym()):
                codes.setdefault(name.casefold(), set()).add(code)
    return {
        name: next(iter(of)) for name, of in codes.items() if len(of) == 1 and (len(name) > 2 or not name.isascii())
    }


def code_of_name(name: str) -> str | None:
    """The code of a language by its English name; None for what is no such name."""
    import langcodes

    if not name.isprintable():  # of which the search makes nothing, or an error of its own
        return None
    try:
        return known_code(str(langcodes.find(name, language="en")))
    except (LookupError, UnicodeEncodeError):  # the latter of half a surrogate pair, which JSON can hold
        return None


def tag_of_name(name: str) -> str:
    """As `code_of_name`, and the name itself where it is none, for the error that follows."""
    return code_of_name(name) or name


def language_name(code: str) -> str:
    """The English name, such as 'German' or 'Chinese (Simplified)'; raises `CorpusError` on an unknown code."""
    from langcodes import Language

    known = language_code(code)
    return FORMS[known].name if known in FORMS else Language.get(known).display_name("en")


def is_right_to_left(code: str) -> bool:
    """Whether the language's script runs from right to left; raises `CorpusError` on an unknown code."""
    from langcodes import Language

    return Language.get(language_code(code)).maximize().script in RIGHT_TO_LEFT


def choose(names: Mapping[str, str], asked: Sequence[str] | None, origin: str) -> dict[str, str]:
    """Which files, columns or configs to read: language to name, in the order asked for, else sorted by code.

    `names` maps each name to the part of it that should be a language code. Without `asked` every one of them must be,
    and must not be an ordinary word too. Raises `CorpusError` on an unknown code, on two names for one language, and
    on a language that was asked for but is not there; `ConfigError` on an empty or repeated choice.
    """
    wanted = None if asked is None else wanted_codes(asked)
    found: dict[str, str] = {}
    for name, tag in names.items():
        code = code_or_name(tag) if wanted is not None else _plain_code(name, tag, origin)
        if code is None or (wanted is not None and code not in wanted):
            continue
        if code in found:
            raise CorpusError(
                f"{origin}: {found[code]!r} and {name!r} are both {language_name(code)} ({code}).",
                "Each language may be there once.",
                "Remove or rename one of the two.",
            )
        found[code] = name
        if known_code(tag) is None:
            recognised(f"{origin}: {tag!r} is {language_name(code)} ({code})")
    for code in wanted or ():
        if code not in found:
            raise _missing(code, names, origin)
    return {code: found[code] for code in (sorted(found) if wanted is None else wanted)}


def wanted_codes(asked: Sequence[str]) -> list[str]:
    """The codes of languages that are asked for; raises `ConfigError` for none or a repeated one, `CorpusError` for an
    unknown one.
    """
    if isinstance(asked, str) or not asked:
        raise ConfigError(f"languages={asked!r} was given.", "Expected a list of codes, such as ['de', 'sw'].")
    codes = [language_code(tag) for tag in asked]
    if len(set(codes)) < len(codes):
        raise ConfigError(f"Languages {', '.join(asked)} were asked for.", "Each language may be named once.")
    return codes


def _plain_code(name: str, tag: str, origin: str) -> str:
    code = code_or_name(tag)
    if code is not None and tag not in ALSO_WORDS:
        return code
    if len(name) > LONGEST_TAG:
        raise CorpusError(
            f"{origin}: {name[:LONGEST_TAG]!r}… is no language code, but a text.",
            "Expected a header that names a language for each column.",
            "Put a line with the languages before the texts, such as de, en and sw between tabs.",
        )
    what = "is no language code" if code is None else f"may be a word or the language {language_name(code)}"
    raise CorpusError(
        f"{origin}: {name!r} {what}.",
        "A language's file or column is named by its BCP-47 or ISO 639 code, such as 'de' or 'deu_Latn', or its name.",
        f"{_suggestion(tag)} Rename it, or say which languages to take with --languages (languages=[...]).".strip(),
    )


def _missing(code: str, names: Mapping[str, str], origin: str) -> CorpusError:
    there = sorted({known for tag in names.values() if (known := code_or_name(tag)) is not None})
    return CorpusError(
        f"{origin} has no {language_name(code)} ({code}).",
        f"It has {', '.join(there) or 'no language at all'}.",
        "Ask for those, or add the missing one.",
    )


def _suggestion(tag: str) -> str:
    """A sentence with the code that was probably meant: by English name, by country, by likeness; else nothing."""
    code = code_of_name(tag) or _language_of_country(tag) or _like(tag)
    return f"Did you mean {code!r} ({language_name(code)})?" if code else ""


def _language_of_country(tag: str) -> str | None:
    """What `jp` or `cz` was meant to be."""
    from langcodes import Language

    if not (len(tag) == 2 and tag.isascii() and tag.isalpha()):
        return None
    country = Language.make(territory=tag.upper())
    known = country.is_valid() and not (country.territory_name() or "").startswith("Unknown")
    return country.maximize().language if known else None


def _like(tag: str) -> str | None:
    import difflib

    from langcodes import Language
    from langcodes.language_lists import CLDR_LANGUAGES

    codes = [code for code in sorted(CLDR_LANGUAGES) if known_code(code)]
    names = {Language.get(code).display_name("en").lower(): code for code in codes}
    return next((names[like] for like in difflib.get_close_matches(tag.lower(), names, n=1, cutoff=0.7)), None)
