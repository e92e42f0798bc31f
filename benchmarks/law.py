"""Does quality follow x-LLM's law, 100 - S = a X^b? Points of a task the lab was never asked, by language and size.

python -m benchmarks.law --out runs           # goes on where it was stopped
neuroglot scaling runs/points.tsv --budget 1600

The lab learns to answer one of the questions of `benchmarks.staged` in one language, or to translate it into English,
from so many rows that each seed draws anew, and is tested on other numbers. S is the share of right answers, or chrF++
of the translations, in per cent. The learning rate is the same for all, and was chosen on another question.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.seeds import records
from benchmarks.staged import TASKS, write_data
from neuroglot.recipes.curriculum import Curriculum
from neuroglot.storage import write_whole

LEARNED = {  # prompt, answer, metric, and how many tokens an answer may have
    "answers": ("{question}", "{answer}", "exact-match", 6),
    "translations": ("{translating}", " {english}", "chrf++", 32),
}


def main() -> None:
    """Run what is not there yet, and write the table of points."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--task", choices=TASKS, default="ordered")
    parser.add_argument("--learned", choices=LEARNED, default="translations")
    parser.add_argument("--languages", nargs="+", default=["de", "fr", "es", "sw"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--times", type=int, default=1, help="how often each row is learned")
    parser.add_argument("--rate", type=float, default=1e-3)
    asked = parser.parse_args()
    lines = ["language\tsize\tquality"]
    for language in asked.languages:
        for size in asked.sizes:
            lines += [f"{language}\t{size}\t{quality(asked, language, size, seed)}" for seed in range(asked.seeds)]
    write_whole(asked.out / "points.tsv", "\n".join(lines) + "\n")


def quality(asked: argparse.Namespace, language: str, size: int, seed: int) -> float:
    """The score of one language, size and seed, of a run that is gone on with."""
    folder = asked.out / f"seed-{seed}"
    shared = argparse.Namespace(languages=[name for name in asked.languages if name != "en"], tested=100)
    write_data(folder, shared, TASKS[asked.task], seed)
    name = f"{language}-{size}"
    learned = (folder / f"learned-{language}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:size]
    write_whole(folder / f"learned-{name}.jsonl", "".join(learned))
    file = folder / f"{name}.yaml"
    write_whole(file, json.dumps(curriculum(asked, language, size), indent=1) + "\n")  # JSON is YAML
    report = Curriculum(model=asked.model, stages=file, seed=seed, device="cpu").run(folder / name, resume=True)
    (section,) = (section for section in report.sections if section.key == "task-moments")
    return float(next(row["score"] for row in records(section.tables[0]) if row["moment"] == "learned"))


def curriculum(asked: argparse.Namespace, language: str, size: int) -> dict[str, Any]:
    """One stage, and the rows that are asked behind it."""
    prompt, answer, metric, longest = LEARNED[asked.learned]
    template = {"prompts": [prompt], "answer": answer}
    of_language = {"languages": [language], "template": template}
    data = {
        "learned": of_language | {"rows": f"learned-{{language}}-{size}.jsonl"},
        "test": of_language | {"rows": "test-{language}.jsonl", "held_out": "all"},
    }
    stage = {
        "name": "learned", "weights": {"learned": 1}, "examples": size * asked.times, "learning_rate": asked.rate,
        "end": "newline", "batch_size": 8, "schedule": "cosine", "warmup": 0.1,
    }  # fmt: skip
    return {"data": data, "stages": [stage], "asked": {"test": {"metrics": [metric], "max_new_tokens": longest}}}


if __name__ == "__main__":
    main()
