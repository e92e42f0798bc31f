"""`sga neurons`: the frozen encoder's neurons while it reads and writes, and what it writes without a language's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from neuroglot.recipes.options import PROVE, Controlled, OnCorpus, OnPivot, OnSite, Placed, Revised, Share
from neuroglot.recipes.training_options import Unlearned
from neuroglot.recipes.translation_options import OnWriter

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.activity.activity import Activity
    from neuroglot.activity.recording import Recording
    from neuroglot.corpora import Corpus
    from neuroglot.models.architectures.sga import SGAForConditionalGeneration
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    corpus: Corpus
    model: SGAForConditionalGeneration
    tokenizer: PreTrainedTokenizerBase
    seen: int  # rows to be translated that the writer was trained on


@dataclass(frozen=True, kw_only=True)
class SgaNeurons(OnCorpus, OnPivot, OnSite, Controlled, OnWriter, Unlearned, Revised, Placed):
    """Find the neurons of each language in a frozen encoder while it reads and while it writes, and switch them off.

    Neurons are selected on one part of the rows (--split) and switched off on the others while they are translated,
    beside random neurons of as many in each layer. The run folder holds both sets of each language.
    """

    command = "sga neurons"
    group = PROVE
    examples = """
    neuroglot sga neurons writer --corpus texts.tsv --out neurons
    neuroglot sga neurons writer --corpus texts.tsv --selected-while reading \\
        --top-share 0.02 --out neurons"""
    positional = ("model",)

    top_share: Share = 0.05
    """Share of all neurons that are selected by entropy (LAPE), for all languages together."""

    filter_quantile: Share = 0.95
    """As in `neuroglot select`: a neuron must fire more often than this quantile of all rates."""

    owner_quantile: Share = 0.95
    """A neuron belongs to every language in which it fires more often than this quantile of all rates."""

    selected_while: Literal["writing", "reading"] = "writing"
    """Which neurons are switched off: those found while the language is written, or read."""

    off: Literal["writing", "always"] = "writing"
    """Switch them off in the passes that write, or in the first one too."""

    quality: Literal["chrf++", "chrf", "bleu", "spbleu"] = "chrf++"
    """By which translations are scored."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora.directions import directions_of
        from neuroglot.corpora.trained import require_untrained, rows_trained_on
        from neuroglot.models.provenance import model_signature, tokenizer_signature
        from neuroglot.models.writers import load_writer
        from neuroglot.tokens.canvases import canvas_pairs

        corpus = self.load_corpus(identity)
        directions = directions_of(corpus.languages, self.pivot)
        model, tokenizer = load_writer(self.model, revision=self.revision, device=self.device)
        self.require_taught(identity, model, directions)
        rest = corpus.split(self.split)[1]
        found = rows_trained_on(rest, Path(self.model))
        seen = require_untrained(found, len(rest), "rows", self.same_rows, "Name other text (--corpus)")
        for part in corpus.split(self.split):  # refuses, before anything is recorded, a part of which nothing is left
            canvas_pairs(model, tokenizer, part, directions, ask_for_targets=False)
        identity.note("model", model_signature(model) | tokenizer_signature(tokenizer))
        return _Inputs(corpus, model, tokenizer, seen)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.corpora.trained import told_trained
        from neuroglot.experiments.writing_neurons import record_writing, writing_matrix
        from neuroglot.generation.sga import CanvasDecoding
        from neuroglot.metrics.writing_neurons import ReadingAndWriting
        from neuroglot.reports import Report

        corpus, model, tokenizer, seen = inputs
        select, rest = corpus.split(self.split)
        decoding = CanvasDecoding(self.denoising_passes)
        recorded = record_writing(model, tokenizer, select, self.pivot, self._recording, decoding)
        sets = {name: self._selected(activity) for name, activity in recorded.items()}
        for name, by_language in sets.items():
            for language, neurons in by_language.items():
                neurons.save(run.files / name / f"{language}.safetensors")
        chosen = sets[self.selected_while]
        matrix = writing_matrix(
            model, tokenizer, rest, chosen, self.pivot, quality=self.quality, draws=self.random_draws, seed=self.seed,
            off=self.off, decoding=decoding,
        )  # fmt: skip
        matrix = replace(matrix, signature=matrix.signature | told_trained(seen))
        both = ReadingAndWriting(sets["reading"], sets["writing"], recorded["writing"].signature)
        return Report([matrix, both, dict(chosen)], title="Neurons of an encoder that writes")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.corpora.directions import directions_of
        from neuroglot.experiments.writing import write_directions
        from neuroglot.generation.sga import CanvasDecoding
        from neuroglot.models.view import view
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import PricedStep, price

        corpus, model, tokenizer, _ = inputs
        directions, decoding = directions_of(corpus.languages, self.pivot), CanvasDecoding(self.denoising_passes)

        def run(part: Corpus) -> None:
            write_directions(model, tokenizer, part, directions, decoding)

        times = 1 + 1 + len(corpus.languages) + self.random_draws  # random sets write their own language only
        step = PricedStep("recording, and writing with neurons off", corpus, run, times)
        return price(view(model.backbone), tokenizer, [step], 0, REPORT_BYTES)

    @property
    def _recording(self) -> Recording:
        from neuroglot.activity.recording import Recording

        return Recording(self.site, "all", (0.0,), self.special_tokens)

    def _selected(self, activity: Activity) -> dict[str, NeuronSet]:
        from neuroglot.neurons import by_entropy

        return by_entropy(
            activity, top_share=self.top_share, filter_quantile=self.filter_quantile,
            owner_quantile=self.owner_quantile,
        )  # fmt: skip
