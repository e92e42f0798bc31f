"""Several sharings together: the same rows at several thresholds, or several tasks of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from neuroglot.activity.sharing import Sharing
from neuroglot.metrics.score import Score
from neuroglot.neurons.categories import CATEGORIES, layer_shares_by_row
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.labels import common_signature, definition_of_fires, layer_labels
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.sections.sharing_behaviour import UNIT, mean_scores, overall_by_row
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import percent


def sharings_section(sharings: Sequence[Sharing]) -> Section:
    """A sweep of thresholds where only those differ, else a comparison of tasks."""
    if len({sharing.recording.fires for sharing in sharings}) > 1:
        return _thresholds(sharings)
    return _tasks(sharings)


def _thresholds(sharings: Sequence[Sharing]) -> Section:
    names = [f"fires > {sharing.recording.fires[0]:g}" for sharing in sharings]
    shares = [layer_shares_by_row(sharing) for sharing in sharings]
    scores = [[mean_scores(by_row[:, :, place]) for place in range(len(CATEGORIES))] for by_row in shares]
    all_shared = [float(overall_by_row(sharing, by_row)[:, 0].mean()) for sharing, by_row in zip(sharings, shares)]
    first, last = (sharing.recording.fires[0] for sharing in (sharings[0], sharings[-1]))
    sentence = (
        f"Above a threshold of {first:g}, {percent(all_shared[0])} of the neurons are all-shared; "
        f"above {last:g}, {percent(all_shared[-1])}."
    )
    caption = (
        "How to read it: each panel is one threshold that a value must pass to count as firing. A finding that "
        "depends on the threshold is a finding about the threshold."
    )
    return _section("thresholds", "How the threshold matters", sentence, caption, sharings, names, scores)


def _tasks(sharings: Sequence[Sharing]) -> Section:
    names = [str(dict(sharing.signature.fields).get("corpus", place)) for place, sharing in enumerate(sharings)]
    shares = [layer_shares_by_row(sharing) for sharing in sharings]
    scores = [[_bands(by_row[:, :, place]) for place in range(len(CATEGORIES))] for by_row in shares]
    overall = [overall_by_row(sharing, by_row)[:, 0] for sharing, by_row in zip(sharings, shares)]
    said = "; ".join(
        f"{percent(float(rows.mean()))} on {name} (by row {percent(float(rows.min()))}–{percent(float(rows.max()))})"
        for name, rows in zip(names, overall)
    )
    caption = (
        "How to read it: each panel is one task; a line is the mean over its rows, and its bar reaches from the row "
        "with the least to the row with the most, which is no interval of confidence."
    )
    sentence = f"All-shared neurons: {said}."
    return _section("tasks", "How the task matters", sentence, caption, sharings, names, scores)


def _bands(by_row: Tensor) -> list[Score]:
    """Mean, least and most over rows, for each layer: `[R, L]`."""
    numbers = torch.stack([by_row.mean(0), by_row.amin(0), by_row.amax(0)], dim=1)
    return [Score(*three) for three in numbers.tolist()]


def _section(
    key: str,
    title: str,
    sentence: str,
    caption: str,
    sharings: Sequence[Sharing],
    names: Sequence[str],
    scores: Sequence[Sequence[Sequence[Score]]],
) -> Section:
    labels = layer_labels(sharings[0].layout)
    panels = [
        (name, [Series(category, category, line) for category, line in zip(CATEGORIES, of_one)])
        for name, of_one in zip(names, scores)
    ]
    rows = [
        (name, layer, category, *score_cells(of_one[place][number]))
        for name, of_one in zip(names, scores)
        for number, layer in enumerate(labels.full)
        for place, category in enumerate(CATEGORIES)
    ]
    columns = [Column(key[:-1]), Column("layer"), Column("category"), *score_columns("share", UNIT)]
    spec = figures.small_multiples(panels, labels, unit=UNIT, axis="layer")
    plot = Plot(spec, Table.of(f"sharing-{key}", title, columns, rows))
    figure = Figure(f"sharing-{key}", title, caption, f"{len(panels)} line charts. {sentence}", (plot,))
    thresholds = dict.fromkeys(threshold for sharing in sharings for threshold in sharing.recording.fires)
    definition = definition_of_fires(replace(sharings[0].recording, fires=tuple(thresholds)))
    return Section(
        key=f"sharing-{key}",
        title=title,
        sentence=sentence,
        signature=common_signature(sharing.signature for sharing in sharings),
        remarks=(definition, INTERVALS) if key == "thresholds" else (definition,),
        figures=(figure,),
    )
