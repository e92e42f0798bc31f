"""The commands on branched models: pieces alone are enough, and a new branch leaves all others as they are."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from neuroglot import models
from neuroglot.errors import ArtifactError, ConfigError, UnsupportedModelError
from neuroglot.models.branched import BranchedFolder, BranchedSeq2Seq
from neuroglot.recipes import all_recipes
from tests.branched.making import GROUPS, moved, translator
from tests.specialization.making import texts, translation_tokenizer


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("accelerate", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    monkeypatch.chdir(tmp_path)
    moved(BranchedSeq2Seq.from_model(translator(), GROUPS)).save_pretrained("branches")
    translation_tokenizer().save_pretrained("branches")
    Path("pairs").mkdir()
    for language, column in texts(6).texts.items():
        Path("pairs", f"{language}.txt").write_text("\n".join(column) + "\n")
    return tmp_path


def run(command: str, out: str, **options: Any) -> Path:
    all_recipes()[command].from_json({"model": "branches", "corpus": "pairs", "device": "cpu", **options}).run(
        Path(out)
    )
    return Path(out)


def test_a_direction_is_translated_by_its_own_pieces_and_nothing_else(desk: Path) -> None:
    asked = {"source": "de", "into": ["en"], "flow": 2, "max_new_tokens": 5, "keep_truncated": True, "beams": 2}
    whole = run("lego translate", "whole", **asked)
    shutil.copytree("branches", "sent")
    for path in Path("sent").glob("*coder-*"):
        if path.stem not in ("encoder-train", "decoder-main"):
            path.unlink()
    part = run("lego translate", "part", **asked, model="sent")
    columns = [
        [json.loads(line).get("en") for line in (folder / "corpus.jsonl").read_text().splitlines()]
        for folder in (whole, part)
    ]
    assert columns[0] == columns[1]
    assert len(columns[0]) == 6
    assert (whole / "corpus.jsonl").read_bytes() == (part / "corpus.jsonl").read_bytes()
    with pytest.raises(ArtifactError, match="encoder-main.safetensors is not there"):
        run("lego translate", "other", **{**asked, "flow": 4}, model="sent")
    with pytest.raises(ConfigError, match="no decoder for 'en'"):
        run("lego translate", "none", **{**asked, "flow": 1})


def test_other_commands_say_how_to_take_a_pair(desk: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="Take a pair"):
        models.load("./branches")
    BranchedFolder("branches").select("train", "main").save_pretrained("pair")
    translation_tokenizer().save_pretrained("pair")
    located, _ = models.load("./pair")
    assert located.family.model_type == "m2m_100"


def test_the_mean_of_draws_and_rules_decide_as_in_translate(desk: Path) -> None:
    asked = {"source": "de", "into": ["fr"], "max_new_tokens": 4, "keep_truncated": True}
    for name, options in {"mbr": {"rule": "mbr-chrf", "samples": 2}, "ensemble": {"flow": 15, "beams": 2}}.items():
        report = json.loads((run("lego translate", name, **asked, **options) / "report.json").read_text())
        assert report["sections"][0]["signature"]["flows"].startswith("de-fr: ")


def test_a_new_group_is_trained_and_everything_else_stays_to_the_last_bit(desk: Path) -> None:
    Path("groups.json").write_text('{"train": ["de"], "embed_tokens": ["fr"], "new": ["en"]}')
    out = run(
        "lego train", "added", languages=["en", "de", "fr"], groups="groups.json", train_groups=["new"],
        stages=["branches"], rounds=1, steps=2, batch_size=2, validation_rows=2, test_rows=1, max_new_tokens=3,
        metric="chrf",
    )  # fmt: skip
    before, after = (BranchedSeq2Seq.from_pretrained(name).state_dict() for name in ("branches", out))
    assert all(bool((after[name] == weight).all()) for name, weight in before.items())
    new = {name.partition("new.")[2] for name in set(after) - set(before)}
    main = {name.partition("main.")[2]: weight for name, weight in before.items() if ".main." in name}
    assert new == set(main)
    assert json.loads((out / "config.json").read_text())["groups"]["new"] == ["en"]
