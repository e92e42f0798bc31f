"""Exact match and F1 beside the official scripts of SQuAD 1.1 and MLQA, on awkward answers drawn from a seed.

The scripts are those that lm-eval installs; the hand-made list below holds without them.
"""

import random
from importlib import import_module
from typing import Any

import pytest

from neuroglot.metrics.texts import TextOptions, Texts, choose_metrics
from neuroglot.metrics.texts.answers import MLQA_ARTICLES

CASES = 200
PIECES = (
    "the", "The", "a", "an", "der", "die", "das", "einem", "el", "LA", "los", "unas", "của", "cái", "những", "là",
    "البيت", "في", "الـكتاب", "ال", "دلال", "एक", "दिल्ली", "।", "北京", "市", "約", "GDP", "１２", "12", "1,5", "-7",
    "$5", "50%", "l'", "d'Alembert", "co-operate", "“quoted”", "«guillemets»", "…", "—", "¿qué?", "U.S.A.", "é",
    "e\u0301", "İ", "ß", "\u00a0", "\u200b", "\u3000", "\t", "_x_", "a.b", "thea", "theatre", "andes", "_the_", "the.",
    "。", "，", "龥", "龦", "㐀", "々", "カタカナ", "", " ",
)  # fmt: skip
JOINS = ("", " ", "  ", "-", ", ")


def awkward(seed: int) -> list[tuple[str, str, str]]:
    """Predictions with two references each; some share pieces, and some have none."""
    drawn = random.Random(seed)

    def text() -> str:
        return drawn.choice(JOINS).join(drawn.choices(PIECES, k=drawn.randrange(5)))

    cases = []
    for _ in range(CASES):
        first, second = text(), text()
        prediction = drawn.choice([text(), first, second + drawn.choice(JOINS) + first, first.upper(), f"the {first}."])
        cases.append((prediction, first, second))
    return cases


def ours(cases: list[tuple[str, str, str]], options: TextOptions) -> list[tuple[float, float]]:
    """Exact match and F1 of each case; references that are blank throughout are no references."""
    texts = Texts(*(lambda p, *r: (p, tuple(r)))(*(tuple(column) for column in zip(*cases))))
    counts = [choose_metrics([name], options)[name].counts(texts)[:, 0].tolist() for name in ("exact-match", "f1")]
    return list(zip(*counts, strict=True))


def official(module: str) -> Any:
    pytest.importorskip("lm_eval", reason="the extra `harness`, with the official scripts, is not installed")
    return import_module(f"lm_eval.tasks.{module}")


def test_squad_is_the_script_of_squad_1_1() -> None:
    script = official("qasper.metrics")
    cases = awkward(1)
    expected = [
        (
            max(float(script.normalize_answer(text) == script.normalize_answer(reference)) for reference in references),
            max(float(script.f1_abstractive([text], [reference])) for reference in references),
        )
        for text, *references in cases
    ]
    found = ours(cases, TextOptions())
    assert found == [pytest.approx(pair, abs=1e-12) for pair in expected]
    assert 10 < sum(exact for exact, _ in found) < CASES - 10
    assert sum(0 < f1 < 1 for _, f1 in found) > 10


@pytest.mark.parametrize("language", MLQA_ARTICLES)
def test_mlqa_is_its_script(language: str) -> None:
    """Arabic articles are dropped by the published rule, before lm-eval's, which finds none then."""
    script = official("mlqa.utils")

    def prepared(text: str) -> str:
        kept = "".join(character for character in text.lower() if character not in script.PUNCT)
        return kept.replace("ال", " ") if language == "ar" else text

    def best(score: Any, text: str, references: list[str]) -> float:
        return max(float(score(prepared(text), prepared(reference), language)) for reference in references)

    cases = awkward(2)
    expected = [
        (best(script.exact_match_score, text, references), best(script.f1_score, text, references))
        for text, *references in cases
    ]
    found = ours(cases, TextOptions(language=language, normalization="mlqa"))
    assert found == [pytest.approx(pair, abs=1e-12) for pair in expected]
    assert 10 < sum(exact for exact, _ in found) < CASES - 10


@pytest.mark.parametrize("language", ["ru", "el", "tr", "xx"])
def test_what_mlqas_script_refuses_is_refused(language: str) -> None:
    from neuroglot.errors import NeuroglotError

    script = official("mlqa.utils")
    with pytest.raises(Exception, match="Unknown Language"):
        script.exact_match_score("a", "a", language)
    with pytest.raises(NeuroglotError):
        choose_metrics(["exact-match"], TextOptions(language=language, normalization="mlqa"))


BY_HAND = [  # normalisation and language, prediction, reference, exact match, F1
    ("squad", "en", "The Eiffel Tower.", "eiffel tower", 1, 1),
    ("squad", "en", "theatre", "the atre", 0, 0),
    ("squad", "en", "a", "the", 1, 0),
    ("squad", "en", "", "the", 1, 0),
    ("squad", "en", "U.S.A.", "USA", 1, 1),
    ("squad", "en", "co-operate", "cooperate", 1, 1),
    ("squad", "en", "“quoted”", "quoted", 0, 0),
    ("squad", "de", "der Turm", "Turm", 0, 2 / 3),
    ("squad", "en", "1,500 men", "1500 men", 1, 1),
    ("squad", "en", "x x y", "x y y", 0, 2 / 3),
    ("mlqa", "en", "“quoted”", "quoted", 1, 1),
    ("mlqa", "de", "dem Turm", "Turm", 1, 1),
    ("mlqa", "de", "dessen Turm", "Turm", 0, 2 / 3),
    ("mlqa", "es", "¿La casa?", "casa", 1, 1),
    ("mlqa", "vi", "cái nhà", "nhà", 1, 1),
    ("mlqa", "hi", "दिल्ली।", "दिल्ली", 1, 1),
    ("mlqa", "hi", "the दिल्ली", "दिल्ली", 0, 2 / 3),
    ("mlqa", "ar", "البيت", "بيت", 1, 1),
    ("mlqa", "ar", "دلال", "دل", 1, 1),
    ("mlqa", "zh", "北京市。", "北京", 0, 4 / 5),
    ("mlqa", "zh", "约12年", "约 12 年", 1, 1),
    ("mlqa", "zh", "カタ", "カ タ", 0, 0),
]


@pytest.mark.parametrize(("normalization", "language", "text", "reference", "exact", "f1"), BY_HAND)
def test_by_hand(normalization: Any, language: str, text: str, reference: str, exact: float, f1: float) -> None:
    options = TextOptions(language=language, normalization=normalization)
    assert ours([(text, reference, reference)], options) == [pytest.approx((exact, f1))]
