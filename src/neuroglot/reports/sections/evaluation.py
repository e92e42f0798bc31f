"""Evaluation: the scores of every language with their intervals."""

from __future__ import annotations

import math

from neuroglot.activity.activity import Activity
from neuroglot.errors import ConfigError
from neuroglot.metrics.metrics import Evaluation
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of, section_of_several
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import (
    Labels,
    bracketed,
    definition_of_fires,
    distinct,
    language_label,
    language_labels,
    layer_labels,
    left_out,
    number,
    percent,
    plural,
    repeated_rows,
    with_changes,
)
from neuroglot.showing import counted_codes, noun_of
from neuroglot.signature import merged


@section_of.register
def _(evaluation: Evaluation) -> Section:
    """One dot a language."""
    scores, name, unit = evaluation.scores, evaluation.metric.name, evaluation.metric.unit
    sentence, noun = _sentence(evaluation), noun_of(evaluation.languages)
    labels = language_labels(evaluation.languages)
    spec = figures.dots([Series(name, "observed", list(scores.values()))], labels, unit=f"{name}, {unit}", zero=False)
    rows = [(code, *score_cells(score)) for code, score in scores.items()]
    table = Table.of("scores", f"{name} by {noun}", (Column(noun), *score_columns(name, unit)), rows)
    better = "right" if evaluation.metric.higher_is_better else "left"
    caption = f"How to read it: each dot is a {noun}, lines are intervals; further {better} is better."
    title = f"{name.capitalize()} on {evaluation.data}"
    figure = Figure("scores", f"{title}, by {noun}", caption, f"Dot plot. {sentence}", (Plot(spec, table),))
    remarks = *left_out(evaluation.dropped, evaluation.languages), *repeated_rows(evaluation.repeated), INTERVALS
    return Section(
        "scores",
        title,
        sentence,
        evaluation.signature,
        remarks,
        (figure,),
    )


@section_of_several.register
def _(first: Evaluation, evaluations: tuple[Evaluation, ...]) -> Section:
    """One heat map: a row for what was evaluated, a column a language; all of one metric and the same languages."""
    metric, languages = first.metric, first.languages
    if any((one.metric, one.languages) != (metric, languages) for one in evaluations):
        raise ConfigError(
            "Evaluations of several metrics or languages were to be shown together.",
            "Expected one metric and the same languages.",
        )
    names = distinct(with_changes(evaluation.data, evaluation.signature) for evaluation in evaluations)
    scores = {name: evaluation.scores for name, evaluation in zip(names, evaluations)}
    labels, row_labels = language_labels(languages), Labels(names, names)
    values = [[row[code].value for code in languages] for row in scores.values()]
    details = [[[bracketed(row[code])] for code in languages] for row in scores.values()]
    hover = "<b>%{y}</b> in <b>%{x}</b><br>%{z:.3~g} %{customdata[0]}"
    unit = f"{metric.name}, {metric.unit}"
    spec = heat_maps([Panel("", values, details)], row_labels, labels, unit=unit, hover=hover, axis="")
    rows = [(data, code, *score_cells(row[code])) for data, row in scores.items() for code in languages]
    columns = (Column("data"), Column(noun_of(languages)), *score_columns(metric.name, metric.unit))
    changed = any(evaluation.signature.get("interventions") for evaluation in evaluations)
    title = f"{metric.name.capitalize()} {'by data and intervention' if changed else 'with all neurons on'}"
    means = {name: evaluation.mean.value for name, evaluation in zip(names, evaluations)}
    worst, best = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    sentence = (
        f"On {plural(len(means), 'task')}, the mean {metric.name} over {counted_codes(languages)} lies "
        f"between {number(means[worst])} ({worst}) and {number(means[best])} ({best})."
    )
    plot = Plot(spec, Table.of("scores-by-data", title, columns, rows))
    caption = f"How to read it: a row is a task, a column a {noun_of(languages)}."
    figure = Figure("scores-by-data", title, caption, f"Heat map. {sentence}", (plot,))
    signature = merged([evaluation.signature for evaluation in evaluations])
    dropped = [f"{each.data}: {remark}" for each in evaluations for remark in left_out(each.dropped, languages)]
    return Section("scores-by-data", title, sentence, signature, (*dropped, INTERVALS), (figure,))


