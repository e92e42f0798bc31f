"""What a notebook shows of a result: the page of its sections, a figure of them for plotly, or a table.

Figures of a report have no colours of their own; here they get those of the style sheet, in its light theme, as
`figures.js` and `theme.js` give them on the page.
"""

from __future__ import annotations

import re
import sys
import tempfile
import webbrowser
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuroglot.errors import ConfigError
from neuroglot.extras import require
from neuroglot.reports.html import page, template_text
from neuroglot.reports.parts import Section, Spec
from neuroglot.reports.report import Report
from neuroglot.reports.tables import Table

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BESIDE_FIGURE, KEY_NUMBERS, TALLEST = 460, 320, 1000  # pixels around the first figure; the most that a cell takes
STEPS = 32  # of a colour scale on both sides of 0


def html_of(result: Any) -> str:
    """The page of a result in a frame, which neither its style nor its script can leave."""
    report = _report_of(result)
    document = page(report.title, report.notes, report.sections, embedded=True)
    height = min(TALLEST, BESIDE_FIGURE + sum(map(_height, report.sections[:1])))
    title = escape(" ".join(section.title for section in report.sections), quote=True)
    return (
        f'<iframe title="{title}" srcdoc="{escape(document, quote=True)}" sandbox="allow-scripts allow-downloads" '
        f'style="width: 100%; height: {height}px; border: 0"></iframe>'
    )


def _height(section: Section) -> int:
    """About the pixels that the first figure of a section and the numbers above it take."""
    drawn = [int(figure.plots[0].spec.layout.get("height", 0)) for figure in section.figures[:1]]
    return sum(drawn) + (KEY_NUMBERS if section.key_numbers else 0)


def figure_of(result: Any, key: str | None = None) -> Figure:
    """A figure for plotly: that of this key, or the first; where it has several units, the first of them."""
    figures = [figure for section in _report_of(result).sections for figure in section.figures]
    spec = _chosen("figure", figures, key).plots[0].spec
    return require("plotly.graph_objects", extra="notebook").Figure(_with_colours(spec))


def table_of(result: Any, key: str | None = None) -> Table:
    """The table of this key, or the first: the one behind the first figure."""
    return _chosen("table", [table for section in _report_of(result).sections for table in section.all_tables()], key)


def show(result: Any) -> None:
    """Show the page of a result where its reader is: in the notebook, or else in the browser."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if hasattr(shell, "kernel"):
        require("IPython.display", package="ipython").display(result)
        return
    path = _report_of(result).save(Path(tempfile.mkdtemp(prefix="neuroglot-")) / "report.html")
    webbrowser.open(path.as_uri())


def _report_of(result: Any) -> Report:
    if isinstance(result, Report):
        return result
    report = Report([result])
    report.title = report.sections[0].title
    return report


def _chosen(what: str, parts: Sequence[Any], key: str | None) -> Any:
    """The part of this key, or the first; raises `ConfigError` if there is none."""
    for part in parts:
        if key in (None, part.key):
            return part
    known = ", ".join(dict.fromkeys(part.key for part in parts)) or f"no {what}"
    raise ConfigError(f"The {what} {key!r} was asked for." if key else f"A {what} was asked for.", f"Expected {known}.")


def _with_colours(spec: Spec) -> dict[str, Any]:
    """The figure with the colours that the page gives it."""
    layout = {name: value for name, value in spec.layout.items() if name != "meta"}
    shapes = [_merged(shape, {"line": {"color": _colour("ink")}}) for shape in layout.get("shapes", ())]
    layout |= {"shapes": shapes, "plot_bgcolor": _colour("card"), "paper_bgcolor": _colour("card")}
    if "coloraxis" in layout:
        layout["coloraxis"] = layout["coloraxis"] | {"colorscale": _scale(spec)}
    return {"data": [_coloured(trace) for trace in spec.data], "layout": layout}


def _coloured(trace: Mapping[str, Any]) -> dict[str, Any]:
    role = trace.get("meta", {}).get("role")
    if role is None:
        return dict(trace)
    tone = {"color": _colour(role)}
    bars = {name: tone for name in ("error_x", "error_y") if name in trace}
    return _merged(trace, {"marker": tone, "line": tone, **bars})


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    return {**first, **{name: {**first.get(name, {}), **value} for name, value in second.items()}}


def _scale(spec: Spec) -> list[tuple[float, str]]:
    """From light to dark; on both sides of 0 if there are two, with equal strength for equal amounts."""
    if not spec.layout.get("meta", {}).get("diverging"):
        return [(step / 3, _colour(f"sequence-{step}")) for step in range(4)]
    low, high = (spec.layout["coloraxis"][end] for end in ("cmin", "cmax"))
    values = [low + (high - low) * step / STEPS for step in range(STEPS + 1)]
    most = max(-low, high)
    sides = ("minus" if value < 0 else "plus" for value in values)
    return [
        (step / STEPS, _along(["heat-0", f"heat-{side}-1", f"heat-{side}-2"], abs(value) / most))
        for step, (side, value) in enumerate(zip(sides, values))
    ]


def _along(names: Sequence[str], share: float) -> str:
    """The colour at a share of the way from the first to the last."""
    position = min(share, 1) * (len(names) - 1)
    left = min(int(position), len(names) - 2)
    first, second = (_channels(_colour(name)) for name in names[left : left + 2])
    mixed = (round(a + (b - a) * (position - left)) for a, b in zip(first, second))
    return f"rgb({','.join(map(str, mixed))})"


def _channels(colour: str) -> Iterable[int]:
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))


def _colour(name: str) -> str:
    return _colours()[name]


@cache
def _colours() -> dict[str, str]:
    """The style sheet's colours by name, those of the light theme."""
    return dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}),", template_text("report.css")))
