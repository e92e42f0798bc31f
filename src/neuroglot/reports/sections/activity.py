"""Activity: how often neurons fire, by language and layer, and on how many tokens that was seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.labels import definition_of_fires, language_label, language_labels, layer_labels
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import percent

UNIT = "share of tokens"


def activity_section(activity: Activity) -> Section:
    """Mean firing rates; several thresholds are drawings to choose from."""
    thresholds = activity.recording.fires
    plots = tuple(_plot(activity, threshold, labelled=len(thresholds) > 1) for threshold in thresholds)
    caption = (
        "How to read it: each cell is the share of a language's tokens on which a neuron of the layer fires, mean over "
        "the layer's neurons; darker means more often."
    )
    sentence = _sentence(activity)
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


def layer_rates(activity: Activity, threshold: float) -> Tensor:
    """Mean firing rate of the layer's neurons: `[G, L]`; NaN for a language without tokens."""
    widths = torch.tensor([layer.width for layer in activity.layout.layers])
    return activity.layout.sum_by_layer(activity.rates(threshold)) / widths


def _sentence(activity: Activity) -> str:
    threshold = activity.recording.fires[0]
    rates = activity.rates(threshold).mean(1).tolist()
    seen = {code: rate for code, rate in zip(activity.languages, rates) if not math.isnan(rate)}
    tokens = f"{int(activity.tokens.sum()):,} tokens in {len(activity.languages)} languages"
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
    rates = layer_rates(activity, threshold).tolist()
    languages, layers = language_labels(activity.languages), layer_labels(activity.layout)
    hover = "<b>%{y}</b>, %{x}<br>fires on %{z:.2%} of tokens"
    panel = [Panel("", rates)]
    spec = heat_maps(panel, languages, layers, unit=UNIT, hover=hover, axis="layer")
    rows = [
        (code, layer, rate)
        for code, by_layer in zip(activity.languages, rates)
        for layer, rate in zip(layers.full, by_layer)
    ]
    columns = (Column("language"), Column("layer"), Column("mean firing rate", UNIT))
    key = f"firing-rates-{threshold:g}" if labelled else "firing-rates"
    return Plot(spec, Table.of(key, "Mean firing rate", columns, rows), f"fires > {threshold:g}" if labelled else "")


def _language_table(activity: Activity) -> Table:
    """Tokens, mean rate and silent neurons by language, at the first threshold."""
    rates = activity.rates(activity.recording.fires[0]).mean(1).tolist()
    silent = (activity.fired[0] == 0).double().mean(1).tolist()
    columns = [
        Column("language"), Column("tokens"), Column("mean firing rate", UNIT), Column("never fire", "share of neurons")
    ]  # fmt: skip
    rows = zip(activity.languages, activity.tokens.tolist(), rates, silent)
    return Table.of("activity-by-language", "Activity by language", columns, rows)
