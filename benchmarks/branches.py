"""Branches that come and go: the peak memory of localized training, and the time to a first translation from disk.

    python -m benchmarks.branches --repeats 5

trains stage 1 of a branched model with random weights, a step for each of 2 groups and of 8 groups in turn, and of 8
groups that are all in memory, each in a process of its own whose peak is what the kernel says of it (`ru_maxrss`). Then
a direction's first translation is timed from disk: by its own pieces, and by the whole model; interleaved.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration

from neuroglot.corpora.directions import Direction
from neuroglot.models.branched import BranchedFolder, create
from neuroglot.signature import seed_of
from neuroglot.tokens.pairs import Pair
from neuroglot.training.language_centric import Directions, flow_collator, rows_of_turn
from neuroglot.training.localized import STAGES, LocalizedConfig, freeze_all_but, train_localized, training_of
from neuroglot.training.pieces import Pieces
from neuroglot.training.trainer import fit

VOCABULARY, LENGTH = 2000, 16


def main() -> None:
    """Measure and print a line a process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2, help="so that moments come back from disk")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", choices=["turns", "resident", "pieces", "whole"], help="what a process measures")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    if options.one:
        return print(json.dumps(measured(options)))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for groups in (2, 8):
            written(Path(folder, f"of-{groups}"), groups, options)
        sizes = sorted({path.stat().st_size for path in Path(folder, "of-8").glob("*coder-*")})
        print(json.dumps({"bytes of a branch": sizes}), flush=True)
        peaks = {
            name: one(options, what, Path(folder, model))["peak"]
            for name, (what, model) in {
                "turns, 2 groups": ("turns", "of-2"), "turns, 8 groups": ("turns", "of-8"),
                "all of 8 in memory": ("resident", "of-8"),
            }.items()
        }  # fmt: skip
        base = peaks["turns, 2 groups"]
        for name, peak in peaks.items():
            print(json.dumps({"what": name, "peak MB": round(peak / 1e6), "times": round(peak / base, 3)}), flush=True)
        seconds: dict[str, list[float]] = {"pieces": [], "whole": []}
        for _ in range(options.repeats):
            for what, found in seconds.items():
                found.append(one(options, what, Path(folder, "of-8"))["seconds"])
        for what, found in seconds.items():
            print(json.dumps({"first translation": what, "median s": sorted(found)[len(found) // 2], "all": found}))
    return None


def one(options: argparse.Namespace, what: str, model: Path) -> dict[str, Any]:
    """What a process of its own measures."""
    command = [sys.executable, "-m", "benchmarks.branches", "--one", what, "--model", str(model)]
    command += ["--rounds", str(options.rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def written(path: Path, groups: int, options: argparse.Namespace) -> None:
    """A model with random weights whose groups all equal the main pair."""
    torch.manual_seed(0)
    width = options.hidden
    shape = M2M100Config(
        vocab_size=VOCABULARY, d_model=width, encoder_layers=options.layers, decoder_layers=options.layers,
        encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width, encoder_attention_heads=8, decoder_attention_heads=8,
        max_position_embeddings=64, encoder_layerdrop=0.0, decoder_layerdrop=0.0,
    )  # fmt: skip
    create(M2M100ForConditionalGeneration(shape), {f"g{place}": [f"l{place}"] for place in range(groups)}, path)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """The peak of a training, or the seconds until a first translation."""
    if options.one in ("pieces", "whole"):
        folder = BranchedFolder(options.model)
        start = time.perf_counter()
        model = folder.select("g3", "main") if options.one == "pieces" else folder.load().select("g3", "main")
        ids = torch.randint(3, VOCABULARY, (1, LENGTH), generator=torch.Generator().manual_seed(1))
        model.generate(ids, max_new_tokens=8, num_beams=1)
        return {"seconds": time.perf_counter() - start}
    train(options.model, options.rounds, options.one == "resident")
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def train(path: Path, rounds: int, resident: bool) -> None:
    """Stage 1, a step a turn: in turns, or with every branch and its moments in memory."""
    start = BranchedFolder(path)
    config = LocalizedConfig(steps=1, learning_rate=1e-4, stages=("1",), rounds=rounds, batch_size=2)
    data = random_pairs([codes[0] for codes in start.config.members.values()])
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        pieces = Pieces.of(Path(work), start, start.config)
        if not resident:
            train_localized(pieces, data, config, device="cpu")
            return
        names = ["main", *start.config.members]
        model: Any = pieces.load(names, names)
        stage, turns = STAGES["1"], config.turns(start.config)
        freeze_all_but(model, set().union(*(stage.trains(group) for group in start.config.members)))
        rows = [
            row
            for turn in turns
            for row in rows_of_turn(data, start.config, turn.group, stage.flows, 1, 2, 5.0, seed_of(0, turn.number))
        ]
        fit(
            model,
            rows,
            flow_collator(start.config, data.pad_id),
            replace(training_of(config, stage, 0), steps=len(turns)),
        )


def random_pairs(languages: list[str]) -> Directions:
    """Texts of random tokens out of each language and into it."""
    generator = torch.Generator().manual_seed(0)

    def pair(row: int) -> Pair:
        ids = [tuple(torch.randint(3, VOCABULARY, (LENGTH,), generator=generator).tolist()) for _ in range(2)]
        plain = (False,) * LENGTH
        return Pair(row, 0, ids[0], plain, plain, 0, ids[1], plain, (True,) * LENGTH)

    directions = [Direction("en", code) for code in languages] + [Direction(code, "en") for code in languages]
    return Directions({direction: tuple(pair(row) for row in range(4)) for direction in directions}, 1)


if __name__ == "__main__":
    main()
