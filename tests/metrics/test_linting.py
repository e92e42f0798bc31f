"""Lint of parallel text, against findings by hand and a plain reading of the rules."""

from decimal import Decimal
from statistics import median

import pytest

from neuroglot.corpora import Corpus
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.linting import lint
from neuroglot.metrics.identification import identifiable
from neuroglot.metrics.leakage import folded_text, leaked
from neuroglot.metrics.linting import (
    FINDING_KINDS,
    HARMLESS,
    LEAST_LENGTH,
    length_findings,
    require_kinds,
    rows_repeated,
)
from neuroglot.metrics.texts.changed_numbers import changed_numbers, written_numbers

ENGLISH = (
    "Anna has 12 apples and eats 3 of them every morning.",
    "The house was built in 1,250 days by 4 workers.",
    "The teacher gives a book to each of the 25 children.",
    "Why did nobody tell us about the 2 letters?",
    "It costs $2.50 to enter the museum on Sundays.",
    "The dog sleeps in the garden all day long, and it dreams.",
)
GERMAN = (
    "Anna hat 12 Äpfel und isst jeden Morgen 3 davon.",
    "Das Haus wurde in 1.250 Tagen von 4 Arbeitern gebaut.",
    "The teacher gives a book to each of the 25 children.",
    "Warum hat uns niemand von den zwei Briefen erzählt?",
    "Der Eintritt in das Museum kostet am Sonntag 3,50 $.",
    "Hund.",
)


def corpus(*, name: str = "own", ids: str = "abcdef", **texts: tuple[str, ...]) -> Corpus:
    return Corpus(name, tuple(ids), texts)


BOTH = corpus(en=ENGLISH, de=GERMAN)


@pytest.mark.parametrize(
    ("text", "language", "known", "unread"),
    [
        ("12 and 3, 12 again", "en", {12: 2, 3: 1}, 0),
        ("1,250 and 2.5", "en", {1250: 1, Decimal("2.5"): 1}, 0),
        ("1.250 und 2,5", "de", {1250: 1, Decimal("2.5"): 1}, 0),
        ("1.250 et rien", "fr", {}, 1),
        ("1.250 km", "xx", {}, 1),
        ("7 km", "xx", {7: 1}, 0),
        ("-7 or 7-8", "en", {7: 2, 8: 1}, 0),
        ("১২টি", "bn", {12: 1}, 0),
        ("3万円と2個", "ja", {2: 1}, 1),
        ("8.0 und 8", "de-AT", {8: 2}, 0),
        ("1.250 km", "de-AT", {1250: 1}, 0),
        ("no number", "en", {}, 0),
    ],
)
def test_numbers_are_read_by_their_language(text: str, language: str, known: dict, unread: int) -> None:
    read = written_numbers(text, language)
    assert (dict(read.known), read.unread) == (known, unread)


@pytest.mark.parametrize(
    ("source", "text", "kind"),
    [
        ("2 dogs and 3 cats", "3 Katzen und 2 Hunde", None),
        ("2 dogs and 3 cats", "2 Hunde und 4 Katzen", "numbers changed"),
        ("2 dogs and 3 cats", "2 Hunde und drei Katzen", "numbers lost"),
        ("two dogs", "2 Hunde", "numbers added"),
        ("2 and 2", "2 und zwei", "numbers lost"),
        ("no number", "keine Zahl", None),
    ],
)
def test_numbers_are_compared_as_a_multiset(source: str, text: str, kind: str | None) -> None:
    assert changed_numbers(written_numbers(source, "en"), written_numbers(text, "de")) == kind


def test_an_unread_number_may_be_any_that_is_missing() -> None:
    japanese = written_numbers("3万円と2個", "ja")
    assert changed_numbers(written_numbers("30,000 yen and 2 pieces", "en"), japanese) is None
    assert changed_numbers(written_numbers("30,000 yen and 2 of 5 pieces", "en"), japanese) == "numbers lost"
    assert changed_numbers(japanese, written_numbers("30,000 yen and 2 pieces", "en")) is None
    assert changed_numbers(japanese, written_numbers("30,000 yen, 9 and 2 pieces", "en")) == "numbers added"


