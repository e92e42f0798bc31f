"""PromptComparison: does showing more languages help, what does it do to the neurons, and what does it cost?"""

from __future__ import annotations

from collections.abc import Sequence

from neuroglot.metrics.intervals import Score
from neuroglot.metrics.prompts import Difference, PromptComparison
from neuroglot.neurons.comparing import find_peaks, jaccard
from neuroglot.reports import figures
from neuroglot.reports.figures import Series
from neuroglot.reports.heatmaps import Panel, heat_maps
from neuroglot.reports.parts import INTERVALS, Figure, Plot, Section
from neuroglot.reports.section import section_of
from neuroglot.reports.sections.sets import PEAK_SHARE, peak_figures
from neuroglot.reports.tables import Column, Table, score_cells, score_columns
from neuroglot.reports.wording import Labels, bracketed, language_label, number, percent
from neuroglot.signature import Signature

ROLE_LABELS = {"steps": "while answering", "forced": "with the reference as the answer"}


@section_of.register
def _(comparison: PromptComparison) -> Section:
    """Scores, activated shares, the shift by layer, and costs, all settings beside the first."""
    sentence = f"{_score_sentence(comparison)} {_activation_sentence(comparison)}"
    drawn = [_score_figure(comparison), _activation_figure(comparison), _layer_figure(comparison)]
    drawn += peak_figures(comparison)
    if comparison.segment_roles():
        drawn.append(_segment_figure(comparison))
    return Section(
        "prompting",
        f"Languages in the prompt: {comparison.model}",
        sentence,
        comparison.signature | Signature.of(settings=",".join(comparison.settings), top_share=PEAK_SHARE),
        (INTERVALS, _costs(comparison), *_faults(comparison)),
        tuple(drawn),
        summary=_summary(comparison),
    )


def _labels(names: Sequence[str]) -> Labels:
    return Labels(tuple(names), tuple(names))


def _largest(comparison: PromptComparison) -> str | None:
    several = [name for name in comparison.settings if name.startswith("pmi-")]
    return several[-1] if several else None


def _score_sentence(comparison: PromptComparison) -> str:
    scores, largest = comparison.scores(), _largest(comparison)
    base = scores[comparison.base]
    text = f"The {comparison.base} prompt gets {number(base.value)} {comparison.unit} {bracketed(base)}"
    if largest is None:
        return f"{text}."
    change = comparison.score_differences()[largest]
    return f"{text}; {largest} differs from it by {_change(change)}."


def _activation_sentence(comparison: PromptComparison) -> str:
    largest = _largest(comparison)
    if largest is None:
        return ""
    share, change = comparison.activated()[comparison.base], comparison.activated_differences()[largest]
    return (
        f"While answering, {percent(share.value)} of neurons fire; with {largest} that changes by "
        f"{number(100 * change.score.value)} percentage points {bracketed(_hundredfold(change.score))}."
    )


def _p_heading(comparison: PromptComparison) -> str:
    return f"p (sign test), Holm over {len(comparison.p_values)}"


def _change(change: Difference) -> str:
    return f"{number(change.score.value)} {bracketed(change.score)}, p = {number(change.p)}"


def _score_figure(comparison: PromptComparison) -> Figure:
    scores, changes = comparison.scores(), comparison.score_differences()
    unit = f"{comparison.metric}, {comparison.unit}"
    spec = figures.dots([Series(unit, "observed", list(scores.values()))], _labels(list(scores)), unit=unit, zero=False)
    columns = [Column("setting"), *score_columns(comparison.metric, comparison.unit)]
    columns += [*score_columns(f"less {comparison.base}", comparison.unit), Column(_p_heading(comparison))]
    rows = [(name, *score_cells(score), *_changed(changes.get(name))) for name, score in scores.items()]
    table = Table.of("score-by-setting", f"{comparison.metric} by setting", columns, rows)
    caption = (
        "How to read it: a row is a way to show the same question. pmi-k shows k more languages; what the controls "
        "below do as well is no effect of languages. Lines are intervals."
    )
    alternative = f"Dot plot. {_score_sentence(comparison)}"
    return Figure("score-by-setting", "Score by setting", caption, alternative, (Plot(spec, table),))


def _changed(change: Difference | None) -> tuple[float | None, ...]:
    return (None,) * 4 if change is None else (*score_cells(change.score), change.p)


def _activation_figure(comparison: PromptComparison) -> Figure:
    by_role = {role: comparison.activated(role) for role in ROLE_LABELS if comparison.activated(role)}
    names = list(comparison.settings)
    symbols = dict(zip(ROLE_LABELS, ("own", "other")))
    series = [
        Series(ROLE_LABELS[role], symbols[role], [_hundredfold(share[name]) for name in names])
        for role, share in by_role.items()
    ]
    spec = figures.dots(series, _labels(names), unit="activated, % of neurons", zero=False)
    columns = [Column("setting")]
    for role in by_role:
        columns += [*score_columns(f"activated {ROLE_LABELS[role]}", "share")]
        columns += [
            *score_columns(f"less {comparison.base}, {ROLE_LABELS[role]}", "share"),
            Column(f"{_p_heading(comparison)}, {ROLE_LABELS[role]}"),
        ]
    changes = {role: comparison.activated_differences(role) for role in by_role}
    rows = [
        (
            name,
            *(c for role in by_role for c in (*score_cells(by_role[role][name]), *_changed(changes[role].get(name)))),
        )
        for name in names
    ]
    table = Table.of("activated-by-setting", "Activated share by setting", columns, rows)
    caption = (
        "How to read it: the share of neurons that fire where a token is chosen. With the reference as the answer all "
        "settings are read on the same tokens, so that what they wrote plays no part."
    )
    alternative = f"Dot plot. {_activation_sentence(comparison)}"
    return Figure("activated-by-setting", "Activated neurons by setting", caption, alternative, (Plot(spec, table),))


