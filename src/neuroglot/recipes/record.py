"""`record`: how often each neuron fires in each language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from neuroglot.recipes.options import FIND, CountedOptions, OnModel, OnNeurons
from neuroglot.recipes.parallel import OnParallel

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from neuroglot.activity.recording import Recording
    from neuroglot.corpora import Corpus, Directed
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus | Directed


@dataclass(frozen=True, kw_only=True)
class Record(OnModel, OnParallel, OnNeurons, CountedOptions):
    """Count how often each neuron fires in each language; killed at any moment, it goes on with --resume.

    Started by a launcher such as torchrun, the processes share the rows of the corpus.
    """

    command = "record"
    group = FIND
    examples = """
    neuroglot record lab --corpus my-texts/ --out run
    neuroglot record ./my-model --corpus texts.tsv --site write --statistics moments maximum --out run
    neuroglot record ./my-model --corpus texts.tsv --out run --dry-run
    torchrun --nproc-per-node 2 -m neuroglot record ./my-model --corpus texts.tsv --out run"""
    positional = ("model",)
    shares_rows = True

    statistics: tuple[Literal["moments", "magnitude", "maximum", "zeros", "histogram"], ...] = ()
    """What else is kept of the same values: mean and variance (`moments`), mean absolute value (`magnitude`),
    `maximum`, how often a value is exactly 0 (`zeros`), and a `histogram` of every 32nd token."""

    def read(self, identity: Identity) -> _Inputs:
        self.with_statistics  # noqa: B018 (refuses options that do not fit each other)
        corpus = self.load_parallel(identity, self.family_of(self.model))
        return _Inputs(*self.load_model(identity, self.model), corpus)

    @property
    def with_statistics(self) -> Recording:
        from dataclasses import replace

        return replace(self.recording, statistics=self.statistics)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.activity.activity import Activity
        from neuroglot.activity.record import record
        from neuroglot.recipes.artefacts import ACTIVITY
        from neuroglot.recipes.sharing import over_long
        from neuroglot.reports import Report

        activity = run.once(
            ACTIVITY, Activity,
            lambda: record(*inputs, self.with_statistics, token_budget=self.token_budget, kept=self.kept_in(run)),
        )  # fmt: skip
        return Report([activity], title=f"Activity of {activity.signature['model']}", notes=over_long([activity]))

    def following(self, out: Path) -> tuple[str, ...]:
        """Select neurons from these counts."""
        return ("select", "--activity", str(out), "--selector", "entropy", "--out", f"{out}-selected")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.activity.record import record
        from neuroglot.recipes.steps import REPORT_BYTES, activity_bytes
        from neuroglot.runs.price import PricedStep, price

        view, tokenizer, corpus = inputs
        size = activity_bytes(view, corpus, self.with_statistics)
        step = PricedStep("counting", corpus, lambda part: record(view, tokenizer, part, self.with_statistics))
        return price(view, tokenizer, [step], size, 2 * size + REPORT_BYTES)
