"""A pass: the model without its head over batches in a fixed order, into tallies.

Batches are sized by the memory there is, halved when one does not fit, shared by processes, and taken up again from a
checkpoint; beginnings that texts share are read once.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from neuroglot import distribution
from neuroglot.activity.checkpoints import Checkpoints, named_totals
from neuroglot.activity.selection import nothing_selected, select
from neuroglot.activity.tallies import Tally
from neuroglot.errors import MemoryLimitError
from neuroglot.layout import Layer, Site
from neuroglot.models.finite import last_layers, not_finite, sums_finite, tokens_not_finite
from neuroglot.models.points import Routing, Tap
from neuroglot.models.view import ModelView
from neuroglot.progress import advancing
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch
from neuroglot.tokens.pairs import PairBatch, read_positions, translation_inputs

LARGE_TRUNK = 10**7  # weights that a token passes; from here on a few hundred positions fill a processor
LARGE_TRUNK_BUDGET = 512  # positions a batch for such: larger ones only pad more, by a fifth with 60 texts a language
LARGEST_BUDGET = 2**16
EASE = 0.5  # share of the memory that a batch may take: lengths differ from those tried
TRIED_LENGTH = 256


def automatic_token_budget(view: ModelView) -> int:
    """Padded tokens a batch: `token_budget_of` on a CPU; on an accelerator doubled for as long as a batch of that
    size leaves half of the memory free.
    """
    device = view.model.device
    if device.type != "cuda":
        return token_budget_of(view)
    budget, room = TOKEN_BUDGET, torch.cuda.get_device_properties(device).total_memory * EASE
    while budget < LARGEST_BUDGET and _peak_memory(view, 2 * budget) < room:
        budget *= 2
    return budget


def token_budget_of(view: ModelView) -> int:
    """Padded tokens a batch that fill a device: `TOKEN_BUDGET`, or fewer on a CPU if many weights are passed."""
    if view.model.device.type != "cpu":
        return TOKEN_BUDGET
    return TOKEN_BUDGET if layer_weights(view) < LARGE_TRUNK else LARGE_TRUNK_BUDGET


def layer_weights(view: ModelView) -> int:
    """The weights of the model without head and embeddings."""
    trunk = view.model.base_model
    embedded = sum(part.weight.numel() for part in trunk.modules() if isinstance(part, nn.Embedding))
    return sum(parameter.numel() for parameter in trunk.parameters()) - embedded


def _peak_memory(view: ModelView, tokens: int) -> float:
    """Bytes that a forward of so many tokens takes at its peak, weights included; infinite where it does not fit."""
    device = view.model.device
    torch.cuda.reset_peak_memory_stats(device)
    try:
        with torch.inference_mode():
            view.model.base_model(**view.family.reads.dummy(view.model, tokens // TRIED_LENGTH, TRIED_LENGTH))
    except torch.OutOfMemoryError:
        return float("inf")
    return float(torch.cuda.max_memory_allocated(device))


class BatchSource(Protocol):
    """Batches in a fixed order: those of a corpus, or of texts that are tokens already."""

    @property
    def texts(self) -> int: ...
    @property
    def together(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...


log = logging.getLogger(__name__)


@dataclass(eq=False)
class Pass:
    """One reading of a corpus by a model; all tallies see the same forwards.

    Batches are dealt to the processes of the job in turn. A batch that does not fit into memory is halved, and so is
    every later one of its size. `positions` and `tokens` say afterwards how much was padding.
    """

    view: ModelView
    reading: BatchSource
    tallies: Sequence[Tally]
    checkpoints: Checkpoints | None = None
    positions: int = 0
    tokens: int = 0
    largest: float = float("inf")  # positions in a batch that fits, as far as is known
    _ends: list[Tensor] = field(default_factory=list)  # sums of what the last layers of a forward held
    _prefix: tuple[Batch, DynamicCache] | None = None

    def run(self) -> None:
        """Read all that is not done; afterwards every process has the totals of all."""
        if self.checkpoints is not None:
            self.checkpoints.restore(self.tallies)
        done = frozenset(self.checkpoints.done) if self.checkpoints else frozenset()
        with self.view.evaluating(), self._reading() as forward, advancing("recording", self.reading.texts) as advance:
            for number, batch in enumerate(self.reading):
                if distribution.dealt(number) and number not in done:
                    self._read(batch, forward)
                    if self.checkpoints is not None:
                        self.checkpoints.note(number, self.tallies)
                advance(len(batch.texts) * batch.times)
        if self.checkpoints is not None:
            self.checkpoints.save(self.tallies)
        distribution.combine((total, is_maximum) for _, total, is_maximum in named_totals(self.tallies))
        if self.positions:
            padding = 1 - self.tokens / self.positions
            log.info("read %s tokens, and %.1f %% of padding", f"{self.tokens:,}", 100 * padding)

    @contextmanager
    def _reading(self) -> Iterator[Callable[..., None]]:
        taps: dict[Site, Tap] = {}
        for site in dict.fromkeys(tally.recording.site for tally in self.tallies):
            taps[site] = self._shown_to([tally for tally in self.tallies if tally.recording.site == site])
        with self.view.reading(taps) as forward:
            yield forward

    def _read(self, batch: Batch, forward: Callable[..., None]) -> None:
        """One batch, in halves where it is too large."""
        if batch.real.numel() > self.largest and (halves := batch.halves(self.reading.together)):
            for half in halves:
                self._read(half, forward)
            return
        try:
            self._forward(batch, forward)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            self._make_smaller(batch, error)
        else:
            self.positions += batch.real.numel()
            self.tokens += int(batch.real.sum())
            return
        self._read(batch, forward)

    def _make_smaller(self, batch: Batch, error: BaseException) -> None:
        self._prefix = None
        torch.cuda.empty_cache()
        if batch.halves(self.reading.together) is None:
            raise MemoryLimitError(
                f"{self.reading.together} text(s) of {batch.real.shape[1]} tokens do not fit into memory.",
                "Nothing smaller can be read at once.",
                "Use a smaller dtype, another device, or device='auto'.",
            ) from error
        self.largest = batch.real.numel() // 2
        log.info("out of memory: batches are cut to %s tokens", f"{self.largest:,}")

    def _forward(self, batch: Batch, forward: Callable[..., None]) -> None:
        cached = self._cached(batch, forward)
        self._begin(batch)
        forward(**self._inputs(batch) | cached)
        self._require_finite(batch, forward)
        for tally in self.tallies:
            tally.commit()

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        """What the model is given of a batch, on its device."""
        if not isinstance(batch, PairBatch):
            return self.view.family.reads.forward_kwargs(self.view.model, batch)
        inputs, device = translation_inputs(self.view, batch), self.view.model.device
        return {name: given.to(device) if isinstance(given, Tensor) else given for name, given in inputs.items()}

    def _shown_to(self, tallies: Sequence[Tally]) -> Tap:
        last = last_layers(self.view.layout.layers)

        def tap(layer: Layer, activation: Tensor, routing: Routing | None) -> None:
            if layer in last:
                self._ends.append(activation.sum(dtype=torch.float32))
            for tally in tallies:
                tally.update(layer, activation, routing)

        return tap

    def _require_finite(self, batch: Batch, forward: Callable[..., None]) -> None:
        """Raise `ConfigError` with layer, languages and rows if a token of the batch met a value that is no number."""
        finite = sums_finite(self._ends)
        self._ends.clear()
        if finite:
            return
        site = self.tallies[0].recording.site
        broken: dict[Layer, dict[int, int]] = {}
        real = self._real(batch)

        def tap(layer: Layer, activation: Tensor, routing: Routing | None) -> None:
            positions = torch.arange(len(activation), device=activation.device) if routing is None else routing.tokens
            if found := tokens_not_finite(activation, positions, real[layer.stack]):
                broken.setdefault(layer, found)

        with self.view.reading({site: tap}) as again:
            self._read_again(batch, again)
        for layer in (layer for layer in self.view.layout.layers if layer in broken):
            languages = getattr(getattr(self.reading, "corpus", None), "languages", ())
            what = f"Values of layer {layer.index} ({layer.stack}) are"
            raise not_finite(self.view.model, what, dict(enumerate(batch.texts)), broken[layer], languages)

    def _real(self, batch: Batch) -> dict[str, Tensor]:
        """Which positions of each stack are no padding."""
        if isinstance(batch, PairBatch):
            return {stack: read for stack, (read, _) in read_positions(self.view, batch).items()}
        return {stack: batch.real for stack, _ in self.view.layout.stacks}

    def _read_again(self, batch: Batch, forward: Callable[..., None]) -> None:
        """A batch whole, without tallies."""
        cached = self._cached(batch, forward) if batch.prefix is not None and self._prefix is not None else {}
        forward(whole=True, **self._inputs(batch) | cached)

    def _begin(self, batch: Batch, is_prefix: bool = False) -> None:
        for tally in self.tallies:
            selected = select(self.view, batch, tally.recording)
            last_is_behind = is_prefix and tally.recording.tokens == "last"
            tally.begin(batch, nothing_selected(selected) if last_is_behind else selected)

    def _cached(self, batch: Batch, forward: Callable[..., None]) -> dict[str, Any]:
        """What the model is given to go on behind the batch's shared beginning, which is read once."""
        if batch.prefix is None:
            return {}
        if self._prefix is None or self._prefix[0] is not batch.prefix:
            cache = DynamicCache(config=self.view.model.config.get_text_config())
            self._begin(batch.prefix, is_prefix=True)
            ids: Tensor = batch.prefix.token_ids.to(self.view.model.device)
            forward(whole=True, input_ids=ids, past_key_values=cache, use_cache=True)
            self._require_finite(batch.prefix, forward)
            for tally in self.tallies:
                tally.hold()
            self._prefix = batch.prefix, cache
        cache = copy.deepcopy(self._prefix[1])
        cache.batch_repeat_interleave(len(batch.texts))
        return {"past_key_values": cache, "use_cache": True}


def can_share_prefixes(view: ModelView) -> bool:
    """Whether what a model keeps of a beginning can be handed to several texts: plain caches of keys and values."""
    if not view.family.predicts_next or view.model._is_stateful:
        return False
    cache = DynamicCache(config=view.model.config.get_text_config())
    return all(isinstance(layer, DynamicLayer) for layer in cache.layers)


def _is_out_of_memory(error: BaseException) -> bool:
    said = str(error).lower()  # the CPU's allocator raises a plain RuntimeError
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "not enough memory" in said or "can't allocate memory" in said
