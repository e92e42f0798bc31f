"""Consistency: how alike questions are answered in several languages, by each metric, beside a baseline."""

from __future__ import annotations

from neuroglot.metrics.consistency import RIGHT, SAME_ANSWER, Consistency
from neuroglot.metrics.texts import TEXT_METRICS
from neuroglot.reports.parts import INTERVALS, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, number, plural

_UNIT = "percent of questions"
_REMARK = (
    "What is right and what is the same are means over languages and over pairs of languages; a text without an "
    "answer is the same as nothing. A difference is paired by question, its p that of the sign test."
)


@section_of.register
def _(consistency: Consistency) -> Section:
    """One system by one metric."""
    return consistency_section([consistency])


def consistency_section(systems: list[Consistency], baselines: list[Consistency] | None = None) -> Section:
    """A system by several metrics, each beside the baseline's by the same one if there is one."""
    first = systems[0]
    scores = first.scores
    sentence = (
        f"Of {plural(len(first.ids), 'question')} in {plural(len(first.languages), 'language')} "
        f"{number(scores[RIGHT].value)}% {bracketed(scores[RIGHT])} are right by {TEXT_METRICS[first.metric].name}, on "
        "the mean over languages"
    )
    if SAME_ANSWER in scores:
        same = scores[SAME_ANSWER]
        sentence += f"; two languages give the same answer to {number(same.value)}% {bracketed(same)}"
    pairs = [_pairs(system) for system in systems if system.same_by_pair]
    return Section(
        key="consistency",
        title="Consistency across languages",
        sentence=f"{sentence}.",
        signature=first.signature,
        remarks=(_REMARK, INTERVALS),
        tables=(_table(systems, baselines or []), *pairs),
    )


def _table(systems: list[Consistency], baselines: list[Consistency]) -> Table:
    columns = [Column("metric"), Column("measure"), *score_columns("share", _UNIT)]
    columns += [*score_columns("difference to the baseline", "percentage points"), Column("p")] if baselines else []
    other = {baseline.metric: baseline for baseline in baselines}
    rows: list[tuple[Cell, ...]] = []
    for system in systems:
        differences = system.minus(other[system.metric]) if baselines else {}
        for measure, score in system.scores.items():
            beside = differences.get(measure)
            compared = () if beside is None else (*score_cells(beside.score), beside.p)
            rows.append((TEXT_METRICS[system.metric].name, measure, *score_cells(score), *compared))
    return Table.of("consistency", "Consistency across languages", columns, rows)


def _pairs(system: Consistency) -> Table:
    columns = [Column("language"), Column("other language"), *score_columns("same answer", _UNIT)]
    rows = [(*pair, *score_cells(score)) for pair, score in system.same_by_pair.items()]
    name = TEXT_METRICS[system.metric].name
    return Table.of(f"same-answers-{system.metric}", f"The same answer in two languages: {name}", columns, rows)
