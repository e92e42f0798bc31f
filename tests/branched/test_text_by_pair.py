"""A training on text by pair: what it reads, that it holds no text of the held-out rows, and what is refused."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from neuroglot.corpora import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.corpora.language_centric import TrainingText, read_pairs, without_texts
from neuroglot.corpora.seen import text_hashes
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.recipes import all_recipes
from neuroglot.runs.identity import Identity
from tests.branched.making import translator
from tests.specialization.making import texts, translation_tokenizer

ASKED = {
    "corpus": "opus", "held": "held", "languages": ["en", "de", "fr"], "model": "model", "steps": 1, "rounds": 1,
    "stages": ["1"], "batch_size": 2, "validation_rows": 2, "test_rows": 1, "max_new_tokens": 3, "metric": "chrf",
    "device": "cpu", "seed": 4,
}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six parallel rows are held out of; text by pair has their rows 0 and 3, and others."""
    for name in ("accelerate", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    monkeypatch.chdir(tmp_path)
    translator().save_pretrained("model")
    translation_tokenizer().save_pretrained("model")
    corpus = texts(9)
    for folder in ("held", "opus", "opus/split_2"):
        Path(folder).mkdir()
    for code in ("en", "de", "fr"):
        column = corpus.texts[code]
        Path("held", f"{code}.txt").write_text("".join(f"{text}\n" for text in column[:6]))
    write("train.de-en", {"de": rows("de", 0, 6, 7), "en": rows("en", 0, 6, 7)})
    write("train.de-fr", {"de": rows("de", 8), "fr": rows("fr", 8)})
    write("valid.de-en", {"de": rows("de", 8), "en": rows("en", 8)})
    tagged = {code: [f"__{code}__ {text}" for text in rows(code, 3, 8)] for code in ("en", "fr")}
    write("split_2/train.en-trg1", {"en": tagged["en"], "trg1": tagged["fr"]})
    return tmp_path


def rows(code: str, *numbers: int) -> list[str]:
    return [texts(9).texts[code][number] for number in numbers]


def write(name: str, sides: dict[str, list[str]]) -> None:
    for side, lines in sides.items():
        Path("opus", f"{name}.{side}").write_text("".join(f"{line}\n" for line in lines))


def recipe(**options: Any) -> Any:
    return all_recipes()["lego train"].from_json({**ASKED, **options})


def test_what_is_trained_has_none_of_the_held_out_texts(desk: Path) -> None:
    identity = Identity()
    train, validation, test = recipe(stem="train").rows(identity)
    held = {text for part in (validation, test) for column in part.texts.values() for text in column}
    numbers = {row for row in range(6) if texts(9).texts["en"][row] in held}
    assert len(numbers) == 3
    assert (len(validation), len(test)) == (2, 1)
    expected = {"de-en": (0, 6, 7), "en-de": (0, 6, 7), "de-fr": (8,), "fr-de": (8,), "en-fr": (3, 8), "fr-en": (3, 8)}
    for name, whole in expected.items():
        direction = Direction.parse(name)
        kept = [row for row in whole if row not in numbers]
        found = train.pairs[direction]
        assert list(found.texts[direction.source]) == rows(direction.source, *kept)
        assert list(found.texts[direction.target]) == rows(direction.target, *kept)
    assert set(map(str, train.pairs)) == set(expected)
    left_out = sum(row in numbers for whole in expected.values() for row in whole)
    assert any(remark.startswith(f"{left_out} rows to train on") for remark in identity.remarks)
    assert set(train.texts["en"]) == {text for row in {0, 6, 7, 3, 8} - numbers for text in rows("en", row)}
    (largest,) = train.largest.directions
    assert len(train.pairs[largest]) == max(map(len, train.pairs.values())) > min(map(len, train.pairs.values()))
    draws = {
        frozenset(text for part in recipe(stem="train", seed=seed).rows(Identity())[1:] for text in part.texts["en"])
        for seed in range(8)
    }
    assert len(draws) > 1  # rows are drawn with the seed, and are not the first ones
    assert set(map(str, recipe().rows(Identity())[0].pairs)) == set(expected)
    assert len(recipe().rows(Identity())[0].pairs[Direction("de", "en")]) > len(train.pairs[Direction("de", "en")])
    limited = recipe(stem="train", limit=1).rows(Identity())[0].pairs
    assert max(map(len, limited.values())) == 1


def test_every_direction_that_is_there_is_trained_and_translated(desk: Path) -> None:
    report = recipe(stem="train", directions=["de-en", "en-de", "en-fr", "fr-en"], zero_shot=["fr-de"])
    report.run("out")
    config = json.loads(Path("out/config.json").read_text())
    assert config["groups"] == {"de": ["de"], "fr": ["fr"]}
    sections = {each["key"]: each for each in json.loads(Path("out/report.json").read_text())["sections"]}
    assert sections["branch-spaces"]["signature"]["model"] == "branches of model"
    by_direction = next(each for each in sections["flows"]["tables"] if each["key"] == "flows-by-direction")
    assert {row[0] for row in by_direction["rows"]} == {"de-en", "en-de", "en-fr", "fr-en", "fr-de"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"held": None}, "--held"),
        ({"languages": ["en", "de", "fr", "sw"]}, "sw"),
        ({"directions": ["fr-en", "en-de"], "languages": ["en", "de", "fr", "sw"]}, "sw"),
        ({"corpus": "lab"}, "Expected text of your own"),
        ({"corpus": "held", "stem": "train"}, "need --held"),
        ({"validation_rows": 6}, "Expected 7 or more"),
        ({"stem": "test"}, "no text by pair"),
        ({"directions": ["de-en"], "zero_shot": ["de-en"], "languages": ["en", "de"]}, "among the directions"),
        ({"ensembles": [8], "directions": ["de-en"], "languages": ["en", "de"]}, "No direction has the branches"),
        ({"column": "text"}, "no --column"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is(desk: Path, options: Any, said: str) -> None:
    with pytest.raises((ConfigError, CorpusError), match=said):
        recipe(**options).run("out")
    assert not Path("out").exists()


def test_parallel_text_may_have_its_held_out_rows_elsewhere_too(desk: Path) -> None:
    Path("all").mkdir()
    for code in ("en", "de", "fr"):
        Path("all", f"{code}.txt").write_text("".join(f"{text}\n" for text in texts(9).texts[code]))
    train, validation, test = recipe(corpus="all").rows(Identity())
    held = {*validation.texts["en"], *test.texts["en"]}
    assert {str(each): len(pairs) for each, pairs in train.pairs.items()} == dict.fromkeys(
        ("en-de", "en-fr", "de-en", "fr-en"), 6
    )
    assert set(train.pairs[Direction("en", "de")].texts["en"]) == set(texts(9).texts["en"]) - held


def test_one_pair_is_parallel_text(desk: Path) -> None:
    Path("one").mkdir()
    for code in ("en", "de"):
        Path("one", f"t.de-en.{code}").write_text("".join(f"{text}\n" for text in texts(9).texts[code]))
    train, validation, test = recipe(corpus="one", held=None, languages=["en", "de"]).rows(Identity())
    assert len(train.pairs[Direction("en", "de")]) == 6
    assert not {*train.texts["en"]} & {*validation.texts["en"], *test.texts["en"]}


def test_directions_are_those_between_the_languages_on_both_sides() -> None:
    pairs = {
        Direction(*pair): Corpus("x", ("1",), {code: (f"text in {code}",) for code in pair})
        for pair in (("de", "en"), ("en", "de"), ("de", "fr"), ("fr", "en"))
    }
    assert {*map(str, TrainingText.of_pairs("x", pairs, ["de", "en"]).pairs)} == {"de-en", "en-de"}


def test_a_direction_of_which_nothing_is_left_is_gone(desk: Path) -> None:
    pairs = read_pairs("opus", "train")
    kept, left_out = without_texts(pairs, text_hashes(pairs[Direction("de", "fr")]))
    assert Direction("de", "fr") not in kept
    assert left_out == 4  # de-fr and fr-de, and row 8 of en-fr and fr-en
    with pytest.raises(CorpusError, match="no text of de-fr"):
        TrainingText.of_pairs("opus", kept, ["de", "fr", "en"], [Direction("de", "fr")])
