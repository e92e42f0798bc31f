"""What a model was trained on is remembered as hashes, told where it is translated, and refused where it is judged."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.loading import load
from neuroglot.corpora.seen import text_hashes
from neuroglot.corpora.trained import TRAINED_ON, rows_trained_on, save_texts_trained_on, told_trained, trained_on
from neuroglot.corpora.written import ToWrite
from neuroglot.errors import ArtifactError, CorpusError
from neuroglot.recipes import all_recipes
from neuroglot.reports.wording import seen_rows
from neuroglot.runs.identity import Identity
from neuroglot.signature import Signature
from tests.models.sga.making import tiny_writer
from tests.recipes.every import EXAMPLES
from tests.specialization.making import texts

LEGO = EXAMPLES["lego train"] | {"steps": 1, "first_steps": 1, "test_rows": 2, "stages": ["1"]}
JUDGED = {"lego evaluate": {"beams": 1, "max_new_tokens": 2, "metric": "chrf"}, "sga neurons": {"random_draws": 1}}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nine parallel rows in `pairs`, and three others in `more`."""
    for name in ("accelerate", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    monkeypatch.chdir(tmp_path)
    for folder, rows in {"pairs": range(9), "more": range(9, 12)}.items():
        Path(folder).mkdir()
        for code, column in texts(12).texts.items():
            Path(folder, f"{code}.txt").write_text("".join(f"{column[row]}\n" for row in rows))
    return tmp_path


def recipe(command: str, **options: Any) -> Any:
    return all_recipes()[command].from_json({"device": "cpu", **options})


def hashes(*folders: str) -> set[int]:
    return set().union(*(text_hashes(load(folder)) for folder in folders))


def test_a_file_holds_each_text_once_with_those_of_what_was_before(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    save_texts_trained_on(first, [("ein", "zwei"), ("one", "ein")])
    save_texts_trained_on(second, [("drei", "zwei")], (first, tmp_path / "nowhere"))
    known = trained_on(second, "texts")
    assert known.tolist() == sorted({*known.tolist()})
    assert len(known) == 4
    assert set(trained_on(first, "texts").tolist()) < set(known.tolist())
    data = Corpus("c", ("a", "b", "c"), {"de": ("vier", " drei ", "fünf"), "en": ("one", "x", "y")})
    assert rows_trained_on(data, second) == ("a", "b")
    assert rows_trained_on(data, tmp_path) == ()
    assert len(trained_on(tmp_path, "texts")) == 0
    with pytest.raises(ArtifactError, match="clips"):
        trained_on(second, "clips")
    (second / TRAINED_ON).write_bytes(b"damaged")
    with pytest.raises(ArtifactError):
        rows_trained_on(data, second)


def test_a_page_says_first_what_was_trained_on_and_what_neurons_were_selected_on() -> None:
    assert seen_rows(told_trained(0)) == ""
    said = seen_rows(told_trained(2) | Signature.of(same_rows=1))
    assert said.startswith("Not a proof: the model was trained on 2 rows of these, where it does better")
    assert said.endswith(
        "Not a proof: the neurons were selected on 1 row of these, where they look better than elsewhere. "
    )


def test_branches_remember_their_texts_and_those_of_what_they_began_as(here: Path) -> None:
    recipe("lego train", **LEGO).run("first")
    held, known = load("first/corpus.jsonl"), set(trained_on(Path("first"), "texts").tolist())
    assert len(held) == 2
    assert known == hashes("pairs") - text_hashes(held)  # rows that chose flows among them
    grown = LEGO | {"model": "first", "corpus": "more", "validation_rows": 1, "test_rows": 1, "stages": ["branches"]}
    recipe("lego train", **grown).run("second")
    later = load("second/corpus.jsonl")
    assert set(trained_on(Path("second"), "texts").tolist()) == known | (hashes("more") - text_hashes(later))

    judged = JUDGED["lego evaluate"] | {"model": "second", "directions": ["en-de"]}
    report = recipe("lego evaluate", corpus="first", **judged).run("fair").to_json()  # rows that neither was trained on
    assert "trained_on" not in report["sections"][0]["signature"]
    with pytest.raises(CorpusError, match=r"7 of the 9 rows .* model was trained on: .*--same-rows allow"):
        recipe("lego evaluate", corpus="pairs", **judged).read(Identity())
    report = recipe("lego evaluate", corpus="pairs", same_rows="allow", **judged).run("unfair").to_json()
    assert report["sections"][0]["sentence"].startswith("Not a proof: the model was trained on 7 rows of these")
    assert report["sections"][0]["signature"]["trained_on"] == 7
    identity = Identity()
    recipe("lego translate", model="second", corpus="pairs", source="de", into=["en"]).read(identity)
    assert any("trained on 7 of the 9 texts" in remark for remark in identity.remarks)


def test_a_training_that_goes_on_says_which_of_its_held_rows_were_trained_on_before(here: Path) -> None:
    recipe("lego train", **LEGO).run("first")
    again = recipe("lego train", **LEGO | {"model": "first", "seed": 8, "test_rows": 6, "validation_rows": 1})
    identity = Identity()
    test = again.read(identity).test
    seen = rows_trained_on(test, Path("first"))
    assert 4 <= len(seen) <= 6  # of seven
    assert f"{len(seen)} of the 6 rows that are translated trained first." in identity.remarks
    report = again.run("second").to_json()
    assert report["sections"][0]["signature"]["trained_on"] == len(seen)


def test_a_writer_remembers_its_texts(here: Path) -> None:
    recipe("sga train", **EXAMPLES["sga train"] | {"test_rows": 3, "baselines": []}).run("writer")
    held = load("writer/corpus.jsonl")
    assert len(held) == 3
    known, others = set(trained_on(Path("writer"), "texts").tolist()), hashes("pairs") - text_hashes(held)
    assert known < others
    assert len(others - known) == len(load("pairs").languages)  # one row is neither trained on nor translated
    judged = EXAMPLES["sga neurons"] | {"model": "writer"}
    recipe("sga neurons", **judged | {"corpus": "writer"}).read(Identity())
    with pytest.raises(CorpusError, match=r"rows are among those that the model was trained on: .*--same-rows allow"):
        recipe("sga neurons", **judged).read(Identity())
    allowed = recipe("sga neurons", **judged | {"same_rows": "allow"})
    seen = allowed.read(Identity()).seen
    assert seen > 0
    assert allowed.run("neurons").to_json()["sections"][0]["signature"]["trained_on"] == seen
    identity = Identity()
    recipe("sga translate", model="writer", corpus="pairs", source="de", into=["en"]).read(identity)
    assert any("trained on 5 of the 9 texts" in remark for remark in identity.remarks)


def test_what_is_to_be_written_is_not_judged_on_sources_that_were_trained_on(here: Path) -> None:
    first = ToWrite("a", {"de": (("lang", "kurz"), ("länger", "k")), "en": (("long", "short"),)})
    second = ToWrite("b", {"de": (("neu", "kurz"), ("long", "s")), "en": (("länger", "x"), ("new", "y"))})
    assert second.sources_among(first) == ("de-1", "en-0")
    assert first.columns == [("lang", "länger"), ("kurz", "k"), ("long",), ("short",)]
    asked = {name: value for name, value in EXAMPLES["sga teach"].items() if name != "same_rows"}
    for folder, rows in {"articles": range(8), "others": range(9, 12)}.items():
        Path(folder).mkdir()
        for code in ("en", "de"):
            lines = [{"text": texts(12).texts[code][row], "title": texts(12).texts["fr"][row]} for row in rows]
            Path(folder, f"{code}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    writer, tokenizer = tiny_writer(texts(6))
    writer.backbone.save_pretrained("reader")
    tokenizer.save_pretrained("reader")
    with pytest.raises(CorpusError, match=r"10 of the 10 pairs .* model was trained on: .*--test"):
        recipe("sga teach", **asked).read(Identity())
    assert recipe("sga teach", **asked | {"test": "others"}).read(Identity()).seen == 0
    report = recipe("sga teach", **asked | {"same_rows": "allow"}).run("writer").to_json()
    curve, scores = report["sections"]
    assert "trained_on" not in curve["signature"]
    assert scores["signature"]["trained_on"] == 10
    assert torch.equal(trained_on(Path("writer"), "texts"), trained_on(Path("writer"), "texts").unique())
    assert len(trained_on(Path("writer"), "texts")) == 15  # titles are the same in both languages
