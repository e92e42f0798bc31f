"""Random activities, and each selector by plain loops from its formula; they share no code with the package."""

import math
from itertools import combinations

import torch

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import HISTOGRAM_EDGES, Recording
from neuroglot.layout import Layout
from neuroglot.neurons import NeuronSet
from neuroglot.signature import Signature

LAYOUT = Layout((("encoder", (5, 7)), ("decoder", (8,))))
NEURONS, LAYERS = 20, (range(5), range(5, 12), range(12, 20))
ALL = ("moments", "magnitude", "histogram")
BINS = len(HISTOGRAM_EDGES) + 1

Rows = list[list[float]]


def random_activity(languages: int, seed: int, most: int = 10**6, kept: tuple[str, ...] = ALL) -> Activity:
    """Counts up to `most` a neuron (few make ties), some neurons silent everywhere; statistics that fit no model."""
    generator = torch.Generator().manual_seed(seed)

    def whole(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, high, shape, generator=generator)

    tokens = whole(most, languages) + 1
    fired = (torch.rand(languages, NEURONS, generator=generator) * (tokens[:, None] + 1)).long()
    fired[:, whole(NEURONS, 3)] = 0
    total = torch.randn(languages, NEURONS, generator=generator).double() * tokens[:, None]
    squares = (total / tokens[:, None]).square() * tokens[:, None] * 1.5
    statistics = {
        "sum": total, "sum_of_squares": squares, "sum_of_magnitudes": total.abs() * 1.2,
        "histogram": whole(1000, languages, NEURONS, BINS),
    }  # fmt: skip
    names = {"moments": ("sum", "sum_of_squares"), "magnitude": ("sum_of_magnitudes",), "histogram": ("histogram",)}
    chosen = {name: statistics[name] for statistic in kept for name in names[statistic]}
    return activity_of(fired, tokens, chosen, kept)


def activity_of(fired, tokens, statistics=None, kept: tuple[str, ...] = ()) -> Activity:
    reached = tokens[:, None].expand(-1, 3)
    names = tuple(f"l{place}" for place in range(len(tokens)))
    recording = Recording(statistics=kept)  # type: ignore[arg-type]
    return Activity(LAYOUT, names, recording, fired[None], tokens, reached, Signature.of(m="x"), statistics or {})


def plain(sets: dict[str, NeuronSet]) -> list[set[int]]:
    return [set(neurons.members.nonzero()[:, 0].tolist()) for neurons in sets.values()]


def top(row: list[float], wanted: int) -> set[int]:
    """The highest values' places; NaN left out, the first of equal ones first."""
    places = [place for place, value in enumerate(row) if not math.isnan(value)]
    return set(sorted(places, key=lambda place: (-row[place], place))[:wanted])


def bar(rates: Rows, quantile: float) -> float:
    ordered = sorted(rate for row in rates for rate in row)
    return ordered[max(1, round(quantile * len(ordered))) - 1]


def entropy(column: list[float]) -> float:
    if sum(column) == 0:
        return math.nan
    return -sum(rate / sum(column) * math.log(rate / sum(column)) for rate in column if rate > 0)


def lowest_owned(cost: list[float], owned: list[set[int]], wanted: int, each: bool) -> list[set[int]]:
    if each:
        return [top([-c if n in own else math.nan for n, c in enumerate(cost)], wanted) for own in owned]
    chosen = top([-c for c in cost], wanted)
    return [chosen & own for own in owned]


def penalised(rates: Rows, wanted: int, quantile: float, penalty: float, each: bool = False) -> list[set[int]]:
    languages = len(rates)
    harmonic = sum(1 / j for j in range(1, languages + 1)) / languages
    cost = []
    for neuron in range(NEURONS):
        column = [row[neuron] for row in rates]
        cost.append(entropy(column) / math.log(languages) - penalty * max(column) / harmonic)
    owned = [{n for n in range(NEURONS) if row[n] > bar(rates, quantile)} for row in rates]
    return lowest_owned(cost, owned, wanted, each)


def coverage(counts: list[list[int]], share: float, groups) -> list[set[int]]:
    """The shortest beginnings whose counts reach the share."""
    found = []
    for row in counts:
        kept: set[int] = set()
        for group in groups:
            reached, total = 0, sum(row[n] for n in group)
            for neuron in sorted(group, key=lambda n: (-row[n], n)):
                if total == 0 or reached / total >= share or row[neuron] == 0:
                    break
                kept.add(neuron)
                reached += row[neuron]
        found.append(kept)
    return found


def percentile_shares(histogram, share: float, groups) -> Rows:
    """Share of each neuron's samples above the bin that holds the percentile of its group."""
    rows = []
    for language in histogram.tolist():
        row = [math.nan] * NEURONS
        for group in groups:
            pooled = [sum(language[n][b] for n in group) for b in range(BINS)]
            place = next(b for b in range(BINS) if sum(pooled[: b + 1]) / sum(pooled) >= share)
            for neuron in group:
                above = sum(language[neuron][place + 1 :])
                row[neuron] = above / sum(language[neuron]) if above else math.nan
        rows.append(row)
    return rows


def overlap(first: list[int], second: list[int]) -> float:
    return sum(min(a / sum(first), b / sum(second)) for a, b in zip(first, second, strict=True))


def all_partings(histograms: list[list[int]]) -> list[tuple[float, frozenset[int]]]:
    """Every parting of the languages of one neuron in two groups: cost and the group without the last language."""
    languages = range(len(histograms))
    found = []
    for size in range(1, len(histograms)):
        for group in combinations(languages[:-1], size):
            rest = [k for k in languages if k not in group]
            cost = max(overlap(histograms[a], histograms[b]) for a in group for b in rest)
            found.append((cost, frozenset(group)))
    return found


def average_precision(values: list[float], positive: list[bool]) -> float:
    """Area under the steps of precision over recall, one threshold a distinct value."""
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(values), reverse=True):
        predicted = [place for place, value in enumerate(values) if value >= threshold]
        right = sum(positive[place] for place in predicted)
        recall = right / sum(positive)
        area += (recall - recall_before) * right / len(predicted)
        recall_before = recall
    return area
