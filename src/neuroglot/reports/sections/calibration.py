"""Calibration: whether a model is as often right as it is sure, by language, before and after fitted transforms."""

from __future__ import annotations

from collections.abc import Callable

from neuroglot.metrics.calibration import CONFIDENCE_BINS, CONTROL, COVERAGES, UNCHANGED, Calibration, reliability
from neuroglot.metrics.intervals import Score
from neuroglot.reports.figures import Series, small_multiples
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, joined, language_label, number, number_range, plural

CHOICES = "share of choices"


@section_of.register
def _(results: Calibration) -> Section:
    """Errors, scores and risks by language and transform, beside the tuned temperature."""
    return Section(
        key="calibration",
        title=f"Calibration: {results.kind}",
        sentence=_sentence(results),
        signature=results.signature,
        remarks=(
            INTERVALS,
            "Transforms were fitted on other rows, by likelihood; the control is the tuned temperature.",
            f"Differences to the control hold at once over {plural(results.claims, 'difference')} with 95% "
            f"(Bonferroni), those among languages over {plural(len(results.languages), 'language')}.",
            "Calibration errors are over ten bins, and are above 0 in small samples of a calibrated model too.",
            *_left_out(results),
        ),
        figures=(_reliability_figure(results), _risk_figure(results)),
        tables=(_table(results), _languages(results), _parameters(results)),
        summary=_summary(results),
    )


def _left_out(results: Calibration) -> tuple[str, ...]:
    said = f"{plural(results.left_out, 'choice')} whose right candidate is none of these left out."
    return (said,) if results.left_out else ()


def _told(scores: list[Score]) -> tuple[list[int], list[int]]:
    above = [place for place, score in enumerate(scores) if score.low > 0]
    below = [place for place, score in enumerate(scores) if score.high < 0]
    return above, below


def _sentence(results: Calibration) -> str:
    before, after = (number_range([score.value for score in results.errors(name)]) for name in (UNCHANGED, CONTROL))
    worse, better = (len(places) for places in _told(results.error_beside_control(UNCHANGED)))
    above, below = _told(results.beside_languages(UNCHANGED))
    named = [
        f"{word} than their mean in {joined([language_label(results.languages[place]) for place in places])}"
        for word, places in (("larger", above), ("smaller", below))
        if places
    ]
    differ = f"clearly {' and '.join(named)}" if named else "not told apart between languages"
    return (
        f"Expected calibration errors are {before} as the scores are and {after} at the tuned "
        f"temperature, which is clearly better in {worse} and clearly worse in {better} of "
        f"{plural(len(results.languages), 'language')}; as the scores are, they are {differ}."
    )


_NUMBERS: dict[str, tuple[str, Callable[[Calibration, str], list[Score]]]] = {
    "right": (CHOICES, Calibration.right),
    "confidence less right": (CHOICES, Calibration.overconfidence),
    "calibration error": (CHOICES, Calibration.errors),
    "Brier score": ("", Calibration.briers),
    "loss": ("nats a choice", Calibration.losses),
    "risk over coverages": (CHOICES, Calibration.areas),
}
_DIFFERENCES: dict[str, tuple[str, Callable[[Calibration, str], list[Score]]]] = {
    "calibration error less the control's": (CHOICES, Calibration.error_beside_control),
    "loss less the control's": ("nats a choice", Calibration.beside_control),
}


def _table(results: Calibration) -> Table:
    columns = [Column("language"), Column("transform")]
    columns += [column for name, (unit, _) in (_NUMBERS | _DIFFERENCES).items() for column in score_columns(name, unit)]
    rows: list[tuple[Cell, ...]] = []
    for name in results.counts:
        measured = [read(results, name) for _, read in _NUMBERS.values()]
        changes = [read(results, name) if name != CONTROL else None for _, read in _DIFFERENCES.values()]
        for place, language in enumerate(results.languages):
            cells: list[Cell] = [cell for scores in measured for cell in score_cells(scores[place])]
            for scores in changes:
                cells += (None,) * 3 if scores is None else score_cells(scores[place])
            rows.append((language_label(language), name, *cells))
    return Table.of("calibration-by-language", f"Calibration: {results.kind}", columns, rows)


