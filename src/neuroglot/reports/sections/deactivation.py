"""Deactivation: what switching off each category of neurons does to answers, beside random sets of the same size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from neuroglot.metrics.deactivation import OUTCOMES, CategoryEffect, CategoryTests, Deactivation
from neuroglot.metrics.intervals import Score
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, language_labels, layer_labels, left_out, number, plural

NATS = "nats"
_OFF, _RANDOM = "the category's neurons off", "as many random ones off (mean)"
LEVEL_LABELS = {
    "row": "each row's own categories off on that row",
    "corpus": "one set a category for all rows",
}
VERDICTS = {1: " (more harm)", -1: " (less harm)", 0: " (not to be told from zero)"}
SPAN_LABELS = {
    "all": "at all tokens of prompt and answer",
    "last": "at the last token of the prompt",
    "prompt": "at all tokens of the prompt",
    "answer": "at the tokens of the answer, so that its first one is predicted with all neurons on",
}


@dataclass(frozen=True, eq=False)
class _View:
    """A deactivation with what is read from it more than once."""

    result: Deactivation

    @cached_property
    def falls(self) -> dict[str, CategoryEffect]:
        """Of the right answer's log-probability, mean over languages, by category."""
        return self.result.mean_effects("log_probability")

    @cached_property
    def levels(self) -> dict[str, list[Score]]:
        return self.result.levels(self.result.accuracy)

    @cached_property
    def sizes(self) -> dict[str, float]:
        """Neurons off on a row, by category."""
        return dict(zip(self.result.categories, self.result.mean_sizes.sum(1).tolist()))

    @cached_property
    def tests(self) -> tuple[int, dict[str, dict[str, CategoryTests]]]:
        """How many tests the section shows, and each, adjusted for all of them."""
        return self.result.adjusted_tests()

    @property
    def labels(self) -> Labels:
        return Labels(self.result.categories, self.result.categories)


@section_of.register
def _(result: Deactivation) -> Section:
    """The fall of the log-probability beside its control, for each 1,000 neurons, and the accuracy by language."""
    view = _View(result)
    sentence = _sentence(view)
    return Section(
        key="deactivation",
        title=f"The categories of neurons switched off: {result.data}",
        sentence=sentence,
        signature=result.signature,
        remarks=(*_readings(view), _test_remark(view), _setting(result), *left_out(result.dropped), INTERVALS),
        figures=(_fall_figure(view, sentence), _per_thousand_figure(view), _accuracy_figure(view)),
        tables=(_outcome_table(view), _language_tests(view), _size_table(view)),
        summary=_summary(view),
    )


def _sentence(view: _View) -> str:
    """Which category does most harm, and how each compares with its control."""
    known = _known(view)
    over = f"on average over {plural(len(view.result.languages), 'language')} of {view.result.data}"
    if not known:
        return f"No row of {view.result.data} has a neuron of the categories that were to be switched off."
    harmful = {name: effect for name, effect in known.items() if effect.harmful}
    worst = max(harmful or known, key=lambda name: known[name].deactivated.value)
    fall = _nats(known[worst].deactivated)
    first = f"Switching off the {worst} neurons lowers the log-probability of the right answer most, by {fall}"
    if not harmful:
        first = (
            f"Switching off no category lowers the log-probability of the right answer by an amount that can be told "
            f"from zero; the largest fall is that of the {worst} neurons, {fall}"
        )
    beyond = [f"{name} {_nats(effect.beyond_random)}{VERDICTS[effect.beyond]}" for name, effect in known.items()]
    return f"{first}, {over}. Beyond the fall with as many random neurons off: {'; '.join(beyond)}."


def _known(view: _View) -> dict[str, CategoryEffect]:
    """The categories that some row has neurons of."""
    return {name: effect for name, effect in view.falls.items() if not math.isnan(effect.deactivated.value)}


