"""RuleProbe and LikelihoodProbe: which decision rule writes best, and whether likelihood tells quality."""

from __future__ import annotations

from collections import Counter

from neuroglot.metrics.intervals import Score
from neuroglot.metrics.probing import LikelihoodProbe, RuleProbe
from neuroglot.reports.figures import Series, dots, small_multiples
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, joined, language_label, number, number_range, plural

TOLD_AT_ONCE = "Differences to the control hold at once over all rules and languages with 95% (Bonferroni)."
OF_TEXTS = "share of texts"


@section_of.register
def _(results: RuleProbe) -> Section:
    """Quality by rule and language beside the control, and what beams of each size write."""
    return Section(
        key="rule-probe",
        title="Decision rules",
        sentence=_sentence(results),
        signature=results.signature,
        remarks=(
            INTERVALS,
            f"The control is “{results.control}”: draws at the temperature that was fitted on other rows.",
            TOLD_AT_ONCE,
            "Texts are short if they have fewer than half of the reference's bytes.",
            "Rules named “tuned” draw at that temperature; all rules that compare draws read the same ones.",
        ),
        figures=(_rules_figure(results), _beams_figure(results)),
        tables=(_table(results), _means(results), _gap(results)),
        summary=_summary(results),
    )


def _sentence(results: RuleProbe) -> str:
    told, languages = results.told(), len(results.languages)
    sign = 1 if results.definition.higher_is_better else -1
    parts = []
    for side, word in enumerate(("better", "worse")):
        counts = Counter(rule for pair in told.values() for rule in pair[side])
        means = [rule for rule in results.counts if results.on_the_mean(rule) == (sign, -sign)[side]]
        by_language = [f"{rule} in {count} of {plural(languages, 'language')}" for rule, count in counts.most_common()]
        on_mean = [f"{joined(means)} on the mean over languages"] if means else []
        parts += [f"clearly {word} than it: {'; '.join([*on_mean, *by_language])}"] if on_mean or by_language else []
    control = results.mean(results.control)
    said = "; ".join(parts) or "no rule is clearly better or worse than it, in any language or on the mean"
    reached = f"{_written(control)} {results.definition.unit} ({results.definition.name})"
    return f"Drawn at the tuned temperature, as the control, texts reach {reached} on the mean over languages; {said}."


def _summary(results: RuleProbe) -> Table:
    told, unit = results.told(), results.definition.unit
    columns = [Column("rule"), Column("mean over languages", unit), Column("difference", unit)]
    columns += [Column("clearly better in"), Column("clearly worse in"), Column("cost")]
    means = {rule: results.mean(rule) for rule in results.counts}
    rows = [
        (rule, _written(mean), _mean_difference(results, rule), *_counted(told, rule), results.costs[rule])
        for rule, mean in means.items()
    ]
    return Table.of("rules-in-short", f"Rules beside {results.control}", columns, rows)


def _written(score: Score) -> str:
    return f"{number(score.value)} {bracketed(score)}"


def _mean_difference(results: RuleProbe, rule: str) -> str:
    return "" if rule == results.control else _written(results.mean_difference(rule, results.control))


def _counted(told: dict[str, tuple[list[str], list[str]]], rule: str) -> tuple[int, int]:
    better, worse = (sum(rule in pair[side] for pair in told.values()) for side in (0, 1))
    return better, worse


def _table(results: RuleProbe) -> Table:
    unit = results.definition.unit
    columns = [
        Column("language"), Column("rule"), *score_columns(results.definition.name, unit),
        *score_columns("difference to the control", unit), *score_columns("empty", OF_TEXTS),
        *score_columns("short", OF_TEXTS), Column("best in the language"),
    ]  # fmt: skip
    best, rows = results.best(), list[tuple[Cell, ...]]()
    for rule in results.counts:
        others = results.differences(rule, results.control) if rule != results.control else None
        columns_of = results.scores(rule), results.shares("empty", rule), results.shares("short", rule)
        for place, (language, score, empty, short) in enumerate(zip(results.languages, *columns_of, strict=True)):
            change: tuple[Cell, ...] = (None,) * 3 if others is None else score_cells(others[place])
            is_best = "yes" if rule in best[language] else ""
            cells = (*score_cells(score), *change, *score_cells(empty), *score_cells(short))
            rows.append((language_label(language), rule, *cells, is_best))
    return Table.of("rules-by-language", "Rules by language", columns, rows)


def _means(results: RuleProbe) -> Table:
    unit = results.definition.unit
    columns = [
        Column("rule"), *score_columns(results.definition.name, unit),
        *score_columns("difference to the control", unit), Column("cost"),
    ]  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for rule in results.counts:
        is_control = rule == results.control
        change = (None,) * 3 if is_control else score_cells(results.mean_difference(rule, results.control))
        rows.append((rule, *score_cells(results.mean(rule)), *change, results.costs[rule]))
    return Table.of("rules-on-the-mean", "Rules on the mean over languages", columns, rows)


