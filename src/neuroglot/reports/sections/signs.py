"""Sign language: errors while a recogniser is trained, and what roles of channels are for."""

from __future__ import annotations

from collections.abc import Mapping

from neuroglot.metrics.intervals import Score
from neuroglot.metrics.signs import ErrorsByStep, RoleEffects
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, number

ERRORS = "errors per 100 glosses"


@section_of.register
def _(errors: ErrorsByStep) -> Section:
    """The word error rate by step."""
    last = max(errors.values)
    sentence = f"On clips that are not trained on the word error rate ends at {number(errors.values[last])}."
    columns = [Column("step"), Column("word error rate", ERRORS)]
    table = Table.of("errors-by-step", "Word error rate by step", columns, sorted(errors.values.items()))
    labels = [str(step) for step in sorted(errors.values)]
    line = Series("word error rate", "observed", [Score.exact(errors.values[int(step)]) for step in labels])
    spec = figures.small_multiples([("", [line])], Labels(tuple(labels), tuple(labels)), unit=ERRORS, axis="step")
    caption = "How to read it: a dot is the rate over all these clips at a step; it may be above 100."
    figure = Figure(
        "errors-by-step", "Word error rate by step", caption, f"Line plot. {sentence}", (Plot(spec, table),)
    )
    return Section(
        "errors-by-step", "Errors while training", sentence, errors.signature, figures=(figure,), summary=table
    )  # fmt: skip


@section_of.register
def _(effects: RoleEffects) -> Section:
    """The effect of each role beside random channels, and the roles of each language's own channels."""
    found, random = effects.effects(), effects.random_effects()
    told = [
        f"{role} {bracketed(score)} (random {bracketed(control)})"
        for role, score, control in zip(effects.roles, found, random, strict=True)
    ]
    sentence = f"With all channels of a role off the loss rises by, in {effects.metric.unit}: {'; '.join(told)}."
    unit = effects.metric.unit
    columns = [Column("role"), Column("channels"), *score_columns("effect", unit), *score_columns("random", unit)]
    rows = [
        (role, effects.sizes[role], *score_cells(score), *score_cells(control))
        for role, score, control in zip(effects.roles, found, random, strict=True)
    ]
    table = Table.of("roles", "Channels of a role in the shift off", columns, rows)
    remarks = (
        INTERVALS,
        "A channel's role is the frame from which the shift takes it: the past, the present or the future one. Random "
        "sets have as many channels in every layer.",
    )
    return Section(
        "roles", "Roles in the shift", sentence, effects.signature, remarks, tables=(table, _selected(effects)),
        summary=table,
    )  # fmt: skip


def _selected(effects: RoleEffects) -> Table:
    """How many of each language's own channels have each role, and what share of all of that role they are."""
    columns = [Column("sign language"), Column("role"), Column("own channels"), Column("share of the role's channels")]
    rows = [
        (language, role, count, count / effects.sizes[role])
        for language, by_role in effects.selected.items()
        for role, count in by_role.items()
    ]
    return Table.of("roles-of-sets", "Roles of each sign language's own channels", columns, rows)


def cost_table(costs: Mapping[str, tuple[int, float, int, int]]) -> Table:
    """Parameters, operations a frame, pixels and look-ahead of each network."""
    columns = [
        Column("network"), Column("parameters"), Column("multiply–adds a frame"), Column("pixels a side"),
        Column("look-ahead", "frames"),
    ]  # fmt: skip
    return Table.of("costs", "What a network costs", columns, [(name, *cost) for name, cost in costs.items()])
