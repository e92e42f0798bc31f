"""All selectors in one table: what each is called, does and needs, and where it is from."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from neuroglot.errors import ConfigError
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.selecting import by_entropy
from neuroglot.neurons.selecting_baselines import at_random, by_magnitude
from neuroglot.neurons.selecting_common import require_share
from neuroglot.neurons.selecting_moments import by_mean_difference
from neuroglot.neurons.selecting_overlap import by_overlap
from neuroglot.neurons.selecting_penalty import by_penalised_entropy
from neuroglot.neurons.selecting_rates import by_coverage, by_percentile
from neuroglot.neurons.selecting_responses import by_average_precision, by_probe
from neuroglot.neurons.selecting_scores import by_scores
from neuroglot.neurons.selecting_sets import by_consistency, exclusive

Needs = Literal["counts", "moments", "magnitude", "histogram", "responses", "importance", "scores", "sets"]

SHARES = {"top_share", "filter_quantile", "owner_quantile", "percentile", "quantile", "coverage"}
NEEDS: dict[Needs, str] = {
    "counts": "an Activity",
    "moments": "an Activity with the statistic moments",
    "magnitude": "an Activity with the statistic magnitude",
    "histogram": "an Activity with the statistic histogram",
    "responses": "one number a text and neuron [texts, N] with the language of each text; no recorder yet: Python only",
    "importance": "an importance [texts, N] by language; no recorder yet: Python only",
    "scores": "a score by language and neuron [G, N], such as an attribution: Python only",
    "sets": "a set of neurons by language: Python only",
}


@dataclass(frozen=True)
class Selector:
    """One row of the table; `select` returns a NeuronSet by language."""

    name: str
    select: Callable[..., dict[str, NeuronSet]]
    needs: Needs
    source: str
    description: str

    @property
    def reads_activity(self) -> bool:
        """Whether an Activity is all that it needs, so that the command line can run it."""
        return NEEDS[self.needs].startswith("an Activity")

    @property
    def options(self) -> tuple[str, ...]:
        """The options that it takes, in order."""
        parameters = inspect.signature(self.select).parameters.values()
        return tuple(one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY)

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


SELECTORS: dict[str, Selector] = {
    selector.name: selector
    for selector in (
        Selector(
            "entropy", by_entropy, "counts", "LAPE, Tang et al. 2024 (2402.16438), §2.2",
            "Lowest entropy of firing rates over languages; each neuron for all languages in which it fires often.",
        ),
        Selector(
            "penalised-entropy", by_penalised_entropy, "counts", "Zhang et al. 2025 (2505.21505)",
            "Low entropy less a penalty on strong firing, as large as leaves no neuron to all languages.",
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
            "Important for every text of the language; `exclusive` of it is PLND's language-specific set.",
        ),
        Selector(
            "scores", by_scores, "scores", "CRANE 2026 (2601.04664)",
            "Among the highest scores of one language and of no other.",
        ),
        Selector(
            "exclusive", exclusive, "sets", "PLND, Zhao et al. 2024; Chen et al. 2025 (2506.09890)",
            "Each language's set less what all languages share.",
        ),
    )
}  # fmt: skip


def selector_named(name: str) -> Selector:
    """The selector of that name; raises `ConfigError` where there is none."""
    if name not in SELECTORS:
        raise ConfigError(f"There is no selector {name!r}.", f"Expected one of {', '.join(SELECTORS)}.")
    return SELECTORS[name]


def describe_selectors() -> list[dict[str, str]]:
    """The table as plain text, a row a selector: name, source, needs, description."""
    return [
        {
            "name": selector.name,
            "source": selector.source,
            "needs": NEEDS[selector.needs],
            "description": selector.description,
        }
        for selector in SELECTORS.values()
    ]
