"""Kill a recording at random moments, resume it each time, and compare the file with that of an uninterrupted one.

python -m benchmarks.resumption --kills 20 --corpus lab
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILE = "activity.safetensors"


def main() -> None:
    """Print when each kill came, and whether the files are equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--corpus", default="lab")
    parser.add_argument("--token-budget", type=int, default=64, help="small, so that the run is long")
    parser.add_argument("--within", type=float, default=10.0, help="seconds after a start until it is killed, at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    command = _command(options.model, options.corpus, options.token_budget)
    with tempfile.TemporaryDirectory() as folder:
        print(killed_and_whole(command, Path(folder), options.kills, options.within, options.seed))  # noqa: T201


def killed_and_whole(command: list[str], folder: Path, kills: int, within: float, seed: int) -> str:
    """Run once in peace and once with SIGKILL at `kills` moments; says what came out."""
    started = time.monotonic()
    _run([*command, "--out", str(folder / "whole")])
    duration = time.monotonic() - started
    moments, generator, with_counts = 0, random.Random(seed), 0
    while moments < kills:
        finished = _run_and_kill(command, folder / "killed", generator.uniform(0, within))
        with_counts += any((folder / "killed").glob("unfinished/process-*.safetensors"))
        if finished:
            break
        moments += 1
    _run([*command, "--out", str(folder / "killed"), "--resume"])
    equal = (folder / "whole" / FILE).read_bytes() == (folder / "killed" / FILE).read_bytes()
    return (
        f"{duration:.1f} s in peace; killed {moments} times, {with_counts} of them with counts to go on from; "
        f"files are {'identical' if equal else 'DIFFERENT'}"
    )


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(ended.stderr)


def _command(model: str, corpus: str, token_budget: int) -> list[str]:
    statistics = ("--statistics", "moments", "magnitude", "maximum", "histogram")
    options = ("--token-budget", str(token_budget), "--save-seconds", "0")
    return [sys.executable, "-m", "neuroglot", "record", model, "--corpus", corpus, *statistics, *options]


def _run_and_kill(command: list[str], out: Path, seconds: float) -> bool:
    """Whether the run ended before it was killed."""
    resume = ["--resume"] if out.exists() else []
    process = subprocess.Popen([*command, "--out", str(out), *resume], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return False
    if process.returncode:
        raise SystemExit(said.decode())
    return True


if __name__ == "__main__":
    main()
