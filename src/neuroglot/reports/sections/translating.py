"""Translated: how many rows were translated into each language, and how the others failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroglot.corpora.suspicion import counts_by_kind, said
from neuroglot.reports.parts import Section
from neuroglot.reports.tables import Cell, Column, Table
from neuroglot.reports.wording import joined, language_label, plural

if TYPE_CHECKING:
    from neuroglot.generation.translation import Translated


def translated_section(translated: Translated, rows: int) -> Section:
    """`rows` are those that were translated into every language."""
    left_out = len(translated.original) - rows
    languages = joined([language_label(code) for code in translated.completions])
    return Section(
        key="translated",
        title="Translated texts",
        sentence=(
            f"{plural(rows, 'row')} of {translated.original.name} from {language_label(translated.source)} into "
            f"{languages}, {left_out:,} left out."
        ),
        signature=translated.signature,
        remarks=(
            "A translation is perhaps cut if its bytes over those of the original are fewer than half of what is usual "
            "in the language; such rows stay.",
            *said(counts_by_kind(translated.kinds())),
            *_reasoning(translated),
        ),
        tables=(_table(translated),),
        lines=tuple(_line(translated, language) for language in translated.completions),
    )


def _reasoning(translated: Translated) -> tuple[str, ...]:
    counts = {language: count for language, count in translated.reasoned().items() if count}
    listed = joined([f"{count:,} in {language_label(language)}" for language, count in counts.items()])
    return (f"Reasoning was cut off translations: {listed}.",) if counts else ()


def _line(translated: Translated, language: str) -> str:
    failures, suspects = translated.failures()[language], translated.suspects()[language]
    listed = ", ".join(f"{count:,} {kind}" for kind, count in failures.most_common()) or "none"
    return f"{language}: failures: {listed}; {len(suspects):,} perhaps cut."


def _table(translated: Translated) -> Table:
    failures, suspects = translated.failures(), translated.suspects()
    kinds = sorted({kind for counts in failures.values() for kind in counts})
    columns = [
        Column(name) for name in ("language", "translated", "perhaps cut", *(f"failed: {kind}" for kind in kinds))
    ]
    rows: list[tuple[Cell, ...]] = [
        (
            language, len(translated.original) - failures[language].total(), len(suspects[language]),
            *(failures[language][kind] for kind in kinds),
        )
        for language in translated.completions
    ]  # fmt: skip
    return Table.of("translated", "Rows by language", columns, rows)