def test_each_fault_is_found_where_it_is_and_nowhere_else() -> None:
    found = lint(BOTH)
    assert found.relative_to == "en"
    assert dict(found.findings) == {
        "untranslated": {"de": (2,)},
        "numbers changed": {"de": (4,)},
        "numbers lost": {"de": (3,)},
        "too short": {"de": (5,)},
    }
    assert found.counts("untranslated") == {"en": 0, "de": 1}
    share = found.shares("untranslated")["de"]
    assert (share.value, share.low, share.high) == pytest.approx((1 / 6, 0.030053, 0.563503), abs=1e-5)  # Wilson's
    assert found.signature["corpus_hash"] == BOTH.hash
    assert (found.signature["relative_to"], found.signature["length_factor"]) == ("en", 3.0)
    assert "numbers changed 1" in repr(found)


def test_rows_are_left_out_in_all_languages_and_by_the_kinds_that_were_named() -> None:
    found = lint(BOTH)
    assert found.rows(["untranslated", "too short"]) == (2, 5)
    assert found.clean(["untranslated", "too short"]).ids == ("a", "b", "d", "e")
    assert found.clean(["untranslated"]).texts["de"] == GERMAN[:2] + GERMAN[3:]
    assert found.clean([]).ids == BOTH.ids
    with pytest.raises(ConfigError, match="'dirty' was named"):
        found.rows(["dirty"])
    with pytest.raises(CorpusError, match="All 1 rows"):
        lint(BOTH.take([2])).clean(["untranslated"])
    assert len({*FINDING_KINDS}) == len(FINDING_KINDS)
    require_kinds(HARMLESS)


def test_examples_are_the_first_of_each_kind_with_their_source() -> None:
    texts = {
        "en": tuple(f"there are {n} dogs" for n in range(6)),
        "de": tuple(f"da sind {n + 9} Hunde" for n in range(6)),
    }
    found = lint(corpus(**texts))
    assert [(e.kind, e.language, e.row_id, e.text, e.source) for e in found.examples(2)] == [
        ("numbers changed", "de", "a", "da sind 9 Hunde", "there are 0 dogs"),
        ("numbers changed", "de", "b", "da sind 10 Hunde", "there are 1 dogs"),
    ]


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_lengths_are_held_against_the_median_ratio(factor: float) -> None:
    lengths = [10, 30, 40, 50, 60, 70, 80, 200, 30]
    german = [40, 60, 80, 100, 500, 20, 160, 400, 5]
    texts = corpus(ids="abcdefghi", en=tuple("x" * n for n in lengths), de=tuple(" " + "y" * n for n in german))
    middle = median(g / e for g, e in zip(german, lengths))
    expected: dict[str, list[int]] = {"too short": [], "too long": []}
    for row, (source, length) in enumerate(zip(lengths, german)):
        if max(length, source * middle) >= LEAST_LENGTH:
            if length > factor * source * middle:
                expected["too long"].append(row)
            if source * middle > factor * length:
                expected["too short"].append(row)
    found = length_findings(texts, "en", factor)
    assert {kind: rows["de"] for kind, rows in found.items()} == expected
    assert all(expected.values())
    assert {kind: rows["en"] for kind, rows in found.items()} == {"too short": [], "too long": []}


def test_short_texts_have_no_length_that_says_anything() -> None:
    texts = corpus(ids="abc", en=("no", "yes yes", "what"), de=("nein nein nein", "ja", "was"))
    assert length_findings(texts, "en", 1.1) == {"too short": {"en": [], "de": []}, "too long": {"en": [], "de": []}}


def test_a_row_repeats_an_earlier_one_but_for_case_and_spaces() -> None:
    assert rows_repeated(["The dog", "a cat", "the  DOG ", "The dog", "A bird"]) == [2, 3]
    texts = corpus(ids="abcd", en=("one dog", "two", "three", "one Dog"), de=("a", "b", "c", "d"))
    assert lint(texts).findings["repeated"] == {"en": (3,)}


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="with those of 'fr'"):
        lint(BOTH, relative_to="fr")
    with pytest.raises(ConfigError, match=r"factor of 1\.0"):
        lint(BOTH, length_factor=1.0)
    swapped = lint(BOTH, relative_to="de")
    assert swapped.findings["numbers added"] == {"en": (3,)}
    assert lint(BOTH.select(["de"])).relative_to == "de"


