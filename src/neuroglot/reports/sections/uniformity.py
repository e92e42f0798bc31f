"""Alignment and uniformity: how near translations are beside other sentences, and how evenly sentences lie."""

from __future__ import annotations

import math

from neuroglot.metrics.intervals import Estimate, Score
from neuroglot.metrics.uniformity import Uniformity
from neuroglot.reports.heatmaps import WRITTEN_IN_CELLS, Panel, heat_maps
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, language_labels, layer_labels, number

_UNIT = "squared distance"


@section_of.register
def _(results: Uniformity) -> Section:
    """The mean distances of translations and of other sentences, by pair; uniformity by language; both by layer."""
    nearer = _mean(results.nearer)
    sentence = (
        f"Translations are {number(abs(nearer.value))} {bracketed(nearer)} "
        f"{'nearer to one another' if nearer.value >= 0 else 'farther from one another'} than sentences of other rows, "
        "in squared distance on the unit sphere, on the mean over layers and pairs of languages."
    )
    return Section(
        key="uniformity",
        title="Alignment and uniformity",
        sentence=sentence,
        signature=results.signature,
        remarks=(
            INTERVALS,
            "Alignment is the mean squared distance of a row's two sentences, uniformity the log of the mean of "
            "exp(−2 × squared distance) of two sentences of one language: the lower, the more evenly they lie "
            "(Wang and Isola 2020). States of a layer are scaled to length 1; of states that are never negative no "
            "two are farther apart than 2.",
        ),
        figures=(_figure(results, sentence),),
        tables=(_by_layer(results),),
        summary=_languages(results),
    )


def _figure(results: Uniformity, sentence: str) -> Figure:
    labels = language_labels(results.languages)
    nearer = dict(zip(results.pairs, results.nearer.value.tolist(), strict=True))
    values = [[nearer.get((a, b), nearer.get((b, a), math.nan)) for b in results.languages] for a in results.languages]
    hover = "<b>%{y}</b> and <b>%{x}</b><br>nearer by %{z:.3~g}"
    spec = heat_maps([Panel("", values)], labels, labels, unit=_UNIT, hover=hover, axis="")
    caption = "How to read it: by how much translations are nearer than sentences of other rows; 0 is no nearer."
    plot = Plot(spec, _pairs(results))
    wide = len(labels) > WRITTEN_IN_CELLS
    return Figure("nearer", "Translations nearer than others", caption, f"Heat map. {sentence}", (plot,), wide=wide)


def _mean(by_pair: Estimate) -> Score:
    (score,) = by_pair.map(lambda values: values.mean(-1, keepdim=True)).scores()
    return score


def _pairs(results: Uniformity) -> Table:
    columns = [
        Column("language"), Column("other language"), *score_columns("translations", _UNIT),
        *score_columns("other rows", _UNIT), *score_columns("nearer by", _UNIT),
    ]  # fmt: skip
    parts = (part.scores() for part in (results.distance, results.distance_of_others, results.nearer))
    rows = [
        (*pair, *score_cells(own), *score_cells(others), *score_cells(nearer))
        for pair, own, others, nearer in zip(results.pairs, *parts, strict=True)
    ]
    return Table.of("uniformity-pairs", "Distances of translations, and of sentences of other rows", columns, rows)


def _languages(results: Uniformity) -> Table:
    columns = [Column("language"), *score_columns("uniformity", "log")]
    scores = results.uniformity.scores()
    rows = [(language, *score_cells(score)) for language, score in zip(results.languages, scores, strict=True)]
    return Table.of("uniformity-languages", "Uniformity by language", columns, rows)


def _by_layer(results: Uniformity) -> Table:
    columns = [Column("layer"), Column("translations", _UNIT), Column("other rows", _UNIT), Column("uniformity", "log")]
    names = layer_labels(results.layout).full
    parts = zip(*(part.tolist() for part in results.by_layer), strict=True)
    rows = [(name, *numbers) for name, numbers in zip(names, parts, strict=True)]
    return Table.of("uniformity-layers", "By layer, means over languages and pairs", columns, rows)
