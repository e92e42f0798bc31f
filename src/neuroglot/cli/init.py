"""`neuroglot init`: a first recipe for the files in a folder."""

from __future__ import annotations

from pathlib import Path

INIT_EXAMPLES = """Examples:

    neuroglot init
    neuroglot init my-texts/
    neuroglot run my-texts/neuroglot.yaml --out run"""


def init(folder: Path = Path(), /) -> None:
    """Look at the files in a folder, and write a commented recipe for them, neuroglot.yaml, to be changed and run.

    Parallel text in any layout that `neuroglot analyze` reads is recognised, and so are models. Nothing is overwritten.

    Parameters
    ----------
    folder:
        The folder with your texts; the current one by default.
    """
    from neuroglot.cli.printing import print_next
    from neuroglot.recipes.starting import write_recipe

    path, known = write_recipe(folder)
    for part in known:
        print(f"{part.path}: {part.said if part.kind else f'left out: {part.said}'}")
    print(f"\nRecipe: {path}")
    print_next(("run", str(path), "--out", "run"))
