"""What is learned and what is forgotten by tuning a language's neurons alone, and by its controls, over paired seeds.

python -m benchmarks.tuned_parts MODEL --stages one.yaml --neurons de.safetensors --other sw.safetensors --out runs

The arms replace what the last stage of the file trains: the neurons, as many at random in each layer, another
language's, whole feed-forward networks, adapters, and all. Each arm's learning rate is searched first, on the held-out
rows of a seed of its own, which no reported seed uses. Every run is a run folder: a second call goes on. The lines are
means over seeds of how much the loss of held-out answers changed, in nats per learned token, with 95% t intervals, and
the smallest difference to the first arm that so many seeds could tell.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.special import stdtrit

from neuroglot.corpora.textfiles import read_yaml
from neuroglot.recipes.curriculum import Curriculum

SEARCH_SEED = 1000
Changes = dict[str, float]  # by group of held-out answers


def main() -> None:
    """Run what is not there yet, and print a line for each arm and group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--stages", type=Path, required=True)
    parser.add_argument("--neurons", type=Path, required=True)
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-4, 3e-4, 1e-3])
    parser.add_argument("--group", help="the group whose loss the search lowers; by default the mean over all")
    asked = parser.parse_args()
    results = {}
    for arm, change in arms(asked.neurons.resolve(), asked.other.resolve()).items():
        searched = {rate: run(asked, arm, change, rate, SEARCH_SEED) for rate in asked.rates}
        best = min(searched, key=lambda rate: aim(searched[rate], asked.group))
        results[arm] = [run(asked, arm, change, best, seed) for seed in range(asked.seeds)]
        for group in results[arm][0]:
            print(f"{arm} (rate {best:g}), {group}: {interval([seed[group] for seed in results[arm]])}")
    first = next(iter(results))
    for arm in results:
        for group in results[arm][0] if arm != first else ():
            paired = [one[group] - other[group] for one, other in zip(results[arm], results[first], strict=True)]
            print(f"{arm} less {first}, {group}: {interval(paired)}")


def arms(neurons: Path, other: Path) -> dict[str, dict[str, Any]]:
    """What each arm changes in the stage."""
    alone = {"train": "neurons", "neurons": str(neurons)}
    return {
        "neurons": alone,
        "random neurons": alone | {"random_neurons": True},
        "another language's": alone | {"neurons": str(other)},
        "feed-forward": {"train": ["mlp"]},
        "adapters": {"train": "adapters"},
        "all": {"train": "all"},
    }


def run(asked: argparse.Namespace, arm: str, change: dict[str, Any], rate: float, seed: int) -> Changes:
    """How much each group's loss changed from before to behind the last stage, in one run."""
    stated: Any = read_yaml(asked.stages)
    kept = {key: value for key, value in stated["stages"][-1].items() if key not in ("train", "neurons")}
    stated["stages"][-1] = kept | change | {"learning_rate": rate}
    name = f"{arm.replace(' ', '-')}-{rate:g}"
    file = asked.stages.with_name(f".{asked.stages.stem}-{name}.yaml")  # paths in it begin at its folder
    file.write_text(yaml.safe_dump(stated))
    report = Curriculum(model=asked.model, stages=file, seed=seed).run(asked.out / f"{name}-{seed}", resume=True)
    (section,) = (section for section in report.sections if section.key == "held-out")
    headings = [column.name for column in section.tables[0].columns]
    rows = [dict(zip(headings, row, strict=True)) for row in section.tables[0].rows]
    return {str(row["group"]): float(row["change"]) for row in rows if row["moment"] == kept["name"]}  # type: ignore[arg-type]


def aim(changes: Changes, group: str | None) -> float:
    """What the search of a learning rate makes small."""
    return float(np.mean(list(changes.values()))) if group is None else changes[group]


def interval(values: list[float]) -> str:
    """Mean, its t interval over seeds, and the smallest effect told with 80% power: t + 0.84 errors."""
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / len(values) ** 0.5
    t = float(stdtrit(len(values) - 1, 0.975))
    return json.dumps({"mean": mean, "low": mean - t * error, "high": mean + t * error, "told": (t + 0.84) * error})


if __name__ == "__main__":
    main()
