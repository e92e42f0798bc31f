"""More about the four categories: by language, over the rows, and for fewer languages."""

from __future__ import annotations

import torch
from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.metrics.score import Score, resampled_sums, scores_from
from neuroglot.neurons.categories import (
    CATEGORIES,
    active_shares_by_row,
    layer_shares_by_row,
    repetition,
    repetition_histogram,
    shares_among,
)
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.labels import Labels, language_labels, layer_labels
from neuroglot.reports.parts import Figure, Plot
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import percent

UNIT = "share of the layer's neurons"
BINS = 10


def mean_scores(by_row: Tensor) -> list[Score]:
    """Means over rows `[R, K]` with intervals: one Score each."""
    return scores_from(by_row.mean(0), resampled_sums(by_row) / by_row.shape[0])


def exact(values: Tensor) -> list[Score]:
    """Scores of numbers that have no interval."""
    return [Score(value, value, value) for value in values.tolist()]


def overall_by_row(sharing: Sharing, by_layer: Tensor) -> Tensor:
    """Shares of all neurons from shares of each layer's: `[R, L, K]` → `[R, K]`."""
    widths = torch.tensor([layer.width for layer in sharing.layout.layers], dtype=torch.float64)
    return (by_layer * (widths / widths.sum())[:, None]).sum(1)


def languages_figure(sharing: Sharing) -> Figure:
    """How many neurons fire in each language, whatever their category."""
    shares = active_shares_by_row(sharing)
    means = shares.mean(0).T.tolist()
    languages, layers = language_labels(sharing.languages), layer_labels(sharing.layout)
    hover = "<b>%{y}</b>, %{x}<br>%{z:.2%} of the layer's neurons"
    spec = heat_maps([Panel("", means)], languages, layers, unit=UNIT, hover=hover, axis="layer")
    scores = [mean_scores(shares[:, :, place]) for place in range(len(sharing.languages))]
    rows = [
        (code, layer, *score_cells(score))
        for code, by_layer in zip(sharing.languages, scores)
        for layer, score in zip(layers.full, by_layer)
    ]
    table = Table.of(
        "active-by-language", "Active neurons by language",
        [Column("language"), Column("layer"), *score_columns("active", UNIT)], rows,
    )  # fmt: skip
    overall = {code: sum(score.value for score in by_layer) for code, by_layer in zip(sharing.languages, scores)}
    least, most = min(overall, key=overall.__getitem__), max(overall, key=overall.__getitem__)
    caption = "How to read it: each cell is the share of the layer's neurons that fire on a text, mean over the rows."
    alternative = f"Heat map. Fewest neurons fire in {least}, most in {most}."
    return Figure("active-by-language", "Active neurons by language", caption, alternative, (Plot(spec, table),))


def repetition_figure(sharing: Sharing) -> Figure:
    """How many neurons are of the same category on every row, beside the mean over rows."""
    labels, always = layer_labels(sharing.layout), repetition(sharing)
    shares = layer_shares_by_row(sharing)
    means = [mean_scores(shares[:, :, place]) for place in range(len(CATEGORIES))]
    panels = [
        (
            name,
            [
                Series("on a row, mean", "observed", means[place]),
                Series("on every row", "own", exact(always[:, place])),
            ],
        )
        for place, name in enumerate(CATEGORIES)
    ]
    spec = figures.small_multiples(panels, labels, unit=UNIT, axis="layer")
    rows = [
        (layer, category, *score_cells(means[place][number]), always[number, place].item())
        for number, layer in enumerate(labels.full)
        for place, category in enumerate(CATEGORIES)
    ]
    columns = [Column("layer"), Column("category"), *score_columns("mean over rows", UNIT), Column("every row", UNIT)]
    widths = torch.tensor([layer.width for layer in sharing.layout.layers], dtype=torch.float64)
    overall = (always * widths[:, None]).sum(0) / widths.sum()
    said = ", ".join(f"{percent(share)} {name}" for name, share in zip(CATEGORIES, overall.tolist()))
    caption = (
        "How to read it: the upper line is the share of neurons of the category on a row, the lower one the share that "
        f"is of it on every one of {sharing.rows:,} rows. The distance is how much a neuron's category depends on the "
        "input."
    )
    alternative = f"Four line charts. On every row: {said} of all neurons."
    plot = Plot(spec, Table.of("repetition", "Categories on every row", columns, rows))
    return Figure("repetition", "Does a neuron keep its category?", caption, alternative, (plot,))


def repetition_table(sharing: Sharing) -> Table:
    """The whole distribution: neurons by the share of rows on which they are of a category."""
    counts = repetition_histogram(sharing, BINS).tolist()
    names = ["never"] + [f"{100 * (place - 1) // BINS}–{100 * place // BINS}% of rows" for place in range(1, BINS + 1)]
    columns = [Column("share of rows"), *(Column(name, "neurons") for name in CATEGORIES)]
    rows = [(name, *(of_category[place] for of_category in counts)) for place, name in enumerate(names)]
    return Table.of("repetition-histogram", "On how many rows a neuron is of a category", columns, rows)


def fewer_languages_figure(sharing: Sharing) -> Figure:
    """The categories as they would be with fewer languages, so that studies can be compared at an equal number."""
    numbers = range(2, len(sharing.languages) + 1)
    scores = [mean_scores(overall_by_row(sharing, shares_among(sharing, number))) for number in numbers]
    labels = Labels(tuple(f"{number} languages" for number in numbers), tuple(map(str, numbers)))
    series = [
        Series(name, name, [by_category[place] for by_category in scores]) for place, name in enumerate(CATEGORIES)
    ]
    spec = figures.small_multiples([("", series)], labels, unit=UNIT, axis="number of languages")
    rows = [
        (number, category, *score_cells(score))
        for number, by_category in zip(numbers, scores)
        for category, score in zip(CATEGORIES, by_category)
    ]
    columns = [Column("languages"), Column("category"), *score_columns("share", "share of neurons")]
    caption = (
        "How to read it: each point is the mean over all choices of so many of the languages, computed exactly. "
        "All-shared neurons can only become fewer as languages are added: compare studies at an equal number."
    )
    alternative = (
        f"Line chart. With 2 languages {percent(scores[0][0].value)} of the neurons are all-shared, with "
        f"{len(sharing.languages)} {percent(scores[-1][0].value)}."
    )
    plot = Plot(spec, Table.of("fewer-languages", "Categories by number of languages", columns, rows))
    return Figure("fewer-languages", "How the number of languages matters", caption, alternative, (plot,))
