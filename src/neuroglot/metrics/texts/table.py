"""The table of text metrics, and their choice by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from neuroglot.errors import ConfigError
from neuroglot.metrics.texts.answers import accuracy, exact_match, f1
from neuroglot.metrics.texts.comet import comet
from neuroglot.metrics.texts.metric import TextMetric, TextOptions
from neuroglot.metrics.texts.numeric import numeric
from neuroglot.metrics.texts.overlap import bleu, chrf, chrf_plus_plus, spbleu, ter
from neuroglot.metrics.texts.rouge import rouge_1, rouge_2, rouge_l
from neuroglot.metrics.texts.sari import sari

Option = Literal["tokenize", "normalization", "comet_model"]


@dataclass(frozen=True)
class Definition:
    """One line of the table: a metric before its options are chosen.

    `name`: as printed. `unit`: of the value. `library`: whose counts and formula they are. `reads`: the options, beside
    the language, that can change the value.
    """

    name: str
    library: str
    unit: str
    build: Callable[[TextOptions], TextMetric]
    higher_is_better: bool = True
    needs_source: bool = False
    reads: tuple[Option, ...] = ()

    @property
    def definition(self) -> str:
        return (self.build.__doc__ or "").partition("\n")[0]


POINTS, PERCENT = "points of 100", "percent"
TEXT_METRICS: Mapping[str, Definition] = {
    "bleu": Definition("BLEU", "sacrebleu", POINTS, bleu, reads=("tokenize",)),
    "spbleu": Definition("spBLEU", "sacrebleu", POINTS, spbleu),
    "chrf": Definition("chrF2", "sacrebleu", POINTS, chrf),
    "chrf++": Definition("chrF2++", "sacrebleu", POINTS, chrf_plus_plus),
    "ter": Definition("TER", "sacrebleu", "edits per 100 words", ter, higher_is_better=False),
    "rouge-1": Definition("ROUGE-1", "rouge-score", POINTS, rouge_1),
    "rouge-2": Definition("ROUGE-2", "rouge-score", POINTS, rouge_2),
    "rouge-l": Definition("ROUGE-L", "rouge-score", POINTS, rouge_l),
    "sari": Definition("SARI", "neuroglot", POINTS, sari, needs_source=True, reads=("tokenize",)),
    "accuracy": Definition("accuracy", "neuroglot", PERCENT, accuracy),
    "exact-match": Definition("exact match", "neuroglot", PERCENT, exact_match, reads=("normalization",)),
    "f1": Definition("F1", "neuroglot", PERCENT, f1, reads=("normalization",)),
    "numeric": Definition("numeric answer", "neuroglot", PERCENT, numeric),
    "comet": Definition("COMET", "unbabel-comet", "about 0 to 1", comet, needs_source=True, reads=("comet_model",)),
}


def choose_metrics(names: Sequence[str], options: TextOptions) -> dict[str, TextMetric]:
    """The metrics of these names with their options.

    Raises `ConfigError` on an unknown or repeated name, on none, and on an option that none of them reads.
    """
    if not names or len(set(names)) < len(names) or not set(names) <= set(TEXT_METRICS):
        raise ConfigError(
            f"The metrics {', '.join(map(repr, names)) or 'none'} were asked for.",
            f"Expected each once, of {', '.join(TEXT_METRICS)}.",
        )
    read = {option for name in names for option in TEXT_METRICS[name].reads}
    for option in Option.__args__:  # type: ignore[attr-defined]
        if option not in read and getattr(options, option) != getattr(TextOptions(), option):
            raise ConfigError(
                f"The option {option} was given, and none of the metrics {', '.join(names)} reads it.",
                f"It is read by {', '.join(name for name, row in TEXT_METRICS.items() if option in row.reads)}.",
                "Leave it out.",
            )
    return {name: TEXT_METRICS[name].build(options) for name in names}