def _readings(view: _View) -> tuple[str, ...]:
    """Which category does most for its size, and the accuracy under every condition."""
    known = _known(view)
    if not known:
        return ()
    dense = max(known, key=lambda name: known[name].per_thousand.value)
    told = []
    for name in known:
        off, random = (view.levels[key][-1] for key in (name, f"random: {name}"))
        told.append(f"{name} {number(off.value)} {bracketed(off)} ({number(random.value)} {bracketed(random)})")
    on = view.levels["on"][-1]
    return (
        f"For each 1,000 neurons the {dense} ones do most: {_nats(known[dense].per_thousand)}.",
        f"{OUTCOMES[view.result.accuracy].name.capitalize()}, mean over languages: {number(on.value)} {bracketed(on)} "
        f"with all neurons on; with a category off (with as many random ones off): {'; '.join(told)}.",
    )


def _nats(score: Score) -> str:
    return f"{number(score.value)} {NATS} {bracketed(score)}"


def _setting(result: Deactivation) -> str:
    """What was done, from the signature."""
    fields = result.signature.to_json()
    level, scope = LEVEL_LABELS.get(str(fields.get("level")), ""), SPAN_LABELS.get(str(fields.get("scope")), "")
    equal = " Categories were first cut to equal size in every layer." if fields.get("equal_size") else ""
    return (
        f"Measured on {plural(len(result.ids), 'parallel row')}: {level}, {scope}, coefficients set to "
        f"{fields.get('value')}. The control switches off as many random neurons in every layer, mean of "
        f"{plural(result.draws, 'draw')}.{equal}"
    )


def _test_remark(view: _View) -> str:
    count, adjusted = view.tests
    tests = adjusted[view.result.accuracy]
    told = [f"{name} {_p(test.rows.p)} and {_p(test.against_random)}" for name, test in tests.items()]
    return (
        "Exact two-sided tests of the right answers a row, against all neurons on and against the random draws "
        f"(p adjusted by Holm for all {count} tests of this section): {'; '.join(told)}. Which category does harm, "
        f"and more than random, is tested by t, adjusted by Holm for all categories."
    )


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {number(value)}"


def _fall_figure(view: _View, sentence: str) -> Figure:
    series = [
        Series(_OFF, "own", [effect.deactivated for effect in view.falls.values()]),
        Series(_RANDOM, "random", [effect.random for effect in view.falls.values()]),
    ]
    spec = figures.dots(series, view.labels, unit=f"fall of the right answer's log-probability, {NATS}")
    caption = (
        "How to read it: each row is a category, right of 0 is harm, lines are intervals. Categories differ in size, "
        "so that the distance between the two marks is the finding, not the place of the circle."
    )
    title = "Fall of the right answer's log-probability, by category"
    return Figure("fall-by-category", title, caption, f"Dot plot. {sentence}", (Plot(spec, _fall_table(view, title)),))


def _fall_table(view: _View, title: str) -> Table:
    columns = [Column("category"), Column("neurons off", "mean a row"), *score_columns("fall", NATS)]
    columns += [*score_columns("random", NATS), *score_columns("beyond random", NATS)]
    rows = [
        (name, view.sizes[name], *score_cells(e.deactivated), *score_cells(e.random), *score_cells(e.beyond_random))
        for name, e in view.falls.items()
    ]
    return Table.of("fall-by-category", title, columns, rows)


def _per_thousand_figure(view: _View) -> Figure:
    effects, unit = view.falls.values(), f"{NATS} for each 1,000 neurons"
    series = [
        Series(_OFF, "own", [effect.per_thousand for effect in effects]),
        Series(_RANDOM, "random", [effect.random_per_thousand for effect in effects]),
    ]
    spec = figures.dots(series, view.labels, unit=unit)
    caption = (
        "How to read it: the fall divided by the neurons that were off, so that a large category does not look "
        "important for its size alone; effects need not grow in proportion to size."
    )
    title = "Fall for each 1,000 neurons, by category"
    columns = (Column("category"), *score_columns("fall", unit), *score_columns("random", unit))
    rows = [
        (name, *score_cells(effect.per_thousand), *score_cells(effect.random_per_thousand))
        for name, effect in view.falls.items()
    ]
    plot = Plot(spec, Table.of("fall-per-thousand", title, columns, rows))
    return Figure("fall-per-thousand", title, caption, f"Dot plot of {len(rows)} categories.", (plot,))


