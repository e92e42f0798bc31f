"""How often 95 % intervals of fitted transforms hold the truth, in simulations where the truth is known.

`python -m benchmarks.decisions`: a line a transform and number of rows, each with the share of the intervals that are
printed, and how many are.
"""

from __future__ import annotations

import argparse
import math

import torch

from neuroglot.decisions.fitting import FITTED_FAMILIES, Fittable, fit_transform
from neuroglot.decisions.transforms import BradleyTerry, Power, Ranks, Transform
from neuroglot.signature import seed_of

ROWS = (30, 60, 200)
CANDIDATES, LONGEST = 5, 30
TRUTHS: dict[Fittable, Transform] = {
    "temperature": Power(1.7), "power": Power(1.5, 0.8), "bradley-terry": BradleyTerry(1.0, 3.0), "ranks": Ranks(1.4),
}  # fmt: skip


def covered(family: Fittable, rows: int, fits: int, seed: int) -> dict[str, tuple[float, int]]:
    """By parameter the share of printed intervals that hold the truth, and how many are printed."""
    generator = torch.Generator().manual_seed(seed_of("decisions", seed, family, rows))
    held: dict[str, list[bool]] = {name: [] for name in FITTED_FAMILIES[family].names}
    for _ in range(fits):
        utilities = torch.randn(rows, CANDIDATES, generator=generator, dtype=torch.float64)
        lengths = torch.randint(1, LONGEST, (rows, CANDIDATES), generator=generator)
        given = lengths if family == "power" else None
        chosen = TRUTHS[family](utilities, given).exp().multinomial(1, generator=generator)[:, 0]
        for name, score in fit_transform(family, utilities, chosen, given).intervals.items():
            if not math.isnan(score.low):
                held[name].append(score.low <= getattr(TRUTHS[family], name) <= score.high)
    return {name: (sum(each) / len(each), len(each)) for name, each in held.items()}


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fits", type=int, default=500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for family in TRUTHS:
        for rows in ROWS:
            for name, (share, printed) in covered(family, rows, options.fits, options.seed).items():
                print(f"{family:<15}{name:<7}{rows:>5} rows {share:7.3f} of {printed}", flush=True)


if __name__ == "__main__":
    main()
