"""Does aligning questions first help? Stages on the lab, over paired seeds, with what is forgotten beside.

python -m benchmarks.staged --out runs                 # goes on where it was stopped; one seed of all arms is minutes
python -m benchmarks.staged --out runs --seeds 1 --rows 48 --tokens 400 --rates 1e-3     # a smoke run

A model learns to answer one of the lab's questions in English (stage 2), and is asked them in other languages, in which
it never saw an answer. The arms: English only at stage 2's tokens; questions translated into English first (stage 1 →
2); the same with translations of other questions (misaligned); English only at the tokens of both stages; and answers
in every language at the tokens of both (translate-training). Each with and without replay of stage 1 where there is
one. Every arm's learning rate is searched in every run on selection rows, and reported on others, the same for all
arms of a seed. `results.json` of an arm and a seed says the loss and the change by group; the table at the end has
paired differences to the first arm with 95% t intervals, and the smallest difference that so many seeds tell with 80%
power: t + 0.84 errors.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from scipy.special import stdtrit

from neuroglot.lab import lab_questions
from neuroglot.recipes.curriculum import Curriculum
from neuroglot.storage import write_whole

SPARED = "counting"  # is in no stage: what is forgotten of it is forgetting
REPLAY = 0.3
Losses = dict[str, float]  # by group of held-out answers, in nats per learned token, behind the last stage


@dataclass(frozen=True)
class Arm:
    """Its stages, of which each learns a data set: so many times the tokens of one stage."""

    stages: tuple[tuple[str, float], ...]
    replay: float = 0.0


ARMS = {
    "English": Arm((("answers", 1),)),
    "aligned first": Arm((("aligned", 1), ("answers", 1))),
    "aligned first, replayed": Arm((("aligned", 1), ("answers", 1)), REPLAY),
    "misaligned first": Arm((("misaligned", 1), ("answers", 1))),
    "misaligned first, replayed": Arm((("misaligned", 1), ("answers", 1)), REPLAY),
    "English, all tokens": Arm((("answers", 2),)),
    "translate-training": Arm((("everywhere", 2),)),
}


def main() -> None:
    """Run what is not there yet, and print a line for each arm and group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--task", default="sum")
    parser.add_argument("--languages", nargs="+", default=["de", "fr", "sw"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=400, help="questions; a quarter is tested, and an eighth selects")
    parser.add_argument("--tokens", type=int, default=30_000, help="of one stage")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-4, 3e-4, 1e-3])
    asked = parser.parse_args()
    results: dict[str, list[Losses]] = {arm: [] for arm in ARMS}
    for seed in range(asked.seeds):
        for arm in ARMS:
            results[arm].append(kept(asked, arm, seed))
    for line in summary(results):
        print(line)


def kept(asked: argparse.Namespace, arm: str, seed: int) -> Losses:
    """The losses of one arm and seed: read if they are there, else computed and written."""
    name = arm.replace(",", "").replace(" ", "-")
    path = asked.out / f"seed-{seed}" / name / "results.json"
    stated = {"task": asked.task, "languages": asked.languages, "rows": asked.rows, "tokens": asked.tokens,
              "rates": asked.rates, "model": asked.model}  # fmt: skip
    if path.is_file():
        stored: dict[str, Any] = json.loads(path.read_text())
        if stored["stated"] != stated:
            raise SystemExit(f"{path} was made with {stored['stated']}. Expected {stated}; name another --out.")
        return dict(stored["losses"])
    folder = asked.out / f"seed-{seed}"
    write_data(folder, asked, seed)
    file = folder / f"{name}.yaml"
    write_whole(file, json.dumps(curriculum(asked, ARMS[arm]), indent=1) + "\n")  # JSON is YAML
    run = folder / name / "run"
    report = Curriculum(model=asked.model, stages=file, seed=seed, device="cpu").run(run, resume=True)
    (section,) = (section for section in report.sections if section.key == "held-out")
    headings = [column.name for column in section.tables[0].columns]
    rows = [dict(zip(headings, row, strict=True)) for row in section.tables[0].rows]
    last = ARMS[arm].stages[-1][0]
    losses = {str(row["group"]): float(row["loss"]) for row in rows if row["moment"] == last}  # type: ignore[arg-type]
    write_whole(path, json.dumps({"stated": stated, "losses": losses}, indent=1) + "\n")
    return losses


