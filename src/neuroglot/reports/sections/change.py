"""Two models compared: does one share more neurons between languages than the other?"""

from __future__ import annotations

from neuroglot.metrics.metrics import Score
from neuroglot.neurons.categories import CATEGORIES
from neuroglot.neurons.comparing import SharingChange
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.sections.sharing import exact, mean_scores, overall_by_row
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

UNIT = "percentage points of the layer's neurons"


def change_section(change: SharingChange) -> Section:
    """Change of each category's share by layer, with intervals over rows that are paired."""
    points = 100 * change.category_shares
    by_layer = [mean_scores(points[:, :, place]) for place in range(len(CATEGORIES))]
    overall = mean_scores(overall_by_row(change.before, points))
    both = change.before.signature, change.after.signature
    names = [with_changes(str(signature.get("model")), signature) for signature in both]
    sentence = _sentence(names, overall, change.before.rows)
    return Section(
        key="sharing-change",
        title="Sharing compared between two models",
        sentence=sentence,
        signature=common_signature(both) | Signature.of(before=str(both[0]), after=str(both[1])),
        remarks=(definition_of_fires(change.before.recording), INTERVALS),
        figures=(_figure(change, by_layer, sentence),),
        summary=_summary(overall),
    )


def _sentence(names: list[str], overall: list[Score], rows: int) -> str:
    shared = overall[0]
    if shared.low > 0:
        finding = "more"
    elif shared.high < 0:
        finding = "fewer"
    else:
        finding = "neither clearly more nor clearly fewer"
    return (
        f"On {rows:,} parallel rows, {names[1]} has {finding} all-shared neurons than {names[0]}: "
        f"{_signed(shared.value)} percentage points {bracketed(shared)} of all neurons."
    )


def _signed(value: float) -> str:
    return f"+{number(value)}" if value > 0 else number(value)


def _figure(change: SharingChange, by_layer: list[list[Score]], sentence: str) -> Figure:
    labels = layer_labels(change.before.layout)
    zero = exact(change.category_shares.new_zeros(len(labels)))
    panels = [
        (name, [Series("change", "observed", by_layer[place]), Series("no change", "random", zero)])
        for place, name in enumerate(CATEGORIES)
    ]
    rows = [
        (layer, category, *score_cells(by_layer[place][layer_number]))
        for layer_number, layer in enumerate(labels.full)
        for place, category in enumerate(CATEGORIES)
    ]
    columns = [Column("layer"), Column("category"), *score_columns("change", UNIT)]
    caption = "How to read it: above the dotted line the second model has more neurons of the category than the first."
    spec = figures.small_multiples(panels, labels, unit="percentage points", axis="layer")
    plot = Plot(spec, Table.of("sharing-change", "Change of each category by layer", columns, rows))
    return Figure("sharing-change", "Change by layer", caption, f"Four line charts. {sentence}", (plot,))


def _summary(overall: list[Score]) -> Table:
    columns = [Column("category"), Column("change in percentage points of all neurons")]
    rows = [(name, f"{_signed(score.value)} {bracketed(score)}") for name, score in zip(CATEGORIES, overall)]
    return Table.of("change", "Sharing compared between two models", columns, rows)
