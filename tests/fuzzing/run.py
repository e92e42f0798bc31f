"""Many random inputs for every reader, counted: python -m tests.fuzzing.run --inputs 100000 [--reader NAME] [--seed 0]

Prints JSON: inputs by reader and outcome, seconds, and every different defect with the seed that shows it again.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzzing.oracle import Bench, mutated, valid_files
from tests.fuzzing.readers import READERS, Reader


def fuzz(reader: Reader, inputs: int, seed: int, root: Path) -> tuple[Counter[str], dict[str, Any]]:
    """Outcomes of so many mutated inputs, and defects by what they are, each with the number of its first input."""
    bench, outcomes = Bench(root / "bench"), Counter[str]()
    defects: dict[str, Any] = {}
    files = valid_files(reader, root / "seed")
    first = bench.try_files(reader, files)
    assert first.outcome == "loaded", (reader.name, first)
    for number in range(inputs):
        rng = random.Random(f"{reader.name} {seed} {number}")
        found = bench.try_files(reader, mutated(files, rng, bench.marker))
        outcomes[found.outcome] += 1
        if found.outcome == "DEFECT":
            name = f"{found.detail[:40].partition(':')[0]} at {found.stack}"
            kept = defects.setdefault(name, {"times": 0, "first": number, "says": found.detail})
            kept["times"] += 1
    return outcomes, defects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append")
    options = parser.parse_args()
    readers = [reader for reader in READERS if not options.reader or reader.name in options.reader]
    total = sum(reader.weight for reader in readers)
    started, counts, seconds = time.perf_counter(), {}, {}
    defects: dict[str, Any] = {}
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as root:
        for place, reader in enumerate(readers):
            share = round(options.inputs * reader.weight / total)
            begun = time.perf_counter()
            found, wrong = fuzz(reader, share, options.seed, Path(root) / str(place))
            counts[reader.name], seconds[reader.name] = dict(found), round(time.perf_counter() - begun, 1)
            defects |= {f"{reader.name}: {name}": what for name, what in wrong.items()}
    inputs = sum(sum(found.values()) for found in counts.values())
    said = {"inputs": inputs, "seconds": round(time.perf_counter() - started, 1), "defects": defects}
    print(json.dumps(said | {"counts": counts, "seconds_by_reader": seconds}, indent=1, ensure_ascii=False))  # noqa: T201


if __name__ == "__main__":
    main()
