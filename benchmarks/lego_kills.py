"""A whole Lego-MT training by two processes that exchange their main pair, killed (SIGKILL) at random moments and gone
on with: is every branch there at the end, and the log of exchanges whole?

python -m benchmarks.lego_kills --kills 12

In turn the whole group of processes is killed, the first alone, and one of the two that train. Behind each kill the
logs must be whole and begin as they did before, and what they name must be there with the hash that they say.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

ROUNDS, STEPS = 24, 2
VICTIMS = ("all", "the first alone", "one that trains")
Log = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Kill, look, and go on, until it has been killed so often; then let it finish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--between", type=float, nargs=2, default=(10.0, 60.0), help="seconds from a start to its kill")
    arguments = parser.parse_args()
    drawn = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        write_inputs()
        known: dict[str, Log] = {}
        for kill in range(arguments.kills):
            victim = VICTIMS[kill % len(VICTIMS)]
            moment = drawn.uniform(*arguments.between)
            ended = killed(moment, victim, drawn)
            known = looked_at(known)
            told = ", ".join(f"{name} {len(log)}" for name, log in known.items()) or "none yet"
            print(f"{kill + 1}: {victim} after {moment:.1f} s; {ended}; turns in logs: {told}", flush=True)
        last = finished("run", known)
        for name, log in known.items():
            assert {turn: last[name][turn] for turn in log} == log, name
        every = {f"0-1/p{number}": {str(turn) for turn in range(ROUNDS)} for number in range(2)}
        assert {name: set(log) for name, log in last.items()} == every, last
        branches()
    print("every branch is there and loads; the logs are whole")


def write_inputs() -> None:
    """A tiny M2M-100 and parallel text."""
    from tests.branched.making import translator
    from tests.specialization.making import texts, translation_tokenizer

    translator().save_pretrained("model")
    translation_tokenizer().save_pretrained("model")
    Path("pairs").mkdir()
    for code, column in texts(9).texts.items():
        Path("pairs", f"{code}.txt").write_text("".join(f"{text}\n" for text in column))


def started(out: str) -> subprocess.Popen[bytes]:
    """The command in a group of processes of its own."""
    words = [
        "lego", "train", "--model", "./model", "--corpus", "pairs", "--languages", "en", "de", "fr", "--processes", "2",
        "--rounds", str(ROUNDS), "--steps", str(STEPS), "--batch-size", "2", "--checkpoint-every", "1",
        "--validation-rows", "2", "--test-rows", "1", "--max-new-tokens", "3", "--metric", "chrf", "--device", "cpu",
        "--out", out, "--resume",
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "neuroglot", *words], start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=open("said", "ab"),
    )  # fmt: skip


def killed(moment: float, victim: str, drawn: random.Random) -> str:
    """Start the run, kill at this moment, and wait until nobody is left of it."""
    process = started("run")
    deadline = time.monotonic() + moment
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    trainers = [number for number in group_of(process.pid) if number != process.pid and trains(number)]
    if process.poll() is not None:
        raise SystemExit(
            f"It had ended with {process.returncode} before it was killed: {Path('said').read_text()[-2000:]}"
        )
    if victim == "all":
        os.killpg(process.pid, signal.SIGKILL)
    elif victim == "the first alone" or not trainers:
        process.send_signal(signal.SIGKILL)
    else:
        os.kill(drawn.choice(trainers), signal.SIGKILL)
    process.wait()
    while group_of(process.pid):  # a killed parent's children end by themselves
        time.sleep(0.05)
    return f"{len(trainers)} trained, the first ended with {process.returncode}"


def group_of(group: int) -> list[int]:
    """The processes of a group that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[2] == str(group) and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def trains(number: int) -> bool:
    """Whether this is one of the processes that train."""
    try:
        return b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False


def logs(out: str) -> dict[str, Log]:
    """What each process has noted, by stage and process."""
    found = {}
    for path in sorted(Path(out).glob(".unfinished/state/pieces/*/exchange/*/exchanges.json")):
        found[f"{path.parts[-4]}/{path.parts[-2]}"] = json.loads(path.read_bytes())
    return found


def looked_at(before: dict[str, Log]) -> dict[str, Log]:
    """The logs, which are to go on as they did before, and whose files are to be there."""
    from neuroglot.storage import load_tensors
    from neuroglot.training.exchange import PUBLISHED_KIND, _hash

    now = logs("run")
    for name, log in before.items():
        assert {turn: now[name][turn] for turn in log} == log, f"{name} forgot what it took"
    for path in Path("run").glob(".unfinished/state/pieces/*/exchange/*/exchanges.json"):
        for taken in json.loads(path.read_bytes()).values():
            for each in taken:
                tensors, _ = load_tensors(path.parent / "taken" / each["file"], PUBLISHED_KIND)
                assert _hash(tensors) == each["hash"]
    return now


def finished(out: str, known: dict[str, Log]) -> dict[str, Log]:
    """Let the run finish; the last logs that were seen while it ran, which are removed at its end."""
    process, last = started(out), dict(known)
    while process.poll() is None:
        with suppress(OSError, ValueError):  # removed meanwhile
            last |= logs(out)
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(Path("said").read_text(errors="replace")[-4000:])
    return last


def branches() -> None:
    """All branches are there, load, and translate."""
    import torch

    from neuroglot.models.branched import BranchedFolder

    folder = BranchedFolder(Path("run"))
    for encoder in ("main", "de", "fr"):
        for decoder in ("main", "de", "fr"):
            pair = folder.select(encoder, decoder)
            assert all(bool(torch.isfinite(weight).all()) for weight in pair.parameters())


if __name__ == "__main__":
    main()
