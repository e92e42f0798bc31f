"""`shorten`: a model whose tokenizer leaves out the token that begins most characters of some scripts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.options import USE, OnCorpus, OnModel

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
    lead: int


@dataclass(frozen=True, kw_only=True)
class Shorten(OnModel, OnCorpus):
    """Save the model with a tokenizer that leaves out the token which begins most characters of these languages.

    Every command reads such a model's texts without that token, and writes it again; the model is to be tuned before it
    knows such texts. The token is chosen on a part of the rows and counted on the others. Reconstructed from Yuan et
    al. 2023, whose way back loses text.
    """

    command = "shorten"
    group = USE
    examples = """
    neuroglot shorten ./my-model --corpus flores.tsv --languages te bn --out shortened"""
    positional = ("model",)

    device: str | None = "cpu"
    """Where the model is held meanwhile; the processor's memory is the larger one."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.errors import CorpusError
        from neuroglot.experiments.fertility import halves_of
        from neuroglot.models.loading import load_tokenizer
        from neuroglot.models.shortened import require_unshortened, shortened
        from neuroglot.models.shortening import Shortening

        corpus = self.load_corpus(identity)
        chosen_on, counted_on = corpus.split(self.split)
        halves_of(counted_on)  # refuses, before weights are read, rows that cannot be counted
        tokenizer = load_tokenizer(self.model, self.revision)
        require_unshortened(tokenizer)
        found = Shortening.of(tokenizer, (text for column in chosen_on.texts.values() for text in column))
        if found is None:
            raise CorpusError(
                f"The tokenizer has a token for every character of {', '.join(corpus.languages)}.",
                "Expected a language whose characters it writes in several.",
                "`neuroglot fertility` says what shortening saves in each language.",
            )
        shortened(tokenizer, found.lead)  # refuses before weights are read
        return _Inputs(*self.load_model(identity, self.model), corpus, found.lead)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.fertility import fertility
        from neuroglot.models.shortened import shortened
        from neuroglot.reports import Report
        from neuroglot.reports.wording import bracketed, percent
        from neuroglot.training.tuning import save_model

        view, tokenizer, corpus, lead = inputs
        _, counted_on = corpus.split(self.split)
        short = shortened(tokenizer, lead)
        save_model(view.model, short, run.files)
        before, after = (fertility(each, counted_on) for each in (tokenizer, short))
        saved = after.fewer_than(before).items()
        listed = ", ".join(f"{percent(score.value)} {bracketed(score, percent)} in {code}" for code, score in saved)
        notes = [
            f"The token {lead} is left out wherever the next one tells that it stood there. On {len(counted_on):,} "
            f"rows that did not choose it, this saves {listed}.",
            "The first section is of the tokenizer as it was, the second of the shortened one.",
            "The model never read such texts: tune it before it is asked in them.",
        ]
        return Report([before, after], title=f"{Path(self.model).name}, shortened", notes=notes)

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, weight_bytes
        from neuroglot.runs.price import price

        held = weight_bytes(inputs.view)
        return price(*inputs[:2], [], held, held + REPORT_BYTES)
