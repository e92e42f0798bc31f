"""`stages`: several recipes one after another, each in a folder of its own, as one job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuroglot.recipes.options import USE
from neuroglot.runs.recipe import Recipe

if TYPE_CHECKING:
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Stages(Recipe):
    """Run several recipes one after another, as one job: what one stage wrote, the next ones read."""

    command = "stages"
    group = USE
    examples = """
    neuroglot stages select.yaml ablate.yaml --out run      # in ablate.yaml: neurons: run/select"""
    positional = ("files",)

    files: tuple[Path, ...]
    """Files of recipes, or run folders that hold one; each stage is named after its recipe."""

    def read(self, identity: Identity) -> dict[str, Recipe]:
        from neuroglot.recipes import all_recipes
        from neuroglot.runs.files import load_recipe

        named: dict[str, Recipe] = {}
        for file in self.files:
            recipe = load_recipe(file, all_recipes())
            name = recipe.command.replace(" ", "-")
            named[f"{name}-{len(named) + 1}" if name in named else name] = recipe
        return named

    def work(self, run: Run, inputs: dict[str, Recipe]) -> Report:
        from neuroglot.reports import Report
        from neuroglot.reports.parts import Section

        folders = {name: run.stage(name, recipe) for name, recipe in inputs.items()}
        parts: list[Any] = [Report.load(folder / "report.json") for folder in folders.values()]
        sections: list[Section] = [section for part in parts for section in part.sections]
        return Report(sections, title=f"{' → '.join(folders)}", notes=[note for part in parts for note in part.notes])

    def following(self, out: Path) -> tuple[str, ...]:
        """Read the report in a browser."""
        return ("report", str(out), "--serve")

    def price(self, inputs: dict[str, Recipe]) -> Price:
        from neuroglot.runs.identity import Identity
        from neuroglot.runs.price import together

        return together([recipe.price(recipe.read(Identity())) for recipe in inputs.values()])
