"""All selectors in one table: what each is called, does and needs, and where it is from."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError
from neuroglot.headers import NOTHING_READ
from neuroglot.layout import Layout
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.rules.common import EACH, TOGETHER, require_share
from neuroglot.neurons.rules.rates import by_coverage, by_entropy, by_penalised_entropy, by_percentile
from neuroglot.neurons.rules.responses import by_average_precision, by_overlap, by_probe
from neuroglot.neurons.rules.scores import at_random, by_magnitude, by_mean_difference, by_scores
from neuroglot.neurons.rules.sets import by_consistency, by_exclusive_consistency
from neuroglot.signature import Signature

Needs = Literal["counts", "moments", "magnitude", "histogram", "responses", "importance", "gradients"]

SHARES = {"top_share", "filter_quantile", "owner_quantile", "percentile", "quantile", "coverage"}
RECORDED: tuple[Needs, ...] = ("counts", "moments", "magnitude", "histogram")  # what an activity may hold
NEEDS: dict[Needs, str] = {
    "counts": "how often neurons fire",
    "moments": "means and variances of activations",
    "magnitude": "mean absolute activations",
    "histogram": "histograms of activations",
    "responses": "the mean activation on each text",
    "importance": "the mean absolute activation on each text",
    "gradients": "gradients of the loss (models without experts)",
}


@dataclass(frozen=True, eq=False)
class Evidence:
    """What selectors read of one model and corpus; None is what was not asked for.

    `activity` with the statistics that are needed; `responses` and `importance [R, G, N]`, a number a text and neuron;
    `gradients [G, N]`, gradient × activation. `read`: hashes of the texts.
    """

    layout: Layout
    languages: tuple[str, ...]
    signature: Signature
    activity: Activity | None = None
    responses: Tensor | None = None
    importance: Tensor | None = None
    gradients: Tensor | None = None
    read: Tensor = NOTHING_READ

    @classmethod
    def recorded(cls, activity: Activity) -> Evidence:
        """The evidence that an activity is, for the selectors that need no more."""
        return cls(activity.layout, activity.languages, activity.signature, activity=activity, read=activity.read)


@dataclass(frozen=True)
class Selector:
    """One row of the table; `select` returns a NeuronSet by language."""

    name: str
    select: Callable[..., dict[str, NeuronSet]]
    needs: Needs
    source: str
    description: str
    share_for: str = EACH  # for whom a `top_share` is; a `count` is for each language

    @property
    def options(self) -> tuple[str, ...]:
        """The options that it takes, in order."""
        parameters = inspect.signature(self.select).parameters.values()
        keywords = [one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
        return tuple(name for name in keywords if name != "signature")

    @property
    def recording(self) -> str:
        """Which recorded activity it selects from: `any`, one with a statistic, or `none`."""
        if self.needs not in RECORDED:
            return "none"
        return "any" if self.needs == "counts" else f"--statistics {self.needs}"

    def require_recorded(self, activity: Activity) -> None:
        """Raise `ConfigError` if it needs more than the activity holds."""
        if self.needs in ("counts", *activity.recording.statistics):
            return
        if self.needs in RECORDED:
            expected = "Expected an activity with them.", f"Record it with {self.recording}."
        else:
            others = ", ".join(name for name, selector in SELECTORS.items() if selector.needs in RECORDED)
            expected = f"An activity is enough for {others}.", "Give the model and a corpus instead."
        raise ConfigError(f"The selector {self.name!r} needs {NEEDS[self.needs]}.", *expected)

    def sets(self, evidence: Evidence, **options: Any) -> dict[str, NeuronSet]:
        """Each language's set by this selector; raises `ConfigError` where the evidence lacks what it needs."""
        found = self.select(*_READ[self.needs](evidence, self.needs), **self._signed(evidence, options))
        return {language: neurons.selected_on(evidence.read) for language, neurons in found.items()}

    def _signed(self, evidence: Evidence, options: dict[str, Any]) -> dict[str, Any]:
        signed = "signature" in inspect.signature(self.select).parameters
        return {**options, "signature": evidence.signature} if signed else options

    def with_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Those of the options that are not None; raises `ConfigError` on one that this selector does not take, and on
        shares out of range, so that it is known before anything is recorded.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if unknown := [name for name in given if name not in self.options]:
            raise ConfigError(
                f"The selector {self.name!r} does not take {', '.join(unknown)}.",
                f"It takes {', '.join(self.options)}.",
            )
        for name in SHARES & set(given):
            require_share(name, given[name])
        return given


def _held(evidence: Evidence, name: str) -> Any:
    held = getattr(evidence, name)
    if held is None:
        raise ConfigError(f"The evidence holds no {name}.", f"Expected {name}: gather it with needs=({name!r},).")
    return held


