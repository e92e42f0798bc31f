"""Commands by name, made when one is called: `neuroglot --help` waits for none of them."""

from collections.abc import Callable
from typing import Any


def __getattr__(name: str) -> Callable[..., Any]:
    from neuroglot.cli.commands import command_of
    from neuroglot.recipes import all_recipes

    for command, recipe in all_recipes().items():
        if name == attribute_of(command):
            return command_of(recipe)
    raise AttributeError(name)


def attribute_of(command: str) -> str:
    """The name of a command's function in this module."""
    return "run_" + command.replace(" ", "_").replace("-", "_")
