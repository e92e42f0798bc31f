"""How fast `neuroglot.record` is, and how much memory it takes, beside the plain forward and other tools.

    python -m benchmarks.recording --rounds 5
    python -m benchmarks.recording --parameters 10M 500M --shape llama bloom --only a b c --out results.json
    python -m benchmarks.recording --memory-scaling
    python -m benchmarks.recording --model gemma.gguf --rows 15 --only a b c d2

All variants run interleaved in one process, on the same random model and texts; the order is rotated each round, and
ratios are taken within a round. Before the rounds each variant runs once, which warms it up and checks that all counts
agree. All clocks but that of the limit (b) include tokenising. Peak memory is that of a process of its own.

The competitors are optional (`pip install nnsight transformer-lens`); a missing one is skipped by name. A batch of
neuroglot holds 4096 positions, so fewer than about 64 `--rows` do not fill it; few rows are for a quick look.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers
from torch import Tensor

import neuroglot
from benchmarks.memory import peak_beyond_start
from benchmarks.models import SHAPES, SIZES, config_of, parameter_counts, random_model
from benchmarks.texts import Task, lab_tokenizer, load_corpus
from benchmarks.variants import VARIANTS, Pass, SkippedError

DEFAULT_CORPUS = Path(__file__).resolve().parents[2] / "shared" / "data" / "flores_detok"
ROWS = 16  # the smallest number that fills a user's batch; a round of a 10M model is then a minute or two on one core
SCALING_ROWS, SCALING_FACTOR = 64, 20
SCALED_VARIANTS = ("c", "f")
MATMUL_SIZE = {"cpu": 1024, "cuda": 8192}
PACKAGES = ("neuroglot", "torch", "transformers", "nnsight", "transformer-lens")


@dataclass
class Measured:
    """One variant's seconds, round by round, for all texts; and what it counted on the way."""

    run: Pass
    scale: float
    seconds: list[float] = field(default_factory=list)
    counts: Tensor | None = None


def main() -> None:
    """Measure every model that was asked for; or, as a subprocess, one peak."""
    options = _parse()
    torch.set_num_threads(options.threads or torch.get_num_threads())
    transformers.utils.logging.disable_progress_bar()
    combinations = list(product(options.parameters, options.shape, options.vocabulary))
    if options.model:
        combinations, options.no_memory = [(options.model, "llama", 0)], True
    if options.memory_of:
        return _say(json.dumps(_own_peak(options)))
    measure = _measure_scaling if options.memory_scaling else _measure
    results = []
    for parameters, shape, vocabulary in combinations:
        results.append(measure(options, parameters, shape, vocabulary))
        if options.out:
            options.out.write_text(json.dumps({"environment": _environment(), "results": results}, indent=1) + "\n")
    return None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.recording", description=__doc__.splitlines()[0])
    sizes = sorted({parameters for parameters, _ in SIZES})
    vocabularies = sorted({vocabulary for _, vocabulary in SIZES})
    parser.add_argument("--parameters", nargs="+", default=["10M"], choices=sizes)
    parser.add_argument("--shape", nargs="+", default=["llama"], choices=list(SHAPES))
    parser.add_argument("--vocabulary", nargs="+", type=int, default=[32_000], choices=vocabularies)
    parser.add_argument("--model", help="a model in a folder or file instead, of the llama shape, without peak memory")
    parser.add_argument("--corpus", default=str(DEFAULT_CORPUS), help="a folder of line-aligned texts")
    parser.add_argument("--languages", nargs="+", help="of the corpus (all; with --memory-scaling: en)")
    parser.add_argument("--rows", type=int, help=f"of each language ({ROWS}; with --memory-scaling: {SCALING_ROWS})")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of torch (as torch finds)")
    parser.add_argument("--device", default="cpu", choices=list(MATMUL_SIZE))
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), help="the variants to run (all)")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    parser.add_argument("--memory-scaling", action="store_true", help=f"peaks at 1x and {SCALING_FACTOR}x the corpus")
    parser.add_argument("--memory-of", choices=list(VARIANTS), help=argparse.SUPPRESS)  # what a subprocess is asked for
    parser.add_argument("--out", type=Path, help="write everything measured as JSON")
    options = parser.parse_args()
    options.rows = options.rows or (SCALING_ROWS if options.memory_scaling else ROWS)
    options.languages = options.languages or (["en"] if options.memory_scaling else None)
    return options


