"""The floor, the limit, neuroglot and its competitors: each a function from a task to one pass over its texts.

A pass gives its counts `[languages, layers × width]`, on the CPU, or None where it counts nothing. Tools that wrap
modules are given a model of their own that shares the weights; plain hooks are removed at the end of each pass.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

import neuroglot
from benchmarks.models import activations, sharing_weights, width_of
from benchmarks.texts import Task, no_padding, sorted_batches, sorted_padding, user_batches, user_padding
from neuroglot.errors import ConfigError

Pass = Callable[[], Tensor | None]
ALL_STATISTICS = ("moments", "magnitude", "maximum", "histogram")
JSON_ROWS = 1  # writing JSON is so slow that it is timed on the first row of every language and scaled by tokens


class SkippedError(Exception):
    """Why a variant cannot run here."""


@dataclass(frozen=True)
class Variant:
    """`rows` limits the pass to the first rows, whose seconds are then scaled by tokens."""

    title: str
    build: Callable[[Task], Pass]
    padding: Callable[[Task], float]
    counts: bool = False
    rows: int | None = None


def plain_forward(task: Task) -> Pass:
    """What a user would write who counts nothing."""

    @torch.inference_mode()
    def run() -> None:
        for batch in user_batches(task):
            task.model(**batch.inputs)

    return run


def limit(task: Task) -> Pass:
    """A forward of neuroglot's batches as neuroglot makes them: what recording is compared with."""

    @torch.inference_mode()
    def run() -> None:
        for token_ids in sorted_batches(task):
            task.model.base_model(input_ids=token_ids, use_cache=False)

    return run


def compiled_limit(task: Task) -> Pass:
    """The same with the trunk compiled by `torch.compile` for any shape, which the check before the rounds pays for."""
    compiled = torch.compile(sharing_weights(task.model).base_model, dynamic=True)

    @torch.inference_mode()
    def run() -> None:
        for token_ids in sorted_batches(task):
            compiled(input_ids=token_ids, use_cache=False)

    return run


def neuroglot_one(task: Task) -> Pass:
    """How often each neuron fires."""
    return _neuroglot(task, neuroglot.Recording(site="post_act", tokens="all", fires=(0.0,), special_tokens=False))


def neuroglot_all(task: Task) -> Pass:
    """The same, and every other statistic in the same pass."""
    options: dict[str, Any] = {"fires": (0.0,), "special_tokens": False, "statistics": ALL_STATISTICS}
    try:
        recording = neuroglot.Recording(site="post_act", tokens="all", **options)
    except (ConfigError, TypeError) as error:
        raise SkippedError(f"this neuroglot has no statistics={ALL_STATISTICS}: {error}") from error
    return _neuroglot(task, recording)


def nnsight_whole(task: Task) -> Pass:
    """Batched traces, counting inside, as nnsight's docs advise."""
    traced, layers = _traced(task)

    @torch.inference_mode()
    def run() -> Tensor:
        counts = _no_counts(task)
        for batch in user_batches(task):
            with traced.trace(**batch.inputs):
                for place, layer in enumerate(layers):
                    counts[batch.language, place] += (layer.output[batch.counted] > 0).sum(0)
        return counts.flatten(1).cpu()

    return run


def nnsight_stopped(task: Task) -> Pass:
    """The same, with nnsight's early stop behind the last layer that is read, so that the head does not run."""
    traced, layers = _traced(task)

    @torch.inference_mode()
    def run() -> Tensor:
        counts = _no_counts(task)
        for batch in user_batches(task):
            with traced.trace(**batch.inputs) as tracer:
                for place, layer in enumerate(layers):
                    counts[batch.language, place] += (layer.output[batch.counted] > 0).sum(0)
                tracer.stop()
        return counts.flatten(1).cpu()

    return run


def transformer_lens(task: Task) -> Pass:
    """Streaming hooks: none is on the nonlinearity of a gate, but SiLU and GELU are positive where their input is.

    TransformerLens can stop before a block but not behind the last, so that the head always runs.
    """
    bridge, names = _bridge(task), [f"blocks.{i}.mlp.hook_pre" for i in range(len(activations(task.model, task.shape)))]

    @torch.inference_mode()
    def run() -> Tensor:
        counts = _no_counts(task)
        for batch in user_batches(task):

            def count(value: Tensor, hook: Any, on: Any = batch) -> None:
                counts[on.language, int(hook.name.split(".")[1])] += (value[on.counted] > 0).sum(0)

            hooks, mask = [(name, count) for name in names], batch.inputs["attention_mask"]
            bridge.run_with_hooks(batch.inputs["input_ids"], attention_mask=mask, fwd_hooks=hooks, return_type=None)
        return counts.flatten(1).cpu()

    return run


