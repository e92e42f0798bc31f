"""How often intervals hold the truth, and how often claims are false, in simulations where the truth is known.

`python -m benchmarks.coverage`: one table, a line for what is claimed, a column for the number of rows. Everything is
what a page prints, through the same functions. A cell is the share of printed intervals that hold the truth, or of
pages with a false claim; `none` where no interval is printed. All of it takes about
6 minutes of processor time, shared by two processes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.layout import Layout
from neuroglot.metrics import NatsPerToken, by_rows, holm, mean_scores
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.deactivation import OUTCOMES, Deactivation
from neuroglot.metrics.intervals import Estimate, Score, over, row_means, share_means
from neuroglot.metrics.paired import exchanged, mcnemar
from neuroglot.metrics.scoreboard import Scoreboard
from neuroglot.metrics.sharing import clear_changes
from neuroglot.neurons.comparing import SharingChange
from neuroglot.signature import Signature, seed_of

ROWS = (2, 5, 10, 20, 60, 100, 400)
UNITS = (2, 3, 5)
ACCURACIES = (0.02, 0.1, 0.5, 0.8, 0.95, 0.99)
LANGUAGES, SELECTORS, DRAWS = 5, 13, 5
LEVEL = 0.05


@dataclass(frozen=True)
class Simulation:
    """Random numbers of one seed, and how many pages are simulated: of intervals, and of whole pages with claims."""

    generator: torch.Generator
    intervals: int
    pages: int

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, dtype=torch.float64)

    def skewed(self, *shape: int, shape_parameter: float = 4.0) -> Tensor:
        """Gamma with mean 1, as losses of sentences are: the skewness is 2/√shape."""
        return sum_of_exponentials(self, shape_parameter, shape) / shape_parameter

    def answers(self, right: float, rows: int, cells: int, shared: float) -> Tensor:
        """Answers `[rows, trials, cells]`, of which a share is decided for all cells of a row at once."""
        alike = self.uniform(rows, self.intervals, 1).expand(-1, -1, cells)
        own = self.uniform(rows, self.intervals, cells)
        return (torch.where(self.uniform(rows, self.intervals, cells) < shared, alike, own) < right).double()


def sum_of_exponentials(simulation: Simulation, number: float, shape: Sequence[int]) -> Tensor:
    """Gamma of a whole shape."""
    return -simulation.uniform(int(number), *shape).log().sum(0)


def coverage(scores: Sequence[Score], truth: float) -> float:
    """Of the intervals that are printed, those that hold the truth; NaN where none is."""
    printed = [score for score in scores if not math.isnan(score.low)]
    return sum(score.low <= truth <= score.high for score in printed) / len(printed) if printed else math.nan


def mean_of(number: float) -> Callable[[Simulation, int], float]:
    """A plain mean over rows."""
    return lambda simulation, rows: coverage(
        mean_scores(simulation.skewed(rows, simulation.intervals, shape_parameter=number)), 1.0
    )


def loss_per_token(simulation: Simulation, rows: int) -> float:
    """A ratio of sums over rows whose lengths differ two- to threefold."""
    tokens = 5 + (25 * simulation.uniform(rows, simulation.intervals)).floor()
    loss = tokens * simulation.skewed(rows, simulation.intervals, shape_parameter=8)
    return coverage(by_rows(torch.stack([loss, tokens], -1)).map(lambda sums: sums[..., 0] / sums[..., 1]).scores(), 1)


def paired_difference(simulation: Simulation, rows: int) -> float:
    """Of a loss with neurons off: a skewed effect of 0.1 with what both have in common."""
    effect = 0.1 * simulation.skewed(rows, simulation.intervals, shape_parameter=2)
    return coverage((row_means(effect + 3) - row_means(torch.full_like(effect, 3))).scores(), 0.1)


def share(right: float) -> Callable[[Simulation, int], float]:
    """Answers that are right, one a row."""
    return lambda simulation, rows: coverage(share_means(simulation.answers(right, rows, 1, 0)[..., 0]), right)


def mean_share(right: float, shared: float) -> Callable[[Simulation, int], float]:
    """Answers in several languages, alike or not."""
    return lambda simulation, rows: coverage(
        share_means(simulation.answers(right, rows, LANGUAGES, shared).mean(-1), LANGUAGES), right
    )


def share_difference(wrong: float, right: float, cells: int) -> Callable[[Simulation, int], float]:
    """Answers that become wrong, or right."""

    def covered(simulation: Simulation, rows: int) -> float:
        chance = simulation.uniform(rows, simulation.intervals, cells)
        change = ((chance < right).double() - (chance > 1 - wrong).double()).mean(-1)
        return coverage(row_means(change).share_differences(cells), right - wrong)

    return covered


def ratio(simulation: Simulation, rows: int) -> float:
    """Harm of 0.3 over harm of 0.1, both skewed and of the same rows."""
    harm = torch.stack([0.3 * simulation.skewed(rows, 500), 0.1 * simulation.skewed(rows, 500)], -1)
    estimates = row_means(harm)
    one_by_one = [
        Estimate(estimates.value[trial], {"rows": estimates.without["rows"][:, trial]}) for trial in range(500)
    ]
    return coverage([estimate.ratio_scores()[0] for estimate in one_by_one], 3.0)


def over_units(units: int, spread: float) -> Callable[[Simulation, int], float]:
    """Mean over models or seeds that truly differ by `spread` times what rows do, all on the same rows."""

    def covered(simulation: Simulation, rows: int) -> float:
        trials = simulation.intervals // 4
        by_unit = spread * simulation.normal(units, 1, trials)
        values = by_unit + simulation.normal(1, rows, trials) + 0.5 * simulation.normal(units, rows, trials)
        return coverage(over(row_means(values.transpose(0, 1)), "seeds").scores(), 0.0)

    return covered


def matrix(simulation: Simulation, rows: int, own: float, shared: Tensor, between_draws: float) -> AblationMatrix:
    """Harm on other languages and at random is 0 on average; a row's difficulty is shared by all conditions."""
    languages, metric = 3, NatsPerToken()
    noise = {"sets": simulation.normal(languages, rows, languages)}
    noise["random"] = simulation.normal(DRAWS, languages, rows, languages)
    noise["random"] += between_draws * simulation.normal(DRAWS, languages, 1, 1)
    effect = own * torch.eye(languages, dtype=torch.float64)[:, None, :] + noise["sets"]

    def counts(loss: Tensor) -> Tensor:
        return torch.stack([loss, torch.ones_like(loss), torch.ones_like(loss)], -1)

    parts = counts(shared), counts(shared + effect), counts(shared + noise["random"])
    return AblationMatrix("d", tuple("abc"), (1,) * languages, metric, *parts, Signature.of(model="m"))


