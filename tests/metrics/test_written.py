"""Gains of written translations: sacrebleu's own chrF of the corpus, and intervals by leaving rows out."""

import pytest
import sacrebleu
import torch

from neuroglot.errors import ConfigError
from neuroglot.metrics.quadrants import QuadrantMap
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts
from neuroglot.metrics.texts.overlap import chrf
from neuroglot.metrics.written import WrittenGains
from neuroglot.reports.section import section_of
from neuroglot.signature import Signature

LANGUAGES = ("de", "sw", "th")
RIGHT = {
    "de": ["der Hund", "die Katze", "ein Haus", "zwei Seen"],
    "sw": ["mbwa", "paka mmoja", "nyumba", "maziwa mawili"],
    "th": ["หมา", "แมวหนึ่งตัว", "บ้าน", "ทะเลสาบ"],
}
BEFORE = {"de": ["der", "Katze", "Haus", ""], "sw": ["mbwa", "", "nyumb", "mawili"], "th": ["แมว", "แมว", "", "ทะเล"]}
AFTER = {
    "de": ["der Hund", "Katzen", "Haus", "See"],
    "sw": ["mbwa", "paka", "n", "mawili"],
    "th": ["", "แมว", "บ้า", "ทะ"],
}


def counts(metric: TextMetric, written: dict[str, list[str]]) -> torch.Tensor:
    by_language = [metric.counts(Texts(tuple(written[g]), (tuple(RIGHT[g]),))) for g in LANGUAGES]
    return torch.stack(by_language, 1)


def score(written: dict[str, list[str]], language: str, without: int | None = None) -> float:
    kept = [row for row in range(4) if row != without]
    texts, right = ([side[language][row] for row in kept] for side in (written, RIGHT))
    return sacrebleu.corpus_chrf(texts, [right]).score


def gains() -> WrittenGains:
    metric = chrf(TextOptions())
    return WrittenGains("chrf", metric, LANGUAGES, counts(metric, BEFORE), {"sw": counts(metric, AFTER)[None]})


def test_gains_are_those_of_the_corpus_scores_and_without_each_row() -> None:
    found = gains().gains("sw")
    for without, (own, others) in ((None, found.value), *enumerate(found.without["rows"])):
        differences = {g: score(AFTER, g, without) - score(BEFORE, g, without) for g in LANGUAGES}
        assert float(own) == pytest.approx(differences["sw"])
        assert float(others) == pytest.approx((differences["de"] + differences["th"]) / 2)


def test_they_stand_in_a_table_beside_the_bits_and_change_no_label() -> None:
    bits, sizes = torch.rand(4, 3, dtype=torch.float64) + 3, torch.full((4, 3), 5.0, dtype=torch.float64)
    maps = [QuadrantMap(LANGUAGES, bits, sizes, {"sw": bits[None] - 1}, Signature(), written=each) for each in
            (None, gains())]  # fmt: skip
    plain, beside = map(section_of, maps)
    assert maps[0].quadrant("sw") == maps[1].quadrant("sw")
    assert [table.key for table in beside.tables] == [*(table.key for table in plain.tables), "quadrants-written"]
    (row,) = beside.tables[-1].rows
    assert row[1] == pytest.approx(score(AFTER, "sw") - score(BEFORE, "sw"))


def test_other_rows_or_languages_are_refused() -> None:
    whole = gains()
    for after in ({"sw": whole.after["sw"][:, :3]}, {"fr": whole.after["sw"]}):
        with pytest.raises(ConfigError, match="Expected the same rows"):
            WrittenGains("chrf", whole.metric, LANGUAGES, whole.before, after)
