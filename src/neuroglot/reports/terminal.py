"""A report as text: on the terminal, where sentences and small tables must do, and without colours for a file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuroglot.reports.parts import Section

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 120


def print_report(title: str, notes: Sequence[str], sections: Sequence[Section], console: Console | None = None) -> None:
    """Print to `console`, else to the standard output; nothing from the data is read as markup."""
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    console.print(Text(title, style="bold"))
    for line in notes:
        console.print(Text(line, style="dim"))
    for section in sections:
        if not section.summary_says_all:
            console.print(Text.assemble("• ", (f"{section.title}. ", "bold"), section.sentence))
    for section in sections:
        if section.summary:
            console.print(section.summary.to_rich())
        for line in section.lines:  # not wrapped, so that they can be searched and cut
            console.print(Text(line), soft_wrap=True)


def plain_text(title: str, notes: Sequence[str], sections: Sequence[Section]) -> str:
    """The same as text without colours, for a file."""
    from rich.console import Console

    text = io.StringIO()
    print_report(title, notes, sections, Console(file=text, width=PLAIN_WIDTH, color_system=None, force_terminal=False))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
