"""Evaluation: the scores of every language with their intervals."""

from __future__ import annotations

import math

from neuroglot.metrics.results import Evaluation
from neuroglot.metrics.score import resampled_sums, scores_from
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.labels import language_label, language_labels
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, number


def evaluation_section(evaluation: Evaluation) -> Section:
    """One dot a language."""
    scores, name, unit = evaluation.scores, evaluation.metric.name, evaluation.metric.unit
    sentence = _sentence(evaluation)
    labels = language_labels(evaluation.languages)
    spec = figures.dots([Series(name, "observed", list(scores.values()))], labels, unit=f"{name}, {unit}", zero=False)
    rows = [(code, *score_cells(score)) for code, score in scores.items()]
    table = Table.of("scores", f"{name} by language", (Column("language"), *score_columns(name, unit)), rows)
    better = "right" if evaluation.metric.higher_is_better else "left"
    caption = f"How to read it: each dot is a language, lines are intervals; further {better} is better."
    title = f"{name.capitalize()} on {evaluation.data}"
    figure = Figure("scores", f"{title}, by language", caption, f"Dot plot. {sentence}", (Plot(spec, table),))
    return Section("scores", title, sentence, evaluation.signature, (INTERVALS,), (figure,))


def _sentence(evaluation: Evaluation) -> str:
    value, resamples = evaluation.metric.value(evaluation.counts.sum(0)), resampled_sums(evaluation.counts)
    (mean,) = scores_from(value.mean()[None], evaluation.metric.value(resamples).mean(1)[:, None])
    name, unit = evaluation.metric.name, evaluation.metric.unit
    text = f"On {evaluation.data}, the mean {name} is {number(mean.value)} {unit} {bracketed(mean)}"
    known = {code: score for code, score in evaluation.scores.items() if not math.isnan(score.value)}
    if len(known) < 2:
        return f"{text}."
    least, most = min(known, key=lambda code: known[code].value), max(known, key=lambda code: known[code].value)
    return (
        f"{text}, from {number(known[least].value)} {bracketed(known[least])} in {language_label(least)} to "
        f"{number(known[most].value)} {bracketed(known[most])} in {language_label(most)}."
    )
