"""Two models compared: does one share more neurons between languages than the other?"""

from __future__ import annotations

from neuroglot.metrics.intervals import Score
from neuroglot.metrics.sharing import change_of_shares, clear_changes
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
    joined,
    layer_labels,
    number,
    plural,
    with_changes,
)
from neuroglot.signature import Signature

_UNIT = "percentage points of the layer's neurons"


@section_of.register
def _(change: SharingChange) -> Section:
    """Change of each category's share by layer, with intervals over rows that are paired."""
    points = change_of_shares(change)
    both = change.before.signature, change.after.signature
    names = _names(both)
    sentence = _sentence(names, points.overall, clear_changes(change), change.before.rows)
    return Section(
        key="sharing-change",
        title="Sharing compared between two models",
        sentence=sentence,
        signature=Signature.of(model=joined(names))
        | common_signature(both).without("model")
        | Signature.of(before=str(both[0]), after=str(both[1])),
        remarks=(definition_of_fires(change.before.recording), INTERVALS),
        figures=(_figure(change, points.by_layer, sentence),),
        tables=(_overall(points.overall),),
        summary=_summary(points.overall),
        headline={"change": {name: score.to_json() for name, score in zip(CATEGORIES, points.overall)}},
    )


def _names(both: tuple[Signature, Signature]) -> list[str]:
    """What the models are called; two of one name by their order."""
    first, second = (with_changes(str(signature.get("model")), signature) for signature in both)
    return [first, second] if first != second else [f"{first} (the first)", f"{second} (the second)"]


def _sentence(names: list[str], overall: list[Score], signs: list[int], rows: int) -> str:
    """Every category of which one model clearly has more, and those of which neither has."""
    clear = {name: score for name, score, sign in zip(CATEGORIES, overall, signs, strict=True) if sign}
    changes = [
        f"{'more' if score.value > 0 else 'fewer'} {name} neurons ({_signed(score.value)} {bracketed(score)})"
        for name, score in clear.items()
    ]
    others = [name for name in CATEGORIES if name not in clear]
    finding = f"{names[1]} has {joined(changes)} than {names[0]}, in percentage points of all neurons"
    beginning = f"On {plural(rows, 'parallel row')}, "
    if not clear:
        return f"{beginning}no category of neurons is clearly larger or smaller in {names[1]} than in {names[0]}."
    said = f"; no clear difference in {joined(others)} ones" if others else ""
    return f"{beginning}{finding}{said}."


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


def _overall(overall: list[Score]) -> Table:
    columns = [Column("category"), *score_columns("change", "percentage points of all neurons")]
    rows = [(name, *score_cells(score)) for name, score in zip(CATEGORIES, overall)]
    return Table.of("sharing-change-overall", "Change of each category", columns, rows)


def _summary(overall: list[Score]) -> Table:
    columns = [Column("category"), Column("change in percentage points of all neurons")]
    rows = [(name, f"{_signed(score.value)} {bracketed(score)}") for name, score in zip(CATEGORIES, overall)]
    return Table.of("change", "Sharing compared between two models", columns, rows)