def _sentence(evaluation: Evaluation) -> str:
    mean, name, unit = evaluation.mean, evaluation.metric.name, evaluation.metric.unit
    text = f"On {evaluation.data}, the mean {name} is {number(mean.value)} {unit} {bracketed(mean)}"
    known = {code: score for code, score in evaluation.scores.items() if not math.isnan(score.value)}
    if len({score.value for score in known.values()}) < 2:
        return f"{text}."
    least, most = min(known, key=lambda code: known[code].value), max(known, key=lambda code: known[code].value)
    return (
        f"{text}, from {number(known[least].value)} {bracketed(known[least])} in {language_label(least)} to "
        f"{number(known[most].value)} {bracketed(known[most])} in {language_label(most)}."
    )


_UNIT = "share of tokens"


@section_of.register
def _(activity: Activity) -> Section:
    """Mean firing rates; several thresholds are drawings to choose from."""
    thresholds = activity.recording.fires
    plots = tuple(_plot(activity, threshold, labelled=len(thresholds) > 1) for threshold in thresholds)
    caption = (
        f"How to read it: each cell is the share of a {noun_of(activity.languages)}'s tokens on which a neuron of the "
        "layer fires, mean over the layer's neurons; the stronger the colour, the more often."
    )
    sentence = _activity_sentence(activity)
    figure = Figure("firing-rates", "How often neurons fire", caption, f"Heat map. {sentence}", plots)
    return Section(
        key="activity",
        title="How often neurons fire",
        sentence=sentence,
        signature=activity.signature,
        remarks=(definition_of_fires(activity.recording),),
        figures=(figure,),
        tables=(_language_table(activity),),
    )


def _activity_sentence(activity: Activity) -> str:
    threshold = activity.recording.fires[0]
    rates = activity.rates(threshold).mean(1).tolist()
    seen = {code: rate for code, rate in zip(activity.languages, rates) if not math.isnan(rate)}
    tokens = f"{plural(int(activity.tokens.sum()), 'token')} in {counted_codes(activity.languages)}"
    if not seen:
        return f"Nothing was seen: {tokens}."
    least, most = min(seen, key=seen.__getitem__), max(seen, key=seen.__getitem__)
    silent = float((activity.fired[0].sum(0) == 0).double().mean())
    return (
        f"On {tokens}, a neuron fires on {percent(sum(seen.values()) / len(seen))} of the tokens on average, from "
        f"{percent(seen[least])} in {language_label(least)} to {percent(seen[most])} in {language_label(most)}; "
        f"{percent(silent)} of the neurons never fire."
    )


def _plot(activity: Activity, threshold: float, labelled: bool) -> Plot:
    rates = activity.layer_rates(threshold).tolist()
    languages, layers = language_labels(activity.languages), layer_labels(activity.layout)
    hover = "<b>%{y}</b>, %{x}<br>fires on %{z:.2%} of tokens"
    panel = [Panel("", rates)]
    spec = heat_maps(panel, languages, layers, unit=_UNIT, hover=hover, axis="layer")
    rows = [
        (code, layer, rate)
        for code, by_layer in zip(activity.languages, rates)
        for layer, rate in zip(layers.full, by_layer)
    ]
    columns = (Column(noun_of(activity.languages)), Column("layer"), Column("mean firing rate", _UNIT))
    key = f"firing-rates-{threshold:g}" if labelled else "firing-rates"
    return Plot(spec, Table.of(key, "Mean firing rate", columns, rows), f"fires > {threshold:g}" if labelled else "")


def _language_table(activity: Activity) -> Table:
    """Tokens, mean rate and silent neurons by language, at the first threshold."""
    rates = activity.rates(activity.recording.fires[0]).mean(1).tolist()
    silent = (activity.fired[0] == 0).double().mean(1).tolist()
    columns = [
        Column(noun_of(activity.languages)),
        Column("tokens"),
        Column("mean firing rate", _UNIT),
        Column("never fire", "share of neurons"),
    ]
    rows = zip(activity.languages, activity.tokens.tolist(), rates, silent)
    return Table.of("activity-by-language", f"Activity by {noun_of(activity.languages)}", columns, rows)
