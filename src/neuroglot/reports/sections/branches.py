"""A branched translation model: quality by flow, and how near its branches' spaces are."""

from __future__ import annotations

import math

from neuroglot.metrics.branches import DIRECTION_KINDS, BranchSpaces, FlowScores
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.tables import Cell, Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, number, plural

CHOSEN = "chosen flow"
SHORT_KINDS = {"en2x": "out", "x2en": "in", "zero-shot": "past"}  # phones have no room for more


@section_of.register
def _(flows: FlowScores) -> Section:
    """Scores by kind of direction and flow, each beside the main pair's."""
    sets = (_of_sets(flows),) if flows.sets else ()
    return Section(
        flows.key, flows.title, _sentence(flows), flows.signature,
        (INTERVALS, "Flows are compared in the directions that both have, row by row."),
        (_figure(flows),), (*sets, _by_direction(flows)), summary=_summary(flows),
    )  # fmt: skip


def _sentence(flows: FlowScores) -> str:
    parts = []
    for kind, name in DIRECTION_KINDS.items():
        scores = flows.scores(kind)
        if flows.base not in scores:
            continue
        base, changes = scores[flows.base], flows.differences(kind)
        told = [f"{number(change.value)} {bracketed(change)} by {flow}" for flow, change in changes.items()]
        beside = f"; the difference to it is {', '.join(told)}" if told else ""
        parts.append(
            f"{name.capitalize()}, {flows.base} has {flows.metric} {number(base.value)} {bracketed(base)}{beside}"
        )
    return ". ".join(parts) + "."


def _summary(flows: FlowScores) -> Table:
    """For the terminal."""
    columns = [Column(name) for name in ("directions", "flow", flows.metric, f"less {flows.base}")]
    rows = []
    for kind, name in DIRECTION_KINDS.items():
        changes = flows.differences(kind)
        for flow, score in flows.scores(kind).items():
            change = f"{number(changes[flow].value)} {bracketed(changes[flow])}" if flow in changes else ""
            rows.append((name, flow, f"{number(score.value)} {bracketed(score)}", change))
    for name, scores in flows.of_sets().items():
        taken, _, change = (f"{number(score.value)} {bracketed(score)}" for score in scores)
        rows.append((name, CHOSEN, taken, change))
    return Table.of("summary", f"{flows.metric}, mean over directions", columns, rows)


def _by_kind(flows: FlowScores) -> Table:
    columns = [Column("directions"), Column("flow"), Column("how many"), *score_columns(flows.metric, flows.unit)]
    columns += score_columns(f"less {flows.base}", flows.unit)
    rows: list[tuple[Cell, ...]] = [
        (
            DIRECTION_KINDS[kind], flow, len(flows.directions(flow, kind)), *score_cells(score),
            *(score_cells(flows.differences(kind)[flow]) if flow != flows.base else (None, None, None)),
        )
        for kind in DIRECTION_KINDS for flow, score in flows.scores(kind).items()
    ]  # fmt: skip
    return Table.of(flows.key, f"{flows.metric} by flow", columns, rows)


def _of_sets(flows: FlowScores) -> Table:
    """The mean of every set of directions by the chosen flows, beside the main pair's."""
    columns = [Column("directions"), Column("how many"), *score_columns(f"{flows.metric}, {CHOSEN}", flows.unit)]
    columns += [*score_columns(flows.base, flows.unit), *score_columns(f"less {flows.base}", flows.unit)]
    rows: list[tuple[Cell, ...]] = [
        (name, len(flows.sets[name]), *(cell for score in scores for cell in score_cells(score)))
        for name, scores in flows.of_sets().items()
    ]
    return Table.of(f"{flows.key}-by-set", f"{flows.metric} by core language and resources", columns, rows)


def _figure(flows: FlowScores) -> Figure:
    found = {(kind, flow): score for kind in DIRECTION_KINDS for flow, score in flows.scores(kind).items()}
    names = tuple(f"{DIRECTION_KINDS[kind]}, {flow}" for kind, flow in found)
    unit = f"{flows.metric}, {flows.unit}"
    short = tuple(f"{SHORT_KINDS[kind]}: {_in_short(flow)}" for kind, flow in found)
    spec = figures.dots([Series(unit, "observed", list(found.values()))], Labels(names, short), unit=unit, zero=False)
    better = "right" if flows.higher_is_better else "left"
    caption = (
        "How to read it: a row is a flow in directions out of the pivot, into it, or past it; "
        f"further {better} is better."
    )
    alternative = f"Dot plot. {_sentence(flows)}"
    return Figure(flows.key, flows.title, caption, alternative, (Plot(spec, _by_kind(flows)),))


def _in_short(flow: str) -> str:
    """`Dec+unseen` of `Dec-Flow + unseen combination`."""
    return flow.replace("-Flow", "").replace(" combination", "").replace(" + ", "+")


def _by_direction(flows: FlowScores) -> Table:
    columns = [Column("direction"), Column("flow"), *score_columns(flows.metric, flows.unit), Column("chosen")]
    rows = [
        (direction, flow, *score_cells(score), "yes" if flows.chosen.get(direction) == flow else "")
        for flow in flows.counts
        for direction, score in flows.by_direction(flow).items()
    ]
    return Table.of(f"{flows.key}-by-direction", f"{flows.metric} by direction and flow", columns, rows)


@section_of.register
def _(spaces: BranchSpaces) -> Section:
    """CKA by language, and the overlap of neurons by layer."""
    mean, main = (_mean(list(each.values())) for each in (spaces.cka, spaces.main_cka))
    own, same = (
        _mean([v for v in each.tolist() if not math.isnan(v)]) for each in (spaces.overlap, spaces.main_overlap)
    )
    sentence = (
        f"Sentences of {plural(len(spaces.cka), 'language')} by their own encoders are as those of {spaces.pivot} by "
        f"the main one with a CKA of {number(mean)} (by the main encoder {number(main)}); the neurons of two branches "
        f"overlap by {number(own)} on the mean over layers (with the main pair {number(same)})."
    )
    return Section(
        "branch-spaces", "Nearness of the branches", sentence, spaces.signature,
        (
            "Linear CKA is 1 for equal spaces up to rotation and scale, and rises as rows become fewer: compare equal "
            "numbers of rows.",
        ),
        tables=(_cka(spaces), _overlaps(spaces)), summary=_cka(spaces),
    )  # fmt: skip


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _cka(spaces: BranchSpaces) -> Table:
    columns = [Column("language"), Column("CKA, own encoder"), Column("CKA, main encoder")]
    rows = [(code, value, spaces.main_cka[code]) for code, value in spaces.cka.items()]
    return Table.of("branch-cka", f"CKA with {spaces.pivot} by the main encoder", columns, rows)


def _overlaps(spaces: BranchSpaces) -> Table:
    unit = "intersection over union"
    columns = [Column("layer"), Column("own branches", unit), Column("main pair", unit)]
    rows = list(zip(spaces.layers, spaces.overlap.tolist(), spaces.main_overlap.tolist(), strict=True))
    return Table.of("branch-overlap", "Overlap of neurons of two directions", columns, rows)