def store_everything(task: Task) -> Pass:
    """A script with plain hooks that keeps all activations of real tokens in memory, and counts at the end."""

    @torch.inference_mode()
    def run() -> Tensor:
        languages, layers = len(task.corpus.languages), activations(task.model, task.shape)
        stored: list[list[list[Tensor]]] = [[[] for _ in layers] for _ in range(languages)]
        for batch in user_batches(task):

            def keep(place: int, output: Tensor, kept: list[Any] = stored[batch.language], on: Any = batch) -> None:
                kept[place].append(output[on.counted].cpu())

            with _hooked(layers, keep):
                task.model(**batch.inputs)
        counted = [[(torch.cat(parts) > 0).sum(0) for parts in language] for language in stored]
        return torch.stack([torch.cat(layers) for layers in counted])

    return run


def json_lines(task: Task) -> Pass:
    """As the repository of the PMI paper does: a forward a token, as in generation, and a JSON row of zeros and ones of
    each; behind a sentence the file is read again, its rows are added up as lists, and their sum is written back.
    """
    few = task.with_rows(JSON_ROWS)

    @torch.inference_mode()
    def run() -> None:
        layers = activations(task.model, task.shape)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index.jsonl"
            for sentence in user_batches(few, size=1):
                cache = DynamicCache(config=task.model.config)
                for token_id in sentence.inputs["input_ids"].T:
                    row: dict[int, list[int]] = {}

                    def keep(place: int, output: Tensor, row: dict[int, list[int]] = row) -> None:
                        row[place] = (output[0, -1] > 0).int().tolist()

                    with _hooked(layers, keep):
                        task.model(input_ids=token_id[None], past_key_values=cache, use_cache=True)
                    with path.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                _add_up(path)

    return run


def _add_up(path: Path) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    total = {place: [sum(values) for values in zip(*(row[place] for row in rows))] for place in rows[0]}
    path.write_text(json.dumps(total) + "\n")


VARIANTS = {
    "a": Variant("plain forward of the whole model, batches of 16", plain_forward, user_padding),
    "b": Variant("the limit: no head, no hooks, neuroglot's batches", limit, sorted_padding),
    "b2": Variant("the limit, its trunk compiled by torch.compile", compiled_limit, sorted_padding),
    "c": Variant("neuroglot.record, one statistic", neuroglot_one, sorted_padding, counts=True),
    "c2": Variant("neuroglot.record, all statistics", neuroglot_all, sorted_padding, counts=True),
    "d": Variant("nnsight, counting inside the trace", nnsight_whole, user_padding, counts=True),
    "d2": Variant("nnsight, stopped before the head", nnsight_stopped, user_padding, counts=True),
    "e": Variant("transformer-lens, run_with_hooks", transformer_lens, user_padding, counts=True),
    "f": Variant("hooks that store everything, then count", store_everything, user_padding, counts=True),
    "g": Variant("JSON of every token (1 row, scaled)", json_lines, no_padding, rows=JSON_ROWS),
}


def _neuroglot(task: Task, recording: neuroglot.Recording) -> Pass:
    view = neuroglot.view(task.model)

    def run() -> Tensor:
        return neuroglot.record(view, task.tokenizer, task.corpus, recording).fired[0]

    return run


def _traced(task: Task) -> tuple[Any, list[Any]]:
    try:
        from nnsight import NNsight
    except ImportError as error:
        raise SkippedError(f"nnsight cannot be imported: {error}") from error
    traced = NNsight(sharing_weights(task.model))
    return traced, activations(traced, task.shape)


def _bridge(task: Task) -> Any:
    """A bridge of its own, since it forces eager attention on the model that it wraps."""
    try:
        from transformer_lens.model_bridge import TransformerBridge
    except ImportError as error:
        raise SkippedError(f"transformer-lens cannot be imported: {error}") from error
    model = sharing_weights(task.model)
    return TransformerBridge.boot_transformers(
        "random", hf_model=model, tokenizer=task.tokenizer, device=str(model.device), dtype=model.dtype
    )


def _no_counts(task: Task) -> Tensor:
    shape = len(task.corpus.languages), len(activations(task.model, task.shape)), width_of(task.model)
    return torch.zeros(shape, dtype=torch.int64, device=task.model.device)


@contextmanager
def _hooked(layers: list[nn.Module], read: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Call `read(layer, output)` in each forward, until the block ends."""
    with ExitStack() as hooks:
        for place, layer in enumerate(layers):

            def after(_module: nn.Module, _inputs: Any, output: Tensor, place: int = place) -> None:
                read(place, output)

            hooks.callback(layer.register_forward_hook(after).remove)
        yield
