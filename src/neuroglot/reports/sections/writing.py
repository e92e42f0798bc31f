"""WritingComparison: how well an encoder writes, beside its ablations and baselines, and in how many passes."""

from __future__ import annotations

from collections.abc import Mapping

from neuroglot.metrics.writing import WritingComparison
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, left_out, number, plural

WRITER_LABELS = {
    "sga": "the whole model",
    "alignment alone": "without denoising, the same weights",
    "memory off": "without its memory",
    "memory shuffled": "with the memory of another row",
    "no denoising": "trained without denoising",
    "autoregressive": "encoder–decoder from the same encoder",
    "prefix tuning": "prompts alone trained",
    "full fine-tuning": "the encoder trained too",
}
FORWARD = "Passes are forwards of the encoder, or, of an encoder–decoder, one and one a token."


@section_of.register
def _(comparison: WritingComparison) -> Section:
    """Scores by system and by direction, with passes, and times in a table of their own."""
    return Section(
        "writing",
        "An encoder that writes",
        _sentence(comparison),
        comparison.signature,
        (
            f"Intervals are 95% t intervals over rows{_and_seeds(comparison)}; differences are paired.", FORWARD,
            *left_out(comparison.dropped),
        ),
        (_system_figure(comparison), *_difference_figures(comparison), _direction_figure(comparison)),
        (_times(comparison),),
        summary=_summary(comparison),
    )  # fmt: skip


def _and_seeds(comparison: WritingComparison) -> str:
    return f" and the {plural(comparison.seeds, 'seed')}" if comparison.seeds > 1 else ""


def _sentence(comparison: WritingComparison) -> str:
    score, name = comparison.scores()[comparison.base], comparison.base
    over = plural(len(comparison.directions), "direction")
    passes = comparison.passes.get(name)
    taken = "" if passes is None else f" in {number(passes)} passes a text"
    text = f"The mean {comparison.metric} over {over} is {number(score.value)} {bracketed(score)}{taken}"
    told = [
        f"{number(change.value)} {bracketed(change)} {WRITER_LABELS.get(other, other)}"
        for other, change in comparison.differences().items()
    ]
    return f"{text}; the difference to it is {', '.join(told)}." if told else f"{text}."


def _system_figure(comparison: WritingComparison) -> Figure:
    scores, changes = comparison.scores(), comparison.differences()
    unit = f"{comparison.metric}, {comparison.unit}"
    spec = figures.dots([Series(unit, "observed", list(scores.values()))], _labels(scores), unit=unit, zero=False)
    columns = [Column("system"), *score_columns(comparison.metric, comparison.unit)]
    columns += [*score_columns(f"less {comparison.base}", comparison.unit), Column("passes"), Column("trained weights")]
    columns += [Column(f"seed {place + 1} of {comparison.seeds}", comparison.unit) for place in range(comparison.seeds)]
    rows: list[tuple[Cell, ...]] = [
        (
            name, *score_cells(score), *(score_cells(changes[name]) if name in changes else (None, None, None)),
            comparison.passes.get(name), comparison.trained.get(name), *comparison.by_seed(name),
        )
        for name, score in scores.items()
    ]  # fmt: skip
    table = Table.of("written-by-system", f"{comparison.metric} by system", columns, rows)
    caption = "How to read it: a row is a system, further right is better. Lines are intervals."
    alternative = f"Dot plot. {_sentence(comparison)}"
    return Figure("written-by-system", "Score by system", caption, alternative, (Plot(spec, table),))


def _difference_figures(comparison: WritingComparison) -> tuple[Figure, ...]:
    changes = comparison.differences()
    if not changes:
        return ()
    unit = f"{comparison.metric} less {comparison.base}, {comparison.unit}"
    spec = figures.dots([Series(unit, "observed", list(changes.values()))], _labels(changes), unit=unit)
    columns = [Column("system"), *score_columns(f"less {comparison.base}", comparison.unit)]
    rows = [(name, *score_cells(change)) for name, change in changes.items()]
    table = Table.of("written-less-base", unit, columns, rows)
    caption = "How to read it: left of 0 is worse than the whole model. Lines are paired intervals."
    title = "Difference to the whole model"
    return (Figure("written-less-base", title, caption, "Dot plot of paired differences.", (Plot(spec, table),)),)


def _direction_figure(comparison: WritingComparison) -> Figure:
    roles = dict(zip(comparison.systems, ("own", "other", "random"), strict=False))
    scores = {name: comparison.by_direction(name) for name in roles}
    series = [Series(WRITER_LABELS.get(name, name), role, list(scores[name].values())) for name, role in roles.items()]
    labels = Labels(comparison.directions, comparison.directions)
    spec = figures.dots(series, labels, unit=f"{comparison.metric}, {comparison.unit}", zero=False)
    every = {name: comparison.by_direction(name) for name in comparison.systems}
    columns = [Column("direction")]
    columns += [column for name in every for column in score_columns(name, comparison.unit)]
    rows: list[tuple[Cell, ...]] = [
        (direction, *(cell for of_system in every.values() for cell in score_cells(of_system[direction])))
        for direction in comparison.directions
    ]
    table = Table.of("written-by-direction", f"{comparison.metric} by direction", columns, rows)
    caption = "How to read it: a row is a direction, a mark a system; further right is better."
    title = "Score by direction"
    return Figure("written-by-direction", title, caption, "Dot plot of scores by direction.", (Plot(spec, table),))


def _times(comparison: WritingComparison) -> Table:
    columns = [Column("system"), Column("time a text, in batches"), Column("unit")]
    rows = [(WRITER_LABELS.get(name, name), 1000 * seconds, "ms") for name, seconds in comparison.seconds.items()]
    return Table.of("time-by-system", "Time by system, on this machine, measured once", columns, rows)


def _labels(systems: Mapping[str, object]) -> Labels:
    return Labels(tuple(WRITER_LABELS.get(name, name) for name in systems), tuple(systems))


def _summary(comparison: WritingComparison) -> Table:
    """For the terminal."""
    changes = comparison.differences()
    columns = [Column(name) for name in ("system", comparison.metric, f"less {comparison.base}", "passes")]
    rows: list[tuple[Cell, ...]] = [
        (
            name, f"{number(score.value)} {bracketed(score)}",
            f"{number(changes[name].value)} {bracketed(changes[name])}" if name in changes else "",
            comparison.passes.get(name),
        )
        for name, score in comparison.scores().items()
    ]  # fmt: skip
    over = "directions and seeds" if comparison.seeds > 1 else "directions"
    return Table.of("summary", f"{comparison.metric}, mean over {over}", columns, rows)