def board(simulation: Simulation, rows: int, models: int, own: Sequence[float], between: float = 0.0) -> Scoreboard:
    """Selectors that do so much harm to their own language."""
    shared = [5 + simulation.normal(rows, 3) for _ in range(models)]
    matrices = {
        f"s{index}": [matrix(simulation, rows, harm, shared[model], between) for model in range(models)]
        for index, harm in enumerate(own)
    }
    return Scoreboard(tuple(f"m{model}" for model in range(models)), 1, matrices, {}, Signature())


def worse_than_the_best(models: int) -> Callable[[Simulation, int], float]:
    """Boards of truly equal selectors in which one is called worse than another."""
    return lambda simulation, rows: share_of_pages(
        simulation,
        lambda: any(one.rank.low > 1 for one in board(simulation, rows, models, [0.5] * SELECTORS).standings()),
    )


def more_than_random(models: int, between: float) -> Callable[[Simulation, int], float]:
    """Boards without an effect in which a selector is said to do more harm than random neurons."""
    return lambda simulation, rows: share_of_pages(
        simulation,
        lambda: any(
            one.more_than_random for one in board(simulation, rows, models, [0.0] * SELECTORS, between).standings()
        ),
    )


def false_ranks(simulation: Simulation, rows: int) -> float:
    """Boards of different selectors in which an interval of ranks misses the true rank."""
    truth = [0.1 * index for index in range(5)]
    expected = {f"s{index}": 5 - index for index in range(5)}

    def missed() -> bool:
        standings = board(simulation, rows, 1, truth).standings()
        return any(not one.rank.low <= expected[one.selector] <= one.rank.high for one in standings)

    return share_of_pages(simulation, missed)


def value_of_the_first(simulation: Simulation, rows: int) -> float:
    """Equal selectors: boards in which the interval of the first one's selectivity, the largest, misses it."""

    def missed() -> bool:
        first = board(simulation, rows, 1, [0.5] * SELECTORS).standings()[0].selectivity
        return not first.low <= 0.5 <= first.high

    return share_of_pages(simulation, missed)


