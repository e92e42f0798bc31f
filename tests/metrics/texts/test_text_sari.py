"""SARI against the formulas of Xu et al. 2016, §4, written out with indicator functions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuroglot.errors import ConfigError
from neuroglot.metrics.texts import TextOptions, Texts, score_texts
from neuroglot.metrics.texts.overlap import sari_parts


def divide(part: float, whole: float) -> float:
    return 1.0 if whole == 0 else part / whole


def oracle(source: list[str], output: list[str], references: list[list[str]]) -> list[float]:
    sums = [0.0] * 5  # precision and recall of add, of keep; precision of delete
    for n in (1, 2, 3, 4):

        def has(words: list[str], gram: tuple[str, ...]) -> int:
            return int(any(tuple(words[i : i + len(gram)]) == gram for i in range(len(words))))

        texts = [source, output, *references]
        grams = {tuple(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)}
        table = []
        for gram in grams:
            i, o = has(source, gram), has(output, gram)
            any_reference = max(has(reference, gram) for reference in references)
            share = sum(has(reference, gram) for reference in references) / len(references)
            table.append((i, o, any_reference, share))
        added_well = sum(min(max(o - i, 0), r) for i, o, r, _ in table)
        sums[0] += divide(added_well, sum(max(o - i, 0) for i, o, _, _ in table)) / 4
        sums[1] += divide(added_well, sum(max(r - i, 0) for i, _, r, _ in table)) / 4
        kept_well = sum(min(min(i, o), min(i, s)) for i, o, _, s in table)
        sums[2] += divide(kept_well, sum(min(i, o) for i, o, _, _ in table)) / 4
        sums[3] += divide(kept_well, sum(min(i, s) for i, _, _, s in table)) / 4
        deleted_well = sum(min(max(i - o, 0), max(i - s, 0)) for i, o, _, s in table)
        sums[4] += divide(deleted_well, sum(max(i - o, 0) for i, o, _, _ in table)) / 4
    f = [0.0 if p + r == 0 else 2 * p * r / (p + r) for p, r in (sums[:2], sums[2:4])]
    return [*f, sums[4]]


LINES = st.lists(st.sampled_from("abcde"), max_size=8)


@settings(deadline=None)
@given(LINES, LINES, st.lists(LINES, min_size=1, max_size=3))
def test_the_parts_are_those_of_the_formulas(source: list[str], output: list[str], references: list[list[str]]) -> None:
    assert sari_parts(source, output, references) == pytest.approx(oracle(source, output, references))


def test_an_example_by_hand() -> None:
    # Unigrams: added {d} is in one reference, of {d, e} in any; kept {a, b}: in both and in one of two references.
    add, keep, delete = sari_parts(list("abc"), list("abd"), [list("abd"), list("ae")])
    ones = oracle(list("abc"), list("abd"), [list("abd"), list("ae")])
    assert (add, keep, delete) == pytest.approx(ones)
    assert delete == pytest.approx((1 + 1 + 1 + 1) / 4)  # c, 'b c' and 'a b c' are in no reference; no n-gram of four
    assert add == pytest.approx(2 * 1 * r / (1 + r) if (r := (1 / 2 + 1 / 2 + 1 + 1) / 4) else 0)


def test_the_score_is_the_mean_over_rows_of_the_mean_of_the_parts() -> None:
    sources = ("About 95 species are currently accepted .", "He fled .")
    outputs = ("About 95 you now get in .", "He ran away .")
    references = (
        ("About 95 species are currently known .", "He ran away ."),
        ("About 95 species are now accepted .", "He ran ."),
    )
    (found,) = score_texts(Texts(outputs, references, sources), ["sari"])
    rows = [
        [text.lower().split() for text in (source, output, *refs)]
        for source, output, *refs in zip(sources, outputs, *references)
    ]
    parts = [oracle(source, output, refs) for source, output, *refs in rows]
    assert found.score.value == pytest.approx(100 * sum(sum(part) / 3 for part in parts) / 2)
    means = [100 * sum(part[place] for part in parts) / 2 for place in range(3)]
    assert found.verbose == "add = {:.1f} keep = {:.1f} delete = {:.1f}".format(*means)


def test_the_reference_itself_scores_100_and_the_source_less() -> None:
    source, reference = ("The cat perched on the mat.",), ("The cat sat on the mat.",)
    (best,) = score_texts(Texts(reference, (reference,), source), ["sari"])
    (copied,) = score_texts(Texts(source, (reference,), source), ["sari"])
    assert best.score.value == pytest.approx(100)
    assert copied.score.value < 70


def test_it_needs_sources_and_takes_other_tokenizers() -> None:
    with pytest.raises(ConfigError, match="--source"):
        score_texts(Texts(("a",), (("a",),)), ["sari"])
    texts = Texts(("今天好",), (("今天好",),), ("今日好",))
    (found,) = score_texts(texts, ["sari"], TextOptions(tokenize="char"))
    assert dict(found.signature.fields)["tok"] == "char"
    assert found.score.value == pytest.approx(100)
