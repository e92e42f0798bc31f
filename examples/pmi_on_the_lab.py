"""Does showing the lab model more languages help, and what does it do to its neurons?

    python examples/pmi_on_the_lab.py OUT [MODEL ...]

For each lab model (`lab`, or folders that `neuroglot lab train` wrote): tune it on a mix of all settings with new
questions, then ask held-out questions in every setting, and write one report.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from neuroglot import models
from neuroglot.corpora.parallel_inputs import from_task
from neuroglot.lab import lab_questions
from neuroglot.prompting import build_prompts
from neuroglot.recipes.pmi import Pmi
from neuroglot.training import TuningConfig, pmi_mix, tune

JOB = Pmi(
    models=("lab",), corpus="lab", task="number_to_digits", originals=("de", "sw"),
    languages=("en", "fr", "es", "ru", "zh", "hi"), parallel=(0, 1, 2, 3, 4, 5, 6), instruction="", limit=60,
    max_new_tokens=10,
)  # fmt: skip
TUNING = TuningConfig(steps=300, learning_rate=1e-3, batch_size=16, end="newline")


def tuned(model: str, out: Path, seed: int) -> None:
    """The model tuned on equal shares of all settings, in `out`."""
    view, tokenizer = models.load(model)
    questions = lab_questions(str(JOB.task), 800, seed=seed + 1)
    sets = [
        build_prompts(
            from_task(questions.select(dict.fromkeys([original, *JOB.languages])), original), setting,
            instruction=None if name in ("direct", "pivot") else JOB.instruction, tokenizer=tokenizer,
        )
        for original in JOB.originals
        for name, setting in JOB.settings(original).items()
        if name != "pivot"
    ]  # fmt: skip
    names = list(dict.fromkeys(prompts.setting.name for prompts in sets))
    examples = pmi_mix(sets, {name: 1 / len(names) for name in names}, seed=seed)
    tune(view.model, tokenizer, examples, TUNING).save(out)


def main() -> None:
    """Tune and compare, model by model."""
    torch.set_num_threads(1)
    out, names = Path(sys.argv[1]), sys.argv[2:] or ["lab"]
    folders = [out / f"tuned-{seed}" for seed in range(len(names))]
    for seed, (name, folder) in enumerate(zip(names, folders)):
        if not folder.exists():
            tuned(name, folder, seed)
    replace(JOB, models=tuple(map(str, folders))).run(out / "compared", resume=True).print()


if __name__ == "__main__":
    main()
