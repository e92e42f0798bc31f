"""Alignment: how often sentences and their translations find each other, by pair of languages and by layer."""

from __future__ import annotations

import math

from neuroglot.metrics.alignment import Alignment
from neuroglot.reports.heatmaps import WRITTEN_IN_CELLS, Panel, heat_maps
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, language_labels, layer_labels, number

_UNIT = "share of rows"


@section_of.register
def _(alignment: Alignment) -> Section:
    """The share of rows aligned, by pair and layer, and its mean over pairs."""
    rows, mean = alignment.aligned.shape[0], alignment.mean
    sentence = (
        f"Of {rows:,} sentences, {number(mean.value)} {bracketed(mean)} are more like their translation than like any "
        "other sentence, on the mean over layers and pairs of languages."
    )
    return Section(
        key="alignment",
        title="Languages aligned",
        sentence=sentence,
        signature=alignment.signature,
        remarks=(INTERVALS, "Scores fall as rows are added: compare equal numbers of rows."),
        figures=(_pairs_figure(alignment, sentence),),
        tables=(_by_layer(alignment),),
        summary=_pairs_table(alignment),
    )


def _pairs_table(alignment: Alignment) -> Table:
    columns = [Column("language"), Column("other language"), *score_columns("aligned", _UNIT)]
    rows = [(*pair, *score_cells(score)) for pair, score in alignment.scores.items()]
    return Table.of("aligned-pairs", "Share of rows aligned", columns, rows)


def _pairs_figure(alignment: Alignment, sentence: str) -> Figure:
    labels, scores = language_labels(alignment.languages), alignment.scores
    values = [
        [
            scores[a, b].value if (a, b) in scores else scores[b, a].value if a != b else math.nan
            for b in alignment.languages
        ]
        for a in alignment.languages
    ]
    hover = "<b>%{y}</b> and <b>%{x}</b><br>%{z:.3~g} of the rows"
    spec = heat_maps([Panel("", values)], labels, labels, unit=_UNIT, hover=hover, axis="")
    caption = "How to read it: 1 where every sentence finds its translation; the score is the same both ways."
    title = "Aligned sentences by pair of languages"
    plot = Plot(spec, _pairs_table(alignment))
    wide = len(labels) > WRITTEN_IN_CELLS
    return Figure("aligned", title, caption, f"Heat map. {sentence}", (plot,), wide=wide)


def _by_layer(alignment: Alignment) -> Table:
    columns = [Column("layer"), Column("language"), Column("other language"), Column("aligned", _UNIT)]
    names = layer_labels(alignment.layout).full
    rows = [
        (name, *pair, share)
        for name, shares in zip(names, alignment.by_layer.tolist(), strict=True)
        for pair, share in zip(alignment.pairs, shares, strict=True)
    ]
    return Table.of("aligned-layers", "Share of rows aligned, by layer", columns, rows)
