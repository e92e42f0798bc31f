"""Kill long jobs at random moments, let them go on, and compare every byte with a run that was not disturbed.

`python -m benchmarks.interruptions --count 100 --seed 0` prints a line a kill and a table at the end; it fails if one
resumed run differs, a process says more than one line, or anything is left over. Results stand in `docs/log.md`.
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
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

FEW = ["--languages", "en", "de", "sw"]
TASK = ["lab", "--corpus", "lab", "--task", "currency", *FEW, "--limit", "24"]
JOBS = {
    "record": ["record", "lab", "--corpus", "lab", *FEW, "--save-seconds", "0", "--token-budget", "256"],
    "sharing": ["sharing", "lab", "--corpus", "lab", *FEW, "--limit", "40", "--new-tokens", "4"],
    "select": ["select", "lab", "--corpus", "lab", *FEW, "--limit", "40", "--selector", "gradient", "--count", "20"],
    "ablate": ["ablate", "lab", "--corpus", "lab", *FEW, "--limit", "20", "--part", "rest", "--neurons", "{sets}"],
    "scoreboard": [
        "scoreboard", "lab", "--corpus", "lab", *FEW, "--limit", "30", "--count", "15", "--selectors", "entropy",
        "gradient", "probe", "--ablation-rows", "10", "--random-draws", "2",
    ],
    "analyze": ["analyze", "lab", "--corpus", "lab", *FEW, "--limit", "40", "--ablation-rows", "10"],
    "attribute": ["attribute", *TASK],
    "deactivate": ["deactivate", *TASK, "--random-draws", "2", "--level", "corpus", "--by-generation"],
    "lab train": ["lab", "train", "--steps", "300"],
}  # fmt: skip
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


def main() -> None:
    """Print what came of each kill, and fail if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", nargs="*", default=list(JOBS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        faults = list(interrupted(Path(temporary), asked.jobs, asked.count, random.Random(asked.seed)))
    print(f"\n{asked.count} kills, {len(faults)} faults")
    for fault in faults:
        print(fault)
    sys.exit(bool(faults))


def interrupted(folder: Path, jobs: list[str], count: int, drawn: random.Random) -> Iterator[str]:
    """Each fault in words."""
    sets = folder / "sets"
    finish(["select", "lab", "--corpus", "lab", *FEW, "--part", "selection", "--selector", "entropy"], sets)
    straight = {}
    for name in jobs:
        begun = time.monotonic()
        finish(words(name, sets), folder / "straight" / name)
        straight[name] = time.monotonic() - begun
        print(f"{name}: {straight[name]:.1f} s", flush=True)
    seen: Counter[str] = Counter()
    for number in range(count):
        name, number_of_signal = jobs[number % len(jobs)], drawn.choice(SIGNALS)
        delay, out = drawn.uniform(0, 1.05 * straight[name]), folder / "killed" / f"{number}"
        outcome, faults = one_kill(words(name, sets), out, number_of_signal, delay)
        finish(words(name, sets), out, "--resume")
        faults += differences(folder / "straight" / name, out)
        faults += [f"left over: {path}" for path in out.parent.rglob("*") if path.name.endswith("~")]
        faults += [f"left over: {path}" for path in out.glob(".*")]
        seen[f"{number_of_signal.name}: {outcome}"] += 1
        print(
            f"{number}: {name}, {number_of_signal.name} after {delay:.2f} s: {outcome}, {faults or 'equal'}", flush=True
        )
        yield from (f"{number}: {name}: {fault}" for fault in faults)
    print(json.dumps(seen, indent=1))


def words(name: str, sets: Path) -> list[str]:
    """The arguments of a job."""
    return [word.format(sets=sets) for word in JOBS[name]]


def start(arguments: list[str], out: Path, *more: str) -> subprocess.Popen[str]:
    """A process that does a job."""
    return subprocess.Popen(
        [sys.executable, "-m", "neuroglot", *arguments, "--out", str(out), *more], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs in the background ignore it
    )  # fmt: skip


def finish(arguments: list[str], out: Path, *more: str) -> None:
    """Do a job to its end."""
    process = start(arguments, out, *more)
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} {' '.join(more)}: {said}")


def one_kill(arguments: list[str], out: Path, number: signal.Signals, delay: float) -> tuple[str, list[str]]:
    """What came of it, and what is wrong with what the process said."""
    process = start(arguments, out)
    time.sleep(delay)
    process.send_signal(number)
    _, said = process.communicate()
    if process.returncode == 0:
        return "had ended", []
    if number == signal.SIGKILL:
        return "killed", []
    lines = [line for line in said.splitlines() if line.startswith("neuroglot: ")]
    faults = [f"code {process.returncode}"] if process.returncode not in (CODES[number], -number) else []
    if process.returncode == -number:  # before its first line, or behind its last
        return "outside the program", ["Traceback" for _ in [0] if "Traceback" in said]
    faults += [said] if len(lines) != 1 or "Traceback" in said else []
    said_last = lines[0].partition("interrupted; ")[2].partition(" --out")[0] if lines else ""
    return said_last or "silent", faults if said_last else [*faults, "nothing was said"]


def differences(expected: Path, found: Path) -> list[str]:
    """The files that are not the same, byte for byte."""
    names = {path.relative_to(folder) for folder in (expected, found) for path in folder.rglob("*") if path.is_file()}
    return [
        f"{name} differs" for name in sorted(names)
        if not all((folder / name).is_file() for folder in (expected, found))
        or (expected / name).read_bytes() != (found / name).read_bytes()
    ]  # fmt: skip


if __name__ == "__main__":
    main()
