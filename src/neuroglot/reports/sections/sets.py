"""NeuronSets: their sizes, how much those of two languages overlap, and in which layers their neurons lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import torch

from neuroglot.metrics.intervals import Score
from neuroglot.metrics.prompts import PromptComparison
from neuroglot.neurons.comparing import Join, average_linkage, find_peaks, overlap_matrix, thinned_ranks
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.rules.common import TOGETHER
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.heatmaps import WRITTEN_IN_CELLS, Panel, heat_maps
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.section import refusal, section_of
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.tree import dendrogram
from neuroglot.reports.wording import (
    Labels,
    common_signature,
    joined,
    language_label,
    language_labels,
    layer_labels,
    number,
    percent,
    plural,
)
from neuroglot.showing import counted_codes, noun_of

MOST_ADDED = 6  # sizes that are written out
SHARE = "share of the layer's neurons"


@section_of.register(Mapping)
def _(sets: Mapping[str, NeuronSet]) -> Section:
    """The sets of several languages beside each other."""
    if not sets or not all(isinstance(neurons, NeuronSet) for neurons in sets.values()):
        raise refusal(f"a {type(sets).__name__} of {type(next(iter(sets.values()), None)).__name__}")
    overlap = overlap_matrix(sets).tolist()
    tree = tree_figure(tuple(sets), overlap)
    sizes = _sizes_sentence(sets), _asked_sentence(sets)
    parts = (*sizes, _overlap_sentence(tuple(sets), overlap), _layer_sentence(sets))
    return Section(
        key="neuron-sets",
        title=f"Each {noun_of(tuple(sets))}'s own neurons",
        sentence=" ".join(part for part in parts if part),
        signature=common_signature(one.signature for one in sets.values()),
        figures=(
            _sizes_figure(sets),
            _overlap_figure(tuple(sets), overlap),
            *((tree,) if tree else ()),
            _layers_figure(sets),
        ),
    )


@section_of.register
def _(neurons: NeuronSet) -> Section:
    """One set alone: its neurons by layer."""
    counts, labels = neurons.counts_by_layer(), layer_labels(neurons.layout)
    sentence = (
        f"The set holds {plural(len(neurons), 'neuron')}, {percent(len(neurons) / neurons.layout.neuron_count)} of the "
        f"{neurons.layout.neuron_count:,} of {neurons.layout}."
    )
    widths = [layer.width for layer in neurons.layout.layers]
    rows = [(name, count, width, count / width) for name, count, width in zip(labels.full, counts, widths)]
    columns = (Column("layer"), Column("neurons"), Column("layer width"), Column("share", SHARE))
    spec = figures.dots([Series("neurons", "observed", list(map(Score.exact, counts)))], labels, unit="neurons")
    plot = Plot(spec, Table.of("neuron-set", "Neurons by layer", columns, rows))
    caption = "How to read it: each row is a layer, each dot the number of its neurons that belong to the set."
    figure = Figure("neuron-set", "Neurons by layer", caption, f"Dot plot. {sentence}", (plot,))
    return Section("neuron-set", "A set of neurons", sentence, neurons.signature, figures=(figure,))


def _sizes_sentence(sets: Mapping[str, NeuronSet]) -> str:
    sizes = {code: len(neurons) for code, neurons in sets.items()}
    total = next(iter(sets.values())).layout.neuron_count
    least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    empty = [language_label(code) for code, size in sizes.items() if size == 0]
    if sizes[least] == sizes[most]:
        share = f" ({percent(sizes[most] / total)})" if sizes[most] else ""
        return f"Sets of {counted_codes(tuple(sets))} hold {sizes[most]:,} of {total:,} neurons each{share}."
    text = f"Sets of {counted_codes(tuple(sets))} hold {sizes[least]:,} to {sizes[most]:,} of {total:,} neurons"
    if sizes[most]:
        text += f"; the largest belongs to {language_label(most)} ({percent(sizes[most] / total)})"
    return f"{text}. {_empty(empty, noun_of(tuple(sets)))}".strip()


def _asked_sentence(sets: Mapping[str, NeuronSet]) -> str:
    """How many neurons were asked for, for whom, and how many these are: `3 + 8 + 1 neurons: 12 in all, as asked`."""
    first = next(iter(sets.values()))
    asked, asked_for = first.signature.get("asked"), first.signature.get("asked_for")
    sizes = [len(neurons) for neurons in sets.values()]
    if not isinstance(asked, int) or any(neurons.signature.get("asked") != asked for neurons in sets.values()):
        return ""
    if asked_for != TOGETHER:
        is_met = set(sizes) == {asked}
        return f"{asked:,} for {asked_for}, as asked." if is_met else f"Asked for were {asked:,} for {asked_for}."
    different = int(torch.stack([neurons.members for neurons in sets.values()]).any(0).sum())
    added = f"{' + '.join(f'{size:,}' for size in sizes)} neurons: " if len(sizes) <= MOST_ADDED else ""
    shared = "different ones " if sum(sizes) != different else ""
    met = ", as asked" if different == asked else f", of {asked:,} asked"
    return f"{added}{different:,} {shared}in all{met} for {asked_for}."


def _empty(languages: list[str], noun: str) -> str:
    if not languages:
        return ""
    named = joined(languages[:5]) if len(languages) <= 5 else f"{len(languages)} {noun}s"
    return f"No neuron was found for {named}."


def _overlap_sentence(codes: tuple[str, ...], overlap: list[list[float]]) -> str:
    pairs = [(a, b) for a, b in combinations(range(len(codes)), 2) if not math.isnan(overlap[a][b])]
    if not pairs:
        return ""
    mean = sum(overlap[a][b] for a, b in pairs) / len(pairs)
    a, b = max(pairs, key=lambda pair: overlap[pair[0]][pair[1]])
    return (
        f"Two sets have {percent(mean)} of their neurons in common on average (Jaccard index), at most "
        f"{percent(overlap[a][b])}: {language_label(codes[a])} and {language_label(codes[b])}."
    )


def _layer_sentence(sets: Mapping[str, NeuronSet]) -> str:
    layout = next(iter(sets.values())).layout
    totals = [sum(counts) for counts in zip(*(neurons.counts_by_layer() for neurons in sets.values()))]
    if not sum(totals):
        return ""
    fullest = max(range(len(totals)), key=totals.__getitem__)
    share, layer = percent(totals[fullest] / sum(totals)), layer_labels(layout).full[fullest]
    return f"No layer holds more of the sets' neurons than {layer}, with {share}."


def _sizes_figure(sets: Mapping[str, NeuronSet]) -> Figure:
    sizes = [len(neurons) for neurons in sets.values()]
    total = next(iter(sets.values())).layout.neuron_count
    rows, noun = [(code, size, size / total) for code, size in zip(sets, sizes)], noun_of(tuple(sets))
    columns = (Column(noun), Column("neurons"), Column("share", "share of all neurons"))
    spec = figures.dots(
        [Series("neurons", "own", list(map(Score.exact, sizes)))], language_labels(tuple(sets)), unit="neurons"
    )
    plot = Plot(spec, Table.of("set-sizes", "Set sizes", columns, rows))
    caption = f"How to read it: each dot is the number of neurons in a {noun}'s set. A neuron can be in several sets."
    alternative = f"Dot plot of set sizes, from {min(sizes):,} to {max(sizes):,} neurons."
    return Figure(
        "set-sizes",
        f"How many neurons each {noun} has",
        caption,
        alternative,
        (plot,),
        wide=len(sets) > WRITTEN_IN_CELLS,
    )


def _overlap_figure(codes: tuple[str, ...], overlap: list[list[float]]) -> Figure:
    labels, noun = language_labels(codes), noun_of(codes)
    others = [[math.nan if a == b else value for b, value in enumerate(row)] for a, row in enumerate(overlap)]
    hover = "<b>%{y}</b> and <b>%{x}</b><br>Jaccard index %{z:.3~g}"
    spec = heat_maps([Panel("", others)], labels, labels, unit="Jaccard index", hover=hover, axis="")
    rows = [(a, b, overlap[i][j]) for i, a in enumerate(codes) for j, b in enumerate(codes)]
    columns = (Column(noun), Column(f"other {noun}"), Column("Jaccard index"))
    plot = Plot(spec, Table.of("set-overlap", f"Overlap between {noun}s", columns, rows))
    caption = (
        f"How to read it: neurons that two {noun}s share over neurons that either has; 0 is none, 1 all. The "
        "diagonal, always 1, is left blank, and so are pairs without any neuron."
    )
    alternative = f"Heat map. {_overlap_sentence(codes, overlap)}"
    return Figure(
        "set-overlap", f"Overlap between {noun}s", caption, alternative, (plot,), wide=len(codes) > WRITTEN_IN_CELLS
    )


def _layers_figure(sets: Mapping[str, NeuronSet]) -> Figure:
    layout = next(iter(sets.values())).layout
    counts = [neurons.counts_by_layer() for neurons in sets.values()]
    widths = [layer.width for layer in layout.layers]
    labels = layer_labels(layout)
    shares = [[count / width for count, width in zip(row, widths)] for row in counts]
    details = [[[float(count)] for count in row] for row in counts]
    hover = f"<b>%{{y}}</b>, %{{x}}<br>%{{customdata[0]}} neurons, %{{z:.3~g}} {SHARE}"
    spec = heat_maps(
        [Panel("", shares, details)], language_labels(tuple(sets)), labels, unit=SHARE, hover=hover, axis="layer"
    )
    rows = [
        (code, name, count, share)
        for code, by_layer, layer_shares in zip(sets, counts, shares)
        for name, count, share in zip(labels.full, by_layer, layer_shares)
    ]
    noun = noun_of(tuple(sets))
    columns = (Column(noun), Column("layer"), Column("neurons"), Column("share", SHARE))
    plot = Plot(spec, Table.of("neurons-by-layer", "Neurons by layer", columns, rows))
    caption = (
        f"How to read it: a row is a {noun}, a column a layer (0 is next to the input); the stronger the colour, the "
        "more neurons."
    )
    alternative = f"Heat map of {len(sets)} {noun}s by {number(len(widths))} layers. {_layer_sentence(sets)}"
    return Figure("neurons-by-layer", "Neurons by layer", caption, alternative, (plot,))


PEAK_SHARE = 0.2
RANKS = 12


def peak_figures(comparison: PromptComparison) -> list[Figure]:
    """The two panels of PMI's top-p% figure (Mu et al. 2024): neurons by layer, and counts by rank."""
    settings = Labels(tuple(comparison.settings), tuple(comparison.settings))
    peaks = {
        name: find_peaks(result.neurons, comparison.layout, PEAK_SHARE) for name, result in comparison.settings.items()
    }
    layers = [f"{layer.stack} {layer.index}" for layer in comparison.layout.layers]
    counts = [[float(count) for count in one.by_layer] for one in peaks.values()]
    columns = Labels(tuple(layers), tuple(str(layer.index) for layer in comparison.layout.layers))
    hover = "<b>%{y}</b>, layer <b>%{x}</b><br>%{z:,} neurons"
    spec = heat_maps([Panel("", counts)], settings, columns, unit="neurons", hover=hover, axis="layer")
    heads = (Column("setting"), Column("layer"), Column(f"neurons among the most active {PEAK_SHARE:.0%}"))
    rows = [(name, layers[place], int(row[place])) for name, row in zip(peaks, counts) for place in range(len(layers))]
    by_layer = Figure(
        "peaks-by-layer", f"Where the most active {PEAK_SHARE:.0%} of neurons lie",
        "How to read it: a row is a setting, a column a layer; a cell is how many of the neurons that fire most, of "
        "all layers together, are in it.", "Heat map of the most active neurons by layer.",
        (Plot(spec, Table.of("peaks-by-layer", "Most active neurons by layer", heads, rows)),),
    )  # fmt: skip
    return [by_layer, _rank_figure(comparison, settings)]


