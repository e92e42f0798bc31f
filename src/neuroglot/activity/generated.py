"""Recording of generated text: in the forwards that generate it, or afterwards in one pass, with the same counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.passes import Pass
from neuroglot.activity.recording import Recording
from neuroglot.activity.rows import RowCounts, RowCountsTally
from neuroglot.activity.selection import Selection, nothing_selected, select
from neuroglot.activity.tallies import ActivityTally, Tally
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError
from neuroglot.generation.decoding import Decoding, Generation, end_tokens, generate
from neuroglot.layout import Layer
from neuroglot.models.points import Routing
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.tokens.batches import TOKEN_BUDGET, Batch
from neuroglot.tokens.reading import GivenTexts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def record_generation(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Corpus,
    recording: Recording,
    decoding: Decoding | None = None,
    *,
    token_budget: int = TOKEN_BUDGET,
) -> tuple[Activity, Generation]:
    """Generate, and count in the same forwards how often each neuron fires.

    A generated token counts where the model reads it to choose the next one, so that the last token of each text never
    counts. With beams, or a rule, the model follows several texts at once; then only those that won are counted, by
    `record_generated`. Raises `UnsupportedModelError` for a model that is no decoder.
    """
    _require_no_sample(recording)
    if decoding is not None and decoding.reads_others:
        generation = generate(view, tokenizer, prompts, decoding, token_budget=token_budget)
        return record_generated(view, generation, recording, token_budget=token_budget), generation
    tally = ActivityTally(view.layout, len(prompts.languages), recording, view.model.device)
    watch = _Watch(view, [tally], end_tokens(view, tokenizer))
    generation = generate(view, tokenizer, prompts, decoding, token_budget=token_budget, around=watch.around)
    return _activity(view, generation, tally), generation


def record_generation_by_row(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Corpus,
    recording: Recording,
    decoding: Decoding | None = None,
    *,
    chats: bool = False,
    token_budget: int = TOKEN_BUDGET,
) -> tuple[Activity, RowCounts, Generation]:
    """What `record_generation` gives, and how often neurons of each layer fired on each row, for paired tests.

    With beams, or a rule, the texts that won are counted. `chats` are prompts that a chat template wrote. Raises as
    `record_generation` does, and `ConfigError` for several thresholds.
    """
    _require_no_sample(recording)
    if len(recording.fires) != 1:
        raise ConfigError(f"Rows were to be counted at the thresholds {recording.fires}.", "Expected one.")
    tally = ActivityTally(view.layout, len(prompts.languages), recording, view.model.device)
    rows = RowCountsTally(view.layout, len(prompts.languages), recording, len(prompts))
    if decoding is not None and decoding.reads_others:
        generation = generate(view, tokenizer, prompts, decoding, chats=chats, token_budget=token_budget)
        Pass(view, GivenTexts(generation.read, len(generation.languages), token_budget), [tally, rows]).run()
    else:
        watch = _Watch(view, [tally, rows], end_tokens(view, tokenizer))
        generation = generate(
            view, tokenizer, prompts, decoding, chats=chats, token_budget=token_budget, around=watch.around
        )
    kept = len(generation.ids)
    counts = RowCounts(view.layout, rows.totals["fired"][:kept], rows.totals["tokens"][:kept])
    return _activity(view, generation, tally), counts, generation


def record_generated(
    view: ModelView, generation: Generation, recording: Recording, *, token_budget: int = TOKEN_BUDGET
) -> Activity:
    """Count on prompts and generated texts in one pass, as if they were being generated; the counts are the same."""
    _require_no_sample(recording)
    tally = ActivityTally(view.layout, len(generation.languages), recording, view.model.device)
    Pass(view, GivenTexts(generation.read, len(generation.languages), token_budget), [tally]).run()
    return _activity(view, generation, tally)


STEPS_TOGETHER = 8  # forwards of one token that are counted at once: a call costs more than a few rows


class _Watch:
    """Shows tallies of one recording each forward of `generate`: the prompts, then one token of each text at a time.

    Forwards of one token wait until there are some of them, except in models with experts, whose rows differ in number.
    """

    def __init__(self, view: ModelView, tallies: Sequence[Tally], ends: list[int]) -> None:
        self.view, self.tallies, self.ends = view, tallies, torch.tensor(ends, dtype=torch.int64)
        self.recording = tallies[0].recording
        self.goes_on: Tensor | None = None  # which texts have not ended; None before the prompts are read
        self.together = 1 if any(layer.experts > 1 for layer in view.layout.layers) else STEPS_TOGETHER
        self.steps: list[Tensor] = []  # which texts count, by forward that waits
        self.waiting: dict[Layer, list[Tensor]] = {}

    def around(self, batch: Batch, run: Callable[[], Tensor]) -> Tensor:
        """Generate for one batch with the taps in place."""
        self.batch, self.goes_on = batch, None
        model = self.view.model  # some models go past their base model
        with ExitStack() as hooks:
            hooks.enter_context(self.view.tapping(self.recording.site, self._update))
            hooks.callback(model.register_forward_pre_hook(self._begin, with_kwargs=True).remove)
            hooks.callback(model.register_forward_hook(self._commit).remove)
            continued = run()
        self._count_waiting()
        return continued

    def _update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        if self.steps:
            self.waiting.setdefault(layer, []).append(activation)
            return
        for tally in self.tallies:
            tally.update(layer, activation, routing)

    def _commit(self, *_: Any) -> None:
        if self.steps:
            if len(self.steps) == self.together:
                self._count_waiting()
            return
        for tally in self.tallies:
            tally.commit()

    def _count_waiting(self) -> None:
        """Count the forwards that wait as one, in which each text has as many positions."""
        if not self.steps:
            return
        counts, waiting = torch.stack(self.steps, dim=1), self.waiting
        self.steps, self.waiting = [], {}
        self._show(counts)
        for layer, activations in waiting.items():
            self._update(layer, torch.stack(activations, dim=1).flatten(0, 1), None)
        self._commit()

    def _show(self, counts: Tensor) -> None:
        """Begin a forward in which these positions count: `[B]` or `[B, T]`."""
        selection = Selection.of(counts, torch.zeros_like(counts))
        selected = dict.fromkeys((stack for stack, _ in self.view.layout.stacks), selection)
        for tally in self.tallies:
            tally.begin(replace(self.batch, times=1), selected)

    def _begin(self, _model: Any, arguments: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        token_ids = (arguments[0] if arguments else named["input_ids"]).cpu()
        if self.goes_on is None:
            self.goes_on = torch.ones(len(token_ids), dtype=torch.bool)
            selected = select(self.view, self.batch, self.recording)
            if self.recording.tokens == "generated":
                selected = nothing_selected(selected)
            for tally in self.tallies:
                tally.begin(replace(self.batch, times=1), selected)
            return
        self.goes_on &= ~torch.isin(token_ids[:, -1], self.ends)
        counts = self.goes_on & (self.recording.tokens in ("all", "generated", "steps"))
        if self.together > 1:
            self.steps.append(counts)
        else:
            self._show(counts)


def _require_no_sample(recording: Recording) -> None:
    if "histogram" in recording.statistics:
        raise ConfigError("A histogram was asked for of generated text.", "Its sample is defined for a corpus only.")


def read_again(view: ModelView, generation: Generation) -> Signature:
    """The signature of given texts as this model reads them now; and what was otherwise when they were written."""
    made, written = made_with(view), generation.signature
    otherwise = Signature(tuple((key, value) for key, value in written.fields if made.get(key, value) != value))
    return written | made | (Signature.of(written_with=otherwise.inline) if otherwise.fields else otherwise)


def _activity(view: ModelView, generation: Generation, tally: ActivityTally) -> Activity:
    return Activity(
        view.layout,
        generation.languages,
        tally.recording,
        **{name: tally.totals[name].cpu() for name in ("fired", "tokens", "reached")},
        signature=read_again(view, generation) | tally.recording.signature,
        statistics={measure.name: tally.totals[measure.name].cpu() for measure in tally.measures},
    )