def share_of_pages(simulation: Simulation, happened: Callable[[], bool], times: int = 1) -> float:
    """How often something happens on a page; of pages that are quickly simulated `times` as many."""
    pages = times * simulation.pages
    return sum(happened() for _ in range(pages)) / pages


def deactivation(outcome: str, values: Tensor) -> Deactivation:
    """Four categories and five languages: one outcome with all on, the categories off, and random draws,
    `[1 + 4 + 4 · draws, R, G]`.
    """
    counts = torch.full((*values.shape, len(OUTCOMES)), torch.nan, dtype=torch.float64)
    counts[..., list(OUTCOMES).index(outcome)] = values
    on, off, random = counts[0], counts[1:5], counts[5:].reshape(-1, 4, *counts.shape[1:])
    rows = values.shape[1]
    return Deactivation(
        "t", Layout((("decoder", (4,)),)), tuple("abcde"), tuple("wxyz"), tuple(map(str, range(rows))),
        on, off, random, torch.ones(4, rows, 1, dtype=torch.int32), Signature(),
    )  # fmt: skip


def category_claims(skewed: bool, common: float) -> Callable[[Simulation, int], float]:
    """Pages on which a category that does what random neurons do is said to do more or less, or to do harm.

    Harm is `common` to a category and its random sets, and 0 on average if not; rows have a difficulty of their own,
    which it follows.
    """

    def false_claims(simulation: Simulation, rows: int) -> float:
        def claimed() -> bool:
            difficulty, shape = simulation.normal(1, rows, 1), (4 + 4 * DRAWS, rows, LANGUAGES)
            noise = simulation.skewed(*shape, shape_parameter=1) - 1 if skewed else simulation.normal(*shape)
            off = difficulty - common * (1 + 0.5 * difficulty) - noise
            values = torch.cat([difficulty.expand(1, rows, LANGUAGES), off])
            effects = deactivation("log_probability", values).mean_effects("log_probability").values()
            return any(effect.beyond != 0 or (effect.harmful and not common) for effect in effects)

        return share_of_pages(simulation, claimed, 2)

    return false_claims


def sharing(shared: Tensor) -> Sharing:
    """Of one layer of 400 neurons in two languages: so many fire in both on each row `[R]`, all others in none."""
    rows, neurons = len(shared), 400
    by_row = torch.stack([neurons - shared, torch.zeros_like(shared), shared], -1)[:, None].int()
    histogram = torch.zeros(3, neurons, dtype=torch.int64)
    histogram[0] = rows
    fired, active = torch.zeros(2, neurons, dtype=torch.int64), torch.zeros(rows, 1, 2, dtype=torch.int32)
    layout = Layout((("decoder", (neurons,)),))
    return Sharing(layout, ("a", "b"), Recording.sharing_matters(), histogram, fired, by_row, active, Signature())


def more_shared(skewed: bool) -> Callable[[Simulation, int], float]:
    """Pages of two models that share alike, of which one is said to have more, or fewer, all-shared neurons."""

    def false_claims(simulation: Simulation, rows: int) -> float:
        def claimed() -> bool:
            noise = simulation.skewed(rows, shape_parameter=1) - 1 if skewed else simulation.normal(rows)
            before = 100 + 40 * simulation.uniform(rows)
            change = SharingChange(*(sharing(count.round().long()) for count in (before, before + 20 * noise)))
            return any(clear_changes(change))

        return share_of_pages(simulation, claimed, 5)

    return false_claims


def answers_changed(simulation: Simulation, rows: int) -> float:
    """Pages without an effect in which a p of right answers is below 0.05."""

    def claimed() -> bool:
        right = (simulation.uniform(1 + 4 + 3 * 4, rows, LANGUAGES) < 0.7).double()
        _, by_outcome = deactivation("exact", right).adjusted_tests()
        tests = by_outcome["exact"].values()
        found = [p for test in tests for p in (test.rows.p, test.against_random, *(t.p for t in test.by_language))]
        return min(found) <= LEVEL

    return share_of_pages(simulation, claimed)


def prompting(simulation: Simulation, rows: int) -> float:
    """Pages of ten settings like the first, by sign tests of scores and of two activated shares."""

    def claimed() -> bool:
        values = simulation.normal(11, 3, rows)
        raw = [mcnemar(values[0, kind], values[setting, kind]).p for setting in range(1, 11) for kind in range(3)]
        return min(holm(raw)) <= LEVEL

    return share_of_pages(simulation, claimed, 5)


