"""How the loss went in training, and what each stage of a curriculum did to what was held out."""

from __future__ import annotations

from math import isfinite

from neuroglot.metrics.losses import WINDOWS, HeldOutLosses, LossCurve, TriedRates
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, number, plural

TERMINAL_ROWS = 10


@section_of.register
def _(curve: LossCurve) -> Section:
    """The mean loss over windows of steps, with its least and its most; every step's loss is in the JSON."""
    first, last = curve.losses[0], curve.losses[-1]
    sentence = (
        f"The loss was {number(first)} {curve.unit} in the first step and {number(last)} in the last of "
        f"{plural(len(curve.losses), 'step')}."
    )
    left_out = tuple(
        f"{plural(count, 'example')} left out: {reason}." for reason, count in curve.dropped.items() if count
    )
    table = _table(curve)
    labels = [str(end) for _, end in curve.windows()]
    spec = figures.small_multiples(
        [("", [Series("mean loss", "observed", list(curve.windows().values()))])],
        Labels(tuple(labels), tuple(labels)), unit=curve.unit, axis="step",
    )  # fmt: skip
    caption = "How to read it: a dot is the mean over the steps up to this one; lines are from the least to the most."
    figure = Figure("losses", "Loss by step", caption, f"Line plot. {sentence}", (Plot(spec, table),))
    headline = {"losses": list(curve.losses), "dropped": dict(curve.dropped)}
    return Section(
        "training",
        "Training",
        sentence,
        curve.signature,
        left_out,
        (figure,),
        summary=_table(curve, TERMINAL_ROWS),
        headline=headline,
    )


def _table(curve: LossCurve, most: int = WINDOWS) -> Table:
    """A row a run of steps, `most` at most."""
    columns = [Column("first step"), Column("last step")]
    columns += [Column(name, curve.unit) for name in ("mean loss", "least", "most")]
    rows = [(*steps, score.value, score.low, score.high) for steps, score in curve.windows(most).items()]
    return Table.of("loss-by-step", "Loss by step", columns, rows)


@section_of.register
def _(losses: HeldOutLosses) -> Section:
    """The loss of held-out answers before and behind each stage, and how much it rose since the beginning."""
    last = len(losses.moments) - 1
    said = [
        f"{word} than before for {'; '.join(f'{group} {bracketed(losses.change(group, last))}' for group in groups)}"
        for word, groups in (("higher", losses.risen), ("lower", losses.fallen)) if groups
    ]  # fmt: skip
    if not losses.risen:
        said.append(f"higher in none of {plural(len(losses.counts), 'group')}")
    sentence = f"Behind the last stage the loss of held-out answers is clearly {', and '.join(said)}."
    columns = [
        Column("group"), Column("rows"), Column("moment"), *score_columns("loss", losses.unit),
        *score_columns("change", losses.unit),
    ]  # fmt: skip
    rows = [
        (group, counts.shape[1], moment, *score_cells(losses.score(group, index)),
         *(score_cells(losses.change(group, index)) if index else (None,) * 3))
        for group, counts in losses.counts.items()
        for index, moment in enumerate(losses.moments)
    ]  # fmt: skip
    table = Table.of("held-out-losses", "Loss of held-out answers", columns, rows)
    remarks = (
        INTERVALS,
        "A change above 0 is forgetting; rows are the same at all moments. What is called clear "
        "is so at a level at which all groups are told at once (Bonferroni).",
    )
    return Section(
        "held-out", "Held-out answers", sentence, losses.signature, remarks, tables=(table,), summary=table
    )  # fmt: skip


@section_of.register
def _(tried: TriedRates) -> Section:
    """The learning rates that were tried for each stage, and which one was chosen."""
    chosen = [f"{tried.chosen(stage):g} for {stage}" for stage in tried.losses]
    sentence = (
        f"Of the learning rates that were tried, the lowest loss of the selection is left by {'; '.join(chosen)}."
    )
    columns = [Column("stage"), Column("learning rate"), Column("loss", tried.unit), Column("chosen")]
    rows = [
        (stage, f"{rate:g}", loss if isfinite(loss) else None, "yes" if rate == tried.chosen(stage) else "")
        for stage, losses in tried.losses.items()
        for rate, loss in losses.items()
    ]
    table = Table.of("learning-rates", "Learning rates that were tried", columns, rows)
    remarks = (
        "Rates are chosen on selection rows, which are neither learned nor reported on elsewhere. "
        "A rate without a loss diverged.",
    )
    return Section("rates", "Learning rates", sentence, tried.signature, remarks, tables=(table,), summary=table)