def _summary(results: Calibration) -> Table:
    columns = [Column("language"), *(Column(name) for name in results.counts)]
    errors = {name: results.errors(name) for name in results.counts}
    rows = [
        (
            language_label(language),
            *(f"{number(scores[place].value)} {bracketed(scores[place])}" for scores in errors.values()),
        )
        for place, language in enumerate(results.languages)
    ]
    return Table.of("calibration-in-short", f"Calibration errors: {results.kind}", columns, rows)


def _languages(results: Calibration) -> Table:
    """Whether languages differ."""
    named = {"as the scores are": UNCHANGED, "at the tuned temperature": CONTROL}
    columns = [Column("language"), *(column for name in named for column in score_columns(name, CHOICES))]
    differences = [results.beside_languages(transform) for transform in named.values()]
    rows: list[tuple[Cell, ...]] = [
        (language_label(language), *(cell for scores in differences for cell in score_cells(scores[place])))
        for place, language in enumerate(results.languages)
    ]
    return Table.of("calibration-among-languages", "Calibration error less the mean over languages", columns, rows)


def _parameters(results: Calibration) -> Table:
    columns = [Column("language"), Column("transform"), Column("parameter"), *score_columns("value", "")]
    rows = [
        (language_label(language), name, parameter, *score_cells(score))
        for name, by_language in results.parameters.items()
        for language, parameters in zip(results.languages, by_language, strict=True)
        for parameter, score in parameters.items()
    ]
    return Table.of("fitted-transforms", "Fitted parameters, with intervals over choices", columns, rows)


def _reliability_figure(results: Calibration) -> Figure:
    ends = [(place / CONFIDENCE_BINS, (place + 1) / CONFIDENCE_BINS) for place in range(CONFIDENCE_BINS)]
    places = tuple(f"{low:.1f}–{high:.1f}" for low, high in ends)
    plots = []
    for index, language in enumerate(results.languages):
        drawn = {name: reliability(counts[:, index]) for name, counts in results.counts.items()}
        panels = [
            (name, [Series("share right", "observed", right), Series("confidence", "random", sure)])
            for name, (right, sure) in drawn.items()
        ]
        columns = [Column("transform"), Column("confidence between"), *score_columns("share right", CHOICES)]
        columns += score_columns("mean confidence", "")
        rows = [
            (name, place, *score_cells(share), *score_cells(mean))
            for name, pair in drawn.items()
            for place, share, mean in zip(places, *pair, strict=True)
        ]
        table = Table.of(f"reliability-{language}", f"Reliability in {language_label(language)}", columns, rows)
        spec = small_multiples(panels, Labels(places, places), unit=CHOICES, axis="confidence")
        plots.append(Plot(spec, table, language_label(language)))
    caption = "How to read it: a calibrated model is right as often as the dotted line, its confidence, says."
    alternative = f"Reliability diagrams. {_sentence(results)}"
    return Figure("reliability", "Right by confidence", caption, alternative, tuple(plots))


def _risk_figure(results: Calibration) -> Figure:
    places = tuple(f"{coverage:.0%}" for coverage in COVERAGES)
    plots = []
    for index, language in enumerate(results.languages):
        curves = {
            name: [score.within(0, 1) for score in curve[index].scores()] for name, curve in results.curves.items()
        }
        panels = [(name, [Series("share wrong", "observed", curve)]) for name, curve in curves.items()]
        columns = [Column("transform"), Column("coverage"), *score_columns("share wrong", CHOICES)]
        rows = [
            (name, place, *score_cells(score))
            for name, curve in curves.items()
            for place, score in zip(places, curve, strict=True)
        ]
        table = Table.of(f"risk-{language}", f"Risk by coverage in {language_label(language)}", columns, rows)
        spec = small_multiples(panels, Labels(places, places), unit=CHOICES, axis="answered")
        plots.append(Plot(spec, table, language_label(language)))
    caption = "How to read it: what is wrong among the surest choices, by the share that is answered."
    alternative = "Lines. Share of wrong choices by the share of choices that are answered."
    return Figure("risk", "Risk by coverage", caption, alternative, tuple(plots))
