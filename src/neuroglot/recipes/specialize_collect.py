"""`specialize collect`: how often each neuron fires in each direction of translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.artefacts import ACTIVITY
from neuroglot.recipes.options import USE, CountedOptions, OnCorpus, OnDirections, OnModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.corpora.directions import Direction
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.tokens.pairs import Pairs


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus
    directions: tuple[Direction, ...]


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
        corpus = self.load_corpus(identity)
        directions = self.directions_in(corpus)
        return _Inputs(*self.load_model(identity, self.model), corpus, directions)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.activity.activity import Activity
        from neuroglot.activity.translation import collect
        from neuroglot.reports import Report

        activity = run.once(
            ACTIVITY, Activity,
            lambda: collect(
                *inputs, like_reference=self.like_reference, token_budget=self.token_budget, kept=self.kept_in(run)
            ),
        )  # fmt: skip
        return Report([activity], title=f"Directions of translation in {activity.signature['model']}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.activity.translation import RECORDING, collect
        from neuroglot.recipes.steps import REPORT_BYTES, activity_bytes, by_direction, same_rows
        from neuroglot.runs.price import PricedStep, price
        from neuroglot.tokens.pairs import encode_pairs

        view, tokenizer, corpus, directions = inputs
        both = by_direction(corpus, directions)
        size = activity_bytes(view, both, RECORDING)
        step = PricedStep(
            "counting", both, lambda part: collect(view, tokenizer, same_rows(corpus, part), directions),
            tokens=lambda part: _tokens(encode_pairs(view, tokenizer, same_rows(corpus, part), directions)),
        )  # fmt: skip
        return price(view, tokenizer, [step], size, 2 * size + REPORT_BYTES)


def _tokens(pairs: Pairs) -> int:
    """What the encoder and the decoder read, tags and ends included."""
    return sum(len(pair.token_ids) + len(pair.target_ids) for pair in pairs.pairs)
