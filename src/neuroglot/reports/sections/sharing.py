"""Sharing: all-shared, partial-shared, specific and non-activated neurons by layer, beside what chance would give."""

from __future__ import annotations

from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.metrics.score import Score
from neuroglot.neurons.categories import CATEGORIES, layer_shares_by_row, shares_if_independent
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.labels import TOKENS, definition_of_fires, layer_labels
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.sections.sharing_behaviour import (
    UNIT,
    exact,
    fewer_languages_figure,
    languages_figure,
    mean_scores,
    overall_by_row,
    repetition_figure,
    repetition_table,
)
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, percent

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
    return str(dict(sharing.signature.fields).get("corpus", "unnamed rows"))


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
