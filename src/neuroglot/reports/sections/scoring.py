"""Scores of texts by metric, alone or by direction, and the paired difference to a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from neuroglot.metrics.texts import TEXT_METRICS, TextScore, told_from_none
from neuroglot.reports.parts import INTERVALS, Section
from neuroglot.reports.tables import Cell, Column, Table
from neuroglot.reports.wording import bracketed, number, plural
from neuroglot.signature import Signature


def scores_section(
    scores: Mapping[str, Sequence[TextScore]],
    signature: Signature,
    by: str = "texts",
    baseline: str = "of the baseline",
) -> Section:
    """One row for each score; `by` says what the scores are listed by, and `baseline` of what the baseline is."""
    first = next(iter(scores.values()))[0]
    name = TEXT_METRICS[first.metric].name
    mean = sum(column[0].score.value for column in scores.values()) / len(scores)
    over = f", on the mean over {plural(len(scores), by)}" if len(scores) > 1 else f" {bracketed(first.score)}"
    beside = _beside(scores, baseline)
    return Section(
        key="scores-of-texts",
        title="Scores of texts",
        sentence=f"{name} of {plural(first.rows, 'row')} is {number(mean)}{over}{beside}.",
        signature=signature,
        remarks=(
            INTERVALS,
            *([DECIDES] if beside else []),
            "Two scores are comparable if their own signatures, in the table, are equal.",
        ),
        tables=(_table(scores, by),),
        lines=tuple(_lines(scores)),
    )


DECIDES = (
    "The test that the table names decides whether there is a difference; the interval says how large it is, and may "
    "hold 0 where p is just below 0.05, or not where it is just above."
)


def _beside(scores: Mapping[str, Sequence[TextScore]], name: str) -> str:
    """The baseline by the first metric, and how many differences are told from none (Holm, over all of them)."""
    compared = [column[0].baseline for column in scores.values() if column[0].baseline is not None]
    if len(compared) < len(scores):
        return ""
    mean = sum(baseline.score for baseline in compared) / len(compared)
    if len(compared) == 1:
        return f"; that {name} is {number(mean)} (p = {compared[0].p:.2g})"
    told = f"{told_from_none(compared)} of {len(compared)} differences are told from none (Holm)"
    return f"; that {name} is {number(mean)}, and {told}"


def _table(scores: Mapping[str, Sequence[TextScore]], by: str) -> Table:
    numbers = ("score", "low", "high", "baseline", "difference", "difference, low", "difference, high", "p")
    names = (by, "metric", "unit", *numbers, "test", "rows", "more", "signature")
    rows = [_row(name, score) for name, column in scores.items() for score in column]
    return Table.of("scores-of-texts", "Scores of texts", [Column(name) for name in names], rows)


def _row(name: str, score: TextScore) -> tuple[Cell, ...]:
    definition, beside = TEXT_METRICS[score.metric], score.baseline
    compared: tuple[Cell, ...] = (None,) * 6
    if beside is not None:
        change = beside.difference
        compared = (beside.score, change.value, change.low, change.high, beside.p, beside.test)
    value = score.score
    return (
        name, definition.name, definition.unit, value.value, value.low, value.high, *compared, score.rows,
        score.verbose, str(score.signature),
    )  # fmt: skip


def _lines(scores: Mapping[str, Sequence[TextScore]]) -> list[str]:
    """As sacrebleu prints them; the name goes before if there are several."""
    return [
        line
        for name, column in scores.items()
        for line in ([name] if len(scores) > 1 else []) + [line for score in column for line in str(score).split("\n")]
    ]
