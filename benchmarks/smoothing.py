"""What label smoothing does to how sure a model is and how it decides: tuned with and without, over paired seeds.

    python -m benchmarks.smoothing --out runs --seeds 5

The lab's model goes on learning its own tasks, by labels as they are and by smoothed ones, from the same rows in the
same order; `neuroglot probe` then asks it questions that it holds out. Lines are means over seeds and languages with
95% t intervals, differences to labels as they are, and Holm's p over these. A second call goes on.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.seeds import Results, interval, kept, told
from neuroglot.metrics.calibration import CONTROL, UNCHANGED, Calibration
from neuroglot.metrics.probing import RuleProbe
from neuroglot.recipes.curriculum import Curriculum
from neuroglot.recipes.probe import Probe
from neuroglot.storage import write_whole

LANGUAGES = ("en", "de", "fr", "es", "ru", "zh", "ja", "ar", "hi", "sw")
SETTINGS = ("model", "task", "examples", "rate", "limit")


def main() -> None:
    """Run what is not there yet, and print a line for each amount of smoothing and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--task", default="counting")
    parser.add_argument("--smoothing", type=float, nargs="+", default=[0.0, 0.1, 0.3])
    parser.add_argument("--examples", type=int, default=8000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--limit", type=int, default=100, help="questions that are probed, half of them to fit on")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    stated = {name: getattr(asked, name) for name in SETTINGS}
    results: dict[float, list[Results]] = {share: [] for share in asked.smoothing}
    for seed in range(asked.seeds):
        for share, seeds in results.items():
            folder = asked.out / f"{share:g}-{seed}"
            seeds.append(kept(folder / "results.json", stated, partial(run, asked, share, seed, folder)))
    compared = {}
    for share, seeds in results.items():
        for measure in seeds[0]:
            print(f"{share:g}, {measure}: {interval([result[measure] for result in seeds])}")
            if share != asked.smoothing[0]:
                pairs = zip(seeds, results[asked.smoothing[0]], strict=True)
                paired = [own[measure] - other[measure] for own, other in pairs]
                print(f"{share:g} less {asked.smoothing[0]:g}, {measure}: {interval(paired)}")
                compared[f"{share:g} less {asked.smoothing[0]:g}, {measure}"] = paired
    print("\n".join(told(compared)))


def run(asked: argparse.Namespace, share: float, seed: int, folder: Path) -> Results:
    """Means over languages behind a training by so smoothed labels."""
    wording = {"prompts": ["{prompt}"], "answer": " {answer}"}
    stated = {
        "data": {"lab": {"languages": list(LANGUAGES), "rows": "lab:800", "template": wording}},
        "stages": [{"name": "on", "counts": {"lab": asked.examples}, "end": "newline", "batch_size": 32, "pack": True,
                    "schedule": "cosine", "warmup": 0.1, "learning_rate": asked.rate, "label_smoothing": share}],
    }  # fmt: skip
    file = folder.parent / f"{folder.name}.yaml"
    write_whole(file, json.dumps(stated, indent=1) + "\n")  # JSON is YAML
    Curriculum(model=asked.model, stages=file, seed=seed, device="cpu").run(folder / "tuned", resume=True)
    probed = Probe(
        model=str(folder / "tuned"), corpus="lab", task=asked.task, limit=asked.limit, max_new_tokens=24, seed=seed,
        beam_sizes=(4,), rules=("mbr-chrf",), samples=4, device="cpu",
    ).run(folder / "probed", resume=True)  # fmt: skip
    (rules,) = [result for result in probed.results if isinstance(result, RuleProbe)]
    sure = next(result for result in probed.results if isinstance(result, Calibration))  # of next tokens

    def mean(scores: list) -> float:  # type: ignore[type-arg]
        return float(np.mean([score.value for score in scores]))

    quality = {f"right by {rule}": mean(rules.scores(rule)) for rule in rules.counts}
    lengths = {f"short by {rule}": mean(rules.shares("short", rule)) for rule in ("greedy", "beam 4")}
    named = {"as the scores are": UNCHANGED, "tuned": CONTROL}
    calibration = {f"error {name}": mean(sure.errors(of)) for name, of in named.items()}
    losses = {f"loss {name}": mean(sure.losses(of)) for name, of in named.items()}
    return quality | lengths | calibration | losses | {"too sure": mean(sure.overconfidence(UNCHANGED))}


if __name__ == "__main__":
    main()
