"""The neurons that fire most under each setting of a prompt: in which layers they lie, and how often they fire."""

from __future__ import annotations

from neuroglot.metrics.prompt_comparison import PromptComparison
from neuroglot.neurons.peaks import find_peaks, thinned_ranks
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.labels import Labels
from neuroglot.reports.parts import Figure, Plot
from neuroglot.reports.tables import Column, Table

TOP_SHARE = 0.2
RANKS = 12


def peak_figures(comparison: PromptComparison) -> list[Figure]:
    """The two panels of PMI's top-p% figure (Mu et al. 2024): neurons by layer, and counts by rank."""
    settings = Labels(tuple(comparison.settings), tuple(comparison.settings))
    peaks = {
        name: find_peaks(result.neurons, comparison.layout, TOP_SHARE) for name, result in comparison.settings.items()
    }
    layers = [f"{layer.stack} {layer.index}" for layer in comparison.layout.layers]
    counts = [[float(count) for count in one.by_layer] for one in peaks.values()]
    columns = Labels(tuple(layers), tuple(str(layer.index) for layer in comparison.layout.layers))
    hover = "<b>%{y}</b>, layer <b>%{x}</b><br>%{z:,} neurons"
    spec = heat_maps([Panel("", counts)], settings, columns, unit="neurons", hover=hover, axis="layer")
    heads = (Column("setting"), Column("layer"), Column(f"neurons among the most active {TOP_SHARE:.0%}"))
    rows = [(name, layers[place], int(row[place])) for name, row in zip(peaks, counts) for place in range(len(layers))]
    by_layer = Figure(
        "peaks-by-layer", f"Where the most active {TOP_SHARE:.0%} of neurons lie",
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
        peaks = find_peaks(result.neurons, comparison.layout, TOP_SHARE)
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
