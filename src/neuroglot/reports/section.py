"""The section of a result, by its type.

Each file of `sections/` registers what it can show, so that a new result needs a file there, its import in
`sections/__init__.py`, and a place in `ORDER`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from neuroglot.errors import ConfigError
from neuroglot.reports.parts import Section

MADE_BEFORE = ""  # in place of a key: sections that were given as results, in the order in which they were given
# The order of the page by the sections' keys: the claim first, then what it rests on.
ORDER = (
    "ablation", "task", "quality", "roles", "scoreboard", "prompting", "specialization", "writing", "flows",
    "off-target", "branch-spaces", "training", "errors-by-step", "rates", "held-out", "task-moments", "rule-probe",
    "likelihood-probe", "calibration",
    "deactivation", "attribution", "identified", "generated", MADE_BEFORE, "sharing-change",
    "reading-and-writing", "alignment", "uniformity", "quadrants", "fertility", "sharing", "sharing-thresholds",
    "sharing-tasks", "neuron-sets", "neuron-set", "masks", "activity", "scaling", "judged", "consistency", "lint",
    "scores-by-data", "scores",
)  # fmt: skip


@singledispatch
def section_of(result: Any) -> Section:
    """What a page says of a result; raises `ConfigError` on anything that a report cannot show."""
    raise refusal(type(result).__name__)


@singledispatch
def section_of_several(first: Any, results: tuple[Any, ...]) -> Section:
    """What a page says of results of one type together; chosen by the `first`, which stands in `results` too."""
    raise refusal(f"a tuple of {type(first).__name__}")


@section_of.register
def _(section: Section) -> Section:
    return section


def place_on_page(result: Any, section: Section) -> int:
    """Where the section of a result comes among the others."""
    return ORDER.index(MADE_BEFORE if isinstance(result, Section) else section.key)


@section_of.register
def _(results: tuple) -> Section:
    types = {type(result) for result in results}
    if len(types) != 1:
        raise refusal(f"a tuple of {', '.join(sorted(kind.__name__ for kind in types)) or 'nothing'}")
    return section_of_several(results[0], results)


def refusal(given: str) -> ConfigError:
    """The error about what no section shows; it lists what the sections have registered."""
    alone, together = (
        ", ".join(sorted(kind.__name__ for kind in dispatch.registry if kind not in (object, tuple, Mapping, Section)))
        for dispatch in (section_of, section_of_several)
    )
    return ConfigError(
        f"A report was given {given}.",
        f"Expected {alone}, neuron sets by language, or a tuple of {together.replace(', ', ' or of ')}.",
    )
