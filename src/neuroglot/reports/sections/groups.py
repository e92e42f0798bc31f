"""Groups of languages, and how alike languages are within them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from torch import Tensor

from neuroglot.reports.parts import Section
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import number, plural
from neuroglot.signature import Signature


def groups_section(
    groups: Mapping[str, Sequence[str]], languages: Sequence[str], likeness: Tensor | None, signature: Signature
) -> Section:
    """Which languages are in which group, and how alike they are within groups and between them."""
    sentence = f"{plural(len(languages), 'language')} in {plural(len(groups), 'group')}"
    if likeness is not None and (means := _within_and_between(groups, languages, likeness)):
        sentence += f"; two of a group are alike by {number(means[0])} on the mean, others by {number(means[1])}"
    rows = [(name, len(codes), " ".join(codes)) for name, codes in groups.items()]
    table = Table.of("groups", "Groups", [Column("group"), Column("languages"), Column("codes")], rows)
    tables = [table]
    if likeness is not None:
        columns = [Column("language"), Column("other language"), Column("likeness")]
        pairs = [
            (a, b, float(likeness[i, j]))
            for i, a in enumerate(languages) for j, b in enumerate(languages) if i < j
        ]  # fmt: skip
        tables.append(Table.of("likeness", "Likeness of languages", columns, pairs))
    return Section("groups", "Groups of languages", f"{sentence}.", signature, tables=tuple(tables), summary=table)


def _within_and_between(
    groups: Mapping[str, Sequence[str]], languages: Sequence[str], likeness: Tensor
) -> tuple[float, float] | None:
    """The mean likeness of two languages of one group, and of two groups; None where one of them has no pair."""
    of_language = {code: name for name, codes in groups.items() for code in codes}
    found: dict[bool, list[float]] = {True: [], False: []}
    for i, first in enumerate(languages):
        for j, second in enumerate(languages[:i]):
            found[of_language[first] == of_language[second]].append(float(likeness[i, j]))
    return (fmean(found[True]), fmean(found[False])) if all(found.values()) else None
