"""Scores of tasks before, between and behind the stages of a training."""

from __future__ import annotations

from neuroglot.metrics.task_moments import Group, TaskMoments
from neuroglot.metrics.texts import TEXT_METRICS
from neuroglot.reports.parts import INTERVALS, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, number, plural


@section_of.register
def _(scores: TaskMoments) -> Section:
    """Each score at each moment, and its change since the first."""
    last = len(scores.moments) - 1
    gained, lost = scores.changed(last)
    listed = [
        f"clearly {word} for {'; '.join(_said(scores, group, last) for group in groups)}"
        for word, groups in (("better", gained), ("worse", lost))
        if groups
    ]
    told = " and ".join(listed) or f"clearly other for none of {plural(len(scores.counts), 'score')}"
    table = _table(scores)
    return Section(
        key="task-moments",
        title="Tasks between stages",
        sentence=f"{_last(scores)} answers are {told} than {scores.moments[0]}.",
        signature=scores.signature,
        remarks=(
            INTERVALS,
            "A change is paired by question; what is called clear is so at a level at which all scores are told at "
            "once (Bonferroni).",
        ),
        tables=(table,),
        summary=_summary(scores),
    )


def _last(scores: TaskMoments) -> str:
    return f"At the last of {plural(len(scores.moments), 'moment')} ({scores.moments[-1]})"


def _said(scores: TaskMoments, group: Group, moment: int) -> str:
    change = scores.change(group, moment)
    return f"{group} by {number(change.value)} {bracketed(change)}"


def _table(scores: TaskMoments) -> Table:
    columns = [Column(name) for name in ("task", "language", "metric", "unit", "questions", "moment")]
    columns += [*score_columns("score", ""), *score_columns("change", ""), Column("p")]
    rows = [_row(scores, group, moment) for group in scores.counts for moment in range(len(scores.moments))]
    return Table.of("task-moments", "Tasks between stages", columns, rows)


def _summary(scores: TaskMoments) -> Table:
    """The same for a terminal: what is scored in one column."""
    columns = [Column("answers"), Column("moment"), *score_columns("score", ""), *score_columns("change", "")]
    rows = [(str(group), *_row(scores, group, moment)[5:-1])
            for group in scores.counts for moment in range(len(scores.moments))]  # fmt: skip
    return Table.of("task-moments-summary", "Tasks between stages", columns, rows)


def _row(scores: TaskMoments, group: Group, moment: int) -> tuple[Cell, ...]:
    definition = TEXT_METRICS[group.metric]
    change: tuple[Cell, ...] = (None,) * 4
    if moment:
        change = (*score_cells(scores.change(group, moment)), scores.p(group, moment))
    return (
        group.task, group.language, definition.name, definition.unit, scores.counts[group].shape[1],
        scores.moments[moment], *score_cells(scores.score(group, moment)), *change,
    )  # fmt: skip
