"""`neuroglot lab`: the model that is shipped, made anew."""

from pathlib import Path

from cyclopts import App

from neuroglot.cli.options import HELP, Json

TRAIN_EXAMPLES = """Examples:

    neuroglot lab train --out my-lab
    neuroglot lab train --out my-lab --minutes 10 --seed 1"""

lab_app = App(name="lab", group=HELP, help="The lab: a small multilingual model that is shipped with its recipe.")


@lab_app.command(help_epilogue=TRAIN_EXAMPLES)
def train(*, out: Path, minutes: float | None = None, seed: int = 0, json: Json = False) -> None:
    """Generate the lab's corpus, train its model from nothing, and write both in the hub's own layout.

    Needs the extra: pip install 'neuroglot[lab]'.

    Parameters
    ----------
    out:
        Folder to write; must not exist. `neuroglot analyze OUT --corpus lab` analyses it.
    minutes:
        Train for about this long, for a smaller model on the spot; by default the full recipe.
    seed:
        Seed of corpus, initialisation and order; the shipped model has 0.
    """
    from neuroglot import lab
    from neuroglot.cli.running import print_json
    from neuroglot.progress import steps

    with steps("training") as on_step:
        lab.train(lab.LabConfig(seed=seed, minutes=minutes), out, on_step)
    print_json({"out": str(out)}) if json else print(f"Model: {out}")
