"""GeneratedTexts: prompts and what was written to them."""

from __future__ import annotations

from neuroglot.corpora.blank import is_blank
from neuroglot.corpora.suspicion import counts_by_kind, said
from neuroglot.generation.texts import GeneratedTexts
from neuroglot.reports.parts import Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import joined, language_label, plural


@section_of.register
def _(texts: GeneratedTexts) -> Section:
    """Every text behind its prompt."""
    languages = joined([language_label(code) for code in texts.languages])
    columns = [Column(name) for name in ("language", "row", "prompt", "generated")]
    return Section(
        key="generated",
        title="Generated texts",
        sentence=f"{plural(len(texts.ids), 'row')} in {languages}.",
        signature=texts.signature,
        remarks=(*_empty(texts), *said(counts_by_kind(texts.kinds()))),
        tables=(Table.of("generated", "Generated texts", columns, texts.rows()),),
        lines=tuple(f"[{code} {row_id}] {prompt} →{text}" for code, row_id, prompt, text in texts.rows()),
    )


def _empty(texts: GeneratedTexts) -> tuple[str, ...]:
    """How many texts show nothing: a rule that is not sure leaves them so, or a model that ends at once."""
    counts = {code: sum(map(is_blank, column)) for code, column in texts.texts.items()}
    listed = [f"{count} of {plural(len(texts.ids), 'text')} in {code}" for code, count in counts.items() if count]
    return (f"Empty: {', '.join(listed)}.",) if listed else ()
