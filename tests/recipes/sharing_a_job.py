"""Several commands in processes that share them, as a launcher starts them; they end with the folders in OUT."""

import sys
from pathlib import Path

from neuroglot.distribution import sharing_the_job
from neuroglot.recipes.ablate import Ablate
from neuroglot.recipes.analyze import Analyze
from neuroglot.recipes.attribute import Attribute
from neuroglot.recipes.scoreboard import Scoreboard
from neuroglot.recipes.select import Select
from neuroglot.recipes.sharing import Sharing

LANGUAGES = ("en", "de", "hi")
SELECTORS = ("entropy", "mean-difference", "average-precision", "consistency", "gradient")


def main(out: Path) -> None:
    texts = {"corpus": "lab", "languages": LANGUAGES, "limit": 12}
    for selector in SELECTORS:
        Select(model="lab", selector=selector, count=20, part="selection", **texts).run(out / selector)
    rest = texts | {"part": "rest"}
    Ablate(model="lab", neurons=out / "entropy", random_draws=1, **rest).run(out / "ablate")
    Ablate(model="lab", neurons=out / "entropy", random_draws=1, **rest | {"task": "iso_date"}).run(out / "task")
    Sharing(model="lab", **texts | {"corpus": ("lab",)}).run(out / "sharing")
    Attribute(model="lab", task="greater", **texts).run(out / "attribute")
    board = Scoreboard(models=("lab",), count=10, selectors=("entropy", "random"), random_draws=1, ablation_rows=4, **{
        **texts, "corpus": ("lab",)
    })  # fmt: skip
    board.run(out / "scoreboard")
    Analyze(model="lab", random_draws=1, **texts).run(out / "analyze")


if __name__ == "__main__":
    with sharing_the_job():
        main(Path(sys.argv[1]))
