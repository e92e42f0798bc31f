"""ROUGE against its definition, in scripts that the library's own tokenizer drops."""

from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.tokenize import tokenize

from neuroglot.metrics.texts import Texts, score_texts
from neuroglot.metrics.texts.overlap import MultilingualTokenizer

WORDS = MultilingualTokenizer().tokenize


def common(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    @cache
    def longest(i: int, j: int) -> int:
        if i == len(first) or j == len(second):
            return 0
        if first[i] == second[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    return longest(0, 0)


def f_score(metric: str, output: str, reference: str) -> float:
    sides = [tuple(text.split()) for text in (output, reference)]
    if metric == "rouge-l":
        same, sizes = common(*sides), [len(side) for side in sides]
    else:
        length = int(metric[-1])
        grams = [Counter(side[i : i + length] for i in range(len(side) - length + 1)) for side in sides]
        same, sizes = sum(min(grams[0][gram], grams[1][gram]) for gram in grams[0]), [g.total() for g in grams]
    return 2 * same / sum(sizes) if same else 0.0


LINES = st.lists(st.sampled_from(["haus", "कुत्ता", "سلام", "ми", "x1"]), max_size=7).map(" ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(LINES, LINES, LINES), min_size=1, max_size=4))
def test_rouge_is_the_mean_of_the_best_f_scores(rows: list[tuple[str, str, str]]) -> None:
    rows = [*rows, ("haus", "haus ми", "haus")]
    outputs, first, second = (tuple(side) for side in zip(*rows))
    for name in ("rouge-1", "rouge-2", "rouge-l"):
        (found,) = score_texts(Texts(outputs, (first, second)), [name])
        best = [max(f_score(name, output, reference) for reference in row) for output, *row in rows]
        assert found.score.value == pytest.approx(100 * sum(best) / len(best))


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_words_are_those_of_the_library(text: str) -> None:
    assert WORDS(text) == tokenize(text, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Straße, Füße!", ["straße", "füße"]),
        ("हिन्दी में लिखना।", ["हिन्दी", "में", "लिखना"]),
        ("می\u200cروم، خانه", ["می\u200cروم", "خانه"]),
        ("今天 GPT-4 好", ["今", "天", "gpt", "4", "好"]),
        ("ひらがなカナ", list("ひらがなカナ")),
        ("น้ำดี", ["น้", "ำ", "ดี"]),
        ("한국어 좋다", ["한국어", "좋다"]),
        ("cafe\u0301", ["café"]),
        ("\u200c –", []),
    ],
)
def test_words_of_all_scripts_are_kept_whole(text: str, words: list[str]) -> None:
    assert WORDS(text) == words


def test_verbose_and_signature_say_how() -> None:
    (found,) = score_texts(Texts(("आज दिन अच्छा",), (("आज दिन",),)), ["rouge-1"])
    assert found.verbose == "P = 66.7 R = 100.0"
    assert "tok:unicode-words+letters" in str(found.signature)
    assert found.score.value == pytest.approx(80)
