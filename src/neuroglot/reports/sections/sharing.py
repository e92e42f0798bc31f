"""Sharing: all-shared, partial-shared, specific and non-activated neurons by layer, beside what chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.metrics.metrics import Score, resampled_sums, scores_from
from neuroglot.neurons.categories import (
    CATEGORIES,
    active_shares_by_row,
    layer_shares_by_row,
    repetition,
    repetition_histogram,
    shares_among,
    shares_if_independent,
)
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import (
    TOKENS,
    Labels,
    bracketed,
    common_signature,
    definition_of_fires,
    distinct,
    language_labels,
    layer_labels,
    percent,
    with_changes,
)

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


def sharings_section(sharings: Sequence[Sharing]) -> Section:
    """A sweep of thresholds where only those differ, else a comparison of tasks."""
    if len({sharing.recording.fires for sharing in sharings}) > 1:
        return _thresholds(sharings)
    return _tasks(sharings)


def _thresholds(sharings: Sequence[Sharing]) -> Section:
    names = [f"fires > {sharing.recording.fires[0]:g}" for sharing in sharings]
    shares = [layer_shares_by_row(sharing) for sharing in sharings]
    scores = [[mean_scores(by_row[:, :, place]) for place in range(len(CATEGORIES))] for by_row in shares]
    all_shared = [float(overall_by_row(sharing, by_row)[:, 0].mean()) for sharing, by_row in zip(sharings, shares)]
    first, last = (sharing.recording.fires[0] for sharing in (sharings[0], sharings[-1]))
    sentence = (
        f"Above a threshold of {first:g}, {percent(all_shared[0])} of the neurons are all-shared; "
        f"above {last:g}, {percent(all_shared[-1])}."
    )
    caption = (
        "How to read it: each panel is one threshold that a value must pass to count as firing. A finding that "
        "depends on the threshold is a finding about the threshold."
    )
    return _section("thresholds", "How the threshold matters", sentence, caption, sharings, names, scores)


def _tasks(sharings: Sequence[Sharing]) -> Section:
    names = distinct(corpus_name(sharing) for sharing in sharings)
    shares = [layer_shares_by_row(sharing) for sharing in sharings]
    scores = [[_bands(by_row[:, :, place]) for place in range(len(CATEGORIES))] for by_row in shares]
    overall = [overall_by_row(sharing, by_row)[:, 0] for sharing, by_row in zip(sharings, shares)]
    said = "; ".join(
        f"{percent(float(rows.mean()))} on {name} (by row {percent(float(rows.min()))}–{percent(float(rows.max()))})"
        for name, rows in zip(names, overall)
    )
    caption = (
        "How to read it: each panel is one task; a line is the mean over its rows, and its bar reaches from the row "
        "with the least to the row with the most, which is no interval of confidence."
    )
    sentence = f"All-shared neurons: {said}."
    return _section("tasks", "How the task matters", sentence, caption, sharings, names, scores)


def _bands(by_row: Tensor) -> list[Score]:
    """Mean, least and most over rows, for each layer: `[R, L]`."""
    numbers = torch.stack([by_row.mean(0), by_row.amin(0), by_row.amax(0)], dim=1)
    return [Score(*three) for three in numbers.tolist()]


def _section(
    key: str,
    title: str,
    sentence: str,
    caption: str,
    sharings: Sequence[Sharing],
    names: Sequence[str],
    scores: Sequence[Sequence[Sequence[Score]]],
) -> Section:
    labels = layer_labels(sharings[0].layout)
    panels = [
        (name, [Series(category, category, line) for category, line in zip(CATEGORIES, of_one)])
        for name, of_one in zip(names, scores)
    ]
    rows = [
        (name, layer, category, *score_cells(of_one[place][number]))
        for name, of_one in zip(names, scores)
        for number, layer in enumerate(labels.full)
        for place, category in enumerate(CATEGORIES)
    ]
    columns = [Column(key[:-1]), Column("layer"), Column("category"), *score_columns("share", UNIT)]
    spec = figures.small_multiples(panels, labels, unit=UNIT, axis="layer")
    plot = Plot(spec, Table.of(f"sharing-{key}", title, columns, rows))
    figure = Figure(f"sharing-{key}", title, caption, f"{len(panels)} line charts. {sentence}", (plot,))
    thresholds = dict.fromkeys(threshold for sharing in sharings for threshold in sharing.recording.fires)
    definition = definition_of_fires(replace(sharings[0].recording, fires=tuple(thresholds)))
    return Section(
        key=f"sharing-{key}",
        title=title,
        sentence=sentence,
        signature=common_signature(sharing.signature for sharing in sharings),
        remarks=(definition, INTERVALS) if key == "thresholds" else (definition,),
        figures=(figure,),
    )


MEANING = "fires in all languages, in some but not all, in exactly one, in none, on the same row"


def sharing_section(sharing: Sharing) -> Section:
    """Shares of the four categories by layer and over all neurons."""
    shares, expected = layer_shares_by_row(sharing), shares_if_independent(sharing)
    by_layer = [mean_scores(shares[:, layer]) for layer in range(shares.shape[1])]
    overall = mean_scores(overall_by_row(sharing, shares))
    chance = overall_by_row(sharing, expected[None])[0].tolist()
    sentence = _sentence(sharing, overall, chance)
    figure = _figure(sharing, by_layer, expected, sentence)
    return Section(
        key="sharing",
        title=_title(sharing),
        sentence=sentence,
        signature=sharing.signature,
        remarks=(definition_of_fires(sharing.recording), INTERVALS),
        figures=(
            figure,
            languages_figure(sharing),
            repetition_figure(sharing),
            *((fewer_languages_figure(sharing),) if len(sharing.languages) > 2 else ()),
        ),
        tables=(repetition_table(sharing),),
        summary=_summary(f"{_title(sharing)} ({corpus_name(sharing)})", overall, chance),
    )


def corpus_name(sharing: Sharing) -> str:
    """What the rows are called."""
    return with_changes(str(sharing.signature.get("corpus", "unnamed rows")), sharing.signature)


def _title(sharing: Sharing) -> str:
    title, tokens = "Neurons shared between languages", sharing.recording.tokens
    return title if tokens == "last" else f"{title}: {TOKENS[tokens]}"


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
                Series("if languages were independent", "random", exact(expected[:, place])),
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


def _table(layers: tuple[str, ...], by_layer: list[list[Score]], expected: Tensor) -> Table:
    columns = [Column("layer"), Column("category"), *score_columns("observed", UNIT), Column("if independent", UNIT)]
    rows = [
        (layer, category, *score_cells(score), chance)
        for layer, scores, chances in zip(layers, by_layer, expected.tolist())
        for category, score, chance in zip(CATEGORIES, scores, chances)
    ]
    return Table.of("sharing-by-layer", "Categories by layer", columns, rows)


def _summary(title: str, overall: list[Score], chance: list[float]) -> Table:
    columns = [Column("category"), Column("share of neurons"), Column("if languages were independent")]
    rows = [
        (name, f"{percent(score.value)} {bracketed(score, percent)}", percent(expected))
        for name, score, expected in zip(CATEGORIES, overall, chance)
    ]
    return Table.of("categories", title, columns, rows)
