"""Word error rates against a plain table of edit distances, and the counts of the field's rules."""

import random

import pytest
import torch

from neuroglot.errors import CorpusError
from neuroglot.metrics.texts import TextOptions, Texts, choose_metrics, score_texts
from neuroglot.metrics.texts.words import only_marks

pytest.importorskip("jiwer", reason="word error rates are jiwer's, of the extra 'sign'")


def edits(reference: list[str], hypothesis: list[str]) -> int:
    """Levenshtein's distance by its table."""
    before = list(range(len(hypothesis) + 1))
    for row, word in enumerate(reference, 1):
        now = [row]
        for column, other in enumerate(hypothesis, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (word != other)))
        before = now
    return before[-1]


def test_the_corpus_rate_is_all_edits_over_all_words_and_not_the_mean_of_sentences() -> None:
    rng = random.Random(0)
    lengths = [(rng.randint(1, 6), rng.randint(0, 6)) for _ in range(40)]
    rows = [tuple([rng.choice("ABC") for _ in range(length)] for length in pair) for pair in lengths]
    texts = Texts(tuple(" ".join(said) for _, said in rows), (tuple(" ".join(wanted) for wanted, _ in rows),))
    corpus, sentences = (found.score.value for found in score_texts(texts, ["wer", "wer-of-sentences"]))
    distances = [edits(*row) for row in rows]
    assert corpus == pytest.approx(100 * sum(distances) / sum(len(wanted) for wanted, _ in rows))
    assert sentences == pytest.approx(
        100 * sum(d / len(wanted) for d, (wanted, _) in zip(distances, rows, strict=True)) / 40
    )
    assert corpus != pytest.approx(sentences, rel=0.01)


def test_substitutions_deletions_and_insertions_are_counted() -> None:
    texts = Texts(("A X C", "", "A B C"), (("A B C", "A B", "A B"),))
    counts = choose_metrics(["wer"], TextOptions())["wer"].counts(texts)
    assert counts.tolist() == [[1, 0, 0, 3], [0, 2, 0, 2], [0, 0, 1, 2]]
    (found,) = score_texts(texts, ["wer"])
    assert found.verbose == "S=1 D=2 I=1 N=7"
    assert found.score.value == pytest.approx(100 * 4 / 7)
    assert torch.equal(counts.sum(0), torch.tensor([1.0, 2, 1, 7], dtype=torch.float64))


def test_sclites_glosses_have_no_prefixes_marks_and_spellings() -> None:
    wanted = "__EMOTION__ loc-NORD S0NNE poss-MEIN cl-KOMMEN HABEN2 __PU__ lh-HEUTE qu-WAS __LEFTHAND__"
    said = "NORD SONNE MEIN KOMMEN HABEN HEUTE WAS"
    plain, normalised = score_texts(Texts((said,), ((wanted,),)), ["wer", "wer-sclite"])
    assert normalised.score.value == 0
    assert score_texts(Texts((wanted,), ((said,),)), ["wer-sclite"])[0].score.value == 0  # of both sides
    assert plain.score.value == pytest.approx(100 * 10 / 10)
    (empty,) = score_texts(Texts(("__PU__", "A"), (("A B", "A"),)), ["wer-sclite"])
    assert empty.verbose == "S=1 D=1 I=0 N=3"
    assert "norm:phoenix-2014" in str(empty.signature)


def test_a_rate_over_nothing_is_refused() -> None:
    with pytest.raises(CorpusError, match="reference of row 2 has no words"):
        score_texts(Texts(("A", "B"), (("A", " "),)), ["wer"])
    with pytest.raises(CorpusError, match="None of the 2 references has words"):
        score_texts(Texts(("A", "B"), (("__PU__", "__EMOTION__"),)), ["wer-sclite"])
    with pytest.raises(CorpusError, match="reference of row 2 has no words"):
        score_texts(Texts(("A", "B"), (("__PU__ A", " "),)), ["wer-sclite"])
    with pytest.raises(CorpusError, match="all 1 rows are blank"):
        score_texts(Texts(("A",), (("",),)), ["wer"])
    with pytest.raises(CorpusError, match="with 2 references"):
        score_texts(Texts(("A",), (("A",), ("B",))), ["wer"])


def test_a_reference_of_marks_alone_has_no_words_and_what_is_read_of_it_is_inserted() -> None:
    texts = Texts(("A B", "", "A", "A B"), (("__PU__", "__EMOTION__", "A", "B B"),))
    metric = choose_metrics(["wer-sclite"], TextOptions())["wer-sclite"]
    assert metric.counts(texts).tolist() == [[0, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 2]]
    (found,) = score_texts(texts, ["wer-sclite"])
    assert found.score.value == pytest.approx(100 * 3 / 3)
    assert found.verbose == "S=1 D=0 I=2 N=3"
    assert "rows_without_words:2" in str(found.signature)
    assert "rows_without_words" not in str(score_texts(Texts(("A",), (("A",),)), ["wer-sclite"])[0].signature)
    assert only_marks(["__PU__", "A", " ", "loc-", "__PU__ A"]) == [0, 3]
    assert score_texts(texts, ["wer"])[0].verbose == "S=2 D=1 I=1 N=5"  # of other rates a mark is a word
