"""What each shortcut of the recording loop brings: the same recording with one of them switched off at a time.

python -m benchmarks.shortcuts --rows 40 --rounds 5
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

import neuroglot
from benchmarks.models import config_of, random_model
from benchmarks.texts import lab_tokenizer, load_corpus
from neuroglot.activity import passes, tallies
from neuroglot.corpora.corpus import Corpus
from neuroglot.tokens import batches, reading

EXAMPLES = 3  # in front of each prompt of the corpus with a shared beginning


def count_by_product(fired: Tensor) -> Tensor:
    """The usual way: a row of ones times the zeros and ones."""
    return (torch.ones(1, len(fired)) @ fired.float())[0].long()


def masked_inputs(view: Any, token_ids: Tensor, real: Tensor) -> dict[str, Any]:
    """With an attention mask."""
    return {"input_ids": token_ids, "attention_mask": real.long(), "use_cache": False}


views = import_module("neuroglot.models.view")  # the package's `view` is the function
OFF: dict[str, tuple[Any, str, Any]] = {
    "counting eight neurons at a time": (tallies, "count_true", count_by_product),
    "stopping behind the last place read": (views, "_is_offloaded", lambda _model: True),
    "no attention mask": (passes, "forward_inputs", masked_inputs),
    "ending batches where texts become shorter": (batches, "SIMILAR_LENGTH", 0.0),
    "shared beginnings (few-shot prompts)": (reading, "MIN_PREFIX", 10**9),
}


def main() -> None:
    """Print the seconds with everything, and the ratio with one shortcut off to everything, median and range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="../shared/data/flores_detok")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parameters", default="10M")
    parser.add_argument("--vocabulary", type=int, default=32_000)
    options = parser.parse_args()
    config = config_of(options.parameters, "llama", options.vocabulary)
    model, tokenizer = random_model(config, "cpu", "float32"), lab_tokenizer()
    view, corpus = neuroglot.view(model), load_corpus(options.corpus, options.rows, None)
    for name in OFF:
        line = _compared(name, lambda texts: neuroglot.record(view, tokenizer, texts), corpus, options.rounds)
        print(line, flush=True)


def _compared(name: str, record: Callable[[Corpus], Any], corpus: Corpus, rounds: int) -> str:
    texts = _few_shot(corpus) if "few-shot" in name else corpus
    record(texts)
    on, ratios = [], []
    for place in range(rounds):
        times = {}
        for state in ("on", "off") if place % 2 else ("off", "on"):
            with _switched_off(*OFF[name]) if state == "off" else _nothing():
                started = time.perf_counter()
                record(texts)
                times[state] = time.perf_counter() - started
        on.append(times["on"])
        ratios.append(times["off"] / times["on"])
    low, high = min(ratios), max(ratios)
    return f"{name:44}{statistics.median(on):7.2f} s; off {statistics.median(ratios):.2f} x [{low:.2f}, {high:.2f}]"


def _few_shot(corpus: Corpus) -> Corpus:
    """The rows behind the same first rows of their language, as prompts with demonstrations are."""
    texts = {}
    for language, column in corpus.texts.items():
        beginning = "\n".join(column[:EXAMPLES])
        texts[language] = tuple(f"{beginning}\n{text}" for text in column[EXAMPLES:])
    return Corpus("few-shot", corpus.ids[EXAMPLES:], texts)


@contextmanager
def _switched_off(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


if __name__ == "__main__":
    main()
