"""Low-rank adapters: how much was added to the weights of each module."""

from __future__ import annotations

from collections.abc import Mapping

from neuroglot.reports.parts import Section
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import number, plural
from neuroglot.signature import Signature


def low_rank_section(norms: Mapping[str, tuple[float, float]], signature: Signature) -> Section:
    """Frobenius norms of what was added to the weights of each module, and of these before, by its path."""
    rows = [(path, added, weights) for path, (added, weights) in norms.items()]
    path, (added, weights) = max(norms.items(), key=lambda item: item[1][0] / item[1][1] if item[1][1] else 0.0)
    columns = [Column("module"), Column("added", "Frobenius norm"), Column("weights before", "Frobenius norm")]
    table = Table.of("low-rank", "What was added, by module", columns, rows)
    return Section(
        key="low-rank",
        title="What adapters add",
        sentence=(
            f"The weights of {plural(len(norms), 'module')} changed, most for their size those of {path}: by "
            f"{number(added)} of {number(weights)}."
        ),
        signature=signature,
        tables=(table,),
        summary=table,
    )
