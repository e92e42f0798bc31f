"""`fertility`: how many tokens a tokenizer needs in each language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.options import FIND, OnCorpus, Revised

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus


@dataclass(frozen=True, kw_only=True)
class CountTokens(Revised, OnCorpus):
    """Count the tokens of the same text in each language, and those that shortening would leave out (fertility).

    No weights are read, so that a folder with a tokenizer is enough.
    """

    command = "fertility"
    group = FIND
    examples = """
    neuroglot fertility lab --corpus lab
    neuroglot fertility ./my-model --corpus flores.tsv --relative-to en --out tokens"""
    positional = ("tokenizer",)
    keeping = "optional"

    tokenizer: str
    """`lab`, a folder with a tokenizer, a GGUF file, or a hub id."""

    relative_to: str | None = None
    """Language with whose tokens others are compared; English if it is there, else the first."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.models.loading import load_tokenizer
        from neuroglot.models.provenance import tokenizer_signature

        corpus = self.load_corpus(identity)
        tokenizer = load_tokenizer(self.tokenizer, self.revision)
        identity.note("tokenizer", tokenizer_signature(tokenizer))
        return _Inputs(tokenizer, corpus)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.fertility import fertility
        from neuroglot.reports import Report

        counted = fertility(*inputs, self.relative_to)
        return Report([counted], title=f"Tokens of {Path(self.tokenizer).name}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        return of_files([], ["report.html", "report.json"], REPORT_BYTES, [f"{inputs.corpus.name} is tokenised once."])
