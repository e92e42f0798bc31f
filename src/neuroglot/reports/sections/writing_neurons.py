"""ReadingAndWriting: how many neurons of a language are its neurons both while it is read and while it is written."""

from __future__ import annotations

from neuroglot.metrics.writing_neurons import ReadingAndWriting
from neuroglot.reports.parts import Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import number, plural


@section_of.register
def _(found: ReadingAndWriting) -> Section:
    """One row a language: neurons while it is read and written, those in both, and what chance would give."""
    overlaps = found.overlaps()
    both, chance = (sum(getattr(each, name) for each in overlaps.values()) for name in ("both", "by_chance"))
    names = ("language", "reading", "writing", "in both", "in both, by chance", "Jaccard")
    rows = [
        (language, each.reading, each.writing, each.both, each.by_chance, each.jaccard)
        for language, each in overlaps.items()
    ]
    table = Table.of("reading-and-writing", "Neurons by language", [Column(name) for name in names], rows)
    return Section(
        "reading-and-writing",
        "Neurons that read and neurons that write",
        f"Of {plural(len(overlaps), 'language')}, {plural(both, 'neuron')} are the language's own both while it is "
        f"read and while it is written; sets of these sizes drawn at random in each layer would share "
        f"{number(chance)}.",
        found.signature,
        ("A neuron of several languages counts in each.",),
        tables=(table,),
        summary=table,
    )
