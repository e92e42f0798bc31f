"""Recipes: one file a job, a config that can be run, saved and run again. A new file here is a new command.

`neuroglot.recipes.Ablate(model="lab", corpus="lab", neurons="selected").run("out")` is the same as
`neuroglot ablate lab --corpus lab --neurons selected --out out`.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from neuroglot.runs.recipe import Recipe

HELPERS = {
    "artefacts",
    "backends",
    "branching",
    "curriculum_file",
    "mixing",
    "options",
    "sign_options",
    "starting",
    "steps",
    "training_options",
}  # modules that hold no recipe


@cache
def all_recipes() -> dict[str, type[Recipe]]:
    """Every recipe by the name of its command."""
    listed = [name for _, name, _ in iter_modules(__path__) if name not in HELPERS]
    classes = [recipe for name in listed for recipe in _recipes_in(name)]
    return {recipe.command: recipe for recipe in classes}


def _recipes_in(name: str) -> list[type[Recipe]]:
    module = import_module(f"{__name__}.{name}")
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Recipe) and value.__module__ == module.__name__
        and "command" in vars(value)
    ]  # fmt: skip


def __getattr__(name: str) -> Any:
    for recipe in all_recipes().values():
        if recipe.__name__ == name:
            return recipe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(recipe.__name__ for recipe in all_recipes().values())
