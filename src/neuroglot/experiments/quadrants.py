"""Tuning on each language alone, and what that does to held-out answers in all of them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import CorpusError
from neuroglot.experiments.asked_tasks import AskedTask, task_counts
from neuroglot.experiments.curriculum import answer_losses
from neuroglot.models.view import view
from neuroglot.prompting.examples import Example
from neuroglot.storage import NOTHING_KEPT, Kept, locked_file
from neuroglot.tokens.examples import examples
from neuroglot.tokens.tokenizing import Text
from neuroglot.training.trainer import require_weights
from neuroglot.training.tuning import learnable, tune_on
from neuroglot.training.types import OnStep, TuningConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class HeldOutAnswers:
    """The same R rows in each of G languages, as examples and as texts, row after row, whose answers are scored.

    The end of text is not: any tuning raises its probability. `target_bytes [R, G]` are those of the answers in UTF-8;
    `dropped` counts the rows that were left out, by reason.
    """

    examples: tuple[Example, ...]
    texts: tuple[Text, ...]
    target_bytes: Tensor
    dropped: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class EachLanguage:
    """What is learned of each language alone, with each of the seeds, how, and what is held out of all of them; with
    `asked` also held-out prompts whose translations are written and scored.

    A seed orders the examples and draws the first values of adapters.
    """

    learned: Mapping[str, Sequence[Example]]
    held_out: HeldOutAnswers
    config: TuningConfig
    seeds: tuple[int, ...]
    asked: AskedTask | None = None


def held_out_answers(
    tokenizer: PreTrainedTokenizerBase, by_language: Mapping[str, Sequence[Example]], max_tokens: int
) -> HeldOutAnswers:
    """Held-out examples of the same rows in each language; a row that does not fit in one is left out of all.

    Raises `CorpusError` if fewer than two rows are left, of which no interval could be had.
    """
    languages = tuple(by_language)
    items = [example for row in zip(*by_language.values(), strict=True) for example in row]
    encoded = examples(tokenizer, items, row_size=len(languages), max_tokens=max_tokens)
    if len(encoded.kept) < 2:
        left_out = "".join(f"; {count}: {reason}" for reason, count in encoded.dropped.items())
        raise CorpusError(
            f"Of {len(items) // len(languages)} held-out rows {len(encoded.kept)} fit{left_out}.",
            "Expected two or more.", "Hold out more rows (held_out), or allow more tokens (max_tokens).",
        )  # fmt: skip
    kept = tuple(items[row * len(languages) + index] for row in encoded.kept for index in range(len(languages)))
    sizes = torch.tensor([len(example.answer.encode()) for example in kept], dtype=torch.float64)
    return HeldOutAnswers(kept, encoded.texts, sizes.view(-1, len(languages)), encoded.dropped)


def written_task(held_out: HeldOutAnswers, rows: int) -> Task:
    """The first `rows` held-out rows as prompts, and the translations that are right."""
    by_language: dict[str, list[Example]] = {}
    for example in held_out.examples:
        by_language.setdefault(example.setting, []).append(example)
    kept = {language: examples[:rows] for language, examples in by_language.items()}
    ids = tuple(example.id for example in next(iter(kept.values())))
    sides = (
        {language: tuple(getattr(example, side) for example in part) for language, part in kept.items()}
        for side in ("prompt", "answer")
    )
    prompts, answers = (Corpus(f"held-out {name}", ids, texts) for name, texts in zip(("prompts", "answers"), sides))
    return Task("held-out translations", prompts, answers)


def bits_of_answers(model: PreTrainedModel, held_out: HeldOutAnswers) -> Tensor:
    """−log₂ p of each held-out answer: `[R, G]`, float64."""
    nats = answer_losses(view(model), held_out.texts)[:, 0]
    return nats.view_as(held_out.target_bytes) / math.log(2)


def tune_on_each(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    plan: EachLanguage,
    *,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
) -> Measured:
    """Bits of the held-out answers before, `[R, G]`, and after tuning on each language alone, `[S, R, G]`.

    The model is as before afterwards. What is in `kept` is not made again; several processes that share it take one
    language each, and wait for each other's at the end. Raises as `tune`.
    """
    require_weights(model)
    with locked_file(kept.file("before.lock")):
        before = kept.once("before", lambda: _measured(model, tokenizer, plan))
    after: dict[str, dict[str, Tensor]] = {}
    for waits in (False, True):
        for language in plan.learned:
            if language in after:
                continue
            with locked_file(kept.file(f"{language}.lock"), waits=waits) as is_free:
                if is_free:
                    make = partial(_after, model, tokenizer, plan, language, on_step=on_step)
                    seeds = [make(seed, kept.below(language)) for seed in plan.seeds]
                    after[language] = {name: torch.stack([each[name] for each in seeds]) for name in before}
    return Measured(before, {language: after[language] for language in plan.learned})


class Measured(NamedTuple):
    """Of the held-out answers before, and after tuning on each language with each seed: `bits [R, G]`, and what was
    `written`, counts `[R, G, C]`, if that was asked for.
    """

    before: Mapping[str, Tensor]
    after: Mapping[str, Mapping[str, Tensor]]

    def of(self, name: str) -> tuple[Tensor, dict[str, Tensor]]:
        """One of the numbers, before and after by language."""
        return self.before[name], {language: numbers[name] for language, numbers in self.after.items()}


def _measured(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, plan: EachLanguage) -> dict[str, Tensor]:
    measured = {"bits": bits_of_answers(model, plan.held_out)}
    if plan.asked is None:
        return measured
    counts = task_counts(view(model), tokenizer, [plan.asked])
    by_language = {group.language: part for group, part in counts.items()}
    return measured | {"written": torch.stack([by_language[each] for each in plan.asked.task.languages], 1)}


def _after(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    plan: EachLanguage,
    language: str,
    seed: int,
    kept: Kept,
    *,
    on_step: OnStep | None,
) -> dict[str, Tensor]:
    """What is measured of the held-out answers after tuning on the language with this seed."""
    place = kept.below(f"seed-{seed}")
    config = replace(plan.config, seed=seed)
    learned = ordered(plan.learned[language], seed)

    def make() -> dict[str, Tensor]:
        with _weights_as_before(model):
            texts = learnable(model, tokenizer, learned, config).texts
            tune_on(model, tokenizer, texts, config, kept=place.below("training"), on_step=on_step)
            return _measured(model, tokenizer, plan)

    measured = place.once("after", make)
    if place.folder is not None:
        shutil.rmtree(place.folder / "training", ignore_errors=True)
    return measured


def ordered(examples: Sequence[Example], seed: int) -> tuple[Example, ...]:
    """In an order that depends on the seed and the ids alone."""
    return tuple(sorted(examples, key=lambda example: (Random(f"{seed}/{example.id}").random(), example.id)))


def with_other_answers(examples: Sequence[Example], seed: int) -> tuple[Example, ...]:
    """Each prompt with the completion of another row: the next one in an order that depends on the seed and the ids."""
    order = ordered(examples, seed)
    following = {example.id: after.completion for example, after in zip(order, (*order[1:], order[0]), strict=True)}
    return tuple(replace(example, completion=following[example.id]) for example in examples)


@contextmanager
def _weights_as_before(model: PreTrainedModel) -> Iterator[None]:
    before = {name: parameter.detach().cpu().clone() for name, parameter in model.named_parameters()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(before[name])
