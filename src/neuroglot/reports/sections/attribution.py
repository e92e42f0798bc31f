"""Attribution: which categories of neurons write most at the last token of a prompt, and what for the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from torch import Tensor

from neuroglot.attribution.attribution import Among, Attribution
from neuroglot.metrics.intervals import Score
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import (
    INTERVALS,
    Figure,
    Plot,
    Section,
    Spec,
    axis_key,
    domain,
    escaped,
    numbers,
    panel_title,
    reference,
    thinned,
)
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import (
    UNDEFINED,
    Labels,
    bracketed,
    definition_of_fires,
    joined,
    language_label,
    layer_labels,
    multiple,
    number,
    percent,
    plural,
)

COLUMNS, NARROW_COLUMNS = 5, 2
PANEL_HEIGHT, GAP = 170, 72  # pixels; a gap holds layer numbers, the axis's name and the next panel's title
TOP, BELOW = 34, 92
LINE_SYMBOLS = ("circle", "diamond", "triangle-up", "square-open")


def panels_by_language(
    panels: Sequence[tuple[str, Sequence[Series]]], places: Labels, *, unit: str, stacked: bool = False, axis: str
) -> Spec:
    """A panel for each title with one line or one part of a bar a series over `places`; all on one scale."""
    make = _bar if stacked else _line
    data = [
        make(one, number, panel, places, unit)
        for panel, (_, series) in enumerate(panels)
        for number, one in enumerate(series)
    ]
    columns = min(COLUMNS, len(panels))
    layout: dict[str, Any] = {
        "annotations": [panel_title(title, panel) for panel, (title, _) in enumerate(panels)],
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "margin": {"t": TOP, "r": 8, "b": BELOW, "l": 52},
        "height": _height(len(panels), columns),
    }
    if stacked:
        layout |= {"barmode": "stack", "bargap": 0.12}
    narrow: dict[str, Any] = {"height": _height(len(panels), NARROW_COLUMNS)}
    for panel in range(len(panels)):
        layout[axis_key("x", panel)] = _across(panel, columns, places, axis)
        layout[axis_key("y", panel)] = _down(panel, columns, len(panels), stacked)
        narrow[axis_key("x", panel)] = {"domain": domain(panel, NARROW_COLUMNS)}
        tall = _tall(panel, NARROW_COLUMNS, len(panels))
        narrow[axis_key("y", panel)] = {"domain": tall, "showticklabels": panel % NARROW_COLUMNS == 0}
    return Spec(data, layout, narrow)


def _bar(one: Series, _number: int, panel: int, places: Labels, unit: str) -> dict[str, Any]:
    return {"type": "bar", **_common(one, panel, places, unit)}


def _line(one: Series, number: int, panel: int, places: Labels, unit: str) -> dict[str, Any]:
    above, below = (
        numbers(max(0.0, sign * (end - score.value)) for score, end in ends)
        for sign, ends in ((1, [(s, s.high) for s in one.scores]), (-1, [(s, s.low) for s in one.scores]))
    )
    return {
        "type": "scatter", "mode": "lines+markers", **_common(one, panel, places, unit),
        "line": {"width": 1.5}, "marker": {"size": 5, "symbol": LINE_SYMBOLS[number % len(LINE_SYMBOLS)]},
        "error_y": {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 0},
    }  # fmt: skip


def _common(one: Series, panel: int, places: Labels, unit: str) -> dict[str, Any]:
    value, write = ("%{y:.1%}", percent) if unit.startswith("share") else ("%{y:.3~g}", number)
    return {
        "name": escape(one.name), "meta": {"role": one.role}, "legendgroup": one.role, "showlegend": panel == 0,
        "x": escaped(places.full), "y": numbers(score.value for score in one.scores),
        "xaxis": reference("x", panel), "yaxis": reference("y", panel),
        "customdata": [[bracketed(score, write)] for score in one.scores],
        "hovertemplate": f"<b>%{{x}}</b><br>{value} %{{customdata[0]}} {escape(unit)}<extra>{escape(one.name)}</extra>",
    }  # fmt: skip


def _across(panel: int, columns: int, places: Labels, axis: str) -> dict[str, Any]:
    return {
        "type": "category", "domain": domain(panel, columns), "anchor": reference("y", panel),
        "title": {"text": axis, "standoff": 6}, "tickvals": escaped(places.full),
        "ticktext": thinned(escaped(places.short), 8), "fixedrange": True, "showgrid": False, "tickangle": 0,
        "range": [-0.5, len(places) - 0.5],
    }  # fmt: skip


def _down(panel: int, columns: int, panels: int, stacked: bool) -> dict[str, Any]:
    down: dict[str, Any] = {
        "domain": _tall(panel, columns, panels), "anchor": reference("x", panel), "fixedrange": True, "nticks": 6,
        "showticklabels": panel % columns == 0, "tickformat": ".0%" if stacked else "",
    }  # fmt: skip
    down |= {"range": [0, 1]} if stacked else {}
    return down | ({"matches": "y"} if panel else {})


def _height(panels: int, columns: int) -> int:
    rows = math.ceil(panels / columns)
    return TOP + BELOW + rows * PANEL_HEIGHT + (rows - 1) * GAP


def _tall(panel: int, columns: int, panels: int) -> list[float]:
    """Where the panel stands from bottom to top, as shares of the figure."""
    rows = math.ceil(panels / columns)
    whole = rows * PANEL_HEIGHT + (rows - 1) * GAP
    upper = panel // columns * (PANEL_HEIGHT + GAP)
    return [round(max(0.0, 1 - (upper + PANEL_HEIGHT) / whole), 4), round(1 - upper / whole, 4)]


Concentration = dict[str, tuple[Score, Score, Score]]  # by category
REASONS_SHOWN = 3  # more stand in the table only
AMONG: dict[Among, str] = {"any": "all neurons of a category", "active": "only those active in the language"}


@dataclass(frozen=True)
class ContributionFigure:
    """One figure: what is shown by language, layer and category, `[R, G, L, 4]`, in which unit and how to read it."""

    key: str
    title: str
    unit: str
    caption: str
    stacked: bool = False

    def values(self, attribution: Attribution, among: Among) -> Tensor:
        if self.key == "contribution-ratio":
            return attribution.top_shares(among)
        if self.key == "effective-score":
            return attribution.statistic("effective", "max", among)
        return attribution.statistic("contribution", "mean" if self.key == "mean-contribution" else "sum", among)


CONTRIBUTION_FIGURES = (
    ContributionFigure(
        "contribution-ratio", "Which categories the top contributions come from",
        "share of the layer's top contributions",
        "of each bar, the coloured parts are the shares of each category among the neurons of highest contribution in "
        "a layer",
        stacked=True,
    ),
    ContributionFigure(
        "mean-contribution", "Contribution of one neuron", "mean contribution",
        "each line is the mean contribution score of a category's neurons, so that categories of different size can be "
        "compared",
    ),
    ContributionFigure(
        "summed-contribution", "Contribution of all neurons of a category", "summed contribution",
        "each line is the sum of the contribution scores of a category's neurons, which grows with their number",
    ),
    ContributionFigure(
        "effective-score", "The neuron that promotes the answer most", "largest effective score",
        "each line is the largest effective score among a category's neurons: above 0, at least one of them promotes "
        "the answer's first token",
    ),
)  # fmt: skip


@section_of.register
def _(attribution: Attribution) -> Section:
    """The contribution ratio, both scores by category, layer and language, and what was left out."""
    concentration, sums = attribution.concentration(), attribution.sums()
    sentence = _sentence(attribution, concentration["all-shared"], sums["all-shared"])
    return Section(
        key="attribution",
        title="What the neurons of each category contribute to an answer",
        sentence=sentence,
        signature=attribution.signature,
        remarks=_remarks(attribution),
        figures=tuple(_figure(attribution, reading, sentence) for reading in CONTRIBUTION_FIGURES),
        tables=(_by_category(concentration, sums), *_left_out(attribution)),
        summary=_summary(attribution, concentration, sums),
    )


def _sentence(
    attribution: Attribution, shared: tuple[Score, Score, Score], sums: tuple[Score, Score, Score]
) -> str:  # fmt: skip
    neurons, top, ratio = shared
    rows, languages = plural(attribution.rows, "parallel prompt"), len(attribution.languages)
    where = f"At the last token of {rows} of {attribution.data}"
    if not neurons.value > 0:
        return f"{where}, no neuron fires in all {languages} languages."
    highest = f"the {percent(attribution.top_share)} of highest contribution in each layer"
    text = (
        f"{where}, neurons that fire in all {languages} languages are {percent(neurons.value)} "
        f"{bracketed(neurons, percent)} of all neurons and {percent(top.value)} {bracketed(top, percent)} of "
        f"{highest}: {_times(ratio)}."
    )
    _, effect, others = sums
    return (
        f"{text} Their effective scores for the answer's first token add up to {number(effect.value)} "
        f"{bracketed(effect)}, those of all other neurons to {number(others.value)} {bracketed(others)}."
    )


def _times(ratio: Score) -> str:
    written = f"{multiple(ratio.value)} times {bracketed(ratio, multiple)} their share of the neurons"
    if ratio.low > 1:
        return written
    return f"only {written}" if ratio.high < 1 else f"{written}, an interval that includes 1"


def _remarks(attribution: Attribution) -> tuple[str, ...]:
    against = ", less the mean row of the wrong options' first tokens" if attribution.contrastive else ""
    norm = "as the final norm, frozen at its scale at that position, reads it" if attribution.frozen_norm else (
        "without the final norm, as in the paper"
    )  # fmt: skip
    scores = (
        "Contribution is the length of what a neuron writes, |m|·‖v‖; the effective score is what it adds to the "
        f"logit, m (u·v), with u the LM head's row of the answer's first token{against}, {norm}."
    )
    return (
        scores,
        definition_of_fires(attribution.recording),
        _first_tokens(attribution),
        _dropped(attribution),
        INTERVALS,
    )


def _first_tokens(attribution: Attribution) -> str:
    """How much the targets differ: answers that all begin alike cannot be told apart by their first token."""
    fewest, most = (choose(attribution.first_tokens.values()) for choose in (min, max))
    counted = plural(fewest, "different token") if fewest == most else f"{fewest:,} to {most:,} different tokens"
    alike = [language_label(code) for code, count in attribution.first_tokens.items() if count == 1]
    same = f" In {joined(alike)} all answers begin with the same one, which says little about them." if alike else ""
    return f"The answers of a language begin with {counted}.{same}"


def _dropped(attribution: Attribution) -> str:
    listed = [f"{plural(rows, 'row')} ({reason})" for reason, rows in attribution.dropped.items()]
    if len(listed) > REASONS_SHOWN:
        listed = [f"{plural(sum(attribution.dropped.values()), 'row')}, for {len(listed)} reasons in the table below"]
    text = f"Left out in all languages: {joined(listed)}." if listed else "No row was left out."
    counts = {code: count for code, count in attribution.collisions.items() if count}
    if counts:
        named = joined([f"{plural(count, 'row')} in {language_label(code)}" for code, count in counts.items()])
        return f"{text} Options begin with the same token in {named}."
    return f"{text} No two options of a row begin with the same token." if attribution.collisions else text


def _left_out(attribution: Attribution) -> tuple[Table, ...]:
    dropped = Table.of(
        "rows-left-out", "Rows left out in all languages", [Column("reason"), Column("rows")],
        list(attribution.dropped.items()),
    )  # fmt: skip
    collisions = Table.of(
        "option-collisions", "Rows in which two options begin with the same token",
        [Column("language"), Column("rows")], list(attribution.collisions.items()),
    )  # fmt: skip
    return tuple(table for table in (dropped, collisions) if table.rows)


def _figure(attribution: Attribution, reading: ContributionFigure, sentence: str) -> Figure:
    plots = tuple(_plot(attribution, reading, among) for among in AMONG)
    caption = (
        f"How to read it: one panel a language; {reading.caption}. A neuron's category is what it does in all "
        "languages on the same row, so that some of a category do not fire in this language; the choice above leaves "
        "those out."
    )
    kind = "Stacked bars" if reading.stacked else "Line charts"
    alternative = f"{kind} over layers for {plural(len(attribution.languages), 'language')}. {sentence}"
    return Figure(reading.key, reading.title, caption, alternative, plots)


def _plot(attribution: Attribution, reading: ContributionFigure, among: Among) -> Plot:
    by_language = dict(zip(attribution.languages, attribution.mean_over_rows(reading.values(attribution, among))))
    shown = {index: name for index, name in enumerate(CATEGORIES) if among == "any" or name != "non-activated"}
    layers = layer_labels(attribution.layout)
    panels = [
        (
            language_label(code),
            [Series(name, name, [by_category[index] for by_category in by_layer]) for index, name in shown.items()],
        )
        for code, by_layer in by_language.items()
    ]
    spec = panels_by_language(panels, layers, unit=reading.unit, stacked=reading.stacked, axis="layer")
    rows = [
        (code, layer, name, *score_cells(by_category[index]))
        for code, by_layer in by_language.items()
        for layer, by_category in zip(layers.full, by_layer)
        for index, name in shown.items()
    ]
    columns = [Column("language"), Column("layer"), Column("category"), *score_columns(reading.unit, "")]
    return Plot(
        spec, Table.of(f"{reading.key}-{among}", f"{reading.title}: {AMONG[among]}", columns, rows), AMONG[among]
    )


def _by_category(concentration: Concentration, sums: Concentration) -> Table:
    """All numbers over rows, languages and layers, one line a category."""
    names = (
        ("share of neurons", ""), ("share of top contributions", ""), ("ratio of the two", ""),
        ("share of summed contribution", ""), ("summed effective score", ""),
    )  # fmt: skip
    columns = [Column("category"), *(column for name, unit in names for column in score_columns(name, unit))]
    rows: list[tuple[Cell, ...]] = [
        (name, *(cell for score in (*concentration[name], *sums[name][:2]) for cell in score_cells(score)))
        for name in CATEGORIES
    ]
    return Table.of("by-category", "Neurons, contribution and effective score by category", columns, rows)


def _summary(attribution: Attribution, concentration: Concentration, sums: Concentration) -> Table:
    columns = [
        Column("category"), Column("neurons"), Column(f"top {percent(attribution.top_share)}"), Column("ratio"),
        Column("effective score"),
    ]  # fmt: skip
    rows = [
        (name, percent(neurons.value), percent(top.value), _ratio(ratio), f"{number(effect.value)} {bracketed(effect)}")
        for (name, (neurons, top, ratio)), (_, effect, _) in zip(concentration.items(), sums.values())
    ]
    return Table.of("contribution-by-category", "Contribution to the answer by category", columns, rows)


def _ratio(ratio: Score) -> str:
    return UNDEFINED if math.isnan(ratio.value) else f"{multiple(ratio.value)} {bracketed(ratio, multiple)}"
