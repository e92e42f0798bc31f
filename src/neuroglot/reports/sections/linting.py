"""Lint: how many texts are of each kind, by language, with examples."""

from __future__ import annotations

from textwrap import shorten

from neuroglot.metrics.linting import HARMLESS, Lint
from neuroglot.reports.parts import INTERVALS, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import language_label, plural

_EXAMPLES, _WIDTH = 3, 200


@section_of.register
def _(lint: Lint) -> Section:
    """Texts by kind and language, and the first examples of each."""
    return Section(
        key="lint",
        title="Lint of parallel text",
        sentence=_sentence(lint),
        signature=lint.signature,
        remarks=(
            f"Texts are held against those in {language_label(lint.relative_to)}. Numbers are those in digits; what is "
            f"lost or added alone ({', '.join(HARMLESS)}) is mostly written as a word on the other side.",
            INTERVALS,
        ),
        tables=(_table(lint), _example_table(lint)) if lint.findings else (),
        summary=_summary(lint) if lint.findings else None,
    )


def _sentence(lint: Lint) -> str:
    if not lint.findings:
        return f"Nothing was found in {plural(len(lint.corpus), 'row')} of {lint.corpus.name}."
    kinds = [kind for kind in lint.findings if kind not in HARMLESS]
    rows = len(lint.rows(kinds))
    sentence = f"Of {plural(len(lint.corpus), 'row')} of {lint.corpus.name} {rows:,} have a finding"
    if not kinds:
        return f"{sentence}, numbers that are lost or added alone aside."
    most = max(kinds, key=lambda kind: len(lint.rows([kind])))
    aside = "; numbers that are lost or added alone are left aside" if set(HARMLESS) & set(lint.findings) else ""
    return f"{sentence}, most often: {most} ({plural(len(lint.rows([most])), 'row')}){aside}."


def _summary(lint: Lint) -> Table:
    """A row a kind, languages in words."""
    columns = [Column("finding"), Column("rows"), Column("texts by language")]
    rows: list[tuple[Cell, ...]] = []
    for kind in lint.findings:
        counts = sorted(lint.counts(kind).items(), key=lambda pair: -pair[1])
        listed = ", ".join(f"{language} {count:,}" for language, count in counts if count)
        rows.append((kind, len(lint.rows([kind])), listed))
    return Table.of("lint-in-short", "Findings", columns, rows)


def _table(lint: Lint) -> Table:
    columns = [Column("finding"), Column("language"), Column("texts"), *score_columns("share", "share of texts")]
    rows = [
        (kind, language, count, *score_cells(lint.shares(kind)[language]))
        for kind in lint.findings
        for language, count in lint.counts(kind).items()
        if count
    ]
    return Table.of("lint", "Findings by language", columns, rows)


def _example_table(lint: Lint) -> Table:
    columns = [Column(name) for name in ("finding", "language", "id", "text", f"in {lint.relative_to}")]
    rows = [
        (example.kind, example.language, example.row_id, _short(example.text), _short(example.source))
        for example in lint.examples(_EXAMPLES)
    ]
    return Table.of("lint-examples", "Examples", columns, rows)


def _short(text: str) -> str:
    return shorten(text, _WIDTH, placeholder=" …")
