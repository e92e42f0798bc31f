"""Scores of texts with intervals, and beside a baseline, paired by row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.metrics.intervals import CONFIDENCE, Estimate, Score, by_rows, holm
from neuroglot.metrics.paired import exchanged, mcnemar
from neuroglot.metrics.texts.answers import accuracy, containment, exact_match, f1
from neuroglot.metrics.texts.comet import comet
from neuroglot.metrics.texts.forms import form, form_f1
from neuroglot.metrics.texts.meteor import meteor
from neuroglot.metrics.texts.metric import TextMetric, TextOptions, Texts
from neuroglot.metrics.texts.numbers import numeric, numeric_published
from neuroglot.metrics.texts.overlap import bleu, chrf, chrf_plus_plus, rouge_1, rouge_2, rouge_l, sari, spbleu, ter
from neuroglot.metrics.texts.words import wer, wer_of_sentences, wer_sclite
from neuroglot.showing import in_short
from neuroglot.signature import Signature

Option = Literal["tokenize", "normalization", "comet_model", "form", "databases", "execute"]


@dataclass(frozen=True)
class Definition:
    """One line of the table: a metric before its options are chosen.

    `name`: as printed. `unit`: of the value. `library`: whose counts and formula they are. `reads`: the options, beside
    the language, that can change the value. `ends`: the least and the most that a value can be.
    `reads_prompt`: whether the prompts of a task are its sources.
    """

    name: str
    library: str
    unit: str
    build: Callable[[TextOptions], TextMetric]
    higher_is_better: bool = True
    needs_source: bool = False
    reads_prompt: bool = False
    ends: tuple[float, float] = (0.0, 100.0)
    reads: tuple[Option, ...] = ()

    @property
    def definition(self) -> str:
        return (self.build.__doc__ or "").partition("\n")[0]


NO_ENDS = (-math.inf, math.inf)
POINTS, PERCENT = "points of 100", "percent"
TEXT_METRICS: Mapping[str, Definition] = {
    "bleu": Definition("BLEU", "sacrebleu", POINTS, bleu, reads=("tokenize",)),
    "spbleu": Definition("spBLEU", "sacrebleu", POINTS, spbleu),
    "chrf": Definition("chrF2", "sacrebleu", POINTS, chrf),
    "chrf++": Definition("chrF2++", "sacrebleu", POINTS, chrf_plus_plus),
    "ter": Definition("TER", "sacrebleu", "edits per 100 words", ter, higher_is_better=False, ends=(0.0, math.inf)),
    "rouge-1": Definition("ROUGE-1", "rouge-score", POINTS, rouge_1),
    "rouge-2": Definition("ROUGE-2", "rouge-score", POINTS, rouge_2),
    "rouge-l": Definition("ROUGE-L", "rouge-score", POINTS, rouge_l),
    "meteor": Definition("METEOR", "nltk", POINTS, meteor),
    "sari": Definition("SARI", "neuroglot", POINTS, sari, needs_source=True, reads=("tokenize",)),
    "accuracy": Definition("accuracy", "neuroglot", PERCENT, accuracy),
    "exact-match": Definition("exact match", "neuroglot", PERCENT, exact_match, reads=("normalization",)),
    "f1": Definition("F1", "neuroglot", PERCENT, f1, reads=("normalization",)),
    "containment": Definition("containment", "neuroglot", PERCENT, containment),
    "numeric": Definition("numeric answer", "neuroglot", PERCENT, numeric),
    "numeric-published": Definition("numeric answer, published rule", "neuroglot", PERCENT, numeric_published),
    "form": Definition(
        "same meaning", "neuroglot", PERCENT, form, reads=("form", "databases", "execute"), reads_prompt=True
    ),
    "form-f1": Definition("F1 of parts", "neuroglot", POINTS, form_f1, reads=("form",), reads_prompt=True),
    "wer": Definition("WER", "jiwer", "errors per 100 words", wer, higher_is_better=False, ends=(0.0, math.inf)),
    "wer-sclite": Definition(
        "WER as for sclite", "jiwer", "errors per 100 words", wer_sclite, higher_is_better=False, ends=(0.0, math.inf)
    ),
    "wer-of-sentences": Definition(
        "mean of sentences' WER",
        "jiwer",
        "errors per 100 words",
        wer_of_sentences,
        higher_is_better=False,
        ends=(0.0, math.inf),
    ),
    "comet": Definition(
        "COMET",
        "unbabel-comet",
        "about 0 to 1",
        comet,
        needs_source=True,
        ends=(-math.inf, math.inf),
        reads=("comet_model",),
    ),
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


@dataclass(frozen=True)
class Comparison:
    """A baseline's score, the difference of the score to it, and the two-sided `p` of no difference by `test`."""

    score: float
    difference: Score
    p: float
    test: str

    def __str__(self) -> str:
        change = f"difference {_interval(self.difference)}, p = {self.p:.3g} ({self.test})"
        return f"baseline {in_short(self.score, '.2f')}, {change}"