def baseline(simulation: Simulation, rows: int) -> float:
    """Two equal systems, by exchange: p at most 0.05."""

    def claimed() -> bool:
        first, second = (torch.stack([simulation.skewed(rows), torch.ones(rows)], -1) for _ in range(2))
        return exchanged(first, second, lambda sums: sums[..., 0] / sums[..., 1]) <= LEVEL

    return share_of_pages(simulation, claimed, 5)


INTERVALS: dict[str, Callable[[Simulation, int], float]] = {
    "mean loss of rows, skewness 1": mean_of(4),
    "mean of rows, skewness 2 (exponential)": mean_of(1),
    "loss a token, lengths differ": loss_per_token,
    "paired difference of losses, skewness 1.4": paired_difference,
    "ratio of harm (Fieller)": ratio,
    **{f"accuracy {right}": share(right) for right in ACCURACIES},
    **{
        f"accuracy {right}, mean of {LANGUAGES} languages{text}": mean_share(right, shared)
        for right in (0.5, 0.95)
        for shared, text in ((0.0, ""), (0.7, ", alike by row"))
    },
    "accuracy difference, 5% fall 5% rise": share_difference(0.05, 0.05, 1),
    "accuracy difference, 20% fall 5% rise": share_difference(0.20, 0.05, 1),
    f"accuracy difference, mean of {LANGUAGES} languages": share_difference(0.20, 0.05, LANGUAGES),
    **{
        f"mean over {units} models or seeds, spread {spread} of rows": over_units(units, spread)
        for units in UNITS
        for spread in (0.1, 1.0)
    },
}


CLAIMS: dict[str, Callable[[Simulation, int], float]] = {
    "13 equal selectors: one called worse": worse_than_the_best(1),
    "13 equal selectors: selectivity of the first missed": value_of_the_first,
    "13 equal selectors, 2 models: one called worse": worse_than_the_best(2),
    "13 without effect: one above random": more_than_random(1, 0.0),
    "13 without effect, 3 models: one above random": more_than_random(3, 0.0),
    "13 without effect, draws differ: one above random": more_than_random(1, 0.3),
    "5 different selectors: a rank missed": false_ranks,
    "deactivation without effect: a p below 0.05": answers_changed,
    **{
        f"deactivation, {harm}{text}: a category told from random, or harmful": category_claims(skewed, common)
        for skewed, text in ((False, ""), (True, ", skewed"))
        for common, harm in ((0.0, "no harm"), (1.0, "all harmful"))
    },
    **{
        f"two models that share alike{text}: one has more": more_shared(skewed)
        for skewed, text in ((False, ""), (True, ", skewed"))
    },
    "prompting without effect: a p below 0.05": prompting,
    "score against an equal baseline: p below 0.05": baseline,
}


TABLES = {
    "share of printed intervals that hold the truth (wanted: 0.95)": INTERVALS,
    "share of pages with a false claim (wanted: at most 0.05)": CLAIMS,
}


def line(job: tuple[str, str], seed: int, intervals: int, pages: int) -> str:
    """One line of a table, from random numbers of its own, so that lines can be made in any order."""
    torch.set_num_threads(1)
    title, name = job
    simulation = Simulation(torch.Generator().manual_seed(seed_of("coverage", seed, name)), intervals, pages)
    cells = [TABLES[title][name](simulation, rows) for rows in ROWS]
    written = "".join("    none" if cell != cell else f"{cell:8.3f}" for cell in cells)
    return f"{name:<{max(map(len, TABLES[title]))}}{written}"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--intervals", type=int, default=4000, help="simulated intervals a cell")
    parser.add_argument("--pages", type=int, default=200, help="simulated pages a cell")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    start = time.time()
    simulated = partial(line, seed=options.seed, intervals=options.intervals, pages=options.pages)
    print(f"seed {options.seed}, {options.intervals} intervals and {options.pages} pages a cell")
    with ProcessPoolExecutor(options.processes) as workers:
        for title, kinds in TABLES.items():
            print(f"\n{title}\n{'rows':<{max(map(len, kinds))}}" + "".join(f"{rows:>8}" for rows in ROWS))
            for written in workers.map(simulated, [(title, name) for name in kinds]):
                print(written, flush=True)
    print(f"\n{time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
