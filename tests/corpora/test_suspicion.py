"""Text that is no text: each kind, what is none of it, and what is done with it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot import corpora
from neuroglot.corpora import suspicion
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.suspicion import (
    SUSPICIONS,
    Context,
    counts_by_kind,
    han_script,
    kinds_of,
    sifted,
    suspicions,
    without_reasoning,
)  # fmt: skip
from neuroglot.errors import ConfigError, CorpusError
from tests.corpora import suspicion_oracle

ENGLISH = "The dog sleeps in the old house."


@pytest.mark.parametrize(
    ("kind", "text", "context"),
    [
        ("gap marker", "N/A", Context("fr")),
        ("gap marker", "Request failed!!!", Context("es")),
        ("unknown tokens", "le <unk> dort", Context("fr")),
        ("unknown tokens", "le ch\ufffden dort", Context("fr")),
        ("reasoning", "<think>hm</think>\n\nLe chien dort.", Context("fr")),
        ("reasoning", "The user wants French.\n</think>\n\nLe chien dort.", Context("fr")),
        ("refusal", "I'm sorry, but I can't help with that.", Context("fr")),
        ("refusal", "Lo siento, pero no puedo traducir esto.", Context("es")),
        ("preamble", "Sure! Here is the translation:\n\nLe chien dort.", Context("fr")),
        ("untranslated", ENGLISH, Context("fr", ENGLISH, "en")),
        ("untranslated", "Der Hund schläft.", Context("fr", "Der Hund schläft.", "de")),
        ("untranslated", "Die Katze trinkt Milch.", Context("fr", "Die Katze trinkt Milch.", "de")),
        ("echo of the prompt", f"{ENGLISH} And so on.", Context("en", prompt=ENGLISH)),
        ("pieces of words", "le chi@@ en dort", Context("fr")),
        ("pieces of words", "▁le ▁chien", Context("fr")),
        ("broken off", "Le chien dort dans la,", Context("fr", ENGLISH, "en")),
        ("another script", "Собака спит в доме", Context("fr")),
        ("another script", "我们明天去学校，他们会带着书来。", Context("zh-Hant")),
    ],
)
def test_each_kind_is_recognised(kind: str, text: str, context: Context) -> None:
    assert kinds_of(text, context) == (kind,)


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("Le chien dort.", Context("fr", ENGLISH, "en")),
        ("Johann Sebastian Bach, 1685", Context("fr", "Johann Sebastian Bach, 1685", "en")),
        ("John F. Kennedy International Airport", Context("fr", "John F. Kennedy International Airport", "en")),
        ("Bank of America Corp.", Context("fr", "Bank of America Corp.", "en")),
        ("Taxi", Context("de", "Taxi", "en")),
        (ENGLISH, Context("en", ENGLISH, "en")),
        ("Sorry I am late.", Context("en")),
        ("Of course, the profits were large.", Context("en")),
        ("我们明天去学校，他们会带着书来。", Context("zh-Hans")),
        ("我们明天去学校，他们会带着书来。", Context("zh")),
        ("NASA 2024", Context("ru")),
        ("Ein Satz", Context("und")),
    ],
)
def test_text_is_let_be(text: str, context: Context) -> None:
    assert kinds_of(text, context) == ()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>\na\n</think>\n\nb", "b"), ("a\n</think>\n\nb", "b"), ("b\n<think>never ends", "b"),
        ("<think>a</think>b<THINK>c</THINK>d", "bd"), ("a < b > c", "a < b > c"), ("◁think▷x◁/think▷y", "y"),
    ],
)  # fmt: skip
def test_reasoning_is_cut_whole_or_half(text: str, left: str) -> None:
    assert without_reasoning(text) == left


def corpus() -> Corpus:
    texts = {"en": (ENGLISH, "We buy fresh bread today.", "Yes"), "fr": (ENGLISH, "Nous achetons du pain.", "<unk>")}
    return Corpus("three", ("1", "2", "3"), texts)


def test_kinds_are_counted_by_language_and_rows_dropped_or_refused() -> None:
    assert counts_by_kind(suspicions(corpus().texts)) == {"fr": {"untranslated": 1, "unknown tokens": 1}}
    assert sifted(corpus(), "keep") == corpus()
    left = sifted(corpus(), "drop")
    assert left.ids == ("2",)
    assert left.remarks[0] == "2 rows of three that are perhaps no text were left out."
    with pytest.raises(CorpusError, match=r"2 of 3 rows that are perhaps no text.*fr: untranslated \(1\)"):
        sifted(corpus(), "refuse")
    with pytest.raises(ConfigError, match="Expected 'keep', 'drop' or 'refuse'"):
        sifted(corpus(), "count")  # type: ignore[arg-type]


def test_simplified_and_traditional_are_told_apart() -> None:
    assert (han_script("这个国家"), han_script("這個國家"), han_script("山水")) == ("Hans", "Hant", None)


def test_real_text_is_hardly_ever_suspicious(real_data) -> None:
    """What is left in FLORES is in fact broken: `<unk>`, sentences that end in a comma, English in Amharic."""
    files = sorted(Path(real_data("flores_detok")).glob("*.txt"))
    texts = {file.stem: tuple(file.read_text().rstrip("\n").split("\n")) for file in files}
    kinds = counts_by_kind(suspicions(texts))
    assert set(kinds) <= set(texts)
    assert sum(count for column in kinds.values() for count in column.values()) <= 20
    assert {kind for column in kinds.values() for kind in column} <= {"unknown tokens", "broken off", "another script"}
    assert len(SUSPICIONS) == 10


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("abcde абвгд", ()),  # half are in its script
        ("abcd абвгде", ("another script",)),
        ("абвгд абвг", ()),  # nine letters say nothing
        ("абвгд абвгд", ("another script",)),
    ],
)
def test_a_script_is_another_from_ten_letters_on_of_which_more_than_half_are(text: str, kinds: tuple[str, ...]) -> None:
    assert kinds_of(text, Context("fr")) == kinds


def test_what_two_languages_share_is_english_wherever_it_stands() -> None:
    shared = (ENGLISH,)
    assert suspicions({"fr": shared, "en": shared}) == {"fr": [("untranslated",)], "en": [()]}
    assert suspicions({"fr": shared, "de": shared}) == {"fr": [()], "de": [("untranslated",)]}


PARTS = (
    "<think>", "</think>", "<THINK>", "◁think▷", "◁/think▷", "</Thought>", "<", "◁", "@@", "@@ ", "##", " ##a",
    "▁", "Ġ", "▁a", "<unk>", "[UNK]", "\ufffd", "⁇", "<Unk>", "ein", "Wort", "слово", "слово за словом", "的文字",
    "們國個這來", "们国个这来", "कखग", "אבג", "\n", " ", "١٢", "12", "ﬁ", "ǅ", "ſ", "İ", "Ａ", "\u0301", "𝒜",
    "가나다라마바사아자차",
)  # fmt: skip
LANGUAGES_HELD = ("en", "de", "ru", "zh", "zh-Hans", "zh-Hant", "ja", "ko", "hi", "he", "sr", "xx", "")


TANGLED = st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=4)), max_size=12).map("".join)


@given(TANGLED, st.sampled_from(LANGUAGES_HELD))
def test_rules_give_the_verdicts_of_their_plain_writing(text: str, language: str) -> None:
    held_to_the_oracle(text, language)


@pytest.mark.parametrize("language", ["en", "zh-Hans", "zh-Hant", "ru"])
@pytest.mark.parametrize("times", [1, 4])
def test_parts_beside_each_other_get_the_same_verdicts(times: int, language: str) -> None:
    for first in PARTS:
        for second in PARTS:
            held_to_the_oracle(times * first + second, language)


def test_real_text_gets_the_same_verdicts(real_data: Callable[[str], Path]) -> None:
    corpus = corpora.load(real_data("flores_detok"))
    for language, column in corpus.texts.items():
        for other in (language, "ru", "zh-Hant"):
            for text in column[:60]:
                held_to_the_oracle(text, other)


def held_to_the_oracle(text: str, language: str) -> None:
    context = Context(language)
    assert suspicion.has_unknown_tokens(text, context) == suspicion_oracle.has_unknown_tokens(text)
    assert suspicion.has_pieces(text, context) == suspicion_oracle.has_pieces(text)
    assert suspicion.without_reasoning(text) == suspicion_oracle.without_reasoning(text)
    assert suspicion.is_in_another_script(text, context) == suspicion_oracle.is_in_another_script(text, language)