def _accuracy_figure(view: _View) -> Figure:
    result, outcome = view.result, OUTCOMES[view.result.accuracy]
    names = {"on": "all neurons on"}
    for name in result.categories:
        names |= {name: f"{name} off", f"random: {name}": f"as many random as {name}"}
    rows = [view.levels[key][:-1] for key in names]
    values = [[score.value for score in row] for row in rows]
    details = [[[bracketed(score)] for score in row] for row in rows]
    labels = Labels(tuple(names.values()), tuple(names.values()))
    hover = "<b>%{y}</b> in <b>%{x}</b><br>%{z:.3~g} %{customdata[0]}"
    spec = heat_maps(
        [Panel("", values, details)], labels, language_labels(result.languages), unit=outcome.unit, hover=hover, axis=""
    )
    table_rows = [
        (name, code, *score_cells(score))
        for name, row in zip(names.values(), rows) for code, score in zip(result.languages, row)
    ]  # fmt: skip
    columns = (Column("neurons"), Column("language"), *score_columns("accuracy", outcome.unit))
    title = f"{outcome.name.capitalize()}, by condition and language"
    plot = Plot(spec, Table.of("accuracy-by-condition", title, columns, table_rows))
    caption = "How to read it: a row is a condition, a column a language; compare each category with the row below it."
    return Figure("accuracy-by-condition", title, caption, f"Heat map. {title}.", (plot,))


def _outcome_table(view: _View) -> Table:
    """Every outcome that is right or wrong: its fall, its control and the exact tests."""
    count, adjusted = view.tests
    rows = []
    for outcome, described in OUTCOMES.items():
        effects = view.result.mean_effects(outcome) if outcome in adjusted else {}
        tests = adjusted.get(outcome, {})
        rows += [
            (
                described.name, name, *score_cells(effect.deactivated), *score_cells(effect.random),
                *score_cells(effect.beyond_random), tests[name].rows.fell, tests[name].rows.rose, tests[name].rows.p,
                tests[name].against_random,
            )
            for name, effect in effects.items()
        ]  # fmt: skip
    columns = [Column("outcome"), Column("category"), *score_columns("fall", "share right")]
    columns += [*score_columns("random", "share right"), *score_columns("beyond random", "share right")]
    columns += [Column("rows that fell"), Column("rows that rose")]
    columns += [Column(f"p against all on, Holm over {count}"), Column(f"p against random, Holm over {count}")]
    return Table.of("accuracy-tests", "Fall of accuracy by category, with exact tests", columns, rows)


def _language_tests(view: _View) -> Table:
    """McNemar's test of each language, category off against all neurons on."""
    count, adjusted = view.tests
    rows = [
        (name, code, test.fell, test.rose, test.p)
        for name, tests in adjusted[view.result.accuracy].items()
        for code, test in zip(view.result.languages, tests.by_language)
    ]
    columns = [Column(name) for name in ("category", "language", "became wrong", "became right")]
    columns += [Column(f"p, Holm over {count}")]
    return Table.of("mcnemar-by-language", "McNemar's exact test, category off against all neurons on", columns, rows)


def _size_table(view: _View) -> Table:
    result = view.result
    rows = [
        (layer, name, result.mean_sizes[place, depth].item())
        for depth, layer in enumerate(layer_labels(result.layout).full) for place, name in enumerate(result.categories)
    ]  # fmt: skip
    columns = (Column("layer"), Column("category"), Column("neurons off", "mean a row"))
    return Table.of("sizes-by-layer", "Neurons switched off, by layer and category", columns, rows)


def _summary(view: _View) -> Table:
    """For the terminal: one row a category, in text that fits 80 columns."""
    title = f"{view.result.data}: fall of the answer's log-probability, {NATS} (interval)"
    columns = [Column(name) for name in ("category", "neurons", "category off", "random off", "accuracy")]
    rows = [
        (name, f"{view.sizes[name]:,.0f}", f"{number(effect.deactivated.value)} {bracketed(effect.deactivated)}",
         number(effect.random.value), number(view.levels[name][-1].value))
        for name, effect in view.falls.items()
    ]  # fmt: skip
    return Table.of("summary", title, columns, rows)
