"""Trainings whose processes end, whose folders move, and whose groups change."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from neuroglot.errors import ArtifactError, ConfigError, ProcessError
from neuroglot.experiments import lego_training
from neuroglot.experiments.lego_training import Shared, train_shared
from neuroglot.recipes import all_recipes
from neuroglot.training.pieces import PIECES_STATE, Pieces
from tests.branched.making import folder, translator
from tests.branched.test_localized import directions, options, trained, weights
from tests.specialization.making import texts, translation_tokenizer


@pytest.fixture(autouse=True)
def _quiet() -> None:
    for name in ("accelerate", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)


FIRST = """
import sys, time
from pathlib import Path
from neuroglot.experiments import lego_training
from neuroglot.training.exchange import Exchange

class Job:
    def __init__(self, folder):
        self.folder = folder

def wait(job, told):
    import os, threading
    threading.Thread(target=lego_training._end_with_parent, daemon=True).start()
    Path(job.folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    lego_training._work = wait
    lego_training._run([Job(Path(sys.argv[1])), Job(Path(sys.argv[1]))])
"""


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """SIGKILL of the first, which can tell nobody: the next one must find nobody at work in the folders."""
    script, pids = tmp_path / "first.py", tmp_path / "pids"
    script.write_text(FIRST)
    pids.mkdir()
    first = subprocess.Popen([sys.executable, str(script), str(pids)])
    try:
        assert waited(lambda: len(list(pids.iterdir())) == 2)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    numbers = [int(path.name) for path in pids.iterdir()]
    try:
        assert waited(lambda: not any(map(runs, numbers)))
    finally:
        for number in filter(runs, numbers):
            os.kill(number, signal.SIGKILL)


def runs(number: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path("/proc", str(number), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def waited(condition: Any) -> bool:
    for _ in range(1200):
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_the_error_of_a_process_is_told_in_its_words(tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    log = tmp_path / "work" / "0-1" / "exchange" / "p0" / "exchanges.json"
    log.parent.mkdir(parents=True)
    log.write_text("{")
    with pytest.raises(ProcessError, match=r"The process p0, of 2, failed: .*exchanges\.json is damaged"):
        train_shared(
            tmp_path / "work", start, start.config, directions(start), options(stages=("1",), steps=1),
            Shared(2, "average"), device="cpu",
        )  # fmt: skip
    left = Pieces.stored(tmp_path / "work" / "0-1" / "p1", start.config)
    assert left.done == 1  # the other one finished


def test_a_training_goes_on_where_its_folder_was_moved_to(tmp_path: Path) -> None:
    start = folder(tmp_path / "run" / "start")
    config = options(stages=("1",), steps=1)
    whole = weights(trained(tmp_path / "whole", start, config))
    stopped = tmp_path / "run" / "state" / "pieces"
    part = options(stages=("1",), steps=1)

    def stop(turn: Any, *_: Any) -> None:
        if turn.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(stopped, start, part, on_step=stop)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    copied = type(start)(tmp_path / "copy" / "start")
    assert all(torch.equal(weight, whole[name]) for name, weight in
               weights(trained(tmp_path / "copy" / "state" / "pieces", copied, config)).items())  # fmt: skip
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before
    shutil.rmtree(tmp_path / "copy")
    shutil.move(tmp_path / "run", tmp_path / "moved")
    moved = type(start)(tmp_path / "moved" / "start")
    there = trained(tmp_path / "moved" / "state" / "pieces", moved, config)
    assert all(torch.equal(weight, whole[name]) for name, weight in weights(there).items())


@pytest.mark.parametrize("text", ["[]", "{", "{}", "null", "5", ""])
def test_a_state_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    (tmp_path / PIECES_STATE).write_text(text)
    with pytest.raises(ArtifactError, match="is damaged"):
        Pieces.of(tmp_path, start, start.config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("done", "1"), ("done", -1), ("done", 1.5), ("files", []), ("files", {}), ("files", {"embedding": "x"}),
        ("moments", None), ("moments", {"embedding": 5}), ("moments", {"other": "x"}), ("losses", {}), ("at", 5),
    ],
)  # fmt: skip
def test_a_damaged_state_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    start = folder(tmp_path / "start")
    pieces = Pieces.of(tmp_path / "work", start, start.config)
    pieces.commit()
    path = tmp_path / "work" / PIECES_STATE
    assert Pieces.stored(tmp_path / "work", start.config) == pieces
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ArtifactError, match="is damaged"):
        Pieces.stored(tmp_path / "work", start.config)


ASKED = {
    "corpus": "pairs", "languages": ["en", "de", "fr"], "model": "model", "groups": "groups.json", "steps": 1,
    "rounds": 1, "stages": ["1"], "batch_size": 2, "validation_rows": 2, "test_rows": 1, "max_new_tokens": 3,
    "metric": "chrf", "device": "cpu",
}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    translator().save_pretrained("model")
    translation_tokenizer().save_pretrained("model")
    Path("pairs").mkdir()
    for code, column in texts(6).texts.items():
        Path("pairs", f"{code}.txt").write_text("".join(f"{text}\n" for text in column))
    Path("groups.json").write_text('{"a": ["de"], "b": ["fr"]}')
    return tmp_path


def test_a_run_goes_on_with_the_same_groups_only(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = all_recipes()["lego train"].from_json(ASKED)
    with monkeypatch.context() as broken:
        broken.setattr(lego_training, "train_localized", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            recipe.run("out")
    for other in ('{"b": ["fr"], "a": ["de"]}', '{"a": ["fr"], "b": ["de"]}', '{"a": ["de", "fr"]}'):
        Path("groups.json").write_text(other)
        with pytest.raises(ConfigError, match="another groups"):
            recipe.run("out", resume=True)
    Path("groups.json").write_text('{"a": ["deu_Latn"], "b": ["fr"]}')  # the same, written otherwise
    recipe.run("out", resume=True)
    assert json.loads(Path("out/config.json").read_text())["groups"] == {"a": ["de"], "b": ["fr"]}


def test_a_model_past_the_pivot_is_trained_and_scored(desk: Path) -> None:
    """Without the pivot nothing is compared with it; what was trained is not lost by that."""
    options = {"languages": ["de", "fr"], "directions": ["de-fr", "fr-de"], "validation_rows": 1}
    all_recipes()["lego train"].from_json({**ASKED, **options}).run("out")
    sections = [section["key"] for section in json.loads(Path("out/report.json").read_text())["sections"]]
    assert "flows" in sections
    assert "branch-spaces" not in sections
