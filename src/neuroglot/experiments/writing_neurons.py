"""Which neurons of a frozen encoder carry a language while it reads and while it writes, and what it writes without
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection
from neuroglot.activity.tallies import ActivityTally
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction, directions_of
from neuroglot.corpora.seen import SameRows, rows_selected_on, sorted_hashes
from neuroglot.errors import ConfigError
from neuroglot.experiments.evaluation import ablation_conditions, independent_rows, matrix_of
from neuroglot.experiments.quality import QualityName, TranslationQuality
from neuroglot.generation.sga import CanvasDecoding, write_texts
from neuroglot.interventions.switching import switch_off
from neuroglot.layout import Layer
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.texts import Texts
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.models.points import Routing
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView, view
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.tokens.batches import pad
from neuroglot.tokens.canvases import canvas_pairs
from neuroglot.tokens.pairs import Pairs
from neuroglot.tokens.tokenizing import Text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

While = Literal["reading", "writing"]


def record_writing(
    model: SGAForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    pivot: str,
    recording: Recording | None = None,
    decoding: CanvasDecoding | None = None,
) -> dict[While, Activity]:
    """How often each neuron of the encoder fires while it reads, by the language that it reads, and while it writes, by
    the language that it writes.

    Every row is translated out of the pivot and into it. Of the source all tokens count but special ones, as the
    encoder sees them behind its prompts; of a canvas every place, in every pass of it. Raises `ConfigError` for
    recordings of single tokens, and statistics that need a corpus.
    """
    recording = recording or Recording()
    if recording.tokens != "all" or "histogram" in recording.statistics:
        raise ConfigError(f"Got {recording}.", "Expected one of all tokens, without a histogram.")
    located = view(model.backbone)
    tallies: dict[While, ActivityTally] = {
        name: ActivityTally(located.layout, len(corpus.languages), recording, model.device) for name in get_args(While)
    }
    special = torch.tensor(sorted(set(tokenizer.all_special_ids)))
    directions = directions_of(corpus.languages, pivot)
    pairs = canvas_pairs(model, tokenizer, corpus, directions, ask_for_targets=False)
    for place, direction in enumerate(pairs.directions):
        languages = {
            name: corpus.languages.index(code)
            for name, code in zip(get_args(While), (direction.source, direction.target), strict=True)
        }
        with _Watch(located, tallies, languages, special).watching():
            write_texts(model, tokenizer, _only(pairs, place), decoding)
    made = made_with(model, tokenizer, corpus, rows=len(pairs.ids), dropped=len(pairs.dropped)) | recording.signature
    return {
        name: Activity(
            located.layout, corpus.languages, recording,
            **{count: tally.totals[count].cpu() for count in ("fired", "tokens", "reached")},
            signature=made | Signature.of(read=f"while the encoder is {name}"),
            statistics={measure.name: tally.totals[measure.name].cpu() for measure in tally.measures},
            read=torch.from_numpy(sorted_hashes(corpus)),
        )
        for name, tally in tallies.items()
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Watch:
    """Shows the tallies every forward of one direction: what is read and what is written go to tallies of their own."""

    located: ModelView
    tallies: Mapping[While, ActivityTally]
    languages: Mapping[While, int]
    special: Tensor

    @contextmanager
    def watching(self) -> Iterator[None]:
        base, now = self.located.model.base_model, [self.tallies["reading"]]

        def begin(_model: Any, _given: tuple[Any, ...], named: dict[str, Any]) -> None:
            what: While = "reading" if named["beside"].stage == 0 else "writing"
            now[0] = self.tallies[what]
            counts = named["attention_mask"].bool().cpu()
            if what == "reading" and not now[0].recording.special_tokens:
                counts = counts & ~torch.isin(named["input_ids"].cpu(), self.special)
            batch = pad([Text.of((0,) * counts.shape[1], language=self.languages[what])] * len(counts))
            selection = Selection.of(counts, torch.zeros_like(counts))
            now[0].begin(batch, {stack: selection for stack, _ in self.located.layout.stacks})

        def update(layer: Layer, activation: Tensor, routing: Routing | None) -> None:
            now[0].update(layer, activation, routing)

        with ExitStack() as hooks:
            hooks.enter_context(self.located.tapping(now[0].recording.site, update))
            hooks.callback(base.register_forward_pre_hook(begin, with_kwargs=True).remove)
            hooks.callback(base.register_forward_hook(lambda *_: now[0].commit()).remove)
            yield


def writing_matrix(
    model: SGAForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    sets: Mapping[str, NeuronSet],
    pivot: str,
    *,
    quality: QualityName = "chrf++",
    draws: int = 5,
    seed: int = 0,
    off: Literal["writing", "always"] = "writing",
    same_rows: SameRows = "refuse",
    decoding: CanvasDecoding | None = None,
) -> AblationMatrix:
    """Write every language with each language's neurons off in turn, beside `draws` random sets of equal size a layer.

    The neurons are off while the encoder writes, that is in every pass but the first, or `always`. A language is
    written from the pivot, and the pivot from the first other language. Random sets write the set's own language only.
    Rows on which the sets were selected are refused. Raises as `ablation_matrix` does.
    """
    metric, located = TranslationQuality(quality), view(model.backbone)
    seen = rows_selected_on(corpus, sets.values(), same_rows)
    others = [language for language in corpus.languages if language != pivot]
    directions = [
        Direction(others[0], pivot) if language == pivot else Direction(pivot, language)
        for language in corpus.languages
    ]
    pairs = canvas_pairs(model, tokenizer, corpus, directions, ask_for_targets=False)
    kept = corpus.take([corpus.ids.index(row_id) for row_id in pairs.ids])
    conditions = ablation_conditions(located, corpus.languages, sets, draws, seed, random_on="own")
    counts: list[Tensor] = []
    for condition in track(conditions, f"writing {corpus.name}", len(conditions)):
        without = _switching(located, condition.neurons)
        columns = []
        for place, language in enumerate(corpus.languages):
            if condition.only not in (None, place):
                columns.append(torch.full_like(counts[0][:, 0], torch.nan))
                continue
            how = {"around_writing": without} if off == "writing" else {}
            with nullcontext() if off == "writing" else without():
                texts = write_texts(model, tokenizer, _only(pairs, place), decoding, **how)
            written = Texts(tuple(text.text for text in texts), (tuple(kept.texts[language]),))
            columns.append(metric.counts(written, directions[place]))
        counts.append(torch.stack(columns, dim=1))
    groups, repeated = independent_rows(corpus, pairs.ids)
    made = made_with(model, tokenizer, corpus, rows=len(pairs.ids), dropped=len(pairs.dropped))
    made |= (decoding or CanvasDecoding()).signature
    made |= Signature.of(metric=metric.name, unit=metric.unit, off=off, directions=",".join(map(str, directions)))
    return matrix_of(
        corpus.name, corpus.languages, sets, metric, torch.stack(counts), groups, signature=made, draws=draws,
        seed=seed, random_on="own", dropped=dict(pairs.reasons), repeated=repeated, seen=seen,
    )  # fmt: skip


def _switching(located: ModelView, neurons: NeuronSet) -> Callable[[], AbstractContextManager[None]]:
    return lambda: switch_off(located, neurons)


def _only(pairs: Pairs, place: int) -> Pairs:
    """The pairs of one direction, row by row."""
    own = [pair for pair in pairs.pairs if pair.language == place]
    return replace(pairs, directions=(pairs.directions[place],), pairs=tuple(replace(pair, language=0) for pair in own))