def _of_activity(evidence: Evidence, _: Needs) -> tuple[Any, ...]:
    return (_held(evidence, "activity"),)


def _of_texts(evidence: Evidence, needs: Needs) -> tuple[Any, ...]:
    values = _held(evidence, needs)
    labels = torch.arange(len(evidence.languages)).repeat(len(values))
    return values.flatten(0, 1), labels, evidence.layout, evidence.languages


def _of_texts_by_language(evidence: Evidence, needs: Needs) -> tuple[Any, ...]:
    return dict(zip(evidence.languages, _held(evidence, needs).unbind(1), strict=True)), evidence.layout


def _of_scores(evidence: Evidence, needs: Needs) -> tuple[Any, ...]:
    return _held(evidence, needs), evidence.layout, evidence.languages


_READ: dict[Needs, Callable[[Evidence, Needs], tuple[Any, ...]]] = {
    "counts": _of_activity,
    "moments": _of_activity,
    "magnitude": _of_activity,
    "histogram": _of_activity,
    "responses": _of_texts,
    "importance": _of_texts_by_language,
    "gradients": _of_scores,
}

SELECTORS: dict[str, Selector] = {
    selector.name: selector
    for selector in (
        Selector(
            "entropy", by_entropy, "counts", "LAPE, Tang et al. 2024 (2402.16438), §2.2",
            "Lowest entropy of firing rates over languages; each neuron for all languages in which it fires often.",
            TOGETHER,
        ),
        Selector(
            "penalised-entropy", by_penalised_entropy, "counts", "Zhang et al. 2025 (2505.21505)",
            "Low entropy less a penalty on strong firing, as large as leaves no neuron to all languages.",
            TOGETHER,
        ),
        Selector(
            "percentile", by_percentile, "histogram", "act-prob-90p, Mondal et al. 2025 (2503.17456)",
            "Most often above the 90th percentile of all activations in the language.",
        ),
        Selector(
            "overlap", by_overlap, "histogram", "DLN, EMNLP 2026",
            "Histograms that part the languages in two groups that overlap least.",
        ),
        Selector(
            "mean-difference", by_mean_difference, "moments", "ours, after DiffMean (2601.08331)",
            "Mean activation furthest above that in the other languages, in pooled deviations.",
        ),
        Selector(
            "coverage", by_coverage, "counts", "Neuron Specialization, Tan et al. 2024",
            "The fewest neurons that make up a share of all firing of each layer.",
        ),
        Selector(
            "magnitude", by_magnitude, "magnitude", "ours: a baseline",
            "Largest mean absolute activation in the language, whatever it is in others.",
        ),
        Selector("random", at_random, "counts", "ours: a baseline", "Random neurons, as many for each language."),
        Selector(
            "average-precision", by_average_precision, "responses", "Kojima et al. 2024 (2404.02431)",
            "Responses that tell a language's texts from others best, or worst.",
        ),
        Selector(
            "probe", by_probe, "responses", "ours: a ridge probe",
            "Highest weight in a linear probe for the language.",
        ),
        Selector(
            "consistency", by_consistency, "importance", "PLND, Zhao et al. 2024 (2402.18815)",
            "Important for every text of the language.",
        ),
        Selector(
            "exclusive", by_exclusive_consistency, "importance",
            "PLND, Zhao et al. 2024; Chen et al. 2025 (2506.09890)",
            "Important for every text of the language, less what is so in all languages.",
        ),
        Selector(
            "gradient", by_scores, "gradients", "Leng & Xiong 2024; sets as in CRANE 2026 (2601.04664)",
            "Highest gradient × activation: those whose loss, to first order, would hurt the language and no other.",
        ),
    )
}  # fmt: skip


PAPER_NAMES = {  # what papers call the rules
    "lape": "entropy",
    "act-prob-90p": "percentile",
    "dln": "overlap",
    "neuron-specialization": "coverage",
    "diffmean": "mean-difference",
    "plnd": "exclusive",
    "crane": "gradient",
}


def selector_named(name: str) -> Selector:
    """The selector of that name, or of the name that its paper has; raises `ConfigError` where there is none."""
    known = PAPER_NAMES.get(name.casefold(), name)
    if known not in SELECTORS:
        raise ConfigError(
            f"There is no selector {name!r}.", f"Expected one of {', '.join(SELECTORS)}, or {', '.join(PAPER_NAMES)}."
        )
    return SELECTORS[known]


def describe_selectors() -> list[dict[str, str]]:
    """The table as plain text, a row a selector: name, source, needs, from which recorded
    activity it selects, for whom a share is, description."""
    return [
        {
            "name": selector.name,
            "source": selector.source,
            "needs": NEEDS[selector.needs],
            "activity": selector.recording,
            "share": f"for {selector.share_for}" if "top_share" in selector.options else "none",
            "description": selector.description,
        }
        for selector in SELECTORS.values()
    ]
