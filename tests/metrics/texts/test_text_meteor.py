"""METEOR by its formula, written out for words whose alignment leaves no choice."""

import pytest

from neuroglot.metrics.texts import TextOptions, Texts, choose_metrics, score_texts

pytest.importorskip("nltk", reason="METEOR is nltk's, of the extra 'scores'")


def plain(matches: int, chunks: int, said: int, wanted: int) -> float:
    """Lavie and Agarwal (2007): F with nine tenths of recall, less half of the cube of chunks over matches."""
    if not matches:
        return 0.0
    precision, recall = matches / said, matches / wanted
    return precision * recall / (0.9 * precision + 0.1 * recall) * (1 - 0.5 * (chunks / matches) ** 3)


def score(said: str, *wanted: str, language: str | None = None) -> float:
    texts = Texts((said,), tuple((text,) for text in wanted))
    return score_texts(texts, ["meteor"], TextOptions(language=language))[0].score.value


def test_it_is_the_formula_of_matches_and_chunks() -> None:
    assert score("the cat sat", "the cat sat") == pytest.approx(100 * plain(3, 1, 3, 3))
    assert score("The cat sat down", "sat the cat") == pytest.approx(100 * plain(3, 2, 4, 3))
    assert score("a b", "c d e") == 0
    assert score("", "a b") == 0
    assert score("我们走", "我们去走") == pytest.approx(100 * plain(3, 2, 3, 4))  # letters of unspaced scripts
    assert score("a b", "c d", "a b c") == pytest.approx(100 * plain(2, 1, 2, 3))  # the best reference


def test_stems_match_in_english_alone_and_synonyms_nowhere() -> None:
    assert score("the cats run", "the cat runs", language="en") == pytest.approx(100 * plain(3, 1, 3, 3))
    assert score("the cats run", "the cat runs", language="de") == pytest.approx(100 * plain(1, 1, 3, 3))
    assert score("the cats run", "the cat runs") == pytest.approx(100 * plain(1, 1, 3, 3))
    assert score("big", "large", language="en") == 0
    for language, match in (("en-GB", "exact+porter"), ("fr", "exact")):
        metric = choose_metrics(["meteor"], TextOptions(language=language))["meteor"]
        assert dict(metric.signature(Texts(("a",), (("a",),))).fields)["match"] == match


def test_the_corpus_has_the_mean_of_its_rows() -> None:
    texts = Texts(("the cat sat", "a b"), (("the cat sat", "b a c"),))
    expected = (plain(3, 1, 3, 3) + plain(2, 2, 2, 3)) / 2
    assert score_texts(texts, ["meteor"])[0].score.value == pytest.approx(100 * expected)
