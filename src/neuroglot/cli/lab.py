"""`neuroglot lab`: the model that is shipped, made anew."""

from pathlib import Path

from cyclopts import App

lab_app = App(name="lab", help="The lab: a small multilingual model that is shipped with its recipe.")


@lab_app.command
def train(*, out: Path, minutes: float | None = None, seed: int = 0) -> None:
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
    from neuroglot.progress import steps

    with steps("training") as on_step:
        lab.train(lab.LabConfig(seed=seed, minutes=minutes), out, on_step)
    print(f"Model: {out}")
