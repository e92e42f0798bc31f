"""DirectionMasks: how many neurons each direction of translation keeps, layer by layer."""

from __future__ import annotations

from neuroglot.neurons.masks import DirectionMasks
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import Labels, layer_labels, percent, plural

_UNIT = "share of the layer's neurons"


@section_of.register
def _(masks: DirectionMasks) -> Section:
    """Neurons kept by direction, and by layer."""
    kept, total = masks.kept.sum(1).tolist(), masks.layout.neuron_count
    sentence = (
        f"{plural(len(kept), 'direction')} of translation keep {percent(min(kept) / total)} to "
        f"{percent(max(kept) / total)} of the {total:,} neurons."
    )
    return Section(
        key="masks",
        title="Neurons of each direction",
        sentence=sentence,
        signature=masks.signature,
        figures=(_layers_figure(masks, sentence),),
        tables=(_table(masks),),
        summary=_table(masks),
    )


def _table(masks: DirectionMasks) -> Table:
    columns = [Column("direction"), Column("neurons kept"), Column("share", "share of all neurons")]
    total = masks.layout.neuron_count
    rows = [
        (str(direction), count, count / total)
        for direction, count in zip(masks.directions, masks.kept.sum(1).tolist(), strict=True)
    ]
    return Table.of("masks", "Neurons kept", columns, rows)


def _layers_figure(masks: DirectionMasks, sentence: str) -> Figure:
    names, layers = tuple(map(str, masks.directions)), layer_labels(masks.layout)
    shares, sizes = (1 - masks.sparsity()).tolist(), masks.sizes().tolist()
    hover = f"<b>%{{y}}</b>, %{{x}}<br>%{{z:.3~g}} {_UNIT}"
    spec = heat_maps([Panel("", shares)], Labels(names, names), layers, unit=_UNIT, hover=hover, axis="layer")
    columns = [Column("direction"), Column("layer"), Column("neurons kept"), Column("share", _UNIT)]
    rows = [
        (name, layer, size, share)
        for name, by_layer, layer_shares in zip(names, sizes, shares, strict=True)
        for layer, size, share in zip(layers.full, by_layer, layer_shares, strict=True)
    ]
    plot = Plot(spec, Table.of("masks-by-layer", "Neurons kept by layer", columns, rows))
    caption = "How to read it: a row is a direction, a column a layer; the stronger the colour, the more neurons."
    return Figure("masks-by-layer", "Neurons kept by layer", caption, f"Heat map. {sentence}", (plot,))
