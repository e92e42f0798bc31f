"""ScalingLaws: how quality grows with the data, by language, and what each language gets of a budget."""

from __future__ import annotations

from neuroglot.metrics.scaling import ScalingLaws
from neuroglot.reports.parts import Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import joined, plural
from neuroglot.signature import merged


@section_of.register
def _(results: ScalingLaws) -> Section:
    """The laws by language with t intervals, and the allocation of the budget."""
    rising = results.rising
    sentence = (
        f"Of {plural(len(results.laws), 'language')} quality clearly rises with the data in {joined(rising) or 'none'}."
    )
    columns = [
        Column("language"), Column("sizes"), *score_columns("exponent", ""), *score_columns("factor", ""),
        Column("mean error of a size left out"),
    ]  # fmt: skip
    rows = [
        (language, len(law.sizes), *score_cells(law.exponent), *score_cells(law.factor), law.left_out_error)
        for language, law in results.laws.items()
    ]
    table = Table.of("scaling-laws", "upper − S = factor · X^exponent", columns, rows)
    allocation = (_allocation(results),) if results.allocation else ()
    limits = (_limits(results),) if any(results.saturating.values()) else ()  # there may be too few sizes
    tables = (table, *limits, *allocation)
    signature = merged([law.signature for law in results.laws.values()])
    remarks = (
        "Intervals are 95% t intervals over sizes, of limits profile intervals; seeds of one size are one observation.",
        "What is called clear is so at a level at which all languages are told at once (Bonferroni).",
        *(["A limit without an end, or without an interval, cannot be told from these sizes."] if limits else []),
    )
    return Section(
        "scaling", "Quality by size of the data", sentence, signature, remarks, tables=tables,
        summary=(allocation or tables)[0],
    )  # fmt: skip


def _allocation(results: ScalingLaws) -> Table:
    columns = [Column("language"), Column("examples"), *score_columns("expected quality", "")]
    rows = [
        (language, size, *score_cells(results.laws[language].quality(size)))
        for language, size in results.allocation.items()
    ]
    return Table.of("allocation", "The budget over languages", columns, rows)


def _limits(results: ScalingLaws) -> Table:
    """The law whose limit is fitted, where there are sizes enough."""
    columns = [Column("language"), *score_columns("limit", ""), Column("factor"), Column("exponent")]
    rows = [
        (language, *score_cells(law.limit), law.factor, law.exponent)
        for language, law in results.saturating.items()
        if law is not None
    ]
    return Table.of("saturating-laws", "limit − S = factor · X^exponent", columns, rows)
