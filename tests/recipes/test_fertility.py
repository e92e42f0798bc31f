"""`neuroglot fertility` against counts by hand, and shortening chosen on other rows."""

import json

import pytest
import torch

from neuroglot.corpora import Corpus
from neuroglot.errors import ConfigError
from neuroglot.experiments.fertility import fertility
from neuroglot.metrics.intervals import by_rows
from neuroglot.models.shortening import Shortening
from tests.prompting.tokenizers import tokenizer

TEXTS = {
    "te": tuple(f"{'తెలుగు భాష ' * (1 + row % 3)}{row}" for row in range(12)),
    "en": tuple(f"the dog sleeps {'well ' * (row % 4)}{row}" for row in range(12)),
    "de": tuple(f"der Hund schläft {'gut ' * (row % 2)}{row}" for row in range(12)),
}
CORPUS = Corpus("own", tuple(map(str, range(12))), TEXTS)


@pytest.mark.parametrize("kind", ["bytes", "bpe", "metaspace"])
def test_every_number_is_a_ratio_of_sums(kind: str) -> None:
    built = tokenizer(kind)
    found = fertility(built, CORPUS)
    tokens = {
        language: [len(built(text, add_special_tokens=False)["input_ids"]) for text in column]
        for language, column in TEXTS.items()
    }
    for language, column in TEXTS.items():
        characters, utf8 = sum(map(len, column)), sum(len(text.encode()) for text in column)
        assert found.per_character[language].value == pytest.approx(sum(tokens[language]) / characters)
        assert found.per_byte[language].value == pytest.approx(sum(tokens[language]) / utf8)
        assert found.relative[language].value == pytest.approx(sum(tokens[language]) / sum(tokens["en"]))
    both = torch.tensor([tokens["te"], tokens["en"]], dtype=torch.float64).T
    (expected,) = by_rows(both).map(lambda sums: sums[..., :1] / sums[..., 1:]).scores()
    assert (found.relative["te"].low, found.relative["te"].high) == pytest.approx((expected.low, expected.high))
    assert str(found.relative["en"]).startswith("1")
    assert found.relative_to == "en"


def test_each_half_is_shortened_by_what_the_other_half_has_most() -> None:
    """The halves have other scripts, so that each chooses a token that saves nothing in the other."""
    built = tokenizer("bytes")
    first, second = CORPUS.split(0.5)
    texts = tuple("తెలుగు" * 3 + row_id if row_id in first.ids else "éèà" * 3 + row_id for row_id in CORPUS.ids)
    corpus = Corpus("mixed", CORPUS.ids, {"te": texts})
    assert [part.ids for part in corpus.split(0.5)] == [first.ids, second.ids]
    found = fertility(built, corpus)
    assert float(found.saved.sum()) == 0
    assert found.leads == (("E0", "C3"),)
    alike = fertility(built, CORPUS)
    shortening = Shortening.of(built, TEXTS["te"])
    assert shortening is not None
    ids = built(list(TEXTS["te"]), add_special_tokens=False)["input_ids"]
    left_out = sum(len(row) - len(shortening.shorten(row)) for row in ids)
    assert float(alike.saved[:, 0].sum()) == left_out
    assert alike.saving["te"].value == pytest.approx(left_out / sum(map(len, ids)))


def test_tokens_that_hold_a_part_of_a_character_are_counted() -> None:
    built = tokenizer("metaspace")
    corpus = Corpus("two", ("1", "2"), {"te": ("త", "ab"), "en": ("the dog", "dog the")})
    found = fertility(built, corpus)
    assert found.parts[:, 0].tolist() == [3, 0]
    assert found.parts[:, 1].tolist() == [0, 0]


def test_rows_that_share_a_text_are_summed() -> None:
    texts = {"en": ("a b", "a b", "c", "d e f"), "de": ("x", "y y", "z", "w")}
    found = fertility(tokenizer("words"), Corpus("repeated", ("1", "2", "3", "4"), texts))
    assert found.characters[:, 0].tolist() == [6, 1, 5]  # English: the first two rows together
    assert found.characters[:, 1].tolist() == [4, 1, 1]


def test_the_report_has_what_the_function_gives(run, capsys: pytest.CaptureFixture[str]) -> None:
    run("fertility", "model", "--corpus", "texts", "--relative-to", "sw", "--json")
    (section,) = json.loads(capsys.readouterr().out)["report"]["sections"]
    tables = {table["key"]: table for table in section["tables"]}
    rows = tables["fertility"]["rows"]
    assert [row[0] for row in rows] == ["de", "sw", "zh"]
    assert rows[1][2:5] == [1, 1, 1]
    assert section["signature"]["relative_to"] == "sw"
    run("fertility", "model", "--corpus", "texts", "--relative-to", "swa_Latn", "--json")  # as languages are named
    (again,) = json.loads(capsys.readouterr().out)["report"]["sections"]
    assert again["tables"] == section["tables"]
    with pytest.raises(ConfigError, match="with those of 'fr'"):
        run("fertility", "model", "--corpus", "texts", "--relative-to", "fr")
