"""One task, one answer: evaluation, attribution, deactivation and tuning keep exactly the same rows."""

import random
from collections import Counter

import pytest
import torch

from neuroglot import attribute, deactivate, evaluate
from neuroglot.corpora import Corpus, Task
from neuroglot.errors import CorpusError
from neuroglot.metrics import ExactAnswer
from neuroglot.models import view
from neuroglot.training import Example, TuningConfig, tune
from tests.families import tiny_model
from tests.tokens.making import NOTHING, TEMPLATES, reasons, tokenizer_with

LANGUAGES = ("de", "sw")
CONTEXT = 64  # of the tiny models
ENDINGS = ("w1", "w2 w3", "w4 </s>", " ".join(["w5"] * 63), f"w6 {NOTHING}")
ANSWERS = (" w7", " w8 w9", "3", f" {NOTHING}", " w2 w3 </s>", " w1 w2 w3")


def a_task(options: int, seed: int, rows: int = 12) -> Task:
    """Prompts and answers of every kind, most of them fit."""
    generator, ids = random.Random(seed), tuple(f"row{row}" for row in range(rows))

    def column(choices: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(generator.choices(choices, [4, 3, *[1] * (len(choices) - 2)])[0] for _ in ids)

    prompts = Corpus("prompts", ids, {g: column(ENDINGS) for g in LANGUAGES})
    right = {g: column(ANSWERS) for g in LANGUAGES}
    wrong = {g: tuple(f" w9{answer}" for answer in column(ANSWERS)) for g in LANGUAGES}
    parts = [Corpus(name, ids, texts) for name, texts in (("right", right), ("wrong", wrong))]
    return Task("task", prompts, parts[0], tuple(parts) if options else ())


def rows_of(task: Task) -> list[list[tuple[str, str]]]:
    candidates = task.options or (task.answers,)
    return [
        [(task.prompts.texts[g][row], part.texts[g][row]) for g in task.languages for part in candidates]
        for row in range(len(task))
    ]


@pytest.mark.parametrize("options", [0, 2])
@pytest.mark.parametrize("ends", TEMPLATES)
def test_the_same_rows_are_kept_for_the_same_reasons(ends: str, options: int) -> None:
    located, tokenizer = view(tiny_model("llama")), tokenizer_with(ends)
    met: Counter[str] = Counter()
    for seed in range(4):
        task = a_task(options, seed)
        expected = reasons(tokenizer, rows_of(task), CONTEXT)
        kept = [row for row, reason in enumerate(expected) if reason is None]
        dropped = Counter(reason for reason in expected if reason)
        met += dropped
        evaluated = evaluate(located, tokenizer, task, ExactAnswer())
        attributed = attribute(located, tokenizer, task)
        deactivated = deactivate(located, tokenizer, task, draws=1)
        assert evaluated.dropped == attributed.dropped == deactivated.dropped == dict(dropped)
        assert deactivated.ids == tuple(task.ids[row] for row in kept)
        rest = task.take(kept)
        assert torch.equal(evaluated.counts, evaluate(located, tokenizer, rest, ExactAnswer()).counts)
        assert torch.equal(attributed.sizes, attribute(located, tokenizer, rest).sizes)
        for measure, metric in ((evaluate, (ExactAnswer(),)), (attribute, ()), (deactivate, ())):
            with pytest.raises(CorpusError, match=f"Of {len(task)} examples"):
                measure(located, tokenizer, task, *metric, unfit="refuse")  # type: ignore[operator]
    assert len(met) == 3, met


@pytest.mark.parametrize("ends", TEMPLATES)
def test_tuning_keeps_the_same_examples(ends: str) -> None:
    tokenizer, task = tokenizer_with(ends), a_task(0, seed=1, rows=24)
    items = [item for row in rows_of(task) for item in row]
    expected = Counter(reason for reason in reasons(tokenizer, [[item] for item in items], CONTEXT) if reason)
    given = [Example(*item, "direct", str(index)) for index, item in enumerate(items)]
    config = TuningConfig(steps=1, end="none", unfit="drop", max_tokens=CONTEXT)
    tuned = tune(tiny_model("llama"), tokenizer, given, config)
    assert tuned.dropped == dict(expected)
    assert len(expected) == 3
    with pytest.raises(CorpusError, match=f"Of {len(items)} examples"):
        tune(tiny_model("llama"), tokenizer, given, TuningConfig(steps=1, end="none"))