def _measure(options: argparse.Namespace, parameters: str, shape: str, vocabulary: int) -> dict[str, Any]:
    """One model: check, time, ask for peaks, and print."""
    task = _task(options, parameters, shape, vocabulary)
    result = _described(task, options, parameters, vocabulary)
    outputs = _outputs(task)
    built, result["skipped"] = _build(task, options.only or list(VARIANTS))
    for letter, measured in built.items():
        measured.counts = measured.run()
        _say(f"  checked {letter}")
    result["differences"] = _differences(built)
    result["model_unchanged"] = torch.equal(outputs, _outputs(task))
    _run_rounds(built, options)
    peaks = {} if options.no_memory else {letter: _peak_of(letter, options, result) for letter in built}
    result["variants"] = {letter: _summary(letter, built, task, result, peaks) for letter in built}
    _say(_report(result))
    return result


def _task(options: argparse.Namespace, parameters: str, shape: str, vocabulary: int) -> Task:
    corpus = load_corpus(options.corpus, options.rows, options.languages)
    if options.model:
        view, tokenizer = neuroglot.models.load(options.model, dtype=options.dtype, device=options.device)
        tokenizer.padding_side = "right"
        return Task(view.model, shape, tokenizer, corpus)
    model = random_model(config_of(parameters, shape, vocabulary), options.device, options.dtype)
    return Task(model, shape, lab_tokenizer(), corpus)


def _described(task: Task, options: argparse.Namespace, parameters: str, vocabulary: int) -> dict[str, Any]:
    everything, no_embeddings = parameter_counts(task.model)
    described = {
        "parameters": parameters,
        "shape": task.shape,
        "vocabulary": vocabulary or task.model.config.vocab_size,
        "parameter_count": everything,
        "parameters_without_embeddings": no_embeddings,
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "dtype": options.dtype,
        "threads": torch.get_num_threads(),
        "rows": len(task.corpus),
        "languages": list(task.corpus.languages),
        "real_tokens": task.real_tokens,
        "matmul_flops": _matmul_flops(options.device, task.model.dtype),
    }
    _say(
        f"\n{parameters} {task.shape} ({everything:,} parameters, {no_embeddings:,} without embeddings), "
        f"vocabulary {described['vocabulary']:,}, {described['device']}, {options.dtype}, "
        f"{described['threads']} thread(s), {len(task.corpus)} rows x {len(task.corpus.languages)} languages, "
        f"{task.real_tokens:,} tokens"
    )
    return described


def _build(task: Task, letters: list[str]) -> tuple[dict[str, Measured], dict[str, str]]:
    """The variants that can run here, and why the others cannot."""
    built: dict[str, Measured] = {}
    skipped: dict[str, str] = {}
    for letter in letters:
        variant = VARIANTS[letter]
        scale = task.real_tokens / task.with_rows(variant.rows).real_tokens if variant.rows else 1.0
        try:
            built[letter] = Measured(variant.build(task), scale)
        except SkippedError as reason:
            skipped[letter] = str(reason)
            _say(f"  skipped {letter}, {variant.title}: {reason}")
    return built, skipped


def _outputs(task: Task) -> Tensor:
    """What the model says on the first text, to see that no variant changed it."""
    token_ids = torch.tensor(task.token_ids[0][:1], device=task.model.device)
    with torch.inference_mode():
        logits: Tensor = task.model(input_ids=token_ids).logits
    return logits.cpu()


def _differences(built: dict[str, Measured]) -> dict[str, dict[str, int]]:
    """Of each variant's counts from those of the first that counts: cells that differ, by how much, of how many."""
    counted = {letter: measured.counts for letter, measured in built.items() if measured.counts is not None}
    if not counted:
        return {}
    reference = next(iter(counted.values()))
    differences = {}
    for letter, counts in counted.items():
        apart = (counts - reference).abs()
        differences[letter] = {
            "cells": int((apart > 0).sum()),
            "most": int(apart.max()),
            "of": apart.numel(),
            "total": int(counts.sum()),
        }
    return differences


def _run_rounds(built: dict[str, Measured], options: argparse.Namespace) -> None:
    letters = list(built)
    for number in range(options.rounds):
        first = number % len(letters)
        for letter in letters[first:] + letters[:first]:
            measured = built[letter]
            measured.seconds.append(measured.scale * _seconds(measured.run, options.device))
        _say(f"  round {number + 1} of {options.rounds} done")


