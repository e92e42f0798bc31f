"""AblationMatrix: the effect of switching off each language's neurons, beside random sets of the same size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from neuroglot.metrics.ablation import AblationMatrix, Headline
from neuroglot.metrics.intervals import Score
from neuroglot.metrics.metrics import SHARE_RIGHT, BitsPerByte, NatsPerToken
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.parts import INTERVALS, Figure, KeyNumber, Plot, Section, Spec
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import (
    CONDITION_LABELS,
    HARMFUL,
    bracketed,
    harm_sentence,
    in_unit,
    language_label,
    language_labels,
    left_out,
    multiple,
    number,
    plural,
    repeated_rows,
)
from neuroglot.showing import noun_of
from neuroglot.signature import Signature


@dataclass(frozen=True, eq=False)
class View:
    """An ablation matrix in one unit, with what is read from it more than once."""

    matrix: AblationMatrix

    @property
    def unit(self) -> str:
        return self.matrix.metric.unit

    @cached_property
    def headline(self) -> Headline:
        return self.matrix.headline()

    @cached_property
    def effects(self) -> list[list[Score]]:
        return self.matrix.effects()

    @cached_property
    def random_effects(self) -> list[list[Score]]:
        return self.matrix.random_effects()

    @cached_property
    def by_language(self) -> dict[str, list[Score]]:
        return self.matrix.conditions()

    @cached_property
    def harm_by_language(self) -> dict[str, list[Score]]:
        return self.matrix.harm()


@section_of.register
def _(matrix: AblationMatrix) -> Section:
    if not matrix.metric.higher_is_better:
        return _loss_section(matrix)
    if matrix.metric.unit != SHARE_RIGHT:
        title = f"Translations: {matrix.metric.name}"
        return _levels_section(matrix, "quality", title, "the worse the translations")
    return _levels_section(matrix, "task", f"Task: {matrix.data}", "the fewer answers are right")


def _loss_section(matrix: AblationMatrix) -> Section:
    """The headline, the matrix beside its control, and own, other and random by language."""
    views = [View(one) for one in in_units(matrix)]
    first = views[0]
    sentence = harm_sentence(first.headline, matrix.metric, matrix.data, matrix.languages)
    return Section(
        key="ablation",
        title="What switching neurons off does",
        sentence=sentence,
        signature=matrix.signature | Signature.of(unit=" or ".join(view.unit for view in views)),
        remarks=(
            *_other_units(views[1:]),
            *_elsewhere(matrix),
            *_rows(matrix),
            _controls(matrix),
            INTERVALS,
        ),
        figures=(_matrix_figure(views), _language_figure(views)),
        summary=_summary(first),
        key_numbers=_key_numbers(first),
        headline=_headline_json(first) if isinstance(matrix.metric, NatsPerToken) else None,
    )


def _elsewhere(matrix: AblationMatrix) -> tuple[str, ...]:
    """A remark on neurons that were selected in another model, or in another precision of this one."""
    other = matrix.signature.get("selected_in")
    return () if other is None else (f"The neurons were selected in a model of other weights: {other}.",)


def _levels_section(matrix: AblationMatrix, key: str, title: str, leftward: str) -> Section:
    """A metric that is the better the higher, such as the share of right answers: its value under each condition."""
    view, noun = View(matrix), noun_of(matrix.languages)
    first = _level_sentence(matrix)
    harm = harm_sentence(view.headline, matrix.metric, matrix.data, matrix.languages)
    caption = (
        f"How to read it: each row is a {noun}, each mark a condition; the further left a mark, {leftward}. "
        f"Lines are intervals. {_controls(matrix)}"
    )
    name = f"{matrix.data}: {matrix.metric.name} by {noun}"
    table = _language_table(f"{key}-conditions", name, view, view.by_language)
    series = [Series(text, role, view.by_language[role]) for role, text in CONDITION_LABELS.items()]
    spec = figures.dots(series, language_labels(matrix.languages), unit=view.unit, zero=False)
    figure = Figure(f"{key}-conditions", name, caption, f"Dot plot. {first} {harm}", (Plot(spec, table),))
    remarks = *_elsewhere(matrix), *_rows(matrix), INTERVALS
    return Section(key, title, f"{first} {harm}", matrix.signature, remarks, (figure,))


def _level_sentence(matrix: AblationMatrix) -> str:
    """The mean over languages with all neurons on; one sentence."""
    mean = matrix.mean_of_baseline()
    return f"With all neurons on, the mean {matrix.metric.name} is {number(mean.value)} {bracketed(mean)}."


def in_units(matrix: AblationMatrix) -> Sequence[AblationMatrix]:
    """The matrix in its own unit and in the others that its counts allow: a loss counts tokens and bytes alike."""
    losses = (NatsPerToken(), BitsPerByte())
    if matrix.metric not in losses:
        return (matrix,)
    return (matrix, *(replace(matrix, metric=metric) for metric in losses if metric != matrix.metric))


def _matrix_figure(views: Sequence[View]) -> Figure:
    size, noun = len(views[0].matrix.languages), noun_of(views[0].matrix.languages)
    own = views[0].headline
    alternative = (
        f"Two heat maps of {size} by {size} {noun}s. Means: {number(own.diagonal.value)} on the "
        f"diagonal, {number(own.off_diagonal.value)} off it, {number(own.random.value)} {views[0].unit} at random."
    )
    caption = (
        f"How to read it: a row is the {noun} whose neurons are off, a column the {noun} that is measured; outlined "
        f"cells are a {noun}'s own. Both maps share one colour scale: orange is harm, purple its opposite, 0 neutral. "
        f"Where neurons belong to a {noun}, the outlined cells stand out in the first map and not in the second."
    )
    plots = tuple(Plot(_matrix_spec(view), _matrix_table(view), view.unit) for view in views)
    return Figure("ablation-matrix", "Ablation matrix beside its control", caption, alternative, plots)


def _matrix_spec(view: View) -> Spec:
    noun = noun_of(view.matrix.languages)
    named = ((f"The row {noun}'s neurons off", view.effects), ("As many random neurons off", view.random_effects))
    panels = [
        Panel(
            title,
            [[score.value for score in row] for row in scores],
            [[[bracketed(score)] for score in row] for row in scores],
        )
        for title, scores in named
    ]
    labels = language_labels(view.matrix.languages)
    hover = f"neurons of <b>%{{y}}</b> off<br>measured on <b>%{{x}}</b><br>%{{z:.3~g}} %{{customdata[0]}} {view.unit}"
    unit = f"{view.matrix.metric.name} increase, {view.unit}"
    return heat_maps(panels, labels, labels, unit=unit, hover=hover, axis="measured on", diverging=True, outline=True)


def _matrix_table(view: View) -> Table:
    codes = view.matrix.languages
    columns = [Column("neurons off"), Column("measured on")]
    columns += [*score_columns("effect", view.unit), *score_columns("random", view.unit)]
    rows = [
        (codes[s], codes[g], *score_cells(view.effects[s][g]), *score_cells(view.random_effects[s][g]))
        for s, g in product(range(len(codes)), repeat=2)
    ]
    return Table.of(f"ablation-matrix-{_slug(view.unit)}", "Ablation matrix", columns, rows)


def _language_figure(views: Sequence[View]) -> Figure:
    labels, noun = language_labels(views[0].matrix.languages), noun_of(views[0].matrix.languages)
    caption = (
        f"How to read it: each row is a {noun}, each mark the change of its loss; right of 0 is harm. Lines are "
        f"intervals. Where the circle stands right of the other two, the neurons are the {noun}'s own."
    )
    plots = []
    for view in views:
        series = [Series(CONDITION_LABELS[name], name, view.harm_by_language[name]) for name in HARMFUL]
        spec = figures.dots(series, labels, unit=f"{view.matrix.metric.name} increase, {view.unit}")
        table = _language_table(
            f"ablation-by-language-{_slug(view.unit)}", f"Effect by {noun}", view, view.harm_by_language
        )
        plots.append(Plot(spec, table, view.unit))
    alternative = f"Dot plot of the effect on {len(labels)} {noun}s of own, other and random neurons."
    return Figure(
        "ablation-by-language", f"Own, other and random neurons, by {noun}", caption, alternative, tuple(plots)
    )


def _language_table(key: str, title: str, view: View, scores: dict[str, list[Score]]) -> Table:
    columns = [Column(noun_of(view.matrix.languages)), Column("neurons in its set")]
    columns += [column for name in scores for column in score_columns(CONDITION_LABELS[name], view.unit)]
    rows: list[tuple[Cell, ...]] = [
        (code, view.matrix.set_sizes[place], *(cell for name in scores for cell in score_cells(scores[name][place])))
        for place, code in enumerate(view.matrix.languages)
    ]
    return Table.of(key, title, columns, rows)


def _summary(view: View) -> Table:
    """For the terminal: one row a language, an interval where the claim is, in text that fits 80 columns."""
    title = f"{view.matrix.metric.name.capitalize()} increase with neurons off, {view.unit} (interval over rows)"
    noun = noun_of(view.matrix.languages)
    columns = [Column(name) for name in (noun, "neurons", "its own off", "another's off", "random off")]
    harm = (view.harm_by_language[name] for name in HARMFUL)
    rows = [
        (language_label(code), size, f"{number(own.value)} {bracketed(own)}", number(other.value), number(random.value))
        for code, size, (own, other, random) in zip(view.matrix.languages, view.matrix.set_sizes, zip(*harm))
    ]
    return Table.of("summary", title, columns, rows)


def _rows(matrix: AblationMatrix) -> tuple[str, ...]:
    return *left_out(matrix.dropped, matrix.languages), *repeated_rows(matrix.repeated)


def _controls(matrix: AblationMatrix) -> str:
    draws, rows = matrix.random.shape[0], matrix.baseline.shape[0]
    return (
        f"The control switches off as many random neurons in every layer (or expert), mean of {plural(draws, 'draw')}; "
        f"measured on {plural(rows, 'parallel row')}."
    )


def _other_units(views: Sequence[View]) -> tuple[str, ...]:
    """The same means in the other units, one sentence each."""
    return tuple(
        f"In {view.unit}: {in_unit(view.headline.diagonal, view.matrix.metric)} for its own neurons, "
        f"{in_unit(view.headline.off_diagonal, view.matrix.metric)} for another {noun_of(view.matrix.languages)}'s, "
        f"{in_unit(view.headline.random, view.matrix.metric)} for random ones."
        for view in views
    )


def _key_numbers(view: View) -> tuple[KeyNumber, ...]:
    means = view.headline
    ratios = {"other": means.diagonal_over_off_diagonal, "random": means.diagonal_over_random}
    named = {"own": means.diagonal, "other": means.off_diagonal, "random": means.random}
    return tuple(
        KeyNumber(
            CONDITION_LABELS[role].removesuffix(" (mean)"),
            number(score.value),
            f"{bracketed(score)} {view.unit}",
            _times(ratios[role]) if role in ratios and means.diagonal.low > 0 else "",
            role,
        )
        for role, score in named.items()
        if not math.isnan(score.value)
    )


def _times(ratio: Score) -> str:
    return f"own is {multiple(ratio.value)} × {bracketed(ratio, multiple)}" if math.isfinite(ratio.value) else ""


def _headline_json(view: View) -> dict[str, Any]:
    """Plain numbers for other programs; documented in `docs/report.md`."""
    means = view.headline
    named = {"diagonal": means.diagonal, "off_diagonal": means.off_diagonal, "random": means.random}
    numbers = {name: score.to_json() for name, score in named.items()}
    return {
        "languages": list(view.matrix.languages),
        **{name: score["value"] for name, score in numbers.items()},
        "unit": view.unit,
        "intervals": {name: [score["low"], score["high"]] for name, score in numbers.items()},
        "diagonal_over_off_diagonal": means.diagonal_over_off_diagonal.to_json(),
        "diagonal_over_random": means.diagonal_over_random.to_json(),
        "rows": int(view.matrix.baseline.shape[0]),
        "signature": view.matrix.signature.to_json(),
    }


def _slug(unit: str) -> str:
    return unit.replace(" ", "-")
