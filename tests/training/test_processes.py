"""Several processes share the steps of a training: they end with the weights of one, and one may go on for them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from neuroglot.errors import ConfigError
from neuroglot.training.sharing import shared_steps
from neuroglot.training.types import Training
from tests.launching import ENVIRONMENT, LAUNCHER
from tests.recipes.test_curriculum import TWO_STAGES, put_files

# ---- which rows are learned in which step


def collated(rows: Any) -> dict[str, torch.Tensor]:
    return {"labels": torch.tensor(list(rows))}


def dealt(rows: list[int], processes: int, batch_size: int, accumulation: int) -> list[list[int]]:
    """The rows learned in each step, by all processes together; batches go to the processes in turn."""
    training = Training(steps=9, learning_rate=1, batch_size=batch_size, accumulation=accumulation)
    shared = shared_steps(rows, collated, training, processes)
    assert len(shared.rows) % processes == 0
    own = [
        [shared.collate([item])["labels"].tolist() for item in shared.rows[rank::processes]]
        for rank in range(processes)
    ]
    each = shared.training.accumulation
    assert shared.training.batch_size == 1
    starts = range(0, len(own[0]), each)
    return [
        sorted(row for part in own for batch in part[start : start + each] for row in batch if row != -100)
        for start in starts
    ]


@pytest.mark.parametrize("count", [1, 7, 12, 13, 24])
@pytest.mark.parametrize(
    ("processes", "batch_size", "accumulation"), [(2, 3, 2), (2, 4, 1), (3, 2, 3), (4, 4, 3), (2, 2, 4)]
)
def test_each_step_learns_the_rows_that_one_process_learns(count, processes, batch_size, accumulation) -> None:
    rows, a_step = list(range(100, 100 + count)), batch_size * accumulation
    expected = [rows[start : start + a_step] for start in range(0, count, a_step)]
    assert dealt(rows, processes, batch_size, accumulation) == expected


@pytest.mark.parametrize(
    ("processes", "batch_size", "accumulation", "most", "times"),
    [(2, 3, 2, 3, 1), (2, 4, 1, 2, 1), (4, 4, 3, 1, 3), (2, 2, 4, 2, 2)],
)
def test_all_processes_have_equal_shares(processes, batch_size, accumulation, most, times) -> None:
    training = Training(steps=1, learning_rate=1, batch_size=batch_size, accumulation=accumulation)
    shared = shared_steps(list(range(batch_size * accumulation)), collated, training, processes)
    assert [len(part) for part in shared.rows] == [most] * (processes * times)
    assert shared.training.accumulation == times


def test_what_cannot_be_shared_is_refused_and_one_process_is_left_alone() -> None:
    training = Training(steps=1, learning_rate=1, batch_size=3, accumulation=3)
    with pytest.raises(ConfigError, match="2 processes cannot share batches of 3, 3 a step"):
        shared_steps([1], collated, training, 2)
    assert shared_steps([1], collated, training, 1) == ([1], collated, training)


# ---- two processes


def launch(processes: int, *words: str, folder: Path) -> subprocess.Popen[str]:
    command = [*LAUNCHER, str(processes), "-m", "neuroglot"] if processes > 1 else [sys.executable, "-m", "neuroglot"]
    return subprocess.Popen(
        [*command, *words], cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def done(process: subprocess.Popen[str]) -> str:
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    return said


def written(folder: Path) -> Path:
    """A curriculum whose second stage trains adapters on packed texts, both read again and again."""
    put_files(folder)
    stored = json.loads(json.dumps(TWO_STAGES))
    for stage in stored["stages"]:
        stage |= {"pack": True, "batch_size": 4, "learning_rate": 1e-3}
    stored["stages"][0] |= {"counts": {"questions": 26}, "accumulation": 2}
    (folder / "stages.yaml").write_text(json.dumps(stored))
    return folder


CURRICULUM = ("curriculum", "model", "--stages", "stages.yaml", "--device", "cpu", "--checkpoint-every", "1")


def same(first: Path, second: Path, most: float) -> None:
    one, other = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    assert set(one) == set(other)
    for name, weight in one.items():
        assert float((weight - other[name]).abs().max()) <= most, name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One curriculum, done by one process and by two."""
    folder = written(tmp_path_factory.mktemp("processes"))
    running = [launch(count, *CURRICULUM, "--out", f"by-{count}", folder=folder) for count in (1, 2)]
    for process in running:
        done(process)
    return folder


def test_two_processes_end_with_the_weights_of_one(folder: Path) -> None:
    same(folder / "by-1", folder / "by-2", 1e-5)
    same_files = [sorted(path.name for path in (folder / name).rglob("*")) for name in ("by-1", "by-2")]
    assert same_files[0] == same_files[1]
    base = load_file(folder / "model" / "model.safetensors")
    tuned = load_file(folder / "by-2" / "model.safetensors")
    assert max(float((tuned[name] - base[name]).abs().max()) for name in base) > 1e-3


def unfinished(folder: Path, out: str, checkpoint: str) -> Callable[[], bool]:
    return lambda: any((folder / out).glob(f".unfinished/state/curriculum/{checkpoint}/whole.json"))


def kill(process: subprocess.Popen[str], victim: Callable[[], int], is_time: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_time() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1][-2000:]
        time.sleep(0.01)
    os.kill(victim(), signal.SIGKILL)


def child(process: subprocess.Popen[str], rank: int) -> int:
    """The process of a rank that the launcher started."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            values = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == process.pid and b"RANK=%d" % rank in values:
            return int(path.name)
    raise AssertionError("no such process")


def test_a_rank_that_dies_ends_the_run_with_a_message_and_one_process_goes_on(folder: Path) -> None:
    process = launch(2, *CURRICULUM, "--out", "killed", folder=folder)
    kill(process, lambda: child(process, 1), unfinished(folder, "killed", "answer/training/checkpoint-*"))
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    # The other one misses it first, or is told first by the launcher to end.
    said = ("neuroglot: Another process of the job ended or did not answer", "neuroglot: interrupted; a run that was")
    assert sum(map(errors.count, said)) == 1, errors
    assert not any(name in errors for name in ("raise stopped", "RuntimeError", "ProcessError"))  # of no traceback
    done(launch(1, *CURRICULUM, "--resume", "--out", "killed", folder=folder))
    same(folder / "by-1", folder / "killed", 1e-5)


TUNE = (
    "tune", "model", "--corpus", "words.tsv", "--template", "translation", "--originals", "de", "--languages", "es",
    "--target", "en", "--steps", "5", "--batch-size", "4", "--lora-rank", "2", "--device", "cpu", "--pack",
    "--learning-rate", "1e-3", "--drop-unfit",
)  # fmt: skip


def test_tune_is_shared_too(folder: Path) -> None:
    lines = ["id\tde\tes\ten", *(f"r{row}\tw{row} w1\tw{row} w2\tw{row + 9} w3" for row in range(13))]
    (folder / "words.tsv").write_text("\n".join(lines) + "\n")
    for process in [launch(count, *TUNE, "--out", f"tuned-{count}", folder=folder) for count in (1, 2)]:
        done(process)
    same(folder / "tuned-1", folder / "tuned-2", 1e-5)
