"""Does aligning questions first help? Stages on the lab, over paired seeds, with what is forgotten beside.

python -m benchmarks.staged --out runs                  # goes on where it was stopped
python -m benchmarks.staged --out runs --tasks reversed --seeds 1 --tokens 2000 --rates 1e-3       # a smoke run

A model learns to answer a question in English that the lab never asked (stage 2: write a number's digits backwards),
and is asked it in other languages, in which it never saw an answer. The arms: English only at stage 2's tokens;
questions translated into English first (stage 1 → 2), with and without replay of stage 1; the same with translations
of other questions (misaligned); English only at the tokens of both stages; and answers in every language at the tokens
of both (translate-training). Every arm's learning rate is searched in every run on selection rows, which are other
numbers than those that are tested; the tested are the same for all arms of a seed. `results.json` of an arm and a seed
says the share of right answers by language, before and behind the stages, and the loss of what is in no stage.

The table at the end has, for each task, the means over languages other than English and paired differences to the
first arm with 95% t intervals over seeds, Holm's p over all differences of accuracy, and the smallest difference that
so many seeds tell with 80% power: t + 0.84 errors. The setting was chosen on `reversed`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.seeds import Results, interval, kept, records, told
from neuroglot.lab import lab_questions
from neuroglot.lab.cldr import name_of_language, number_words
from neuroglot.recipes.curriculum import Curriculum
from neuroglot.storage import write_whole

SPARED = "counting"  # a task of the lab that is in no stage: what is forgotten of it is forgetting
REPLAY = 0.3


@dataclass(frozen=True)
class Asked:
    """A question in five languages, and its answer, digits."""

    wordings: dict[str, str]
    answer: Callable[[int], str]


TASKS = {
    "reversed": Asked(
        {
            "en": "Number: {words}. Backwards:", "de": "Zahl: {words}. Rückwärts:",
            "fr": "Nombre : {words}. À l'envers :", "es": "Número: {words}. Al revés:",
            "sw": "Nambari: {words}. Kinyume:",
        },
        lambda number: str(number)[::-1],
    ),
    "ordered": Asked(
        {
            "en": "Number: {words}. Digits in order:", "de": "Zahl: {words}. Ziffern der Größe nach:",
            "fr": "Nombre : {words}. Chiffres dans l'ordre :", "es": "Número: {words}. Cifras en orden:",
            "sw": "Nambari: {words}. Tarakimu kwa mpangilio:",
        },
        lambda number: "".join(sorted(str(number))),
    ),
    "next": Asked(
        {
            "en": "Number: {words}. Ten more, in digits:", "de": "Zahl: {words}. Zehn mehr, in Ziffern:",
            "fr": "Nombre : {words}. Dix de plus, en chiffres :", "es": "Número: {words}. Diez más, en cifras:",
            "sw": "Nambari: {words}. Kumi zaidi, kwa tarakimu:",
        },
        lambda number: str(number + 10),
    ),
}  # fmt: skip


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
    """Run what is not there yet, and print a line for each task, arm and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lab")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["ordered", "next"])
    parser.add_argument("--languages", nargs="+", default=["de", "fr", "es", "sw"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tested", type=int, default=100, help="numbers that are asked, in every language")
    parser.add_argument("--selected", type=int, default=50, help="numbers on which learning rates are chosen")
    parser.add_argument("--tokens", type=int, default=5_000, help="of one stage")
    parser.add_argument("--rates", type=float, nargs="+", default=[3e-4, 1e-3, 3e-3])
    asked = parser.parse_args()
    results = {
        (task, arm): [results_of(asked, task, arm, seed) for seed in range(asked.seeds)]
        for task in asked.tasks
        for arm in ARMS
    }
    for line in summary(results, asked.languages):
        print(line)


def results_of(asked: argparse.Namespace, task: str, arm: str, seed: int) -> Results:
    """The results of one arm and seed: read if they are there, else computed and written."""
    name = arm.replace(",", "").replace(" ", "-")
    folder = asked.out / task / f"seed-{seed}"
    settings = ("languages", "tested", "selected", "tokens", "rates", "model")
    stated = {setting: getattr(asked, setting) for setting in settings}
    return kept(folder / name / "results.json", stated, partial(run, asked, folder, name, task, arm, seed))


def run(asked: argparse.Namespace, folder: Path, name: str, task: str, arm: str, seed: int) -> Results:
    """One arm and seed: accuracies and losses before and after, by language."""
    write_data(folder, asked, TASKS[task], seed)
    file = folder / f"{name}.yaml"
    write_whole(file, json.dumps(curriculum(asked, ARMS[arm]), indent=1) + "\n")  # JSON is YAML
    report = Curriculum(model=asked.model, stages=file, seed=seed, device="cpu").run(folder / name / "run", resume=True)
    rows = {section.key: records(section.tables[0]) for section in report.sections if section.tables}
    moments = {"before": "before", ARMS[arm].stages[-1][0]: "after"}
    return {
        f"accuracy {moments[row['moment']]} {row['language']}": row["score"]
        for row in rows["task-moments"] if row["moment"] in moments
    } | {
        f"loss {moments[row['moment']]} {row['group'].removeprefix('spared, ')}": row["loss"]
        for row in rows["held-out"] if row["moment"] in moments and row["group"].startswith("spared")
    }  # fmt: skip


def write_data(folder: Path, asked: argparse.Namespace, question: Asked, seed: int) -> None:
    """Questions in every language with their answers, and questions that are spared; drawn anew for each seed, the
    same for all its arms. A number is learned, or tested, or neither; never both in two languages.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = Random(seed).sample(range(100, 990), 890)
    shift = 1 + Random(seed).randrange(100)
    for language in ("en", *asked.languages):
        rows = [
            {
                "question": wording(question, language, number),
                "answer": " " + question.answer(number),
                "translating": f"{name_of_language(language, 'en')}: {wording(question, language, number)} English:",
                "english": wording(question, "en", number),
                "other": wording(question, "en", numbers[(index + shift) % len(numbers)]),
            }
            for index, number in enumerate(numbers)
        ]
        write_rows(folder / f"test-{language}.jsonl", rows[: asked.tested])
        write_rows(folder / f"learned-{language}.jsonl", rows[asked.tested :])
        spared = lab_questions(SPARED, asked.tested, seed)
        texts = zip(spared.prompts.texts[language], spared.answers.texts[language], strict=True)
        spared_rows = [{"question": prompt, "answer": answer.removesuffix("\n")} for prompt, answer in texts]
        write_rows(folder / f"spared-{language}.jsonl", spared_rows)


def wording(question: Asked, language: str, number: int) -> str:
    """The question in words."""
    return question.wordings[language].format(words=number_words(number, language))


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    """A JSON object a line."""
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def curriculum(asked: argparse.Namespace, arm: Arm) -> dict[str, Any]:
    """The file of an arm: what it learns, and what all arms are tested on."""
    everywhere = ["en", *asked.languages]
    answering = {"prompts": ["{question}"], "answer": "{answer}"}
    learned = {
        "answers": (["en"], answering),
        "aligned": (asked.languages, {"prompts": ["{translating}"], "answer": " {english}"}),
        "misaligned": (asked.languages, {"prompts": ["{translating}"], "answer": " {other}"}),
        "everywhere": (everywhere, answering),
    }
    data = {
        name: {"languages": learned[name][0], "template": learned[name][1], "selection": asked.selected,
               "rows": "learned-{language}.jsonl"}
        for name, _ in arm.stages
    }  # fmt: skip
    tested = {
        name: {"languages": everywhere, "template": answering, "held_out": "all", "rows": f"{name}-{{language}}.jsonl"}
        for name in ("test", "spared")
    }
    rates = {"learning_rates": asked.rates} if len(asked.rates) > 1 else {"learning_rate": asked.rates[0]}
    common = {"end": "newline", "batch_size": 8, "schedule": "cosine", "warmup": 0.1, "pack": True, **rates}
    stages = [
        {"name": name, "weights": {name: 1}, "tokens": int(times * asked.tokens), "replay": arm.replay if number else 0,
         **common}
        for number, (name, times) in enumerate(arm.stages)
    ]  # fmt: skip
    asking = {"test": {"metrics": ["exact-match"], "max_new_tokens": 6}}
    return {"data": data | tested, "stages": stages, "asked": asking}


def summary(results: dict[tuple[str, str], list[Results]], languages: list[str]) -> list[str]:
    """Means over seeds of each arm, and of its paired differences to the first arm of its task."""
    lines: list[str] = []
    compared: dict[str, np.ndarray] = {}
    first = next(iter(ARMS))
    for (task, arm), seeds in results.items():
        for measure in ("accuracy before", "accuracy after", "loss after"):
            values = of_others(seeds, measure, languages)
            lines.append(f"{task}: {arm}, {measure}: {interval(values)}")
            if arm != first and measure != "accuracy before":
                paired = values - of_others(results[task, first], measure, languages)
                lines.append(f"{task}: {arm} less {first}, {measure}: {interval(paired)}")
                if measure == "accuracy after":
                    compared[f"{task}: {arm} less {first}"] = paired
        lines.append(f"{task}: {arm}, accuracy in English: {interval(of_others(seeds, 'accuracy after', ['en']))}")
    return lines + told(compared)


def of_others(seeds: list[Results], measure: str, languages: list[str]) -> np.ndarray:
    """The mean over languages, by seed."""
    return np.array([np.mean([results[f"{measure} {language}"] for language in languages]) for results in seeds])


if __name__ == "__main__":
    main()
