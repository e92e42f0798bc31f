"""Scoreboard: what each selector's neurons do when they are switched off, the most selective first."""

from __future__ import annotations

from collections.abc import Sequence

from neuroglot.metrics.scoreboard import Scoreboard, Standing
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import (
    CONDITION_LABELS,
    HARMFUL,
    Labels,
    bracketed,
    distinct,
    joined,
    number,
    plural,
)
from neuroglot.signature import Signature


@section_of.register
def _(board: Scoreboard) -> Section:
    """Own, other and random for each selector, and its selectivity with rank."""
    standings = board.standings()
    unit = board.metric.unit
    sentence = _sentence(standings, board)
    labels = Labels(*[tuple(one.selector for one in standings)] * 2)
    series = [Series(CONDITION_LABELS[name], name, [getattr(one, name) for one in standings]) for name in HARMFUL]
    spec = figures.dots(series, labels, unit=f"{board.metric.name} increase, {unit}")
    caption = (
        "How to read it: a row is a selector, the best first; right of 0 is harm. A selector has found a language's "
        "own neurons where the circle stands right of the two others. Lines are intervals."
    )
    plot = Plot(spec, _table(standings, board))
    figure = Figure(
        "scoreboard", "Own, other and random neurons, by selector", caption, f"Dot plot. {sentence}", (plot,)
    )
    return Section(
        "scoreboard",
        "Which selector finds language neurons",
        sentence,
        board.signature | Signature.of(models=", ".join(board.models), neurons_per_language=board.count),
        (_intervals(board), *(f"Left out: {name}. {reason}" for name, reason in board.refused.items())),
        (figure,),
        summary=_summary(standings, board),
    )


def _sentence(standings: Sequence[Standing], board: Scoreboard) -> str:
    best, unit = standings[0], board.metric.unit
    harm = f"{number(best.selectivity.value)} {unit} {bracketed(best.selectivity)} more to their own language"
    text = f"With {plural(board.count, 'neuron')} a language, those of {best.selector} come first: they do {harm}"
    text += " than to others when switched off"
    level = [one.selector for one in standings[1:] if one.rank.low <= 1]
    text += f"; {joined(level)} cannot be told from it." if level else "."
    weak = [one.selector for one in standings if not one.more_than_random]
    if not weak:
        return f"{text} All do more harm than random neurons."
    return f"{text} Not shown to do more harm than random neurons: {joined(weak)}."


def _intervals(board: Scoreboard) -> str:
    matrices = next(iter(board.matrices.values()))
    drawn = f"{matrices[0].random.shape[0]} random sets a set; {matrices[0].baseline.shape[0]:,} parallel rows a model"
    models = f" and the {len(board.models)} models" if len(board.models) > 1 else ""
    return (
        f"Intervals are 95% intervals over rows and draws{models}; {drawn}. Those of differences, ranks and tests hold "
        f"for all selectors at once (Bonferroni, Holm): in 95% of boards no claim is false."
    )


def _table(standings: Sequence[Standing], board: Scoreboard) -> Table:
    unit = board.metric.unit
    columns = [Column("selector"), Column("smallest set"), Column("largest set"), *score_columns("rank", "")]
    columns += [column for name in HARMFUL for column in score_columns(CONDITION_LABELS[name], unit)]
    columns += [*score_columns("own less other", unit), *score_columns("own less random", unit)]
    columns += [Column(f"p beyond random, Holm over {len(standings)}")]
    columns += [Column(f"own less other, {model}", unit) for model in distinct(board.models)]
    rows: list[tuple[Cell, ...]] = [
        (
            one.selector,
            *one.sizes,
            *score_cells(one.rank),
            *(cell for name in HARMFUL for cell in score_cells(getattr(one, name))),
            *score_cells(one.selectivity),
            *score_cells(one.beyond_random),
            one.p,
            *one.by_model,
        )
        for one in standings
    ]
    return Table.of("scoreboard", "Selectors by selectivity", columns, rows)


def _summary(standings: Sequence[Standing], board: Scoreboard) -> Table:
    title = f"{board.metric.name.capitalize()} increase with {board.count} neurons a language off, {board.metric.unit}"
    columns = [Column(name) for name in ("rank", "selector", "own", "other", "random", "own less other")]
    rows = [
        (
            f"{one.rank.value:.0f} [{one.rank.low:.0f}–{one.rank.high:.0f}]",
            one.selector,
            number(one.own.value),
            number(one.other.value),
            number(one.random.value),
            f"{number(one.selectivity.value)} {bracketed(one.selectivity)}",
        )
        for one in standings
    ]
    return Table.of("summary", title, columns, rows)
