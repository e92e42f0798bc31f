"""LossCurve: how the loss went in training."""

from __future__ import annotations

from neuroglot.metrics.losses import WINDOWS, LossCurve
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table
from neuroglot.reports.wording import Labels, number, plural

TERMINAL_ROWS = 10


@section_of.register
def _(curve: LossCurve) -> Section:
    """The mean loss over windows of steps, with its least and its most; every step's loss is in the JSON."""
    first, last = curve.losses[0], curve.losses[-1]
    sentence = (
        f"The loss was {number(first)} {curve.unit} in the first step and {number(last)} in the last of "
        f"{plural(len(curve.losses), 'step')}."
    )
    left_out = tuple(f"{plural(count, 'example')} left out: {reason}." for reason, count in curve.dropped.items())
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
