"""How often maps of quadrants are wrong where the truth is known, and a map of real languages that can be gone on with.

python -m benchmarks.quadrants                                           # simulations
python -m benchmarks.quadrants --model MODEL --corpus flores/ --out map  # a real map; again, to go on; several at once

Simulated languages have gains of known quadrants, gains at the thresholds, where every label is wrong, none at all, or
before and after exchanged at random by row, as a placebo. A map is wrong if it has a wrong label.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from neuroglot.metrics.quadrants import LEAST_GAIN, QUADRANTS, UNTOLD, QuadrantMap
from neuroglot.recipes.quadrants import Quadrants
from neuroglot.signature import Signature

Case = Literal["known", "at the thresholds", "nothing", "exchanged"]
CASES: tuple[Case, ...] = get_args(Case)
ROWS = (5, 10, 20, 60, 200)
GAIN = 0.1  # bits a byte, of what is clearly above its threshold
LANGUAGES = ("am", "ar", "bn", "de", "es", "hi", "ja", "ru", "sw", "te", "th", "zh")


@dataclass(frozen=True)
class SimulatedMap:
    """So many maps of a case, each of so many languages on so many rows."""

    case: Case
    languages: int
    rows: int
    maps: int


class Shares(NamedTuple):
    """Of maps those with a wrong label, and of languages those with a label."""

    wrong: float
    told: float


def wrong_maps(simulated: SimulatedMap, seed: int = 0) -> Shares:
    """How many maps have a label that the truth does not have, and how many labels are told."""
    generator = torch.Generator().manual_seed(seed)
    wrong = told = 0
    for _ in range(simulated.maps):
        results, truth = _drawn(simulated, generator)
        labels = {language: results.signs(language) for language in results.languages}
        given = {language: signs for language, signs in labels.items() if results.quadrant(language) != UNTOLD}
        wrong += any(signs != truth[language] for language, signs in given.items())
        told += len(given)
    return Shares(wrong / simulated.maps, told / simulated.maps / simulated.languages)


def _drawn(simulated: SimulatedMap, generator: torch.Generator) -> tuple[QuadrantMap, dict[str, tuple[int, int]]]:
    """A map and the true signs of its languages.

    Bits a byte are skewed by row, and shared by languages as those of parallel texts are; so are gains.
    """
    count, rows = simulated.languages, simulated.rows
    languages = tuple(f"x{index}" for index in range(count))

    def skewed(*shape: int) -> Tensor:
        """Gamma of shape 4 with mean 1."""
        return -torch.rand(4, *shape, generator=generator, dtype=torch.float64).log().sum(0) / 4

    sizes = (40 * skewed(rows, 1) * skewed(rows, count)).clamp(min=4).round()
    before = sizes * 2 * skewed(rows, 1)
    signs = {language: _true_signs(simulated.case, index) for index, language in enumerate(languages)}
    after = {}
    for index, language in enumerate(languages):
        means = torch.tensor([_gain(simulated.case, signs[language][g != index]) for g in range(count)])
        gains = means + 0.08 * (skewed(rows, 1) * skewed(rows, count) - 1)
        spared = sizes * gains
        if simulated.case == "exchanged":
            spared = spared * (1 - 2 * torch.randint(2, (rows, 1), generator=generator))
        after[language] = (before - spared)[None]
    truth = signs if simulated.case != "exchanged" else dict.fromkeys(languages, (-1, -1))
    return QuadrantMap(languages, before, sizes, after, Signature()), truth


def _true_signs(case: Case, index: int) -> tuple[int, int]:
    """All quadrants in turn where they are known; elsewhere one for all languages."""
    if case in ("known", "exchanged"):
        return tuple(QUADRANTS)[index % len(QUADRANTS)]
    return (0, 0) if case == "at the thresholds" else (-1, -1)


def _gain(case: Case, sign: int) -> float:
    """The true gain of a sign: what is below the threshold is nothing, or, where quadrants are known, a loss."""
    if case == "nothing":
        return 0.0
    return LEAST_GAIN if case == "at the thresholds" else sign * GAIN


def real_map(options: argparse.Namespace) -> Quadrants:
    """One map of a real model: what was measured of each language is kept beside the run folder."""
    return Quadrants(
        model=options.model, corpus=str(options.corpus), languages=(options.pivot, *options.languages),
        pivot=options.pivot, train=options.train, steps=options.steps, batch_size=options.batch_size,
        limit=options.limit, held_out=options.held_out, repeats=options.seeds, shuffled=options.shuffled,
        measured=options.out.with_name(f"{options.out.name}-languages"), device=options.device, on_missing="drop",
        end=options.end,
    )  # fmt: skip


def simulations(maps: int) -> None:
    """A line a case and number of rows: wrong maps and told labels."""
    for case in CASES:
        for rows in ROWS:
            shares = wrong_maps(SimulatedMap(case, 12, rows, maps))
            print(f"{case:18} {rows:4} rows: wrong maps {shares.wrong:6.1%}, told {shares.told:6.1%}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=200, help="simulated maps of each case")
    parser.add_argument("--model", help="make a real map of this model instead")
    parser.add_argument("--corpus", type=Path, help="parallel texts, such as FLORES")
    parser.add_argument("--out", type=Path, default=Path("map"))
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--pivot", default="en")
    parser.add_argument("--train", choices=("embeddings", "all", "adapters"), default="embeddings")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--limit", type=int, default=600)
    parser.add_argument("--held-out", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--shuffled", action="store_true", help="the placebo: answers of other rows")
    parser.add_argument("--end", choices=("eos", "newline", "none"), default="eos")
    parser.add_argument("--device")
    options = parser.parse_args(arguments)
    if options.model is None:
        simulations(options.maps)
    elif options.corpus is None:
        parser.error("a real map needs --corpus")
    else:
        print(real_map(options).run(options.out, resume=True))


if __name__ == "__main__":
    main()
