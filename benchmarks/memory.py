"""Peak memory: of one pass beyond what was held before it, and of whole processes that read corpora of growing size.

    python -m benchmarks.memory --rows 50000 200000 --stream 50000 2000000

writes random texts of 12 to 18 words in ten languages, records a random model of one layer on them by the command line
(`--rows`), and reads corpora without a model (`--stream`): the first time, when the copy is made, and again. Each is a
process of its own, and its peak is what the kernel says of it (`ru_maxrss`). Files are removed at the end.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "th", "zh")
WORDS = 1000
LAYOUTS = ("folder", "tsv", "parquet")


def peak_beyond_start(run: Callable[[], Any], device: str) -> int:
    """Bytes; the process should have run nothing before."""
    gc.collect()
    return _accelerator_peak(run) if device == "cuda" else _process_peak(run)


def _accelerator_peak(run: Callable[[], Any]) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    start = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - start


def _process_peak(run: Callable[[], Any]) -> int:
    with suppress(OSError):  # "5" makes the kernel forget the peak of loading; without it the peak may be that one
        Path("/proc/self/clear_refs").write_text("5")
    start = _status("VmRSS")
    run()
    return _status("VmHWM") - start


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def main() -> None:
    """Measure and print a line a process."""
    options = _parse()
    if options.read:
        return print(json.dumps(_read_whole(options.read)))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.environ["HF_ASSETS_CACHE"] = str(Path(folder, "assets"))
        model = _tiny_model(Path(folder, "model"))
        for rows in options.rows:
            texts = _written(Path(folder), rows, options.layout)
            run = Path(folder, f"run-{rows}")
            record = ["-m", "neuroglot", "record", str(model), "--corpus", str(texts), "--out", str(run)]
            _measure(f"record, {rows:,} x {len(LANGUAGES)} rows, {options.layout}", record)
        for rows in options.stream:
            texts = _written(Path(folder), rows, options.layout)
            for attempt in ("first", "again"):
                read = ["-m", "benchmarks.memory", "--read", str(texts)]
                _measure(f"hash and stream, {rows:,} x {len(LANGUAGES)} rows, {options.layout}, {attempt}", read)
    return None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="*", type=int, default=[], help="of corpora that are recorded")
    parser.add_argument("--stream", nargs="*", type=int, default=[], help="of corpora that are read without a model")
    parser.add_argument("--layout", choices=LAYOUTS, default="folder")
    parser.add_argument("--folder", type=Path, help="where the texts are written")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(name: str, arguments: list[str]) -> None:
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{name}: {process.stderr.read() if process.stderr else status}")
    seconds, last = time.perf_counter() - start, said.strip().splitlines()[-1]
    told = last if last.startswith("{") else ""
    print(f"{name}: {usage.ru_maxrss / 1024:.0f} MiB, {seconds:.0f} s {told}", flush=True)


def _read_whole(path: Path) -> dict[str, float]:
    """Seconds until a corpus was loaded, its hash known, and each text seen once."""
    from neuroglot import corpora

    seconds, start = {}, time.perf_counter()
    corpus = corpora.load(path)
    seconds["load"] = time.perf_counter() - start
    assert corpus.hash
    seconds["hash"] = time.perf_counter() - start - seconds["load"]
    start = time.perf_counter()
    characters = sum(len(text) for row in zip(*corpus.texts.values()) for text in row)
    seconds["stream"] = time.perf_counter() - start
    return {name: round(value, 1) for name, value in seconds.items()} | {"characters": characters}


def _tiny_model(folder: Path) -> Path:
    """A decoder of one layer that reads the words as tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({f"w{number}": number for number in range(WORDS)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="w0").save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def _written(folder: Path, rows: int, layout: str) -> Path:
    """Random texts, a little older than a file that may still be written."""
    generator = random.Random(0)
    parts = [" ".join(f"w{generator.randrange(WORDS)}" for _ in range(generator.randint(4, 6))) for _ in range(WORDS)]

    def texts() -> Any:
        return (" ".join(generator.choices(parts, k=3)) for _ in range(rows))

    path = folder / f"texts-{rows}"
    if path.exists():
        return path
    if layout == "folder":
        path.mkdir()
        for language in LANGUAGES:
            with (path / f"{language}.txt").open("w") as file:
                file.writelines(f"{text}\n" for text in texts())
    else:
        path = _table(path.with_suffix(f".{layout}"), zip(*(texts() for _ in LANGUAGES)))
    time.sleep(3)
    return path


def _table(path: Path, rows: Any) -> Path:
    import polars

    tsv = path.with_suffix(".tsv")
    with tsv.open("w") as file:
        file.write("\t".join(LANGUAGES) + "\n")
        file.writelines("\t".join(row) + "\n" for row in rows)
    if path != tsv:
        polars.scan_csv(tsv, separator="\t", quote_char=None).sink_parquet(path)
        tsv.unlink()
    return path


if __name__ == "__main__":
    main()
