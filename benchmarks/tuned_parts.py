"""What is learned and what is forgotten by tuning a language's neurons alone, and by its controls, over paired seeds.

python -m benchmarks.tuned_parts MODEL --stages one.yaml --neurons de.safetensors --other sw.safetensors --out runs

The arms replace what the last stage of the file trains: the neurons, as many at random in each layer, another
language's, whole feed-forward networks, adapters, and all. Where the stage names `learning_rates`, every run chooses
its own on selection rows. Every run is a run folder: a second call goes on. The lines are means over seeds of how much
the loss of held-out answers changed, in nats per learned token, with 95% t intervals, the smallest difference to the
first arm that so many seeds could tell, and Holm's p over all differences to it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from benchmarks.seeds import interval, records, told
from neuroglot.corpora.textfiles import read_yaml
from neuroglot.recipes.curriculum import Curriculum

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
    asked = parser.parse_args()
    results = {
        arm: [run(asked, arm, change, seed) for seed in range(asked.seeds)]
        for arm, change in arms(asked.neurons.resolve(), asked.other.resolve()).items()
    }
    first = next(iter(results))
    compared = {}
    for arm, seeds in results.items():
        for group in seeds[0]:
            print(f"{arm}, {group}: {interval([changes[group] for changes in seeds])}")
            if arm != first:
                paired = [own[group] - other[group] for own, other in zip(seeds, results[first], strict=True)]
                print(f"{arm} less {first}, {group}: {interval(paired)}")
                compared[f"{arm} less {first}, {group}"] = paired
    for line in told(compared):
        print(line)


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


def run(asked: argparse.Namespace, arm: str, change: dict[str, Any], seed: int) -> Changes:
    """How much each group's loss changed from before to behind the last stage, in one run."""
    stated: Any = read_yaml(asked.stages)
    kept = {key: value for key, value in stated["stages"][-1].items() if key not in ("train", "neurons")}
    stated["stages"][-1] = kept | change
    name = arm.replace(" ", "-").replace("'", "")
    file = asked.stages.with_name(f".{asked.stages.stem}-{name}.yaml")  # paths in it begin at its folder
    file.write_text(yaml.safe_dump(stated))
    report = Curriculum(model=asked.model, stages=file, seed=seed).run(asked.out / f"{name}-{seed}", resume=True)
    (section,) = (section for section in report.sections if section.key == "held-out")
    rows = records(section.tables[0])
    return {str(row["group"]): float(row["change"]) for row in rows if row["moment"] == kept["name"]}


if __name__ == "__main__":
    main()
