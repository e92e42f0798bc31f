"""`neuroglot run`: any recipe from its file, or again from its run folder."""

from __future__ import annotations

from pathlib import Path

from neuroglot.cli.commands import DryRun, Json, Out, Overwrite, Resume, run_job

RUN_EXAMPLES = """Examples:

    neuroglot run experiment.yaml --out run
    neuroglot run run/recipe.json --out again
    neuroglot run run --out again --dry-run"""


def run(
    file: Path,
    /,
    *,
    out: Out = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run the recipe in a YAML or JSON file, or that of a run folder once more.

    Parameters
    ----------
    file:
        A file with `recipe: NAME` and its options, or a run folder.
    """
    from neuroglot.recipes import all_recipes
    from neuroglot.runs.files import load_recipe

    run_job(load_recipe(file, all_recipes()), out=out, resume=resume, overwrite=overwrite, dry_run=dry_run, json=json)
