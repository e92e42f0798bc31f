"""Sharing: all-shared, partial-shared, specific and non-activated neurons by layer, beside what chance would give."""

from __future__ import annotations

import torch
from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.metrics.score import Score, resampled_sums, scores_from
from neuroglot.neurons.categories import CATEGORIES, layer_shares_by_row, shares_if_independent
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.labels import definition_of_fires, layer_labels
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, percent

UNIT = "share of the layer's neurons"
MEANING = "fires in all languages, in some but not all, in exactly one, in none, on the same row"


def sharing_section(sharing: Sharing) -> Section:
    """Shares of the four categories by layer and over all neurons."""
    shares, expected = layer_shares_by_row(sharing), shares_if_independent(sharing)
    by_layer = [_mean_scores(shares[:, layer]) for layer in range(shares.shape[1])]
    widths = torch.tensor([layer.width for layer in sharing.layout.layers], dtype=torch.float64)
    weights = widths / widths.sum()
    overall = _mean_scores((shares * weights[:, None]).sum(1))
    chance = (expected * weights[:, None]).sum(0).tolist()
    sentence = _sentence(sharing, overall, chance)
    figure = _figure(sharing, by_layer, expected, sentence)
    return Section(
        key="sharing",
        title="Neurons shared between languages",
        sentence=sentence,
        signature=sharing.signature,
        remarks=(definition_of_fires(sharing.recording), INTERVALS),
        figures=(figure,),
        summary=_summary(overall, chance),
    )


def _mean_scores(by_row: Tensor) -> list[Score]:
    """Means over rows `[R, 4]` with intervals: one Score a category."""
    return scores_from(by_row.mean(0), resampled_sums(by_row) / by_row.shape[0])


def _sentence(sharing: Sharing, overall: list[Score], chance: list[float]) -> str:
    shared, partial, specific, silent = (f"{percent(score.value)} {bracketed(score, percent)}" for score in overall)
    return (
        f"Over {sharing.rows:,} parallel rows, {shared} of the neurons fire in all {len(sharing.languages)} languages "
        f"at once, {partial} in some, {specific} in exactly one and {silent} in none; if each fired independently "
        f"of the language, {percent(chance[0])} would fire in all."
    )


def _figure(sharing: Sharing, by_layer: list[list[Score]], expected: Tensor, sentence: str) -> Figure:
    labels = layer_labels(sharing.layout)
    panels = [
        (
            name,
            [
                Series("observed", "observed", [layer[place] for layer in by_layer]),
                Series("if languages were independent", "random", _exact(expected[:, place])),
            ],
        )
        for place, name in enumerate(CATEGORIES)
    ]
    spec = figures.small_multiples(panels, labels, unit=UNIT, axis="layer")
    caption = (
        f"How to read it: each panel is one category ({MEANING}); the solid line is what was seen, with "
        "its interval, the dotted line what neurons of the same firing rates would show by chance. The distance "
        "between the two lines is the finding."
    )
    plot = Plot(spec, _table(labels.full, by_layer, expected))
    return Figure(
        "sharing-by-layer", "The four categories, by layer", caption, f"Four line charts. {sentence}", (plot,)
    )


def _exact(values: Tensor) -> list[Score]:
    return [Score(value, value, value) for value in values.tolist()]


def _table(layers: tuple[str, ...], by_layer: list[list[Score]], expected: Tensor) -> Table:
    columns = [Column("layer"), Column("category"), *score_columns("observed", UNIT), Column("if independent", UNIT)]
    rows = [
        (layer, category, *score_cells(score), chance)
        for layer, scores, chances in zip(layers, by_layer, expected.tolist())
        for category, score, chance in zip(CATEGORIES, scores, chances)
    ]
    return Table.of("sharing-by-layer", "Categories by layer", columns, rows)


def _summary(overall: list[Score], chance: list[float]) -> Table:
    columns = [Column("category"), Column("share of neurons"), Column("if languages were independent")]
    rows = [
        (name, f"{percent(score.value)} {bracketed(score, percent)}", percent(expected))
        for name, score, expected in zip(CATEGORIES, overall, chance)
    ]
    return Table.of("categories", "Neurons shared between languages", columns, rows)
