"""Report: results in, one page, JSON or text out; it computes nothing but what it says in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.top_texts import TopTexts
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.reports.parts import Section
from neuroglot.reports.section import place_on_page, section_of
from neuroglot.reports.wording import distinct, seen_rows, with_changes
from neuroglot.showing import Shown
from neuroglot.signature import Signature
from neuroglot.storage import parse_json, write_whole

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1


def _each_once(results: Sequence[Any]) -> list[Any]:
    """The results without ablation matrices that are another one in other units, as a loss in bits is one in nats."""
    kept: list[Any] = []
    for result in results:
        if not any(_same_counts(result, other) for other in kept):
            kept.append(result)
    return kept


def _section(result: Any) -> Section:
    """The section of a result; it says first if neurons were selected on its rows, last if the model was changed."""
    section = section_of(result)
    section = replace(section, sentence=seen_rows(section.signature) + section.sentence)
    signature = getattr(result, "signature", Signature())
    if isinstance(result, NeuronSet) or not signature.get("interventions"):
        return section
    sentence = f"{section.sentence} This was measured under interventions: {signature['interventions']}."
    return replace(section, title=with_changes(section.title, signature), sentence=sentence)


def _same_counts(result: Any, other: Any) -> bool:
    pair = isinstance(result, AblationMatrix) and isinstance(other, AblationMatrix)
    pair = pair and not (result.metric.higher_is_better or other.metric.higher_is_better)  # no unit of a loss
    return pair and result.data == other.data and torch.equal(result.ablated, other.ablated)


def _numbered(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Keys and titles made unique: the second `task` becomes `task-2`, a second of one title gets `(2)`."""
    keys: Counter[str] = Counter()
    numbered = []
    for part, title in zip(sections, distinct(part.title for part in sections)):
        keys[part.key] += 1
        key = part.key if keys[part.key] == 1 else f"{part.key}-{keys[part.key]}"
        numbered.append(replace(part, key=key, title=title))
    return tuple(numbered)


class Report(Shown):
    """Results as one self-contained HTML page, as JSON, and as text for the terminal.

    `results` are of the types that `sections/` can show, sections, neuron sets by language, and tuples that are to be
    shown together: Evaluations of one metric, or Sharings at several thresholds or of several tasks; in any number and
    order. `notes` are sentences printed at the top; `texts` are shown by the page's explorer, which needs an Activity.
    Raises `ConfigError` on anything else.
    """

    def __init__(
        self,
        results: Sequence[Any] | Any,
        *,
        title: str = "neuroglot report",
        notes: Sequence[str] = (),
        texts: TopTexts | None = None,
    ) -> None:
        listed = list(results) if isinstance(results, Sequence) and not isinstance(results, str) else [results]
        if not listed:
            raise ConfigError("A report was given no results.", "Expected at least one.")
        shown = [(result, _section(result)) for result in _each_once(listed)]
        shown.sort(key=lambda pair: place_on_page(*pair))
        self.title, self.notes, self.texts = title, tuple(notes), texts
        self.results = tuple(result for result, _ in shown)
        self.sections = _numbered([part for _, part in shown])

    @classmethod
    def load(cls, path: Path | str) -> Report:
        """The report in a `report.json`: its sentences, tables and signatures, without figures.

        Raises `ArtifactError` if the file is none.
        """
        path = Path(path)
        try:
            stored = parse_json(path.read_text(encoding="utf-8"))
            sections = tuple(Section.from_json(part) for part in stored["sections"])
            report = cls.__new__(cls)
            report.title, report.notes, report.texts, report.results = stored["title"], tuple(stored["notes"]), None, ()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"{path} is not a report ({error}).", "Expected report.json of a run folder."
            ) from error
        if sections:
            sections = (replace(sections[0], headline=stored["headline"]), *sections[1:])
        report.sections = sections
        return report

    @property
    def headline(self) -> dict[str, Any] | None:
        """The numbers that the first ablation matrix in nats per token comes down to; None without one."""
        return next((part.headline for part in self.sections if part.headline is not None), None)

    def save(self, path: Path | str) -> Path:
        """Write the report whole or not at all; `.html`, `.json` or `.txt`, else `ConfigError`."""
        path = Path(path)
        writers = {".html": self.to_html, ".json": self._json_text, ".txt": self._plain_text}
        if path.suffix.lower() not in writers:
            raise ConfigError(f"A report was to be saved as {path.name!r}.", f"Expected {', '.join(writers)}.")
        return write_whole(path, writers[path.suffix.lower()]())

    def to_html(self) -> str:
        """The whole page; it needs no other file and no network."""
        from neuroglot.reports.html import page

        return page(self.title, self.notes, self.sections, self.results, self.texts)

    def _facts(self) -> list[str]:
        return [self.title, *(section.title for section in self.sections)]

    def to_json(self) -> dict[str, Any]:
        """Plain data, null for what is not defined; the schema is in `docs/report.md`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "title": self.title,
            "notes": list(self.notes),
            "headline": self.headline,
            "sections": [part.to_json() for part in self.sections],
        }

    def print(self, console: Console | None = None) -> None:
        """The sentences that matter and a table or two."""
        from neuroglot.reports.terminal import print_report

        print_report(self.title, self.notes, self.sections, console)

    def _json_text(self) -> str:
        return json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    def _plain_text(self) -> str:
        from neuroglot.reports.terminal import plain_text

        return plain_text(self.title, self.notes, self.sections)
