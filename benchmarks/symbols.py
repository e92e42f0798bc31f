"""What a model learns of formal languages, and forgets of natural ones, by the stages of Symbol-LLM; over paired seeds.

    python -m benchmarks.symbols --out runs --seeds 5

Arms: injection (symbols alone), injection and then infusion (symbols with general questions, 46 to 54, as published),
injection for as many examples as both stages have, the examples of both stages mixed from the start, and each form
alone, with as many examples of it as injection has. Every run chooses its learning rates on selection rows. Measured
on rows of the side that is held out: the loss of symbolic answers and of the lab's questions in all its languages, in
nats per learned token, and answers that are right by the form's own metric. Lines are means over seeds with 95% t
intervals, differences to injection on the same seeds, and Holm's p over the differences of losses. A second call goes
on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.seeds import Results, interval, kept, records, told
from neuroglot.recipes.curriculum import Curriculum
from neuroglot.storage import write_whole

FORMS = ("x-sql", "x-sexpr", "x-scan", "x-fol")
LANGUAGES = ("en", "de", "fr", "es", "ru", "zh", "ja", "ar", "hi", "sw")
WORDING = {"prompts": ["{prompt}"], "answer": " {answer}"}
SETTINGS = ("model", "forms", "rows", "tested", "rates")
INFUSED = 0.3  # share of the injected symbols that come again, as published
GENERAL = 54 / 46  # general questions for each of them


def main() -> None:
    """Run what is not there yet, and print a line for each arm and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--forms", nargs="+", default=list(FORMS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200, help="of each form to learn from")
    parser.add_argument("--tested", type=int, default=20, help="rows of each form, and questions of each language")
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-4, 2e-3])
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    stated = {name: getattr(asked, name) for name in SETTINGS}
    results: dict[str, list[Results]] = {arm: [] for arm in arms(asked)}
    for seed in range(asked.seeds):
        for arm in results:
            folder = asked.out / f"{arm.replace(',', '').replace(' ', '-')}-{seed}"
            results[arm].append(kept(folder / "results.json", stated, partial(run, asked, arm, seed, folder)))
    for line in summary(results, asked.forms):
        print(line)


def arms(asked: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """The stages of each arm: their names, and examples by data set."""
    symbols = asked.rows * len(asked.forms)
    again = round(INFUSED * symbols)
    general = round(GENERAL * again)
    injection = {"name": "injection", "counts": {"symbols": symbols}}
    return {
        "injection": [injection],
        "injection, infusion": [injection, {"name": "infusion", "counts": {"symbols": again, "general": general}}],
        "injection, all examples": [{"name": "injection", "counts": {"symbols": symbols + again + general}}],
        "mixture": [{"name": "mixture", "counts": {"symbols": symbols + again, "general": general}}],
    } | {f"{form} alone": [{"name": "alone", "counts": {form: asked.rows}}] for form in asked.forms}


def run(asked: argparse.Namespace, arm: str, seed: int, folder: Path) -> Results:
    """Right answers by form, and losses by language, before and behind the stages of an arm."""
    stages = arms(asked)[arm]
    named = {name for stage in stages for name in stage["counts"]}
    common = {"end": "newline", "batch_size": 16, "schedule": "cosine", "warmup": 0.1, "pack": True,
              "learning_rates": asked.rates}  # fmt: skip
    learned = {
        "symbols": {"languages": asked.forms, "rows": f"symbols:{asked.rows}"},
        "general": {"languages": list(LANGUAGES), "rows": "lab:400"},
        **{form: {"languages": [form], "rows": f"symbols:{asked.rows}"} for form in asked.forms},
    }
    data = {name: {**part, "template": WORDING, "selection": 20} for name, part in learned.items() if name in named}
    tested = {
        "test": {"languages": asked.forms, "rows": f"symbols:{asked.tested}", "held_out": "all"},
        "spared": {"languages": list(LANGUAGES), "rows": f"lab:{asked.tested}", "held_out": "all"},
    }
    file = folder.parent / f"{folder.name}.yaml"
    stated = {
        "data": data | {name: {**part, "template": WORDING} for name, part in tested.items()},
        "stages": [stage | common for stage in stages],
        "asked": {"test": {"metrics": ["form"], "max_new_tokens": 96}},
    }
    write_whole(file, json.dumps(stated, indent=1) + "\n")  # JSON is YAML
    report = Curriculum(model=asked.model, stages=file, seed=seed, device="cpu").run(folder / "run", resume=True)
    rows = {section.key: records(section.tables[0]) for section in report.sections if section.tables}
    moments = {"before": "before", stages[-1]["name"]: "after"}
    right = {
        f"right {moments[row['moment']]} {row['language']}": float(row["score"])
        for row in rows["task-moments"] if row["moment"] in moments
    }  # fmt: skip
    losses = [(row["group"].split(", ")[1], moments[row["moment"]], float(row["loss"]))
              for row in rows["held-out"] if row["moment"] in moments]  # fmt: skip
    groups: dict[str, tuple[str, ...]] = {"languages": LANGUAGES, **{form: (form,) for form in asked.forms}}
    return right | {
        f"loss {moment} in {name}": float(
            np.mean([loss for code, at, loss in losses if at == moment and code in group])
        )
        for moment in ("before", "after")
        for name, group in groups.items()
    }


def change(name: str, result: Results) -> float:
    """How much a loss changed from before to behind the stages."""
    return result[f"loss after in {name}"] - result[f"loss before in {name}"]


def summary(results: dict[str, list[Results]], forms: list[str]) -> list[str]:
    """Means over seeds, and paired differences to injection, by form."""
    lines: list[str] = []
    compared: dict[str, Any] = {}

    def add(arm: str, what: str, of: Callable[[Results], float], *, claimed: bool = True) -> None:
        values = [of(result) for result in results[arm]]
        lines.append(f"{arm}, {what}: {interval(values)}")
        if arm != "injection":
            paired = [own - of(result) for own, result in zip(values, results["injection"], strict=True)]
            lines.append(f"{arm} less injection, {what}: {interval(paired)}")
            if claimed:
                compared[f"{arm} less injection, {what}"] = paired

    for arm in results:
        for form in [form for form in forms if arm == f"{form} alone"] or forms:
            add(arm, f"right in {form}", itemgetter(f"right after {form}"), claimed=False)
            add(arm, f"change of the loss in {form}", partial(change, form))
        add(arm, "change of the loss in languages", partial(change, "languages"))
    return lines + told(compared)


if __name__ == "__main__":
    main()
