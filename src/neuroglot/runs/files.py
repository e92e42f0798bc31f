"""Recipes in files: YAML or JSON with the name of the recipe and its options, or the run folder that holds one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neuroglot.corpora.textfiles import read_yaml
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.runs.recipe import RECIPE, Recipe

FILE = "recipe.json"


def read_options(path: Path) -> dict[str, Any]:
    """What a recipe's file holds; a run folder stands for the file in it. Raises `ConfigError` on anything else."""
    file = path / FILE if path.is_dir() else path
    try:
        stored = read_yaml(file)  # JSON is YAML
    except CorpusError as error:
        raise ConfigError(error.got, error.expected, error.next_step) from error
    if not isinstance(stored, dict) or not all(isinstance(name, str) for name in stored):
        raise ConfigError(f"{file} holds no options.", "Expected a mapping such as `recipe: select`, `model: lab`.")
    return stored


def load_recipe(path: Path, recipes: dict[str, type[Recipe]]) -> Recipe:
    """The recipe in a file or a run folder; raises `ConfigError` if it names none."""
    stored = read_options(path)
    name = stored.get(RECIPE)
    if not isinstance(name, str) or name not in recipes:
        raise ConfigError(
            f"{path} names the recipe {str(name)[:80]!r}.", f"Expected recipe: one of {', '.join(recipes)}."
        )
    return recipes[name].from_json(stored)
