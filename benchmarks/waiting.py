"""How threads should wait for each other: the headless forward of a model beside busy processes.

`python -m benchmarks.waiting MODEL --busy 0 1 2 --rounds 3` starts a fresh process for each setting in turn, because
OpenMP reads its variables when PyTorch is loaded, and prints tokens a second: the median of all forwards, the range.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

SETTINGS = {
    "PyTorch's default": {},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}
FORWARDS = """
import sys, time, torch, neuroglot.models as models
view, _ = models.load(sys.argv[1], device="cpu", dtype="float32")
base = view.model.base_model
ids = torch.randint(0, 1000, (16, 64), generator=torch.Generator().manual_seed(0))
with torch.inference_mode():
    base(input_ids=ids, use_cache=False)
    for _ in range(int(sys.argv[2])):
        start = time.perf_counter()
        base(input_ids=ids, use_cache=False)
        print(ids.numel() / (time.perf_counter() - start))
"""


def main() -> None:
    """Print a row for each number of busy processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--busy", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--forwards", type=int, default=4)
    asked = parser.parse_args()
    for busy in asked.busy:
        with busy_processes(busy):
            speeds: dict[str, list[float]] = {name: [] for name in SETTINGS}
            for _ in range(asked.rounds):
                for name, variables in SETTINGS.items():
                    speeds[name] += speeds_under(variables, asked.model, asked.forwards)
        for name, values in speeds.items():
            print(
                f"{busy} busy, {name}: {statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f}) tokens/s",
                flush=True,
            )


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Processes that do nothing but run, while the block runs."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def speeds_under(variables: dict[str, str], model: str, forwards: int) -> list[float]:
    """Tokens a second of each forward in a fresh process."""
    asked = {name: value for name, value in os.environ.items() if name not in {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}}
    words = [sys.executable, "-c", FORWARDS, model, str(forwards)]
    done = subprocess.run(words, env=asked | variables, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


if __name__ == "__main__":
    main()