def _role_cells(share: Score, change: Difference | None) -> tuple[float | None, ...]:
    return (*score_cells(share), *_changed(change))


def _hundredfold(score: Score) -> Score:
    return Score(100 * score.value, 100 * score.low, 100 * score.high)


def _layer_figure(comparison: PromptComparison) -> Figure:
    """Change of activated share and of the number of most active neurons, by layer."""
    names = [name for name in comparison.settings if name != comparison.base]
    layers = [f"{layer.stack} {layer.index}" for layer in comparison.layout.layers]
    shares = {name: [score.value for score in of] for name, of in comparison.activated_by_layer().items()}
    peaks = {
        name: find_peaks(result.neurons, comparison.layout, PEAK_SHARE) for name, result in comparison.settings.items()
    }
    base = comparison.base
    share_change = [[100 * (a - b) for a, b in zip(shares[name], shares[base])] for name in names]
    panel = Panel("", share_change or [[0.0] * len(layers)])
    hover = "<b>%{y}</b>, layer <b>%{x}</b><br>%{z:.3~g} percentage points"
    unit = f"percentage points against {base}"
    labels = _labels(names or [base])
    short = Labels(tuple(layers), tuple(str(layer.index) for layer in comparison.layout.layers))
    spec = heat_maps([panel], labels, short, unit=unit, hover=hover, axis="layer", diverging=True)
    columns = [Column("setting"), Column("layer"), Column("activated", "share"), Column("exact zeros", "share")]
    columns += [Column(f"neurons among the most active {PEAK_SHARE:.0%}"), Column(f"Jaccard with {base}, all layers")]
    rows = [
        (
            name, layers[place], shares[name][place], float(result.zero_by_layer[place]), peaks[name].by_layer[place],
            jaccard(peaks[name].neurons, peaks[base].neurons),
        )
        for name, result in comparison.settings.items()
        for place in range(len(layers))
    ]  # fmt: skip
    table = Table.of("activated-by-layer", "Activation by setting and layer", columns, rows)
    caption = (
        "How to read it: a row is a setting, a column a layer; orange is more activation than with the first setting, "
        f"purple less. The table also has where the most active {PEAK_SHARE:.0%} of neurons lie."
    )
    alternative = f"Heat map of the change of activation by layer against {base}."
    return Figure("activated-by-layer", "Shift by layer", caption, alternative, (Plot(spec, table),))


def _segment_figure(comparison: PromptComparison) -> Figure:
    """How much fires on the tokens of each language of the prompt."""
    roles = comparison.segment_roles()
    columns = [role.removeprefix("segment ") for role in roles]
    names = list(comparison.settings)
    shares = {role: comparison.activated(role) for role in roles}
    nan = float("nan")
    values = [[100 * shares[role][name].value if name in shares[role] else nan for role in roles] for name in names]
    labels = Labels(tuple(map(language_label, columns)), tuple(columns))
    hover = "<b>%{y}</b>, text in <b>%{x}</b><br>%{z:.3~g} % of neurons fire"
    unit = "activated, % of neurons"
    spec = heat_maps([Panel("", values)], _labels(names), labels, unit=unit, hover=hover, axis="language of the text")
    rows = [
        (name, column, *score_cells(shares[role][name]))
        for name in names
        for role, column in zip(roles, columns)
        if name in shares[role]
    ]
    heads = (Column("setting"), Column("column"), *score_columns("activated", "share"))
    table = Table.of("activated-by-segment", "Activation on each text of the prompt", heads, rows)
    caption = "How to read it: a row is a setting, a column the language of a text in its prompts."
    title = "On each text of the prompt"
    return Figure("activated-by-segment", title, caption, "Heat map of activation by segment.", (Plot(spec, table),))


def _costs(comparison: PromptComparison) -> str:
    cost = comparison.cost()
    base = cost[comparison.base][0]
    parts = [f"{name} {number(prompt)} ({number(prompt / base)} ×)" for name, (prompt, _) in cost.items()]
    return f"Tokens of a prompt: {', '.join(parts)}."


def _faults(comparison: PromptComparison) -> list[str]:
    if not comparison.excluded:
        return []
    found = ", ".join(f"{count} {kind}" for kind, count in comparison.excluded.items())
    return [f"Faults in the data, whose rows are left out of every setting: {found}."]


def _summary(comparison: PromptComparison) -> Table:
    """For the terminal."""
    scores, changes = comparison.scores(), comparison.score_differences()
    activated, cost = comparison.activated(), comparison.cost()
    columns = [
        Column(name)
        for name in (
            "setting",
            comparison.metric,
            "less the first",
            f"p, Holm over {len(comparison.p_values)}",
            "activated",
            "tokens",
        )
    ]
    rows = [
        (
            name,
            f"{number(score.value)} {bracketed(score)}",
            "" if name not in changes else f"{number(changes[name].score.value)} {bracketed(changes[name].score)}",
            "" if name not in changes else number(changes[name].p),
            percent(activated[name].value),
            number(cost[name][0]),
        )
        for name, score in scores.items()
    ]
    return Table.of("summary", f"{comparison.model} on {comparison.data}", columns, rows)
