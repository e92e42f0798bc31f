"""Quadrants: the plane of what tuning on a language gives it and the others, and the advice that follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuroglot.metrics.intervals import Score
from neuroglot.metrics.quadrants import AXES, FACTORS, QUADRANTS, UNIT, UNTOLD, Quadrant, QuadrantMap
from neuroglot.metrics.written import WrittenGains
from neuroglot.reports.figures import NARROW_TITLE
from neuroglot.reports.parts import Figure, Plot, Section, Spec, escaped, numbers
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import bracketed, joined, language_label, number, plural

PAPER = "Yuan et al. 2023"
# What the paper advises for each of its quadrants.
ADVICE: Mapping[Quadrant, str] = {
    "reciprocal": "tune the embeddings alone: whole weights specialise too much",
    "altruistic": "tune whole weights on a small set: larger ones fit the language too closely and cost the others",
    "selfish": "any tuning helps this language",
    "stagnant": "shorten its tokens or extend the vocabulary: see `neuroglot fertility`",
    UNTOLD: "hold out more rows, or tune longer, before choosing",
}
_ROLES: Mapping[Quadrant, tuple[str, str]] = {
    "reciprocal": ("all-shared", "circle"), "altruistic": ("partial-shared", "diamond"), "selfish": ("own", "square"),
    "stagnant": ("other", "triangle-down"), UNTOLD: ("random", "circle-open"),
}  # fmt: skip
TOO_LITTLE = (
    "No language is told to gain, or to make others gain: a training so short, or with so low a learning rate, says "
    "little of languages. Try more steps or a higher rate before the advice for stagnant ones."
)
# Where the name of a quadrant stands: left or right, and at the bottom or top.
_CORNERS: Mapping[Quadrant, tuple[float, float]] = {
    "reciprocal": (1, 1), "altruistic": (0, 1), "selfish": (1, 0), "stagnant": (0, 0),
}  # fmt: skip


def _told(quadrants: Mapping[str, Quadrant], name: Quadrant) -> str:
    labels = [language_label(language) for language, quadrant in quadrants.items() if quadrant == name]
    return f"{joined(labels)} {'is' if len(labels) == 1 else 'are'} {name}"


@section_of.register
def _(results: QuadrantMap) -> Section:
    """The plane with intervals, a table of gains with advice, and one of how much the labels depend on thresholds."""
    quadrants = {language: results.quadrant(language) for language in results.after}
    scores = {language: results.scores(language) for language in results.after}
    told = [_told(quadrants, name) for name in QUADRANTS.values() if name in quadrants.values()]
    untold = sum(quadrant == UNTOLD for quadrant in quadrants.values())
    told += [f"of {untold} it cannot be told"] if untold else []
    sentence = f"Of {plural(len(quadrants), 'language')} tuned on alone, {'; '.join(told)}."
    table = _table(results, quadrants, scores)
    caption = (
        "How to read it: to the right a language gains by tuning on it, upwards the others gain. Lines are intervals "
        "that hold for all languages and both axes at once; dotted lines are the least gains worth having."
    )
    spec = plane(results, quadrants, scores)
    figure = Figure(
        "quadrants", "Own gain and others' gain", caption, f"Scatter plot. {sentence}", (Plot(spec, table),)
    )
    return Section(
        key="quadrants",
        title="Quadrants",
        sentence=sentence,
        signature=results.signature,
        remarks=(*_remarks(results, quadrants), *results.notes),
        figures=(figure,),
        tables=(sensitivity(results), *([] if results.written is None else [_written(results, results.written)])),
        summary=_summary(quadrants, scores),
        headline={"quadrants": dict(quadrants)},
    )


def _remarks(results: QuadrantMap, quadrants: Mapping[str, Quadrant]) -> tuple[str, ...]:
    claims = AXES * len(results.languages)
    seeds = {len(after) for after in results.after.values()}
    over = "rows and seeds" if max(seeds) > 1 else "rows; of one seed nothing is known of others"
    return (
        f"Gains are in {UNIT} of held-out answers, before less after; the others' gain is the mean over "
        f"{plural(len(results.languages) - 1, 'language')}.",
        f"Intervals are t intervals over {over}, each at {100 * results.confidence:.2f}%, so that all {claims} hold at "
        "once with 95% (Bonferroni); a label needs both gains told from their thresholds.",
        f"The quadrants and the advice are those of {PAPER}, who state no thresholds: here a gain counts from "
        f"{number(results.least_own)} on for the language and from {number(results.least_others)} on for the others.",
        *([TOO_LITTLE] if set(quadrants.values()) <= {"stagnant", UNTOLD} else []),
    )


def _table(results: QuadrantMap, quadrants: Mapping[str, Quadrant], scores: Mapping[str, tuple[Score, Score]]) -> Table:
    columns = [
        Column("language"), *score_columns("own gain", UNIT), *score_columns("others' gain", UNIT), Column("quadrant"),
        Column("advice"),
    ]  # fmt: skip
    rows = [
        (language_label(language), *score_cells(own), *score_cells(others), quadrants[language],
         ADVICE[quadrants[language]])
        for language, (own, others) in scores.items()
    ]  # fmt: skip
    return Table.of("quadrants-by-language", "Gains by language tuned on", columns, rows)


def _summary(quadrants: Mapping[str, Quadrant], scores: Mapping[str, tuple[Score, Score]]) -> Table:
    columns = [Column(name) for name in ("language", "own gain", "others' gain", "quadrant")]
    rows = [
        (
            language_label(language),
            *(f"{number(gain.value)} {bracketed(gain)}" for gain in (own, others)),
            quadrants[language],
        )
        for language, (own, others) in scores.items()
    ]
    return Table.of("quadrants-in-short", f"Quadrants, gains in {UNIT}", columns, rows)


def _written(results: QuadrantMap, written: WrittenGains) -> Table:
    """Gains of the translations that the models wrote, with the same confidence as those of bits."""
    points = f"{written.name} points"
    columns = [Column("language"), *score_columns("own gain", points), *score_columns("others' gain", points)]
    scores = {language: written.gains(language).scores(results.confidence) for language in written.after}
    rows = [(language_label(language), *score_cells(own), *score_cells(others)) for language, (own, others) in
            scores.items()]  # fmt: skip
    return Table.of("quadrants-written", f"Gains of {len(written.before):,} written translations", columns, rows)


def sensitivity(results: QuadrantMap) -> Table:
    """The quadrant of each language at other thresholds; all labels hold at once, as the intervals are the same."""
    columns = [Column("language"), *(Column(f"thresholds × {factor:g}") for factor in FACTORS)]
    rows = [
        (language_label(language), *(results.quadrant(language, factor) for factor in FACTORS))
        for language in results.after
    ]
    return Table.of("quadrants-by-threshold", "Quadrants at other thresholds", columns, rows)


def plane(results: QuadrantMap, quadrants: Mapping[str, Quadrant], scores: Mapping[str, tuple[Score, Score]]) -> Spec:
    """A dot a language with its code and both intervals, and the four regions by name."""
    names = (*QUADRANTS.values(), UNTOLD)
    data = [
        _trace(name, {language: scores[language] for language, quadrant in quadrants.items() if quadrant == name})
        for name in names
        if name in quadrants.values()
    ]
    thresholds = (results.least_own, results.least_others)
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": f"own gain, {UNIT}"}, "fixedrange": True, "zeroline": True},
        "yaxis": {"title": {"text": f"others' gain, {UNIT}"}, "fixedrange": True, "zeroline": True, "automargin": True},
        "shapes": [_line(axis, at) for axis, at in zip("xy", thresholds, strict=True)],
        "annotations": [_corner(name) for name in QUADRANTS.values()],
        "legend": {"orientation": "h", "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"},
        "showlegend": True,
        "margin": {"t": 64, "r": 16, "b": 56, "l": 56},
        "height": 520,
    }
    narrow: dict[str, Any] = {"height": 460, "margin": {"t": 92}}
    if len(UNIT) + len("others' gain, ") > NARROW_TITLE:
        narrow |= {"yaxis": {"title": {"text": f"others' gain,<br>{UNIT}"}}}
    return Spec(data, layout, narrow)


def _trace(name: Quadrant, scores: Mapping[str, tuple[Score, Score]]) -> dict[str, Any]:
    role, symbol = _ROLES[name]
    pairs = list(scores.values())
    labels = escaped([language_label(language) for language in scores])
    return {
        "type": "scatter", "mode": "markers+text", "name": name, "meta": {"role": role}, "cliponaxis": False,
        "x": numbers(own.value for own, _ in pairs), "y": numbers(others.value for _, others in pairs),
        "error_x": _bars([own for own, _ in pairs]), "error_y": _bars([others for _, others in pairs]),
        "text": escaped(list(scores)), "textposition": "top right", "marker": {"symbol": symbol, "size": 9},
        "customdata": [
            [label, bracketed(own), bracketed(others)] for label, (own, others) in zip(labels, pairs, strict=True)
        ],
        "hovertemplate": "<b>%{customdata[0]}</b><br>own %{x:.3~g} %{customdata[1]}<br>others %{y:.3~g} "
        f"%{{customdata[2]}}<extra>{name}</extra>",
    }  # fmt: skip


def _bars(scores: list[Score]) -> dict[str, Any]:
    above = numbers(score.high - score.value for score in scores)
    below = numbers(score.value - score.low for score in scores)
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 0}


def _line(axis: str, at: float) -> dict[str, Any]:
    """A dotted line through the whole plane at a threshold."""
    other = "y" if axis == "x" else "x"
    return {
        "type": "line", "layer": "below", f"{axis}0": at, f"{axis}1": at, f"{other}ref": f"{other} domain",
        f"{other}0": 0, f"{other}1": 1, "line": {"dash": "dot", "width": 1},
    }  # fmt: skip


def _corner(name: Quadrant) -> dict[str, Any]:
    across, up = _CORNERS[name]
    return {
        "text": f"<b>{name}</b>", "xref": "x domain", "yref": "y domain", "x": across, "y": up, "showarrow": False,
        "xanchor": "right" if across else "left", "yanchor": "bottom", "yshift": 4,
    }  # fmt: skip
