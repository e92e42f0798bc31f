"""Examples in help can be pasted at any width, and usage says what may be left out."""

import os
import shlex
import subprocess
import sys

import pytest

from neuroglot.cli.commands import pasteable, usage_of
from neuroglot.recipes import all_recipes

WIDTHS = (40, 60, 80, 200)


def commands_of(text: str) -> list[list[str]]:
    """What a shell makes of the lines: a backslash at the end goes on with the next one."""
    return [shlex.split(line) for line in text.replace("\\\n", " ").splitlines() if line.startswith("    ")]


@pytest.mark.parametrize("width", WIDTHS)
def test_examples_fit_and_stay_the_same_commands(width: int) -> None:
    recipes = all_recipes().values()
    assert len(recipes) > 20
    for recipe in recipes:
        shown = pasteable(recipe.examples, width)
        assert commands_of(shown) == commands_of(recipe.examples) != []
        for line in shown.splitlines():
            words = line.removesuffix(" \\").strip()
            longest = max(map(len, recipe.examples.split()))
            assert len(line) <= width or len(shlex.split(words)) == 1 or longest + 10 > width, line


def test_help_shows_them_so_in_a_narrow_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "neuroglot", "select", "--help"], capture_output=True, text=True, check=True,
        env=os.environ | {"COLUMNS": "60"},
    )  # fmt: skip
    shown = "\n".join(line.rstrip() for line in done.stdout.partition("Examples:")[2].splitlines())
    assert commands_of(shown) == commands_of(all_recipes()["select"].examples)


def test_usage_says_what_may_be_left_out() -> None:
    recipes = all_recipes()
    assert usage_of(recipes["select"]).startswith("Usage: neuroglot select [MODEL] --selector SELECTOR --out FOLDER")
    assert "[--out FOLDER]" in usage_of(recipes["align"])
    assert usage_of(recipes["ablate"]).startswith("Usage: neuroglot ablate MODEL ")