def _seconds(run: Callable[[], Any], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _matmul_flops(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations a second of one big matrix product, the best of several."""
    size = MATMUL_SIZE[device]
    matrix = torch.randn(size, size, device=device).to(dtype)
    return 2 * size**3 / min(_seconds(lambda: matrix @ matrix, device) for _ in range(5))


def _peak_of(letter: str, options: argparse.Namespace, result: dict[str, Any], rows: int | None = None) -> int | None:
    """The peak in bytes of one pass in a process of its own; None where that failed, which is said."""
    asked = {
        "memory-of": letter,
        "parameters": result["parameters"],
        "shape": result["shape"],
        "vocabulary": result["vocabulary"],
        "rows": rows or options.rows,
        "threads": torch.get_num_threads(),
        **{name: getattr(options, name) for name in ("corpus", "device", "dtype")},
    }
    arguments = [text for name, value in asked.items() for text in (f"--{name}", str(value))]
    languages = ["--languages", *options.languages] if options.languages else []
    command = [sys.executable, "-m", "benchmarks.recording", *arguments, *languages]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        _say(f"  no peak of {letter}: {done.stderr.strip().rpartition(chr(10))[2] or done.returncode}")
        return None
    return int(json.loads(done.stdout.strip().splitlines()[-1])["peak_bytes"])


def _own_peak(options: argparse.Namespace) -> dict[str, int]:
    """What a subprocess answers."""
    task = _task(options, options.parameters[0], options.shape[0], options.vocabulary[0])
    run = VARIANTS[options.memory_of].build(task)
    with torch.inference_mode():  # what any first forward allocates for good, which `neuroglot.view` has done already
        task.model.base_model(input_ids=torch.zeros(1, 8, dtype=torch.int64, device=task.model.device))
    return {"peak_bytes": peak_beyond_start(run, options.device), "tokens": task.real_tokens}


def _measure_scaling(options: argparse.Namespace, parameters: str, shape: str, vocabulary: int) -> dict[str, Any]:
    """Peaks of a stream and of a store, on a corpus and on one many times as long."""
    result: dict[str, Any] = {"parameters": parameters, "shape": shape, "vocabulary": vocabulary, "peak_bytes": {}}
    available = len(load_corpus(options.corpus, sys.maxsize, options.languages))
    many = SCALING_FACTOR * options.rows
    if many > available:
        raise SystemExit(f"{many} rows are needed, the corpus has {available}: give fewer --rows.")
    _say(f"\n{parameters} {shape}, peak memory beyond start, {options.rows} and {many} rows of {options.languages}")
    for letter in options.only or SCALED_VARIANTS:
        peaks = [_peak_of(letter, options, result, rows) for rows in (options.rows, many)]
        result["peak_bytes"][letter] = dict(zip((options.rows, many), peaks))
        _say(f"  {letter:3}{VARIANTS[letter].title:52}{_megabytes(peaks[0]):>10} MB{_megabytes(peaks[1]):>10} MB")
    return result


def _summary(
    letter: str, built: dict[str, Measured], task: Task, result: dict[str, Any], peaks: dict[str, int | None]
) -> dict[str, Any]:
    """Everything that is printed of one variant."""
    seconds = built[letter].seconds
    work = 2 * result["parameters_without_embeddings"] * task.real_tokens
    return {
        "title": VARIANTS[letter].title,
        "seconds": seconds,
        "ratio_to_limit": _ratio(seconds, built.get("b")),
        "ratio_to_plain_forward": _ratio(seconds, built.get("a")),
        "peak_bytes": peaks.get(letter),
        "positions_per_token": VARIANTS[letter].padding(task),
        "share_of_matmul": work / median(seconds) / result["matmul_flops"],
    }


def _ratio(seconds: list[float], base: Measured | None) -> tuple[float, float, float] | None:
    """Median, smallest and largest ratio to another variant of the same round."""
    if base is None:
        return None
    ratios = [own / other for own, other in zip(seconds, base.seconds, strict=True)]
    return median(ratios), min(ratios), max(ratios)


def _report(result: dict[str, Any]) -> str:
    """The table of one model."""
    head = f"{'':3} {'':50}{'s':>8} {'x limit (b)':>20} {'x plain (a)':>20} {'peak MB':>8} {'pos/tok':>8} {'matmul':>7}"
    lines = [head]
    for letter, row in result["variants"].items():
        ratios = " ".join(f"{_spread(row[name]):>20}" for name in ("ratio_to_limit", "ratio_to_plain_forward"))
        lines.append(
            f"{letter:3} {row['title']:50}{median(row['seconds']):8.2f} {ratios} {_megabytes(row['peak_bytes']):>8} "
            f"{row['positions_per_token']:8.2f} {row['share_of_matmul']:7.1%}"
        )
    for letter, apart in result["differences"].items():
        lines.append(
            f"counts of {letter}: {apart['cells']:,} of {apart['of']:,} cells differ, by {apart['most']} at most"
        )
    lines.append(f"model unchanged by all variants: {'yes' if result['model_unchanged'] else 'NO'}")
    return "\n".join(lines)


def _spread(ratio: tuple[float, float, float] | None) -> str:
    return "-" if ratio is None else f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e6:,.0f}"


def _environment() -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return versions


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