def _gap(results: RuleProbe) -> Table:
    """Greedy search less one draw, as the model is and at the tuned temperature."""
    unit, claims = results.definition.unit, 2 * len(results.languages)
    columns = [
        Column("language"), *score_columns("greedy less sample", unit),
        *score_columns("greedy less tuned sample", unit),
    ]  # fmt: skip
    gaps = [results.differences("greedy", other, claims) for other in ("sample", results.control)]
    rows = [
        (language_label(language), *score_cells(plain), *score_cells(tuned))
        for language, plain, tuned in zip(results.languages, *gaps, strict=True)
    ]
    return Table.of("greedy-against-sample", "Greedy search against samples", columns, rows)


def _rules_figure(results: RuleProbe) -> Figure:
    rules, unit = tuple(results.counts), results.definition.unit
    labels = Labels(rules, rules)
    scores = {rule: results.scores(rule) for rule in rules}
    plots = []
    for place, language in enumerate(results.languages):
        series = [Series(results.definition.name, "observed", [scores[rule][place] for rule in rules])]
        columns = [Column("rule"), *score_columns(results.definition.name, unit)]
        table = Table.of(
            f"rules-{language}", f"Rules in {language_label(language)}", columns,
            [(rule, *score_cells(scores[rule][place])) for rule in rules],
        )  # fmt: skip
        plots.append(Plot(dots(series, labels, unit=unit), table, language_label(language)))
    caption = "How to read it: a dot for each rule with its 95% interval over rows; rules share the rows."
    return Figure("rules", "Quality by rule", caption, f"Dot plot. {_sentence(results)}", tuple(plots))


def _beams_figure(results: RuleProbe) -> Figure:
    """Quality, and empty and short texts, against the number of beams."""
    sizes = tuple(map(str, results.beams))
    rules = list(results.beams.values())
    panels = {
        results.definition.name: {rule: results.scores(rule) for rule in rules},
        "empty": {rule: _percent(results.shares("empty", rule)) for rule in rules},
        "short": {rule: _percent(results.shares("short", rule)) for rule in rules},
    }
    unit, plots = f"{results.definition.unit}; % of texts", []
    units = (results.definition.unit, "percent of texts", "percent of texts")
    for place, language in enumerate(results.languages):
        drawn = [
            (name, [Series(name, "observed", [column[rule][place] for rule in rules])])
            for name, column in panels.items()
        ]
        columns = [
            Column("beams"),
            *(cell for panel in zip(panels, units, strict=True) for cell in score_columns(*panel)),
        ]
        rows = [
            (size, *(cell for column in panels.values() for cell in score_cells(column[rule][place])))
            for size, rule in results.beams.items()
        ]
        table = Table.of(f"beams-{language}", f"Beams in {language_label(language)}", columns, rows)
        spec = small_multiples(drawn, Labels(sizes, sizes), unit=unit, axis="beams")
        plots.append(Plot(spec, table, language_label(language)))
    caption = "How to read it: one beam is greedy search; empty and short texts are shares in percent."
    alternative = "Lines. Quality, empty and short texts against the number of beams."
    return Figure("beams", "Quality, empty and short texts by beam size", caption, alternative, tuple(plots))


def _percent(scores: list[Score]) -> list[Score]:
    return [Score(100 * score.value, 100 * score.low, 100 * score.high) for score in scores]


@section_of.register
def _(results: LikelihoodProbe) -> Section:
    """The rank correlation of likelihood and quality, and the ranks of reference tokens, by language."""
    correlated = results.correlation("whole")
    told = [language for language, score in zip(results.languages, correlated, strict=True) if score.low > 0]
    first = results.first
    listed = joined([language_label(language) for language in told]) or "no language"
    shares = [score.value for score in first]
    return Section(
        key="likelihood-probe",
        title="Likelihood and quality",
        sentence=(
            f"A row's likelier texts are clearly better in {listed}; of reference tokens "
            f"{number_range(shares)} rank first, by language."
        ),
        signature=results.signature,
        remarks=(
            INTERVALS,
            "Correlations are Spearman's, of the different texts of a row, averaged over the rows in which both vary; "
            "each interval holds alone.",
            "A rank is one more than how many tokens have a larger score behind the reference's own beginning; its "
            "mean is geometric.",
        ),
        tables=(_likelihoods(results),),
    )


def _likelihoods(results: LikelihoodProbe) -> Table:
    columns = [
        Column("language"), Column("rows that vary"), *score_columns("correlation with log-probability", ""),
        *score_columns("correlation with log-probability a token", ""),
        *score_columns("mean rank of a reference token", ""), *score_columns("rank first", "share of tokens"),
        *score_columns("among ten", "share of tokens"),
    ]  # fmt: skip
    scores = zip(
        results.correlation("whole"), results.correlation("token"), results.mean_ranks, results.first,
        results.among_ten, strict=True,
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (language_label(language), varying, *(cell for score in columns_of for cell in score_cells(score)))
        for language, varying, columns_of in zip(results.languages, results.varying, scores, strict=True)
    ]
    return Table.of("likelihood-and-quality", "Likelihood, quality and ranks of references", columns, rows)