# ---- test sets


def test_a_row_of_a_test_set_is_found_in_its_language_and_in_translation() -> None:
    test = corpus(name="test", ids="xyz", en=("unlike", ENGLISH[1].upper().rstrip("."), "other"), fr=("a", "b", "c"))
    assert leaked(BOTH, test) == {
        "in the test set": {"en": (1,), "de": ()},
        "in the test set, translated": {"en": (), "de": (1,)},
        "like a row of the test set": {"en": (), "de": ()},
    }
    found = lint(BOTH, against=[test])
    assert found.findings["in the test set"] == {"en": (1,)}
    assert found.findings["in the test set, translated"] == {"de": (1,)}
    assert found.signature["against"] == f"test {test.hash}"
    other = corpus(name="other", ids="z", de=(GERMAN[0],))
    both = lint(BOTH, against=[test, other])
    assert both.findings["in the test set"] == {"en": (1,), "de": (0,)}
    assert both.findings["in the test set, translated"] == {"en": (0,), "de": (1,)}


def test_texts_are_equal_in_their_own_language_only_and_if_they_are_long_enough() -> None:
    assert leaked(BOTH, corpus(ids="z", de=(ENGLISH[0],)))["in the test set"] == {"en": (), "de": ()}
    short = corpus(ids="a", en=("Yes, I am.",), de=("Ja.",))
    assert leaked(short, short)["in the test set"] == {"en": (), "de": ()}
    enough = corpus(ids="a", en=("Yes, I am here.",), de=("Ja.",))
    assert leaked(enough, enough)["in the test set"] == {"en": (0,), "de": ()}
    assert leaked(enough, enough)["in the test set, translated"] == {"en": (), "de": (0,)}


def test_the_same_id_and_the_same_numbers_are_a_row_in_another_language() -> None:
    french = {
        "a": "Anna a 12 pommes et en mange 3.",  # the numbers of row a
        "b": "En 1 250 jours par 5 ouvriers.",  # another number
        "c": "25 enfants.",  # one number only, as in row c
        "d": "2, 2.",  # one different number
        "z": "Anna a 12 pommes et en mange 3.",  # another id
    }
    test = corpus(ids="".join(french), fr=tuple(french.values()))
    assert leaked(BOTH, test)["like a row of the test set"] == {"en": (0,), "de": (0,)}
    backwards = test.take(range(4, -1, -1))
    assert leaked(BOTH, backwards)["like a row of the test set"] == {"en": (0,), "de": (0,)}
    unread = corpus(ids="a", ja=("12と3と3万",))
    assert leaked(BOTH, unread)["like a row of the test set"] == {"en": (), "de": ()}
    assert leaked(unread, corpus(ids="a", en=("12 and 3",)))["like a row of the test set"] == {"ja": ()}
    known = corpus(ids="a", en=(ENGLISH[0],), fr=(french["a"],))
    assert leaked(BOTH, known)["like a row of the test set"] == {"en": (), "de": ()}  # known by its text already


def test_folding_keeps_letters_marks_and_digits() -> None:
    assert folded_text("  The “Straße”, No.１: $5! ") == "thestrasseno15"
    assert folded_text("हिन्दी में।") == "हिन्दीमें"


# ---- languages


def test_texts_in_another_language_are_found_where_a_detector_is_sure() -> None:
    pytest.importorskip("lingua")
    texts = corpus(
        ids="abc",
        en=("The children play in the garden.", "My sister reads a book tonight.", "We will go home now."),
        de=("Die Kinder spielen im Garten.", "Ma sœur lit un livre ce soir à la maison.", "Nun."),
    )
    assert "another language" not in lint(texts).findings
    found = lint(texts, candidates=["fr"])
    assert found.findings["another language"] == {"de": (1,)}
    assert found.signature["identified_among"] == "fr"
    unknown = Corpus("u", ("a",), {"en": ("The children play in the garden.",), "am": ("ልጆች በአትክልቱ ውስጥ ይጫወታሉ",)})
    assert "another language" not in lint(unknown, candidates=["fr"]).findings


def test_what_can_be_identified() -> None:
    pytest.importorskip("lingua")
    assert [identifiable(code) for code in ("de", "am", "pt-BR", "zh-Hant")] == [True, False, False, True]