def _rank_figure(comparison: PromptComparison, settings: Labels) -> Figure:
    """Counts of the neuron of each rank, as a share of the steps, so that settings that write more are comparable."""
    rates: dict[str, list[tuple[int, float]]] = {}
    for name, result in comparison.settings.items():
        steps = max(1, int(result.firing["steps"].tokens.sum()))
        peaks = find_peaks(result.neurons, comparison.layout, PEAK_SHARE)
        rates[name] = [(rank, count / steps) for rank, count in thinned_ranks(peaks, RANKS)]
    width = max(map(len, rates.values()))
    ranks = next(column for column in rates.values() if len(column) == width)
    labels = Labels(tuple(f"rank {rank:,}" for rank, _ in ranks), tuple(f"{rank:,}" for rank, _ in ranks))
    nan = float("nan")
    values = [[rate for _, rate in column] + [nan] * (width - len(column)) for column in rates.values()]
    hover = "<b>%{y}</b>, <b>%{x}</b><br>fires at %{z:.3~g} of the steps"
    spec = heat_maps([Panel("", values)], settings, labels, unit="share of steps", hover=hover, axis="rank")
    heads = (Column("setting"), Column("rank"), Column("fires", "share of steps"))
    rows = [(name, rank, rate) for name, column in rates.items() for rank, rate in column]
    caption = (
        "How to read it: neurons stand in the order of how often they fire, the first one left; a steeper fall to the "
        "right is firing that is more focused."
    )
    table = Table.of("peaks-by-rank", "How often the most active neurons fire", heads, rows)
    title = "How often the most active neurons fire, by rank"
    return Figure("peaks-by-rank", title, caption, "Heat map of firing by rank.", (Plot(spec, table),))


