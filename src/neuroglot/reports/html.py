"""The page: one HTML file with style, script, data and plotly.js inside, which may not reach out of itself.

The content security policy forbids every connection and names the two scripts that may run by their hashes, so that no
text from a corpus could run even if it got past the escaping. plotly.js is stored compressed: it is most of the page.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from neuroglot.reports.parts import Figure, Plot, Section

TEMPLATES = Path(__file__).parent / "templates"
# Signature fields that say what the report is about, and what they are called at its top.
FACTS = {
    "model": "Model",
    "revision": "Revision",
    "corpus": "Corpus",
    "rows": "Parallel rows",
    "neuroglot": "neuroglot",
}


def page(title: str, notes: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole report as one HTML document."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    script, (plotly, plotly_hash) = _template("report.js"), _packed_plotly()
    return environment.get_template("report.html.j2").render(
        title=title,
        notes=notes,
        sections=sections,
        facts=_facts(sections),
        policy=_policy(script_hash(script), plotly_hash),
        style=_template("report.css"),
        script=script,
        data=script_safe_json(_page_data(sections)),
        plotly=plotly,
    )


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
    """plotly.js as base64 of gzip, and its policy hash; the package brings one bundle only, the full one."""
    from plotly.offline import get_plotlyjs

    source = get_plotlyjs()
    return base64.b64encode(gzip.compress(source.encode(), 9, mtime=0)).decode(), script_hash(source)


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


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


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
    """What the script draws: figures by `section--figure`, and tables that belong to none by `section--table`."""
    figures = {
        f"{section.key}--{figure.key}": _figure_data(figure) for section in sections for figure in section.figures
    }
    tables = {f"{section.key}--{table.key}": table.to_json() for section in sections for table in section.tables}
    return {"figures": figures, "tables": tables}


def _figure_data(figure: Figure) -> dict[str, Any]:
    return {"title": figure.title, "plots": [_plot_data(plot) for plot in figure.plots]}


def _plot_data(plot: Plot) -> dict[str, Any]:
    spec = plot.spec
    return {"label": plot.label, "table": plot.table.to_json(), **vars(spec)}
