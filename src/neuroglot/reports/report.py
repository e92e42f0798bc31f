"""Report: results in, one page, JSON or text out; it computes nothing but what it says in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from neuroglot.activity.activity import Activity
from neuroglot.activity.sharing import Sharing
from neuroglot.attribution.attribution import Attribution
from neuroglot.errors import ConfigError
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.deactivation import Deactivation
from neuroglot.metrics.metrics import Evaluation
from neuroglot.metrics.prompts import PromptComparison
from neuroglot.metrics.scoreboard import Scoreboard
from neuroglot.metrics.translation import TranslationComparison
from neuroglot.neurons.comparing import SharingChange
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.reports.parts import Section
from neuroglot.reports.sections.ablation import ablation_section, task_section
from neuroglot.reports.sections.attribution import attribution_section
from neuroglot.reports.sections.change import change_section
from neuroglot.reports.sections.deactivation import deactivation_section
from neuroglot.reports.sections.evaluation import activity_section, evaluation_section, evaluations_section
from neuroglot.reports.sections.prompting import prompting_section
from neuroglot.reports.sections.scoreboard import scoreboard_section
from neuroglot.reports.sections.sets import sets_section, single_set_section
from neuroglot.reports.sections.sharing import sharing_section, sharings_section
from neuroglot.reports.sections.translation import translation_section
from neuroglot.reports.texts import TopTexts
from neuroglot.reports.wording import distinct, with_changes
from neuroglot.signature import Signature
from neuroglot.storage import write_whole

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
Sets = NeuronSet | Mapping[str, NeuronSet]
Several = tuple[Evaluation, ...] | tuple[Sharing, ...]
Result = (
    Activity
    | Attribution
    | Sharing
    | SharingChange
    | Sets
    | AblationMatrix
    | Deactivation
    | Evaluation
    | Scoreboard
    | PromptComparison
    | TranslationComparison
    | Several
)

# What a result is, and which section tells of it, in the order of the page: the claim first, then what it rests on.
_SECTIONS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Section]], ...] = (
    (lambda result: isinstance(result, AblationMatrix) and not result.metric.higher_is_better, ablation_section),
    (lambda result: isinstance(result, AblationMatrix) and result.metric.higher_is_better, task_section),
    (lambda result: isinstance(result, Scoreboard), scoreboard_section),
    (lambda result: isinstance(result, PromptComparison), prompting_section),
    (lambda result: isinstance(result, TranslationComparison), translation_section),
    (lambda result: isinstance(result, Deactivation), deactivation_section),
    (lambda result: isinstance(result, Attribution), attribution_section),
    (lambda result: isinstance(result, SharingChange), change_section),
    (lambda result: isinstance(result, Sharing), sharing_section),
    (lambda result: isinstance(result, tuple) and _are(result, Sharing), sharings_section),
    (lambda result: isinstance(result, Mapping) and bool(result) and _are(result.values(), NeuronSet), sets_section),
    (lambda result: isinstance(result, NeuronSet), single_set_section),
    (lambda result: isinstance(result, Activity), activity_section),
    (lambda result: isinstance(result, tuple) and _are(result, Evaluation), evaluations_section),
    (lambda result: isinstance(result, Evaluation), evaluation_section),
)


def _are(values: Any, kind: type) -> bool:
    return all(isinstance(value, kind) for value in values)


def _kind(result: Any) -> int:
    """The place of a result's kind in `_SECTIONS`; raises `ConfigError` on anything that a report cannot show."""
    for place, (is_kind, _) in enumerate(_SECTIONS):
        if is_kind(result):
            return place
    raise ConfigError(
        f"A report was given {type(result).__name__}.",
        "It shows Activity, Sharing, SharingChange, NeuronSet, neuron sets by language, AblationMatrix, "
        "Scoreboard, PromptComparison, TranslationComparison, Deactivation, Attribution and Evaluation.",
    )


def _section(result: Any) -> Section:
    """The section of a result; it says so where the model was changed while the result was made."""
    section: Section = _SECTIONS[_kind(result)][1](result)
    signature = getattr(result, "signature", Signature())
    if isinstance(result, NeuronSet) or not signature.get("interventions"):
        return section
    sentence = f"{section.sentence} This was measured under interventions: {signature['interventions']}."
    return replace(section, title=with_changes(section.title, signature), sentence=sentence)


def _same_counts(result: Any, other: Any) -> bool:
    """Whether two ablation matrices are one in two units, as a loss in nats and in bits is."""
    pair = isinstance(result, AblationMatrix) and isinstance(other, AblationMatrix)
    return pair and result.data == other.data and torch.equal(result.ablated, other.ablated)


def _numbered(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Keys and titles made unique: the second `task` becomes `task-2`, a second of one title gets `(2)`."""
    keys: Counter[str] = Counter()
    numbered = []
    for section, title in zip(sections, distinct(section.title for section in sections)):
        keys[section.key] += 1
        key = section.key if keys[section.key] == 1 else f"{section.key}-{keys[section.key]}"
        numbered.append(replace(section, key=key, title=title))
    return tuple(numbered)


class Report:
    """Results as one self-contained HTML page, as JSON, and as text for the terminal.

    `results` are any of `Activity`, `Sharing`, `SharingChange`, `NeuronSet`, neuron sets by language, `AblationMatrix`,
    `Scoreboard`, `PromptComparison`, `Deactivation`, `Attribution`, `Evaluation`, and tuples that are to be shown
    together: Evaluations of one metric, or Sharings at several thresholds or of several tasks; in any number and order.
    `notes` are sentences printed at the top; `texts` are shown by the page's explorer, which needs an Activity. Raises
    `ConfigError` on anything else.
    """

    def __init__(
        self,
        results: Sequence[Result] | Result,
        *,
        title: str = "neuroglot report",
        notes: Sequence[str] = (),
        texts: TopTexts | None = None,
    ) -> None:
        listed = list(results) if isinstance(results, Sequence) and not isinstance(results, str) else [results]
        ordered = sorted(listed, key=_kind)
        if not ordered:
            raise ConfigError("A report was given no results.", "Expected at least one.")
        self.title, self.notes, self.texts = title, tuple(notes), texts
        self.results = tuple(
            result
            for place, result in enumerate(ordered)
            if not any(_same_counts(result, one) for one in ordered[:place])
        )

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """One section a result, in the order of the page."""
        return _numbered([_section(result) for result in self.results])

    @property
    def headline(self) -> dict[str, Any] | None:
        """The numbers that the first ablation matrix in nats per token comes down to; None without one."""
        return next((section.headline for section in self.sections if section.headline is not None), None)

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

    def to_json(self) -> dict[str, Any]:
        """Plain data, null for what is not defined; the schema is in `docs/report.md`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "title": self.title,
            "notes": list(self.notes),
            "headline": self.headline,
            "sections": [section.to_json() for section in self.sections],
        }

    def print(self, console: Console | None = None) -> None:
        """The sentences that matter and a table or two."""
        from neuroglot.reports.texts import print_report

        print_report(self.title, self.notes, self.sections, console)

    def _json_text(self) -> str:
        return json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    def _plain_text(self) -> str:
        from neuroglot.reports.texts import plain_text

        return plain_text(self.title, self.notes, self.sections)