_UNIT = "1 − Jaccard index"


def tree_figure(codes: Sequence[str], overlap: Sequence[Sequence[float]]) -> Figure | None:
    """Average linkage of languages by 1 − Jaccard index of their sets; None below three languages.

    A language without neurons shares none and stands at distance 1 from all.
    """
    if len(codes) < 3:
        return None
    shared = np.array([[0.0 if math.isnan(value) else value for value in row] for row in overlap])
    joins, noun = average_linkage(1 - shared), noun_of(codes)
    spec = dendrogram(joins, language_labels(codes), unit=_UNIT)
    columns = (Column("group"), Column("joins"), Column("distance", _UNIT), Column(f"{noun}s together"))
    rows = [
        (_named(join.first, codes), _named(join.second, codes), join.distance, len(join.first + join.second))
        for join in joins
    ]
    caption = (
        f"How to read it: two branches join at the mean distance of their {noun}s; the further left, the more neurons "
        "they share. 1 is no neuron in common; the axis need not begin at 0. Filters leave the tree whole."
    )
    plot = Plot(spec, Table.of("language-tree", f"Tree of {noun}s by shared neurons", columns, rows))
    alternative = f"Tree of {len(codes)} {noun}s. {_first_join(joins, codes)}"
    return Figure("language-tree", f"{noun.capitalize()}s that share neurons", caption, alternative, (plot,))


def _named(leaves: Sequence[int], codes: Sequence[str]) -> str:
    return ", ".join(codes[leaf] for leaf in leaves)


def _first_join(joins: Sequence[Join], codes: Sequence[str]) -> str:
    first = joins[0]
    if first.distance >= 1:
        return f"No two {noun_of(codes)}s share a neuron."
    return (
        f"First to join: {_named(first.first, codes)} and {_named(first.second, codes)}, at {number(first.distance)}."
    )
