"""Two models compared: does one share more neurons between languages than the other?"""

from __future__ import annotations

from neuroglot.metrics.intervals import Score
from neuroglot.metrics.sharing import change_of_shares, more_all_shared
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.neurons.comparing import SharingChange
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import (
    bracketed,
    common_signature,
    definition_of_fires,
    layer_labels,
    number,
    with_changes,
)
from neuroglot.signature import Signature

FINDINGS = {1: "more", -1: "fewer", 0: "neither clearly more nor clearly fewer"}
_UNIT = "percentage points of the layer's neurons"


@section_of.register
def _(change: SharingChange) -> Section:
    """Change of each category's share by layer, with intervals over rows that are paired."""
    points = change_of_shares(change)
    both = change.before.signature, change.after.signature
    names = [with_changes(str(signature.get("model")), signature) for signature in both]
    sentence = _sentence(names, points.overall[0], FINDINGS[more_all_shared(change)], change.before.rows)
    return Section(
        key="sharing-change",
        title="Sharing compared between two models",
        sentence=sentence,
        signature=common_signature(both) | Signature.of(before=str(both[0]), after=str(both[1])),
        remarks=(definition_of_fires(change.before.recording), INTERVALS),
        figures=(_figure(change, points.by_layer, sentence),),
        summary=_summary(points.overall),
    )


def _sentence(names: list[str], shared: Score, finding: str, rows: int) -> str:
    return (
        f"On {rows:,} parallel rows, {names[1]} has {finding} all-shared neurons than {names[0]}: "
        f"{_signed(shared.value)} percentage points {bracketed(shared)} of all neurons."
    )


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)


def _figure(change: SharingChange, by_layer: list[list[Score]], sentence: str) -> Figure:
    labels = layer_labels(change.before.layout)
    zero = [Score.exact(0.0)] * len(labels)
    panels = [
        (category, [Series("change", "observed", line), Series("no change", "random", zero)])
        for category, line in zip(CATEGORIES, by_layer)
    ]
    rows = [
        (layer, category, *score_cells(line[depth]))
        for depth, layer in enumerate(labels.full)
        for category, line in zip(CATEGORIES, by_layer)
    ]
    columns = [Column("layer"), Column("category"), *score_columns("change", _UNIT)]
    caption = "How to read it: above the dotted line the second model has more neurons of the category than the first."
    spec = figures.small_multiples(panels, labels, unit="percentage points", axis="layer")
    plot = Plot(spec, Table.of("sharing-change", "Change of each category by layer", columns, rows))
    return Figure("sharing-change", "Change by layer", caption, f"Four line charts. {sentence}", (plot,))


def _summary(overall: list[Score]) -> Table:
    columns = [Column("category"), Column("change in percentage points of all neurons")]
    rows = [(name, f"{_signed(score.value)} {bracketed(score)}") for name, score in zip(CATEGORIES, overall)]
    return Table.of("change", "Sharing compared between two models", columns, rows)
