"""`select`: language neurons of a model by any selector."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from neuroglot.recipes.artefacts import ACTIVITY, artefact, job_of
from neuroglot.recipes.options import FIND, OnModel, OnNeurons, Positive, Share
from neuroglot.recipes.parallel import OnParallel
from neuroglot.runs.recipe import option_types

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus, Directed
    from neuroglot.models import ModelView
    from neuroglot.neurons.rules.table import Evidence, Selector
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Read(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus | Directed


class _Inputs(NamedTuple):
    """Of what the evidence is to be recorded, or the evidence itself."""

    selector: Selector
    options: dict[str, Any]
    source: _Read | Evidence


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
    neuroglot select ./my-model --corpus texts.tsv --selector mean-difference --count 1000 --equal --out run
    neuroglot select --activity recorded --selector lape --top-share 0.01 --out run"""
    positional = ("model",)
    shares_rows = True
    heading: ClassVar[str] = "Selector"

    model: str = ""
    """`lab`, a folder in the hub's layout, a GGUF file, or a hub id; needed without --activity."""

    corpus: str = ""
    """Parallel text, as for `neuroglot record`; needed without --activity."""

    activity: Path | None = None
    """Run folder of `neuroglot record`, or its activity.safetensors: select from its counts, without the model. The
    selectors that need texts or gradients cannot; `neuroglot selectors` says which can."""

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
        source: _Read | Evidence
        if self.activity is not None:
            source = self._recorded(identity, self.activity, selector)
            layout = source.layout
        else:
            source = self._to_read(identity)
            layout = source.view.layout
        Size.of(layout.neuron_count, self.top_share, self.count)  # refuses before anything is recorded
        return _Inputs(selector, options, source)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.scoreboard import gather
        from neuroglot.recipes.sharing import over_long
        from neuroglot.reports import Report

        evidence = inputs.source
        if isinstance(evidence, _Read):
            needed = (inputs.selector.needs,)
            evidence = gather(*evidence, needed, self.recording, kept=run.kept("evidence"))
        sets = inputs.selector.sets(evidence, **inputs.options)
        for language, neurons in sets.items():
            run.save(f"{language}.safetensors", neurons)
        title = f"Neurons selected by {self.selector} in {evidence.signature['model']}"
        return Report([sets], title=title, notes=over_long([evidence]))

    def following(self, out: Path) -> tuple[str, ...]:
        """Switch the neurons off, on rows that they were not selected on."""
        read = self if self.activity is None else job_of(self.activity)
        after = ("--neurons", str(out), "--out", f"{out}-ablated")
        if not (isinstance(read, OnModel) and isinstance(read, OnParallel)):
            return ("ablate", "MODEL", *after, "--corpus", "OTHER-TEXTS")
        if read.part == "selection":
            return ("ablate", read.model, *after, *read.same_texts(), "--part", "rest")
        return ("ablate", read.model, *after, "--corpus", "OTHER-TEXTS")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, gathering
        from neuroglot.runs.price import of_files, price

        source = inputs.source
        if not isinstance(source, _Read):
            disk = 8 * len(source.languages) * source.layout.neuron_count
            names = [f"{language}.safetensors" for language in source.languages]
            return of_files([artefact(self.activity or Path(), ACTIVITY)], names, disk + REPORT_BYTES)
        steps, kept = gathering(*source, (inputs.selector.needs,), self.recording)
        disk = 8 * len(source.corpus.languages) * source.view.layout.neuron_count
        return price(source.view, source.tokenizer, steps, kept, disk)

    def _to_read(self, identity: Identity) -> _Read:
        """The model and the corpus, loaded; raises `ConfigError` if they are not given."""
        from neuroglot.errors import ConfigError

        if missing := [name for name in ("model", "corpus") if not getattr(self, name)]:
            raise ConfigError(
                f"The recipe 'select' lacks {', '.join(missing)}.", "Expected a model and a corpus, or an activity."
            )
        corpus = self.load_parallel(identity, self.family_of(self.model))
        return _Read(*self.load_model(identity, self.model), corpus)

    def _recorded(self, identity: Identity, path: Path, selector: Selector) -> Evidence:
        """What was recorded before; raises `ConfigError` if it is not enough, or for options of a recording."""
        from neuroglot.activity.activity import Activity
        from neuroglot.errors import ConfigError
        from neuroglot.neurons.rules.table import Evidence

        defaults = {field.name: field.default for field in fields(self)}
        told = [name for name in sorted(defaults) if name not in OWN and getattr(self, name) != defaults[name]]
        if told:
            raise ConfigError(
                f"An activity was given, and {', '.join(told)}.", "Expected the selector's options only.",
                "What was read, and how, is settled by the recording.",
            )  # fmt: skip
        activity = identity.file("activity", artefact(path, ACTIVITY), Activity.load)
        selector.require_recorded(activity)
        if not len(activity.read):
            identity.remarks.append("The activity does not know its texts: prove these neurons on other rows yourself.")
        return Evidence.recorded(activity)

    def _options(self) -> dict[str, Any]:
        """What the selector is told; what was not given has the selector's own default."""
        told = {name: getattr(self, name) for name in option_types(Select) if name in OWN - {"selector", "activity"}}
        return told | {"equal": self.equal or None}


OWN = set(Select.__annotations__) - {"model", "corpus", "heading"}  # options of selection, not of a recording