@dataclass(frozen=True)
class TextScore:
    """One metric's score of a system's R `rows`, in the metric's unit, with its signature."""

    metric: str
    score: Score
    signature: Signature
    verbose: str
    rows: int
    baseline: Comparison | None = None

    def __str__(self) -> str:
        name = TEXT_METRICS[self.metric].name
        text = f"{name}|{self.signature} = {_interval(self.score)} {self.verbose}".rstrip()
        return text if self.baseline is None else f"{text}\n  {self.baseline}"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings; None for a number that is not finite."""
        score = {"score": self.score.value, "low": self.score.low, "high": self.score.high}
        found: dict[str, Any] = {
            "metric": self.metric, "name": TEXT_METRICS[self.metric].name, **_finite(score),
            "signature": str(self.signature), "verbose": self.verbose, "rows": self.rows,
        }  # fmt: skip
        if self.baseline is not None:
            change = self.baseline.difference
            numbers = {"score": self.baseline.score, "difference": change.value, "low": change.low, "high": change.high}
            found["baseline"] = {**_finite({**numbers, "p": self.baseline.p}), "test": self.baseline.test}
        return found


def told_from_none(comparisons: Sequence[Comparison]) -> int:
    """How many differences are there by their tests, with Holm's correction over all of them."""
    return sum(p <= 1 - CONFIDENCE for p in holm([comparison.p for comparison in comparisons]))


def score_texts(
    texts: Texts,
    metrics: Sequence[str],
    options: TextOptions | None = None,
    baseline: Sequence[str] | None = None,
) -> list[TextScore]:
    """Scores of the hypotheses by metrics of the table, beside those of a `baseline`'s hypotheses where given.

    The value is the library's corpus score; the interval is over rows (`metrics.intervals`). Raises
    `ConfigError` on a wrong choice of metrics or options and where a metric needs sources, `CorpusError` where the
    baseline has other rows, `MissingExtraError` without a metric's library.
    """
    others = None if baseline is None else replace(texts, hypotheses=tuple(baseline))
    for name in metrics:
        if name in TEXT_METRICS and TEXT_METRICS[name].needs_source and texts.sources is None:
            raise ConfigError(
                f"The metric {name!r} needs the sources.", "None were given.", "Give them: --sources FILE."
            )
    chosen = choose_metrics(metrics, options or TextOptions())
    return [_score(name, metric, texts, others) for name, metric in chosen.items()]


def _score(name: str, metric: TextMetric, texts: Texts, baseline: Texts | None) -> TextScore:
    counts = metric.counts(texts)
    value = _value(metric, counts)
    (score,) = value.share_scores(whole=100) if metric.right_or_wrong else value.scores()
    return TextScore(
        name,
        score.within(*TEXT_METRICS[name].ends),
        metric.signature(texts),
        metric.verbose(counts.sum(0)),
        len(counts),
        None if baseline is None else _compare(metric, counts, metric.counts(baseline), TEXT_METRICS[name].ends),
    )


def _compare(metric: TextMetric, counts: Tensor, baseline: Tensor, ends: tuple[float, float]) -> Comparison:
    """Paired by row: McNemar's exact test where a row is right or wrong, else a test by exchange of the systems."""
    other = _value(metric, baseline)
    change = _value(metric, counts) - other
    score = float(other.value)
    if metric.right_or_wrong:
        (difference,) = change.share_differences(whole=100)
        return Comparison(score, difference, mcnemar(baseline[:, 0], counts[:, 0]).p, "McNemar, exact")
    (difference,) = change.scores()
    difference = difference.between(*ends)
    return Comparison(score, difference, exchanged(counts, baseline, metric.value), "exchange of systems")


def _value(metric: TextMetric, counts: Tensor) -> Estimate:
    """The value: `[1]`."""
    return by_rows(counts).map(lambda summed: metric.value(summed)[..., None])


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def _interval(score: Score) -> str:
    value = in_short(score.value, ".2f")
    return f"{value} [{score.low:.2f}, {score.high:.2f}]" if score.has_interval else value
