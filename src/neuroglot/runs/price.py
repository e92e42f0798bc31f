"""Price: steps of a job with their tokens, counted, and their time, measured on a few rows and scaled by tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from neuroglot.activity.passes import LARGEST_BUDGET, layer_weights, token_budget_of
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.directed import Directed, Parallel
from neuroglot.errors import CorpusError
from neuroglot.experiments.scoring import LOGIT_BUDGET
from neuroglot.models.loading import WITHOUT_WEIGHTS
from neuroglot.models.locating import text_config
from neuroglot.models.provenance import model_name
from neuroglot.models.view import ModelView
from neuroglot.reports.tables import Column, Table
from neuroglot.tokens.asked import Readable
from neuroglot.tokens.pairs import encode_pairs
from neuroglot.tokens.tokenizing import context_limit, nothing_fits

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_UNKNOWN = "–"
SAMPLED_ROWS = 500  # are tokenised where there are more
ENOUGH_SECONDS = 0.5  # of a timed run that fills a batch: what it costs to begin says little then
MOST_SECONDS = 5.0  # of one that does not


def prompts_or_text(data: Readable) -> Iterable[Parallel]:
    """What is read of a task without its answers, or of parallel text."""
    return [data.prompts if isinstance(data, Task) else data]


@dataclass(frozen=True)
class PricedStep:
    """A part of a job: the model reads the texts that `read` gives of the `data`, so many `times`.

    `run` does the same with fewer rows, to be timed, and reads them `timed` times. Where tokens are `written`, so many
    are generated for each text instead, one after another.
    """

    name: str
    data: Readable
    run: Callable[[Any], object]
    times: int = 1
    timed: int = 1
    read: Callable[[Any], Iterable[Parallel]] = prompts_or_text
    written: int = 0


@dataclass(frozen=True)
class _Line:
    """What one step costs; `tokens` are those of one time, `exact` or scaled from a sample of rows."""

    step: str
    tokens: int
    exact: bool
    times: int
    seconds: float


@dataclass(frozen=True)
class Price:
    """What a job would cost beside loading the model; `model_bytes` are those of its weights, others come on top.

    `files` are read or written, with their bytes if they are there already; `remarks` say what no number does.
    `layer_weights` are those that each token passes below the head, None where only some do.
    """

    models: tuple[str, ...]
    device: str
    lines: tuple[_Line, ...]
    kept_bytes: int
    batch_bytes: int
    disk_bytes: int
    files: tuple[tuple[str, str, int | None], ...] = ()
    remarks: tuple[str, ...] = ()
    model_bytes: int = 0
    layer_weights: int | None = None

    @property
    def seconds(self) -> float:
        return sum(line.seconds for line in self.lines)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is known and what is a guess."""
        if not self.lines:
            return (*self.remarks, "No model reads text; memory and disk are estimated.")
        exact = all(line.exact for line in self.lines)
        counted = "counted exactly" if exact else f"estimated from {SAMPLED_ROWS} rows of each corpus"
        return (
            *self.remarks,
            f"Tokens are {counted}; equal texts and shared beginnings may be read once, and make them fewer.",
            f"Time is not known: nothing is computed without weights{self._operations()}."
            if self.device == WITHOUT_WEIGHTS
            else f"Time is estimated from short runs of each step on {self.device}; loading the model comes on top.",
            "Memory and disk are estimated; memory comes on top of that for the weights.",
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": self.seconds, "notes": self.notes}

    def tables(self) -> tuple[Table, ...]:
        """The steps, the files, and what all of it needs; without what there is none of."""
        heads = [Column(name) for name in ("step", "tokens", "times", "tokens in all", "time, about")]
        steps = [
            (line.step, line.tokens, line.times, line.tokens * line.times, self._time(line.seconds))
            for line in self.lines
        ]
        files = [(name, use, _UNKNOWN if size is None else decimal(size)) for name, use, size in self.files]
        needed = [("disk", decimal(self.disk_bytes))]
        needed += [("memory for what is kept", decimal(self.kept_bytes))] if self.models else []
        needed += [("memory for the weights", decimal(self.model_bytes))] if self.model_bytes else []
        if steps:
            needed += [("memory for a batch", decimal(self.batch_bytes)), ("time", self._time(self.seconds))]
        title = f"What {', '.join(self.models)} would read on {self.device}"
        return (
            *([Table.of("steps", title, heads, steps)] if steps else []),
            *([Table.of("files", "Files", [Column(name) for name in ("file", "use", "size")], files)] if files else []),
            Table.of("needed", "What the job would need", [Column("what"), Column("about")], reversed(needed)),
        )

    def _operations(self) -> str:
        """Multiplications and additions, 2 a weight and token, of which a head is not counted."""
        if self.layer_weights is None or self.remarks:  # which say what a training costs
            return ""
        tokens = sum(line.tokens * line.times for line in self.lines)
        return f"; the layers cost about {2 * self.layer_weights * tokens:.2e} operations, the head not counted"

    def _time(self, seconds: float) -> str:
        return _UNKNOWN if self.device == WITHOUT_WEIGHTS else _duration(seconds)


def of_files(read: Sequence[Path], written: Sequence[str], disk_bytes: int, remarks: Sequence[str] = ()) -> Price:
    """The price of a job in which no model reads text: which files it reads, and which it writes into its folder."""
    before = [(str(path), "read", path.stat().st_size) for path in read]
    after = [(name, "written", None) for name in written]
    return Price((), "", (), 0, 0, disk_bytes, (*before, *after), tuple(remarks))


def price(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, steps: Sequence[PricedStep], kept_bytes: int, disk_bytes: int
) -> Price:
    """The price of a job of these steps. Raises `CorpusError` where no row of one fits into the model's context."""
    limit = context_limit(tokenizer, text_config(view.model))
    lines = tuple(_line(view, tokenizer, step, limit) for step in steps)
    return Price(
        (model_name(view),), view.model.device.type, lines, kept_bytes, _batch_bytes(view), disk_bytes,
        model_bytes=sum(parameter.nbytes for parameter in view.model.parameters()),
        layer_weights=None if any(layer.experts > 1 for layer in view.layout.layers) else layer_weights(view),
    )  # fmt: skip


def together(prices: Sequence[Price]) -> Price:
    """The price of jobs one after another, into one report."""
    return Price(
        tuple(model for price in prices for model in price.models),
        next((price.device for price in prices if price.device), ""),
        tuple(replace(line, step=f"{price.models[0]}: {line.step}") for price in prices for line in price.lines),
        max(price.kept_bytes for price in prices),
        max(price.batch_bytes for price in prices),
        max(price.disk_bytes for price in prices),
        tuple(file for price in prices for file in price.files),
        tuple(remark for price in prices for remark in price.remarks),
        max(price.model_bytes for price in prices),
        prices[0].layer_weights if len(prices) == 1 else None,
    )


def _line(view: ModelView, tokenizer: PreTrainedTokenizerBase, step: PricedStep, limit: int | None) -> _Line:
    rows = len(step.data)
    order = random.Random(0).sample(range(rows), min(rows, SAMPLED_ROWS))  # every beginning of it is a random sample
    sampled = _tokens(view, tokenizer, step, step.data.take(order), limit)
    if not sampled:
        raise nothing_fits(step.data.name, limit)
    tokens = round(sampled * rows / len(order))
    is_timed = view.model.device.type != WITHOUT_WEIGHTS
    each = _seconds_a_token(view, tokenizer, step, order, limit) if is_timed else 0.0
    seconds = each * tokens * step.times / step.timed
    return _Line(step.name, tokens, len(order) == rows, step.times, seconds)


def _tokens(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, step: PricedStep, data: Readable, limit: int | None
) -> int:
    """Tokens of the data once, without rows that are longer than the model's context."""
    if step.written:
        return step.written * len(data) * len(data.languages)
    return sum(_tokens_of(view, tokenizer, corpus, limit) for corpus in step.read(data))


def _tokens_of(view: ModelView, tokenizer: PreTrainedTokenizerBase, corpus: Parallel, limit: int | None) -> int:
    """Tokens of the rows that fit; of directions those that encoder and decoder read, or a decoder alone."""
    if isinstance(corpus, Directed):
        pairs = encode_pairs(view, tokenizer, corpus.corpus, corpus.directions, corpus.tags).pairs
        return sum(len(pair.token_ids) + len(pair.target_ids) for pair in pairs)
    columns = [tokenizer(list(column), verbose=False)["input_ids"] for column in corpus.texts.values()]
    rows = [list(map(len, row)) for row in zip(*columns, strict=True)]
    return sum(sum(row) for row in rows if limit is None or max(row) <= limit)


def _seconds_a_token(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, step: PricedStep, order: Sequence[int], limit: int | None
) -> float:  # fmt: skip
    """Run the step on more and more rows, until one run fills a batch or is long; the first only warms up."""
    rows, warm = 1, False
    while True:
        part, start = step.data.take(order[:rows]), perf_counter()
        try:
            step.run(part)
        except CorpusError:  # none of these few rows can be read
            if rows == len(order):
                raise
        else:
            seconds, tokens = perf_counter() - start, _tokens(view, tokenizer, step, part, limit)
            full = seconds >= MOST_SECONDS or (seconds >= ENOUGH_SECONDS and tokens >= token_budget_of(view))
            if warm and tokens and (full or rows == len(order)):
                return seconds / tokens
            warm = True
        rows = min(4 * rows, len(order))


def _batch_bytes(view: ModelView) -> int:
    """What a batch needs: a layer's activations at each position, and logits, in float32; a rule of thumb."""
    config = text_config(view.model)
    widest = max(layer.width // layer.experts for layer in view.layout.layers)
    positions = token_budget_of(view) if view.model.device.type == "cpu" else LARGEST_BUDGET
    logits = min(LOGIT_BUDGET, positions * int(config.vocab_size))
    return 4 * positions * (3 * widest + 8 * int(config.hidden_size)) + 8 * logits


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
