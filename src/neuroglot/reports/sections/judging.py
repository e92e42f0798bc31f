"""Judgements: win rates by language, what decided, and whether the judge looks at the order."""

from __future__ import annotations

from collections import Counter

from neuroglot.metrics.judging import ANSWERED_ALIKE, ASKED, BOTH_WRONG, ONE_WRONG, WITHOUT_VERDICT, Judgements
from neuroglot.reports.parts import INTERVALS, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, language_label, number, plural

_REASONS = (ASKED, ANSWERED_ALIKE, ONE_WRONG, BOTH_WRONG, WITHOUT_VERDICT)


@section_of.register
def _(judgements: Judgements) -> Section:
    """The win rate in each language, a question counting once whatever its orders say."""
    table = _table(judgements)
    told = [
        f"{language_label(language)} {number(score.value)} {bracketed(score)}"
        for language, score in judgements.win_rates.items()
    ]
    return Section(
        key="judged",
        title="Answers judged in pairs",
        sentence=f"The judge's win rate over {plural(len(judgements.ids), 'question')}: {'; '.join(told)}.",
        signature=judgements.signature,
        remarks=(
            "Each pair is shown in both orders, and a question counts once: a win is 1, a tie 0.5. A question without "
            "a verdict in both orders is undecided, and counts for nothing. Preferring the first place in 0.5 of all "
            "is what a judge does to whom the order is nothing.",
            INTERVALS,
        ),
        tables=(table, _failures(judgements)) if any(judgements.failures.values()) else (table,),
    )


def _table(judgements: Judgements) -> Table:
    columns = [Column("language"), *score_columns("win rate", "share of questions"), Column("p")]
    columns += [*score_columns("first place preferred", "share"), *score_columns("orders contradict", "share")]
    columns += [Column(reason) for reason in _REASONS]
    rows = [_row(judgements, language) for language in judgements.languages]
    return Table.of("judged", "Answers judged in pairs", columns, rows)


def _row(judgements: Judgements, language: str) -> tuple[Cell, ...]:
    reasons = Counter(judgements.reasons[language])
    scores = (judgements.first_place[language], judgements.contradictions[language])
    return (
        language, *score_cells(judgements.win_rates[language]), judgements.p(language),
        *(cell for score in scores for cell in score_cells(score)), *(reasons[reason] for reason in _REASONS),
    )  # fmt: skip


def _failures(judgements: Judgements) -> Table:
    columns = [Column("language"), Column("instead of a verdict"), Column("replies")]
    rows = [
        (language, kind, count) for language, counts in judgements.failures.items() for kind, count in counts.items()
    ]
    return Table.of("judged-failures", "Replies without a verdict", columns, rows)