def write_data(folder: Path, asked: argparse.Namespace, seed: int) -> None:
    """Questions in every language, with their answers; drawn anew for each seed, the same for all its arms."""
    folder.mkdir(parents=True, exist_ok=True)
    languages = ("en", *asked.languages)
    for task in (asked.task, SPARED):
        drawn = lab_questions(task, asked.rows, seed)
        shift = 1 + Random(seed).randrange(len(drawn) - 1)
        for language in languages:
            prompts, answers = drawn.prompts.texts[language], drawn.answers.texts[language]
            english = drawn.prompts.texts["en"]
            lines = [
                {"question": prompts[row], "answer": answers[row].removesuffix("\n"), "english": english[row],
                 "other": english[(row + shift) % len(drawn)]}
                for row in range(len(drawn))
            ]  # fmt: skip
            tested = (
                len(lines) // 4
            )  # the same rows in every language: no question is learned in one and asked in another
            for name, part in (("test", lines[:tested]), ("learned", lines[tested:])):
                text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in part)
                write_whole(folder / f"{task}-{name}-{language}.jsonl", text)


def curriculum(asked: argparse.Namespace, arm: Arm) -> dict[str, Any]:
    """The file of an arm: what it learns, and what all arms are tested on."""
    everywhere = ["en", *asked.languages]
    answering = {"prompts": ["{question}"], "answer": "{answer}"}
    learned = {
        "answers": (["en"], answering),
        "aligned": (asked.languages, {"prompts": ["{question} ="], "answer": " {english}"}),
        "misaligned": (asked.languages, {"prompts": ["{question} ="], "answer": " {other}"}),
        "everywhere": (everywhere, answering),
    }
    data = {
        name: {"languages": learned[name][0], "template": learned[name][1], "selection": asked.rows // 8,
               "rows": f"{asked.task}-learned-{{language}}.jsonl"}
        for name, _ in arm.stages
    }  # fmt: skip
    tested = {
        name: {"languages": everywhere, "template": answering, "held_out": "all",
               "rows": f"{task}-test-{{language}}.jsonl"}
        for name, task in (("test", asked.task), ("spared", SPARED))
    }  # fmt: skip
    rates = {"learning_rates": asked.rates} if len(asked.rates) > 1 else {"learning_rate": asked.rates[0]}
    common = {"end": "newline", "batch_size": 8, "schedule": "cosine", "warmup": 0.1, "pack": True, **rates}
    stages = [
        {"name": name, "weights": {name: 1}, "tokens": int(times * asked.tokens), "replay": arm.replay if number else 0,
         **common}
        for number, (name, times) in enumerate(arm.stages)
    ]  # fmt: skip
    return {"data": data | tested, "stages": stages}


def summary(results: dict[str, list[Losses]]) -> list[str]:
    """Means over seeds of each arm, and of its paired differences to the first arm."""
    first = next(iter(results))
    lines = []
    for arm, seeds in results.items():
        for group in (name for name in seeds[0] if name.startswith(("test", "spared"))):
            lines.append(f"{arm}, {group}: {interval([losses[group] for losses in seeds])}")
            if arm != first:
                paired = [own[group] - other[group] for own, other in zip(seeds, results[first], strict=True)]
                lines.append(f"{arm} less {first}, {group}: {interval(paired)}")
    return lines


def interval(values: list[float]) -> str:
    """Mean, its t interval over seeds, and the smallest effect told with 80% power; of one seed the mean alone."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return json.dumps({"mean": mean})
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    t = float(stdtrit(len(values) - 1, 0.975))
    return json.dumps({"mean": mean, "low": mean - t * error, "high": mean + t * error, "told": (t + 0.84) * error})


if __name__ == "__main__":
    main()
