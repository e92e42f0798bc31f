"""`select`: language neurons of a model by any selector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from neuroglot.recipes.options import FIND, OnModel, OnNeurons, Positive, Share
from neuroglot.recipes.parallel import OnParallel
from neuroglot.runs.recipe import option_types

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus, Directed
    from neuroglot.models import ModelView
    from neuroglot.neurons.rules.table import Selector
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus | Directed
    selector: Selector
    options: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Select(OnModel, OnParallel, OnNeurons):
    """Select each language's neurons: record what the selector needs, and write one set a language.

    `neuroglot selectors` lists the selectors, what they need, which options they take, and where they are from.
    """

    command = "select"
    group = FIND
    examples = """
    neuroglot selectors
    neuroglot select lab --corpus lab --part selection --selector entropy --top-share 0.05 --out run
    neuroglot select ./my-model --corpus texts.tsv --selector mean-difference --count 1000 --equal --out run"""
    positional = ("model",)
    heading: ClassVar[str] = "Selector"

    selector: str
    """The rule by which neurons are selected."""

    top_share: Share | None = None
    """Share of all neurons to select, for each language, or for all languages together where the selector's source
    takes it so (entropy, penalised-entropy); 1 %, or what the source has, by default."""

    count: Positive | None = None
    """Number of neurons to select for each language, instead of a share."""

    equal: bool = False
    """Give every language as many, or refuse."""

    filter_quantile: float | None = None
    """Quantile of all firing rates that a neuron must pass in some language (entropy)."""

    owner_quantile: float | None = None
    """Quantile of all firing rates that a neuron must pass in a language to belong to it (entropy,
    penalised-entropy)."""

    penalty: float | None = None
    """Weight of the highest rate, else found by bisection (penalised-entropy); or of squared weights (probe)."""

    percentile: float | None = None
    """Percentile of activations that counts as passed, as a share (percentile)."""

    quantile: float | None = None
    """Quantile of all overlaps up to which a neuron is selected (overlap)."""

    coverage: float | None = None
    """Share of all firing that the neurons make up (coverage)."""

    within: Literal["model", "stack", "layer"] | None = None
    """Where percentiles or coverage are taken: the model, a stack or a layer (percentile, coverage)."""

    direction: Literal["higher", "either"] | None = None
    """Means `higher` than elsewhere, or `either` way (mean-difference)."""

    ends: Literal["both", "top", "bottom"] | None = None
    """Texts told apart best (`top`), worst (`bottom`) or `both` (average-precision)."""

    depth: int | None = None
    """Most important neurons of each layer and text (consistency, exclusive)."""

    contrast: Literal["sets", "margin", "none"] | None = None
    """Highest scores of one language only (`sets`), by the `margin` over all others, or `none` (gradient)."""

    than: Literal["all", "any"] | None = None
    """Less what `all` languages share, or what `any` other has (exclusive)."""

    seed: int | None = None
    """Seed of the draw (random)."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.neurons.rules.common import Size
        from neuroglot.neurons.rules.table import selector_named

        selector = selector_named(self.selector)
        options = selector.with_options(self._options())
        corpus = self.load_parallel(identity, self.family_of(self.model))
        view, tokenizer = self.load_model(identity, self.model)
        Size.of(view.layout.neuron_count, self.top_share, self.count)  # refuses before anything is recorded
        return _Inputs(view, tokenizer, corpus, selector, options)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.scoreboard import gather
        from neuroglot.recipes.sharing import over_long
        from neuroglot.reports import Report

        evidence = gather(*inputs[:3], (inputs.selector.needs,), self.recording, kept=run.kept("evidence"))
        sets = inputs.selector.sets(evidence, **inputs.options)
        for language, neurons in sets.items():
            neurons.save(run.files / f"{language}.safetensors")
        title = f"Neurons selected by {self.selector} in {Path(self.model).name}"
        return Report([sets], title=title, notes=over_long([evidence]))

    def following(self, out: Path) -> tuple[str, ...]:
        """Switch the neurons off, on rows that they were not selected on."""
        words = ("ablate", self.model, "--neurons", str(out), "--out", f"{out}-ablated")
        if self.part == "selection":
            return (*words, "--corpus", self.corpus, "--part", "rest")
        return (*words, "--corpus", "OTHER-TEXTS")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import gathering
        from neuroglot.runs.price import price

        steps, kept = gathering(*inputs[:3], (inputs.selector.needs,), self.recording)
        disk = 8 * len(inputs.corpus.languages) * inputs.view.layout.neuron_count
        return price(*inputs[:2], steps, kept, disk)

    def _options(self) -> dict[str, Any]:
        """What the selector is told; what was not given has the selector's own default."""
        own = [name for name in option_types(Select) if name in Select.__annotations__ and name != "selector"]
        return {name: getattr(self, name) for name in own} | {"equal": self.equal or None}
