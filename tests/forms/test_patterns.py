"""Regular expressions: verdicts against Python's own matcher on all short strings."""

import itertools
import random
import re

import pytest

from neuroglot.forms import patterns
from tests.forms.comparing import word

STRINGS = ["".join(letters) for size in range(8) for letters in itertools.product("ab", repeat=size)]


def drawn(rng: random.Random, depth: int) -> str:
    if depth == 0:
        return rng.choice(["a", "b", "[ab]", "a?", "b*", "(?:ab)"])
    first, second = (drawn(rng, depth - 1) for _ in range(2))
    return rng.choice(
        [f"(?:{first}|{second})", f"{first}{second}", f"(?:{first})*", f"(?:{first}){{1,2}}", f"(?:{first})+"]
    )


def test_verdicts_agree_with_all_short_strings() -> None:
    """Patterns of so few letters that differ do so on a string of at most 7 letters."""
    rng, counts = random.Random(0), {"equal": 0, "unequal": 0}
    while min(counts.values()) < 60:
        first, second = drawn(rng, 2), drawn(rng, 2)
        accepted = [{text for text in STRINGS if re.fullmatch(pattern, text)} for pattern in (first, second)]
        expected = "equal" if accepted[0] == accepted[1] else "unequal"
        if first == second or counts[expected] > 300:
            continue
        assert word("x-regex", first, second) == expected, (first, second)
        counts[expected] += 1


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("~(.*dog.*)&[a-z]+", "[a-z]+&~(.*dog.*)", "equal"),
        ("~(a|b)", "~a&~b", "equal"),
        ("~(a&b)", "~a", "unequal"),
        ("a{3}", "aaa", "equal"),
        ("a{2,}", "aaa*", "equal"),
        ("(a{2,3}){2}", "a{4,6}", "equal"),
        ("a{,2}", "a?a?", "equal"),
        ("[a-c]", "a|b|c", "equal"),
        (r"\d", "[0-9]", "equal"),
        (r"\D", "[^0-9]", "equal"),
        (r"\w", "[A-Za-z0-9_]", "equal"),
        (r"[\d.]", r"[0-9]|\.", "equal"),
        ("[]a]", r"a|\]", "equal"),
        ("[a-]", "a|-", "equal"),
        ("[^a]", "~a&.", "unequal"),
        ("^abc$", "abc", "equal"),
        (r"abc\$", "abc$", "unequal"),
        ("a*?", "a*", "equal"),
        ("a+?b", "aa*b", "equal"),
        (".*", "~(.*)", "unequal"),
        ("~([])", "(.|\\n)*", "invalid"),
        ("(.|\\n)*", "~(a&b)", "equal"),
        ("x{a}", r"x\{a\}", "equal"),
        ("a{200}", "a{199}", "unequal"),
        ("a*+a", "a+", "undecided"),
        ("a{2}+", "a{2}", "undecided"),
        ("[[:alpha:]]", "[a-z]", "undecided"),
        ("[[a]", r"[\[a]", "equal"),
        ("(a", "a", "invalid"),
        ("a)", "a", "invalid"),
        ("*a", "a", "invalid"),
        ("a{3,2}", "a", "invalid"),
        ("[b-a]", "a", "invalid"),
        ("(?=a)b", "a", "undecided"),
        (r"\bdog\b", "dog", "undecided"),
        (r"(a)\1", "aa", "undecided"),
        ("a{1000}", "a", "undecided"),
        ("é", "é", "undecided"),
        ("a", "(a", "undecided"),
        ("a^b", "a", "undecided"),
        ("", "()", "equal"),
        ("a|", "a?", "equal"),
        ("(a|b)*a(a|b){8}", "[ab]*a[ab]{8}", "equal"),
        ("(a|b)*a(a|b){8}", "[ab]*a[ab]{7}", "unequal"),
        ("(?:(?:a|b)*a(?:a|b){14})", "[ab]*a[ab]{13}.&[ab]*", "undecided"),
        ("(" * 101 + ")" * 101, "", "undecided"),
    ],
)
def test_patterns_as_people_write_them(first: str, second: str, expected: str) -> None:
    assert word("x-regex", first, second) == expected


def test_what_was_derived_of_one_pattern_is_not_kept_for_the_next() -> None:
    word("x-regex", "(a|b)*a(a|b){8}", "[ab]*a[ab]{8}")
    held = patterns._derived.cache_info().currsize
    word("x-regex", "a", "a")
    assert patterns._derived.cache_info().currsize < 10 < held
