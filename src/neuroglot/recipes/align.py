"""`align`: how well languages are aligned in a model's neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from neuroglot.recipes.options import FIND, OnCorpus, OnModel, OnNeurons

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus


@dataclass(frozen=True, kw_only=True)
class Align(OnModel, OnCorpus, OnNeurons):
    """Measure how well languages are aligned: the share of sentences and translations that find each other (NeuronXA).

    Also how near translations are on the unit sphere beside sentences of other rows, and how evenly sentences lie
    (alignment and uniformity, Wang and Isola 2020).
    Scores fall as rows are added, because each sentence is looked for among all: compare equal numbers of rows. The
    paper has 100.
    """

    command = "align"
    group = FIND
    examples = """
    neuroglot align lab --corpus lab --limit 100
    neuroglot align ./my-model --corpus flores.tsv --languages en de sw --limit 100 --state magnitude --out run"""
    positional = ("model",)
    keeping = "optional"

    state: Literal["fired", "magnitude"] = "fired"
    """What a sentence is told by: whether neurons `fired`, or the `magnitude` of their activations."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.metrics.alignment import require_alignable

        corpus = self.load_corpus(identity)
        require_alignable(len(corpus), len(corpus.languages))
        return _Inputs(*self.load_model(identity, self.model), corpus)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.activity.text_means import record_text_means
        from neuroglot.metrics.alignment import alignment
        from neuroglot.metrics.uniformity import rows_with_states, uniformity
        from neuroglot.reports import Report
        from neuroglot.signature import Signature

        means = record_text_means(
            *inputs, self.recording, quantities=[self.state], weights="position", kept=run.kept("means")
        )
        signature = means.signature | Signature.of(state=self.state)
        states = (means.layout, means.languages, means.values[self.state], signature)
        results: list[Any] = [alignment(*states)]
        with_states = int(rows_with_states(means.layout, means.values[self.state]).sum())
        results += [uniformity(*states)] if with_states > 1 else []
        return Report(results, title=f"Languages aligned in {signature['model']}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.activity.text_means import record_text_means
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import PricedStep, price

        view, tokenizer, corpus = inputs
        step = PricedStep(
            "reading", corpus, lambda part: record_text_means(view, tokenizer, part, self.recording, weights="position")
        )
        kept = 4 * len(corpus) * len(corpus.languages) * view.layout.neuron_count
        return price(view, tokenizer, [step], kept, REPORT_BYTES)
