"""`extend`: a model with more vocabulary for some languages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.options import USE, OnCorpus, OnModel, Positive

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
class Extend(OnModel, OnCorpus):
    """Save the model with more tokens for these languages: its tokenizer's byte-pair merges are continued on the texts.

    The tokens are chosen on a part of the rows and counted on the others. Rows of embeddings are the means of those of
    the old tokens: the model is to be tuned before the new tokens help it.
    """

    command = "extend"
    group = USE
    examples = """
    neuroglot extend ./my-model --corpus flores.tsv --languages te th --count 1000 --out extended"""
    positional = ("model",)

    count: Positive = 1000
    """New tokens for all languages together, at most."""

    device: str | None = "cpu"
    """Where the model is held meanwhile; the processor's memory is the larger one."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.experiments.fertility import halves_of
        from neuroglot.models.loading import load_tokenizer
        from neuroglot.tokens.vocabulary import require_mergeable

        corpus = self.load_corpus(identity)
        halves_of(corpus.split(self.split)[1])  # refuses, before weights are read, rows that cannot be counted
        require_mergeable(load_tokenizer(self.model, self.revision))
        return _Inputs(*self.load_model(identity, self.model), corpus)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.fertility import fertility
        from neuroglot.models.embeddings import add_embeddings
        from neuroglot.reports import Report
        from neuroglot.reports.wording import bracketed, percent
        from neuroglot.tokens.vocabulary import extend_vocabulary
        from neuroglot.training.tuning import save_model

        view, tokenizer, corpus = inputs
        chosen_on, counted_on = corpus.split(self.split)
        texts = (text for column in chosen_on.texts.values() for text in column)
        extension = extend_vocabulary(tokenizer, texts, self.count)
        add_embeddings(view.model, extension.old_ids, len(tokenizer))
        save_model(view.model, extension.tokenizer, run.files)
        before, after = (fertility(each, counted_on) for each in (tokenizer, extension.tokenizer))
        saved = after.fewer_than(before).items()
        listed = ", ".join(f"{percent(score.value)} {bracketed(score, percent)} in {code}" for code, score in saved)
        new = f"{len(extension.old_ids):,} new tokens"
        notes = [
            f"{new}, merged on {len(chosen_on):,} rows. On {len(counted_on):,} other rows they save {listed}.",
            "The first section is of the old vocabulary, the second of the new one.",
        ]
        return Report([before, after], title=f"{Path(self.model).name} with {new}", notes=notes)

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, weight_bytes
        from neuroglot.runs.price import price

        return price(*inputs[:2], [], weight_bytes(inputs.view), weight_bytes(inputs.view) + REPORT_BYTES)
