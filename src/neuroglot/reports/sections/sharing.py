"""Sharing: all-shared, partial-shared, specific and non-activated neurons by layer, beside what chance would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neuroglot.activity.sharing import Sharing
from neuroglot.metrics.intervals import Score
from neuroglot.metrics.sharing import (
    CategoryShares,
    PlainShares,
    active_shares,
    category_ranges,
    category_shares,
    constant_shares,
    expected_shares,
    shares_by_number_of_languages,
)
from neuroglot.neurons.categories import CATEGORIES, repetition_histogram
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of, section_of_several
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import (
    TOKENS,
    Labels,
    bracketed,
    common_signature,
    definition_of_fires,
    distinct,
    language_labels,
    layer_labels,
    percent,
    with_changes,
)

_UNIT = "share of the layer's neurons"
BINS = 10


def languages_figure(sharing: Sharing) -> Figure:
    """How many neurons fire in each language, whatever their category."""
    scores = active_shares(sharing)
    means = [[score.value for score in by_layer] for by_layer in scores.values()]
    languages, layers = language_labels(sharing.languages), layer_labels(sharing.layout)
    hover = "<b>%{y}</b>, %{x}<br>%{z:.2%} of the layer's neurons"
    spec = heat_maps([Panel("", means)], languages, layers, unit=_UNIT, hover=hover, axis="layer")
    rows = [
        (code, layer, *score_cells(score))
        for code, by_layer in scores.items()
        for layer, score in zip(layers.full, by_layer)
    ]
    table = Table.of(
        "active-by-language", "Active neurons by language",
        [Column("language"), Column("layer"), *score_columns("active", _UNIT)], rows,
    )  # fmt: skip
    overall = {code: sum(score.value for score in by_layer) for code, by_layer in scores.items()}
    least, most = min(overall, key=overall.__getitem__), max(overall, key=overall.__getitem__)
    caption = "How to read it: each cell is the share of the layer's neurons that fire on a text, mean over the rows."
    alternative = f"Heat map. Fewest neurons fire in {least}, most in {most}."
    return Figure("active-by-language", "Active neurons by language", caption, alternative, (Plot(spec, table),))


def repetition_figure(sharing: Sharing) -> Figure:
    """How many neurons are of the same category on every row, beside the mean over rows."""
    labels, on_a_row, always = layer_labels(sharing.layout), category_shares(sharing), constant_shares(sharing)
    panels = [
        (
            category,
            [
                Series("on a row, mean", "observed", means),
                Series("on every row", "own", list(map(Score.exact, constant))),
            ],
        )
        for category, means, constant in zip(CATEGORIES, on_a_row.by_layer, always.by_layer)
    ]
    spec = figures.small_multiples(panels, labels, unit=_UNIT, axis="layer")
    rows = [
        (layer, category, *score_cells(means[depth]), constant[depth])
        for depth, layer in enumerate(labels.full)
        for category, means, constant in zip(CATEGORIES, on_a_row.by_layer, always.by_layer)
    ]
    columns = [Column("layer"), Column("category"), *score_columns("mean over rows", _UNIT), Column("every row", _UNIT)]
    said = ", ".join(f"{percent(share)} {name}" for name, share in zip(CATEGORIES, always.overall))
    caption = (
        "How to read it: the upper line is the share of neurons of the category on a row, the lower one the share that "
        f"is of it on every one of {sharing.rows:,} rows. The distance is how much a neuron's category depends on the "
        "input."
    )
    alternative = f"Four line charts. On every row: {said} of all neurons."
    plot = Plot(spec, Table.of("repetition", "Categories on every row", columns, rows))
    return Figure("repetition", "Does a neuron keep its category?", caption, alternative, (plot,))


def repetition_table(sharing: Sharing) -> Table:
    """The whole distribution: neurons by the share of rows on which they are of a category."""
    counts = repetition_histogram(sharing, BINS).tolist()
    names = ["never"] + [f"{100 * (place - 1) // BINS}–{100 * place // BINS}% of rows" for place in range(1, BINS + 1)]
    columns = [Column("share of rows"), *(Column(name, "neurons") for name in CATEGORIES)]
    rows = [(name, *(of_category[place] for of_category in counts)) for place, name in enumerate(names)]
    return Table.of("repetition-histogram", "On how many rows a neuron is of a category", columns, rows)


def fewer_languages_figure(sharing: Sharing) -> Figure:
    """The categories as they would be with fewer languages, so that studies can be compared at an equal number."""
    scores = shares_by_number_of_languages(sharing)
    labels = Labels(tuple(f"{number} languages" for number in scores), tuple(map(str, scores)))
    series = [
        Series(category, category, [by_category[index] for by_category in scores.values()])
        for index, category in enumerate(CATEGORIES)
    ]
    spec = figures.small_multiples([("", series)], labels, unit=_UNIT, axis="number of languages")
    rows = [
        (number, category, *score_cells(score))
        for number, by_category in scores.items()
        for category, score in zip(CATEGORIES, by_category)
    ]
    columns = [Column("languages"), Column("category"), *score_columns("share", "share of neurons")]
    caption = (
        "How to read it: each point is the mean over all choices of so many of the languages, computed exactly. "
        "All-shared neurons can only become fewer as languages are added: compare studies at an equal number."
    )
    alternative = (
        f"Line chart. With 2 languages {percent(scores[2][0].value)} of the neurons are all-shared, with "
        f"{len(sharing.languages)} {percent(scores[len(sharing.languages)][0].value)}."
    )
    plot = Plot(spec, Table.of("fewer-languages", "Categories by number of languages", columns, rows))
    return Figure("fewer-languages", "How the number of languages matters", caption, alternative, (plot,))


@section_of_several.register
def _(first: Sharing, sharings: tuple[Sharing, ...]) -> Section:
    """A sweep of thresholds where only those differ, else a comparison of tasks."""
    if len({sharing.recording.fires for sharing in sharings}) > 1:
        return _thresholds(sharings)
    return _tasks(sharings)


def _thresholds(sharings: Sequence[Sharing]) -> Section:
    names = [f"fires > {sharing.recording.fires[0]:g}" for sharing in sharings]
    shares = [category_shares(sharing) for sharing in sharings]
    first_shared, last_shared = (part.overall[0].value for part in (shares[0], shares[-1]))
    first, last = (sharing.recording.fires[0] for sharing in (sharings[0], sharings[-1]))
    sentence = (
        f"Above a threshold of {first:g}, {percent(first_shared)} of the neurons are all-shared; "
        f"above {last:g}, {percent(last_shared)}."
    )
    caption = (
        "How to read it: each panel is one threshold that a value must pass to count as firing. A finding that "
        "depends on the threshold is a finding about the threshold."
    )
    return _section("thresholds", "How the threshold matters", sentence, caption, sharings, names, shares)


def _tasks(sharings: Sequence[Sharing]) -> Section:
    names = distinct(corpus_name(sharing) for sharing in sharings)
    shares = [category_ranges(sharing) for sharing in sharings]
    said = "; ".join(
        f"{percent(shared.value)} on {name} (by row {percent(shared.low)}–{percent(shared.high)})"
        for name, shared in zip(names, (part.overall[0] for part in shares))
    )
    caption = (
        "How to read it: each panel is one task; a line is the mean over its rows, and its bar reaches from the row "
        "with the least to the row with the most, which is no interval of confidence."
    )
    sentence = f"All-shared neurons: {said}."
    return _section("tasks", "How the task matters", sentence, caption, sharings, names, shares)


def _section(
    key: str,
    title: str,
    sentence: str,
    caption: str,
    sharings: Sequence[Sharing],
    names: Sequence[str],
    shares: Sequence[CategoryShares],
) -> Section:
    labels = layer_labels(sharings[0].layout)
    panels = [
        (name, [Series(category, category, line) for category, line in zip(CATEGORIES, part.by_layer)])
        for name, part in zip(names, shares)
    ]
    rows = [
        (name, layer, category, *score_cells(line[depth]))
        for name, part in zip(names, shares)
        for depth, layer in enumerate(labels.full)
        for category, line in zip(CATEGORIES, part.by_layer)
    ]
    columns = [Column(key[:-1]), Column("layer"), Column("category"), *score_columns("share", _UNIT)]
    spec = figures.small_multiples(panels, labels, unit=_UNIT, axis="layer")
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


MEANING = "fires in all languages, in some but not all, in exactly one, in none, on the same row"


@section_of.register
def _(sharing: Sharing) -> Section:
    """Shares of the four categories by layer and over all neurons."""
    shares, expected = category_shares(sharing), expected_shares(sharing)
    sentence = _sentence(sharing, shares.overall, expected.overall)
    figure = _figure(sharing, shares, expected, sentence)
    return Section(
        key="sharing",
        title=_title(sharing),
        sentence=sentence,
        signature=sharing.signature,
        remarks=(definition_of_fires(sharing.recording), INTERVALS),
        figures=(
            figure,
            languages_figure(sharing),
            repetition_figure(sharing),
            *((fewer_languages_figure(sharing),) if len(sharing.languages) > 2 else ()),
        ),
        tables=(repetition_table(sharing),),
        summary=_summary(f"{_title(sharing)} ({corpus_name(sharing)})", shares.overall, expected.overall),
    )


def corpus_name(sharing: Sharing) -> str:
    """What the rows are called."""
    return with_changes(str(sharing.signature.get("corpus", "unnamed rows")), sharing.signature)


def _title(sharing: Sharing) -> str:
    title, tokens = "Neurons shared between languages", sharing.recording.tokens
    return title if tokens == "last" else f"{title}: {TOKENS[tokens]}"


def _sentence(sharing: Sharing, overall: list[Score], chance: list[float]) -> str:
    shared, partial, specific, silent = (f"{percent(score.value)} {bracketed(score, percent)}" for score in overall)
    return (
        f"Over {sharing.rows:,} parallel rows, {shared} of the neurons fire in all {len(sharing.languages)} languages "
        f"at once, {partial} in some, {specific} in exactly one and {silent} in none; if each fired independently "
        f"of the language, {percent(chance[0])} would fire in all."
    )


def _figure(sharing: Sharing, shares: CategoryShares, expected: PlainShares, sentence: str) -> Figure:
    labels = layer_labels(sharing.layout)
    panels = [
        (
            category,
            [
                Series("observed", "observed", observed),
                Series("if languages were independent", "random", list(map(Score.exact, chance))),
            ],
        )
        for category, observed, chance in zip(CATEGORIES, shares.by_layer, expected.by_layer)
    ]
    spec = figures.small_multiples(panels, labels, unit=_UNIT, axis="layer")
    caption = (
        f"How to read it: each panel is one category ({MEANING}); the solid line is what was seen, with "
        "its interval, the dotted line what neurons of the same firing rates would show by chance. The distance "
        "between the two lines is the finding."
    )
    plot = Plot(spec, _table(labels.full, shares, expected))
    return Figure(
        "sharing-by-layer", "The four categories, by layer", caption, f"Four line charts. {sentence}", (plot,)
    )


def _table(layers: tuple[str, ...], shares: CategoryShares, expected: PlainShares) -> Table:
    columns = [Column("layer"), Column("category"), *score_columns("observed", _UNIT), Column("if independent", _UNIT)]
    rows = [
        (layer, category, *score_cells(observed[depth]), chance[depth])
        for depth, layer in enumerate(layers)
        for category, observed, chance in zip(CATEGORIES, shares.by_layer, expected.by_layer)
    ]
    return Table.of("sharing-by-layer", "Categories by layer", columns, rows)


def _summary(title: str, overall: list[Score], chance: list[float]) -> Table:
    columns = [Column("category"), Column("share of neurons"), Column("if languages were independent")]
    rows = [
        (name, f"{percent(score.value)} {bracketed(score, percent)}", percent(expected))
        for name, score, expected in zip(CATEGORIES, overall, chance)
    ]
    return Table.of("categories", title, columns, rows)
