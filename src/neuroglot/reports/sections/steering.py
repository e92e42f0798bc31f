"""Steering: the steps, in order, and where their neurons are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroglot.reports.parts import Section
from neuroglot.reports.tables import Cell, Column, Table
from neuroglot.reports.wording import layer_labels, plural

if TYPE_CHECKING:
    from neuroglot.interventions.operators import Step
    from neuroglot.interventions.steering import Steering

SCOPE_LABELS = {"all": "all tokens", "prompt": "the tokens of the prompt", "generated": "generated tokens"}


def steering_section(steering: Steering) -> Section:
    """What is done to which neurons."""
    steps = _steps_table(steering)
    return Section(
        key="steering",
        title="Steering",
        sentence=f"{plural(len(steering.steps), 'step')} on {SCOPE_LABELS[steering.scope]}, one after another.",
        signature=steering.signature,
        tables=(steps, _layers_table(steering)),
        summary=steps,
    )


def _steps_table(steering: Steering) -> Table:
    names = ("step", "operator", "formula", "site", "neurons", "value", "values from")
    rows = [_row(number, step) for number, step in enumerate(steering.steps, 1)]
    return Table.of("steering-steps", "Steps", [Column(name) for name in names], rows)


def _row(number: int, step: Step) -> tuple[Cell, ...]:
    from neuroglot.interventions.operators import OPERATORS

    value = step.values if isinstance(step.values, float) else "by neuron"
    origin = dict(step.origin.fields)
    named = [f"{name} {origin[name]}" for name in ("values", "language", "quantile", "alpha") if name in origin]
    formula = OPERATORS[step.operator].formula
    return number, step.operator, formula, step.site, len(step.neurons), value, ", ".join(named)


def _layers_table(steering: Steering) -> Table:
    columns = [Column("step"), Column("layer"), Column("neurons")]
    rows = [
        (number, name, count)
        for number, step in enumerate(steering.steps, 1)
        for name, count in zip(layer_labels(steering.layout).full, step.neurons.counts_by_layer(), strict=True)
    ]
    return Table.of("steered-layers", "Neurons by step and layer", columns, rows)
