"""TranslationComparison: whether training with a direction's own neurons helps, and how alike directions are."""

from __future__ import annotations

from collections.abc import Sequence

from neuroglot.metrics.intervals import Score
from neuroglot.metrics.translation import TranslationComparison
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, number, plural

SYSTEM_LABELS = {
    "continued": "trained on with all neurons",
    "specialized": "with each direction's own neurons",
    "random": "with as many random neurons",
    "magnitude": "with as many neurons of longest value vectors",
    "lora": "with low-rank adapters, all neurons",
    "baseline": "not trained on",
}


@section_of.register
def _(comparison: TranslationComparison) -> Section:
    """Scores by system and by direction, and the overlap of the directions' neurons by layer."""
    return Section(
        "specialization",
        "Training with each direction's own neurons",
        _sentence(comparison),
        comparison.signature,
        (_intervals(comparison),),
        (
            _system_figure(comparison),
            _difference_figure(comparison),
            _direction_figure(comparison),
            _overlap_figure(comparison),
        ),
        summary=_summary(comparison),
    )


def _sentence(comparison: TranslationComparison) -> str:
    scores = comparison.scores()
    base = scores[comparison.base]
    over = plural(len(comparison.directions), "direction")
    mean = f"the mean {comparison.metric} over {over} is {number(base.value)} {bracketed(base)}"
    text = f"Trained on with all neurons, {mean}"
    changes = comparison.differences()
    told = [
        f"{number(changes[name].value)} {bracketed(changes[name])} {SYSTEM_LABELS[name]}"
        for name in ("specialized", "random")
        if name in changes
    ]
    return f"{text}; the difference to it is {' and '.join(told)}."


def _intervals(comparison: TranslationComparison) -> str:
    return (
        f"Intervals are 95% t intervals over rows and the {plural(comparison.seeds, 'seed')}; every system has "
        "the same start, batches and number of steps."
    )


def _system_figure(comparison: TranslationComparison) -> Figure:
    scores, changes = comparison.scores(), comparison.differences()
    to_random = comparison.differences("random") if "random" in comparison.systems else {}
    unit = f"{comparison.metric}, {comparison.unit}"
    labels = Labels(tuple(SYSTEM_LABELS.get(name, name) for name in scores), tuple(scores))
    spec = figures.dots([Series(unit, "observed", list(scores.values()))], labels, unit=unit, zero=False)
    columns = [Column("system"), *score_columns(comparison.metric, comparison.unit)]
    columns += [column for to in (comparison.base, "random") for column in score_columns(f"less {to}", comparison.unit)]
    columns += [Column(f"seed {place + 1} of {comparison.seeds}", comparison.unit) for place in range(comparison.seeds)]
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            *score_cells(score),
            *_cells(changes.get(name)),
            *_cells(to_random.get(name)),
            *comparison.by_seed(name),
        )
        for name, score in scores.items()
    ]
    table = Table.of("score-by-system", f"{comparison.metric} by system", columns, rows)
    caption = "How to read it: a row is a system, further right is better. Lines are intervals over rows and seeds."
    alternative = f"Dot plot. {_sentence(comparison)}"
    return Figure("score-by-system", "Score by system", caption, alternative, (Plot(spec, table),))


def _difference_figure(comparison: TranslationComparison) -> Figure:
    """The same less the base, paired by row and seed, so that what is hard to translate plays no part."""
    changes = comparison.differences()
    labels = Labels(tuple(SYSTEM_LABELS.get(name, name) for name in changes), tuple(changes))
    unit = f"{comparison.metric} less {comparison.base}, {comparison.unit}"
    spec = figures.dots([Series(unit, "observed", list(changes.values()))], labels, unit=unit)
    columns = [Column("system"), *score_columns(f"less {comparison.base}", comparison.unit)]
    table = Table.of("difference-by-system", unit, columns, [(name, *score_cells(of)) for name, of in changes.items()])
    caption = "How to read it: right of 0 is better than training on with all neurons. Lines are paired intervals."
    title = "Difference to training on with all neurons"
    return Figure("difference-by-system", title, caption, "Dot plot of paired differences.", (Plot(spec, table),))


def _direction_figure(comparison: TranslationComparison) -> Figure:
    shown = [name for name in ("specialized", "continued", "random") if name in comparison.systems]
    scores = {name: comparison.by_direction(name) for name in shown}
    roles = {"specialized": "own", "continued": "other", "random": "random"}
    series = [Series(SYSTEM_LABELS[name], roles[name], list(scores[name].values())) for name in shown]
    labels = Labels(comparison.directions, comparison.directions)
    spec = figures.dots(series, labels, unit=f"{comparison.metric}, {comparison.unit}", zero=False)
    columns = [Column("direction")]
    columns += [column for name in shown for column in score_columns(SYSTEM_LABELS[name], comparison.unit)]
    rows: list[tuple[Cell, ...]] = [
        (direction, *(cell for name in shown for cell in score_cells(scores[name][direction])))
        for direction in comparison.directions
    ]
    table = Table.of("score-by-direction", f"{comparison.metric} by direction", columns, rows)
    caption = "How to read it: a row is a direction, a mark a system; further right is better."
    title = "Score by direction"
    return Figure("score-by-direction", title, caption, "Dot plot of scores by direction.", (Plot(spec, table),))


def _overlap_figure(comparison: TranslationComparison) -> Figure:
    """How alike the directions' neurons are, layer by layer; the ends are the seeds' least and most."""
    overlap, removed = (_over_seeds(values.T.tolist()) for values in (comparison.overlap, comparison.removed))
    labels = Labels(comparison.layers, comparison.layers)
    series = [Series("overlap of two directions", "own", overlap), Series("removed", "random", removed)]
    spec = figures.dots(series, labels, unit="share", zero=False)
    columns = [Column("layer"), *score_columns("intersection over union", "share"), *score_columns("removed", "share")]
    rows = [
        (layer, *score_cells(both), *score_cells(off)) for layer, both, off in zip(comparison.layers, overlap, removed)
    ]
    table = Table.of("overlap-by-layer", "Overlap of the directions' neurons", columns, rows)
    caption = (
        "How to read it: a row is a layer. In encoders directions into the pivot are compared, in decoders those out "
        "of it; 1 is the same neurons. Lines are from the least to the most of the seeds."
    )
    title = "Overlap of directions, by layer"
    return Figure("overlap-by-layer", title, caption, "Dot plot of overlap by layer.", (Plot(spec, table),))


def _over_seeds(values: Sequence[Sequence[float]]) -> list[Score]:
    return [Score(sum(of_seeds) / len(of_seeds), min(of_seeds), max(of_seeds)) for of_seeds in values]


def _cells(score: Score | None) -> tuple[float | None, ...]:
    return (None, None, None) if score is None else score_cells(score)


def _summary(comparison: TranslationComparison) -> Table:
    """For the terminal."""
    changes = comparison.differences()
    columns = [Column(name) for name in ("system", comparison.metric, f"less {comparison.base}")]
    rows = [
        (
            name,
            f"{number(score.value)} {bracketed(score)}",
            f"{number(changes[name].value)} {bracketed(changes[name])}" if name in changes else "",
        )
        for name, score in comparison.scores().items()
    ]
    return Table.of("summary", f"{comparison.metric}, mean over directions and seeds", columns, rows)
