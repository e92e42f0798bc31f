"""`demo`: the main job on the lab model, which is shipped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot.recipes.analyze import Analyze, AnalyzeInputs
from neuroglot.recipes.options import HELP
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

ROWS = 24  # enough for clear intervals, few enough for a minute on two cores


@dataclass(frozen=True, kw_only=True)
class Demo(Recipe):
    """Analyse the lab model, which is shipped, on its held-out text: the whole job in under a minute, offline.

    It records activity in ten languages, selects language-specific neurons, sorts all neurons into categories, switches
    each language's neurons off beside random controls of equal size, and writes the report.
    """

    command = "demo"
    group = HELP
    examples = """
    neuroglot demo
    neuroglot demo --out my-first-report"""
    default_out = Path("neuroglot-demo")

    @property
    def job(self) -> Analyze:
        """The same as `neuroglot analyze`."""
        return Analyze(model="lab", corpus="lab", ablation_rows=ROWS)

    def read(self, identity: Identity) -> AnalyzeInputs:
        return self.job.read(identity)

    def work(self, run: Run, inputs: AnalyzeInputs) -> Report:
        return self.job.work(run, inputs)

    def following(self, out: Path) -> tuple[str, ...]:
        """Read the report in a browser."""
        return ("report", str(out), "--serve")

    def price(self, inputs: AnalyzeInputs) -> Price:
        return self.job.price(inputs)
