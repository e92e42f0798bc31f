"""The page: one HTML file with style, script, data and plotly.js inside, which may not reach out of itself.

The content security policy forbids every connection and names the two scripts that may run by their hashes, so that no
text from a corpus could run even if it got past the escaping. plotly.js is the bundle for plane charts (MIT licence),
stored as it was packed; `tests/reports/test_page.py` holds its hash. Data is parsed figure by figure, when it is drawn.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuroglot.metrics.top_texts import TopTexts
from neuroglot.reports.explorer import explorer_data
from neuroglot.reports.parts import Figure, Plot, Section
from neuroglot.reports.wording import field_name, filterable

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE_FOLDER = Path(__file__).parent / "templates"
PLOTLY = TEMPLATE_FOLDER / "plotly-cartesian-4.1.1.min.js.gz"  # npm: plotly.js-cartesian-dist-min
SCRIPTS = ("page", "theme", "filters", "figures", "tables", "explorer", "main")  # in the order in which they run
# Signature fields that say what the report is about, and what they are called at its top.
FACTS = {
    "model": "Model",
    "revision": "Revision",
    "corpus": "Corpus",
    "rows": "Parallel rows",
    "neuroglot": "neuroglot",
}


def page(
    title: str,
    notes: Sequence[str],
    sections: Sequence[Section],
    results: Sequence[Any] = (),
    texts: TopTexts | None = None,
    *,
    embedded: bool = False,
) -> str:
    """The whole report as one HTML document; `results` and `texts` give it filters and the explorer of neurons, and an
    `embedded` one has no title of its own.
    """
    script, (plotly, plotly_hash) = _script(), _packed_plotly()
    names, explorer = filterable(results), explorer_data(results, texts)
    data = _page_data(sections) | {"names": names} | ({"explorer-data": explorer} if explorer else {})
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            embedded=embedded,
            notes=notes,
            sections=sections,
            names=names,
            explorer=explorer,
            facts=_facts(sections),
            policy=_policy(script_hash(script), plotly_hash),
            style=template_text("report.css"),
            script=script,
            data={key: script_safe_json(value) for key, value in data.items()},
            plotly=plotly,
        )
    )


def environment() -> Environment:
    """Templates that escape everything and refuse names that are not given."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters["field_name"] = field_name
    return made


def script_safe_json(data: Any) -> str:
    """JSON that can stand inside a script element: no `<`, `>` or `&`, and no line separators of JavaScript."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def script_hash(script: str) -> str:
    """The source expression of the content security policy that lets exactly this script run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def _packed_plotly() -> tuple[str, str]:
    """plotly.js as base64 of gzip, and its policy hash."""
    packed = PLOTLY.read_bytes()
    return base64.b64encode(packed).decode(), script_hash(gzip.decompress(packed).decode())


def _script() -> str:
    """The page's own script: its parts in one function, so that no name is global."""
    parts = "\n".join(template_text(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _policy(*scripts: str) -> str:
    rules = (
        "default-src 'none'",
        f"script-src {' '.join(scripts)}",
        "style-src 'unsafe-inline'",  # plotly sets style attributes
        "img-src data: blob:",  # what a figure is drawn to when it is saved as a picture
        "connect-src 'none'",
        "form-action 'none'",
        "base-uri 'none'",
    )
    return "; ".join(rules)


def template_text(name: str) -> str:
    """A file beside the templates, as it is."""
    return (TEMPLATE_FOLDER / name).read_text(encoding="utf-8")


def _facts(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """What the report is about, from the first signature that tells."""
    known: dict[str, Any] = {}
    for section in sections:
        for key, value in section.signature.fields:
            if value is not None:
                known.setdefault(key, value)
    return [
        (name, f"{known[key]:,}" if isinstance(known[key], int) else str(known[key]))
        for key, name in FACTS.items()
        if key in known
    ]


def _page_data(sections: Sequence[Section]) -> dict[str, Any]:
    """What the script reads, by element: figures are `data-section--figure`, other tables `data-section--table`."""
    figures = {f"data-{section.key}--{one.key}": _figure_data(one) for section in sections for one in section.figures}
    tables = {f"data-{section.key}--{one.key}": one.to_json() for section in sections for one in section.tables}
    return figures | tables


def _figure_data(figure: Figure) -> dict[str, Any]:
    return {"plots": [_plot_data(plot) for plot in figure.plots]}


def _plot_data(plot: Plot) -> dict[str, Any]:
    return {"table": plot.table.to_json(), **vars(plot.spec)}
