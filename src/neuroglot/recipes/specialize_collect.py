"""`specialize collect`: how often each neuron fires in each direction of translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.artefacts import ACTIVITY
from neuroglot.recipes.options import USE, CountedOptions, OnCorpus, OnDirections, OnModel

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Directed
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    data: Directed


@dataclass(frozen=True, kw_only=True)
class SpecializeCollect(OnModel, OnCorpus, OnDirections, CountedOptions):
    """Count how often each neuron fires in each direction, while the model translates with the answer given."""

    command = "specialize collect"
    group = USE
    examples = """
    neuroglot specialize collect ./my-model --corpus ntrex.tsv --out run
    neuroglot specialize collect ./my-model --corpus ntrex.tsv \\
        --directions en-de de-en --out run --resume"""
    positional = ("model",)

    like_reference: bool = False
    """Count padding too, as the released code does."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora import Directed

        corpus = self.load_corpus(identity)
        directed = Directed(corpus, self.directions_in(corpus))
        return _Inputs(*self.load_model(identity, self.model), directed)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.activity.activity import Activity
        from neuroglot.activity.translation import collect
        from neuroglot.reports import Report

        activity = run.once(
            ACTIVITY, Activity,
            lambda: collect(
                *inputs[:2], inputs.data.corpus, inputs.data.directions, like_reference=self.like_reference,
                token_budget=self.token_budget, kept=self.kept_in(run),
            ),
        )  # fmt: skip
        return Report([activity], title=f"Directions of translation in {activity.signature['model']}")

    def following(self, out: Path) -> tuple[str, ...]:
        """Select each direction's neurons."""
        return ("specialize", "select", str(out), "--out", f"{out}-masks")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.activity.translation import RECORDING, collect
        from neuroglot.recipes.steps import REPORT_BYTES, activity_bytes
        from neuroglot.runs.price import PricedStep, price

        view, tokenizer, data = inputs
        size = activity_bytes(view, data, RECORDING)
        step = PricedStep("counting", data, lambda part: collect(view, tokenizer, part.corpus, data.directions))
        return price(view, tokenizer, [step], size, 2 * size + REPORT_BYTES)
