"""A job that is killed goes on where it was, with any number of processes, and ends with the same bytes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from neuroglot.activity.activity import Activity
from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.activity.tallies import ActivityTally
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.models import view
from neuroglot.signature import Signature
from neuroglot.storage import Kept, load_tensors
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus()
TOKENIZER = tiny_tokenizer()
EVERYTHING = Recording(statistics=("moments", "magnitude", "maximum", "histogram"))
JOB = [sys.executable, "-m", "neuroglot", "record", "lab", "--corpus", "lab", "--languages", "de", "sw", "ja"]
OPTIONS = ["--token-budget", "64", "--save-seconds", "0", "--statistics", "moments", "maximum", "--out"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


class Killed(BaseException):
    """Stands for the end of a process."""


def record_until(batches: int, folder: Path, recording: Recording = EVERYTHING) -> None:
    """Record into the folder until so many batches were read, and die in the middle of the next."""
    located, forwards = view(tiny_model("llama")), 0

    def die(*_: object) -> None:
        nonlocal forwards
        forwards += 1
        if forwards > batches:
            raise Killed

    located.model.model.layers[1].register_forward_pre_hook(die)
    with pytest.raises(Killed):
        record(located, TOKENIZER, CORPUS, recording, token_budget=20, kept=Kept(folder, 0))


def test_a_job_that_dies_between_any_two_batches_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuroglot.activity.checkpoints.SHARE_OF_TIME", 1e9)  # every batch is saved
    located = view(tiny_model("llama"))
    whole = record(located, TOKENIZER, CORPUS, EVERYTHING, token_budget=20).save(tmp_path / "whole")
    folder = tmp_path / "run"
    record_until(0, folder)
    for _ in range(5):
        record_until(2, folder)
    resumed = record(located, TOKENIZER, CORPUS, EVERYTHING, token_budget=20, kept=Kept(folder, 0))
    assert resumed.save(tmp_path / "resumed").read_bytes() == whole.read_bytes()


def test_what_a_killed_process_was_writing_does_not_stand_in_the_way(tmp_path: Path) -> None:
    record_until(3, tmp_path / "kept")
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    host = re.sub(r"\W", "", socket.gethostname())[:40]
    half = tmp_path / "kept" / f".process-00000.safetensors.{host}-{dead.stdout.strip()}-0~"
    half.write_bytes(b"half")
    record(view(tiny_model("llama")), TOKENIZER, CORPUS, EVERYTHING, token_budget=20, kept=Kept(tmp_path / "kept"))
    assert not half.exists()
    assert not list(tmp_path.rglob("*~"))


def test_a_damaged_checkpoint_falls_back_on_the_one_before(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("neuroglot.activity.checkpoints.SHARE_OF_TIME", 1e9)
    record_until(4, tmp_path / "kept")
    last = tmp_path / "kept" / "process-00000.safetensors"
    last.write_bytes(last.read_bytes()[:-7])
    located = view(tiny_model("llama"))
    forwards = []
    located.model.model.layers[1].register_forward_pre_hook(lambda *_: forwards.append(1))
    resumed = record(located, TOKENIZER, CORPUS, EVERYTHING, token_budget=20, kept=Kept(tmp_path / "kept", 0))
    few = len(forwards)
    whole = record(located, TOKENIZER, CORPUS, EVERYTHING, token_budget=20)
    assert few == len(forwards) - few - 3  # of the four batches that were counted, one is read again
    assert resumed.save(tmp_path / "a").read_bytes() == whole.save(tmp_path / "b").read_bytes()


def test_a_folder_of_another_job_is_refused(tmp_path: Path) -> None:
    record_until(3, tmp_path / "run")
    located = view(tiny_model("llama"))
    for options, words in (
        ({"recording": Recording()}, "counted: .*moments.* there"),
        ({"recording": EVERYTHING, "token_budget": 21}, "token_budget: 20 there, 21 here"),
        ({"recording": EVERYTHING, "token_budget": 20, "corpus": tiny_corpus(seed=1)}, "corpus_hash"),
    ):
        asked = {"corpus": CORPUS, **options}
        with pytest.raises(ConfigError, match=words):
            record(located, TOKENIZER, kept=Kept(tmp_path / "run"), **asked)  # type: ignore[arg-type]
    (tmp_path / "run" / "job.json").write_text("[1")
    with pytest.raises(ArtifactError, match="damaged"):
        record(located, TOKENIZER, CORPUS, kept=Kept(tmp_path / "run"))


def test_processes_that_start_at_different_speeds_do_not_take_each_other_for_another_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    monkeypatch.setattr("neuroglot.activity.checkpoints.distribution.wait_for_all", lambda: order.append("waits"))
    monkeypatch.setattr("neuroglot.activity.checkpoints.write_whole", lambda *_: order.append("writes"))
    Checkpoints(tmp_path / "run", 30).open(Signature.of(job=1))
    assert order == ["waits", "writes", "waits"]


def saved_by(folder: Path, process: int, batches: list[int], value: int) -> None:
    """A checkpoint as process `process` writes it, with `value` everywhere."""
    located = view(tiny_model("llama"))
    tally = ActivityTally(located.layout, 3, Recording(), torch.device("cpu"))
    for total in tally.totals.values():
        total += value
    checkpoints = Checkpoints(folder, 30)
    checkpoints.done.update(batches)
    folder.mkdir(exist_ok=True)
    checkpoints.save([tally])
    (folder / "process-00000.safetensors").rename(folder / f"process-{process:05d}.safetensors")


def restored(folder: Path) -> tuple[int, set[int]]:
    located = view(tiny_model("llama"))
    tally = ActivityTally(located.layout, 3, Recording(), torch.device("cpu"))
    checkpoints = Checkpoints(folder, 30)
    checkpoints.open(Signature.of(job=1))
    checkpoints.restore([tally])
    return int(tally.totals["tokens"][0]), checkpoints.done


def test_files_of_several_processes_add_up_and_old_ones_count_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    saved_by(folder, 3, [1, 3], 10)
    saved_by(folder, 2, [0, 2], 1)
    saved_by(folder, 1, [0], 7)  # from before process 2 took its batch over
    assert restored(folder) == (11, {0, 1, 2, 3})
    assert restored(folder) == (11, {0, 1, 2, 3})  # process 0 has written all of it, beside the old files
    saved_by(folder, 4, [3, 4], 1)
    with pytest.raises(ArtifactError, match="same batches"):
        restored(folder)


def test_another_process_writes_only_what_it_has_counted_since(tmp_path: Path, monkeypatch) -> None:
    """Process 0 has taken over what was there; batches stand in one file each, or the next start would refuse both."""
    folder = tmp_path / "run"
    saved_by(folder, 0, [0, 1], 3)
    monkeypatch.setattr("neuroglot.distribution.rank", lambda: 1)
    tally = ActivityTally(view(tiny_model("llama")).layout, 3, Recording(), torch.device("cpu"))
    checkpoints = Checkpoints(folder, 30)
    checkpoints.open(Signature.of(job=1))
    checkpoints.restore([tally])
    tally.totals["tokens"] += 5
    checkpoints.done.add(2)
    checkpoints.save([tally])
    monkeypatch.undo()
    assert load_tensors(folder / "process-00001.safetensors", "checkpoint")[0]["done"].tolist() == [2]
    assert restored(folder) == (8, {0, 1, 2})


def test_killed_processes_resume_on_another_number_with_the_same_bytes(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    _finish([_start(whole)])
    _kill_when([_start(killed)], lambda: any(killed.glob(".unfinished/state/counts/process-*")))
    port = _free_port()
    _finish([_start(killed, "--resume", rank=rank, count=2, port=port) for rank in range(2)])
    ours, theirs = (Activity.load(folder / "activity.safetensors") for folder in (whole, killed))
    assert torch.equal(ours.fired, theirs.fired)
    assert torch.equal(ours.statistics["maximum"], theirs.statistics["maximum"])
    torch.testing.assert_close(ours.mean(), theirs.mean(), rtol=1e-12, atol=1e-12)


def test_a_dead_process_ends_the_job_with_a_message_and_one_goes_on(tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    _finish([_start(whole)])
    port = _free_port()
    pair = [_start(shared, rank=rank, count=2, port=port) for rank in range(2)]
    _kill_when(pair[1:], lambda: any(shared.glob(".unfinished/state/counts/process-00001*")))
    _, said = pair[0].communicate(timeout=120)
    assert pair[0].returncode == 1
    assert "Another process of the job ended" in said
    assert "--resume" in said
    assert "Traceback" not in said
    _finish([_start(shared, "--resume")])
    ours, theirs = (Activity.load(folder / "activity.safetensors") for folder in (whole, shared))
    assert torch.equal(ours.fired, theirs.fired)
    assert torch.equal(ours.tokens, theirs.tokens)


def _start(out: Path, *more: str, rank: int = 0, count: int = 1, port: int = 0) -> subprocess.Popen[str]:
    launcher = {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
    launcher |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return subprocess.Popen(
        [*JOB, *OPTIONS, str(out), *more], env=ENVIRONMENT | launcher, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _finish(processes: list[subprocess.Popen[str]]) -> None:
    said = [process.communicate(timeout=300)[1] for process in processes]  # of all, because one that dies ends others
    assert [process.returncode for process in processes] == [0] * len(processes), "\n\n".join(said)


def _kill_when(processes: list[subprocess.Popen[str]], is_time) -> None:
    deadline = time.monotonic() + 120
    while not is_time() and time.monotonic() < deadline:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.02)
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
