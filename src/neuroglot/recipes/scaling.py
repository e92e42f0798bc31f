"""`scaling`: how quality grows with the data, by language, and how a budget is best spent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt

from neuroglot.recipes.options import USE, Positive
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Scaling(Recipe):
    """Fit 100 - S = a X^b for each language to qualities S measured at sizes X of its data, and spend a budget.

    Source: x-LLM (Zhu et al. 2023).
    """

    command = "scaling"
    group = USE
    examples = """
    neuroglot scaling points.tsv --budget 100000"""
    positional = ("points",)
    keeping = "optional"

    points: Path
    """Table (.tsv) with the columns `language`, `size` and `quality`; several rows of one size are its seeds."""

    budget: Positive | None = None
    """Examples to spend over all languages so that the sum of their qualities is largest."""

    upper: Annotated[float, Gt(0)] = 100.0
    """The quality that is never reached."""

    def read(self, identity: Identity) -> dict[str, list[tuple[float, float]]]:
        return identity.file("points", self.points, read_points)

    def work(self, run: Run, inputs: dict[str, list[tuple[float, float]]]) -> Report:
        from neuroglot.errors import ConfigError
        from neuroglot.metrics.scaling import ScalingLaws, allocate, fit_law, fit_saturating
        from neuroglot.reports import Report
        from neuroglot.signature import Signature, versions

        made = Signature.of(points=str(run.identity.noted["points"]["sha256"]), upper=self.upper) | versions()
        laws = {}
        for language, points in inputs.items():
            try:
                laws[language] = fit_law(*zip(*points, strict=True), upper=self.upper, signature=made)
            except ConfigError as error:
                raise ConfigError(f"Language {language!r}: {error.got}", error.expected, error.next_step) from error
        saturating = {
            language: fit_saturating(*zip(*points, strict=True), upper=self.upper)
            for language, points in inputs.items()
        }
        allocation = {} if self.budget is None else allocate(laws, self.budget)
        return Report([ScalingLaws(laws, saturating, allocation)], title="Quality by size of the data")

    def price(self, inputs: dict[str, list[tuple[float, float]]]) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        return of_files([self.points], [], REPORT_BYTES)


def read_points(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Sizes and qualities by language; raises `CorpusError` for other columns, no rows, and what is no language or no
    finite number.
    """
    from neuroglot.corpora.tables import read_tsv
    from neuroglot.errors import CorpusError

    values = read_tsv(path).values
    names = ("language", "size", "quality")
    if missing := [name for name in names if name not in values]:
        raise CorpusError(f"{path} has no column {missing[0]!r}.", f"Expected {', '.join(names)}.")
    points: dict[str, list[tuple[float, float]]] = {}
    for language, *numbers in zip(*(list(values[name]) for name in names), strict=True):
        try:
            size, quality = map(float, map(str, numbers))
        except ValueError as error:
            raise CorpusError(f"{path} holds {numbers} of {language}.", "Expected two numbers.") from error
        if not (math.isfinite(size) and math.isfinite(quality)):
            raise CorpusError(f"{path} holds {numbers} of {language}.", "Expected two finite numbers.")
        if not str(language).strip():
            raise CorpusError(f"{path} holds {numbers} of no language.", "Expected its code in the column `language`.")
        points.setdefault(str(language), []).append((size, quality))
    if not points:
        raise CorpusError(f"{path} has columns and no row.", "Expected a row for each size and language.")
    return points
