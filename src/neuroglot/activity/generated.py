"""Recording while text is generated, or afterwards in one pass over what was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.passes import Pass
from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection, nothing_selected, select
from neuroglot.activity.tallies import ActivityTally
from neuroglot.corpora.batches import TOKEN_BUDGET, Batch, by_language, by_row
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError
from neuroglot.generation import Decoding, Generation, end_tokens, generate
from neuroglot.models.view import ModelView

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
    counts. With beams the model follows several texts at once; then only the texts that won are counted, by
    `record_generated`. Raises `ConfigError` for a model that is no decoder.
    """
    _require_no_sample(recording)
    if decoding is not None and decoding.beams > 1:
        generation = generate(view, tokenizer, prompts, decoding, token_budget=token_budget)
        return record_generated(view, generation, recording, token_budget=token_budget), generation
    tally = ActivityTally(view.layout, len(prompts.languages), recording, view.model.device)
    watch = _Watch(view, tally, end_tokens(view, tokenizer))
    generation = generate(view, tokenizer, prompts, decoding, token_budget=token_budget, around=watch.around)
    return _activity(view, generation, tally), generation


def record_generated(
    view: ModelView, generation: Generation, recording: Recording, *, token_budget: int = TOKEN_BUDGET
) -> Activity:
    """Count on prompts and generated texts in one pass, as if they were being generated; the counts are the same."""
    _require_no_sample(recording)
    tally = ActivityTally(view.layout, len(generation.languages), recording, view.model.device)
    Pass(view, GivenTexts(generation, token_budget), [tally]).run()
    return _activity(view, generation, tally)


@dataclass(eq=False)
class GivenTexts:
    """Texts that are tokens already, to be read by a `Pass` by language or by row."""

    generation: Generation
    token_budget: int
    order: Literal["language", "row"] = "language"

    @property
    def together(self) -> int:
        return len(self.generation.languages) if self.order == "row" else 1

    @property
    def texts(self) -> int:
        return len(self.generation.read)

    def __iter__(self) -> Iterator[Batch]:
        cut = by_row if self.order == "row" else by_language
        return cut(self.generation.read, len(self.generation.languages), self.token_budget)


class _Watch:
    """Shows a tally each forward of `generate`: first the prompts, then one token of each text that goes on."""

    def __init__(self, view: ModelView, tally: ActivityTally, ends: list[int]) -> None:
        self.view, self.tally, self.ends = view, tally, torch.tensor(ends, dtype=torch.int64)
        self.goes_on: Tensor | None = None  # which texts have not ended; None before the prompts are read

    def around(self, batch: Batch, run: Callable[[], Tensor]) -> Tensor:
        """Generate for one batch with the taps in place."""
        self.batch, self.goes_on = batch, None
        model = self.view.model  # some models go past their base model
        with ExitStack() as hooks:
            hooks.enter_context(self.view.tapping(self.tally.recording.site, self.tally.update))
            hooks.callback(model.register_forward_pre_hook(self._begin, with_kwargs=True).remove)
            hooks.callback(model.register_forward_hook(lambda *_: self.tally.commit()).remove)
            return run()

    def _begin(self, _model: Any, arguments: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        token_ids = (arguments[0] if arguments else named["input_ids"]).cpu()
        if self.goes_on is None:
            self.goes_on = torch.ones(len(token_ids), dtype=torch.bool)
            selected = select(self.view, self.batch, self.tally.recording)
            if self.tally.recording.tokens == "generated":
                selected = nothing_selected(selected)
        else:
            self.goes_on &= ~torch.isin(token_ids[:, -1], self.ends)
            reads_new = self.tally.recording.tokens in ("all", "generated", "steps")
            counts = self.goes_on & reads_new
            selection = Selection.of(counts, torch.zeros_like(counts))
            selected = dict.fromkeys((stack for stack, _ in self.view.layout.stacks), selection)
        self.tally.begin(replace(self.batch, times=1), selected)


def _require_no_sample(recording: Recording) -> None:
    if "histogram" in recording.statistics:
        raise ConfigError("A histogram was asked for of generated text.", "Its sample is defined for a corpus only.")


def _activity(view: ModelView, generation: Generation, tally: ActivityTally) -> Activity:
    return Activity(
        view.layout,
        generation.languages,
        tally.recording,
        **{name: tally.totals[name].cpu() for name in ("fired", "tokens", "reached")},
        signature=generation.signature | tally.recording.signature,
        statistics={measure.name: tally.totals[measure.name].cpu() for measure in tally.measures},
    )
