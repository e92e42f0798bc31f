"""Tasks that a model answers in its own words, scored by name: at one moment of a training, or at several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.corpora.corpus import Task
from neuroglot.errors import ConfigError
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.metrics.task_moments import Group, TaskMoments
from neuroglot.metrics.texts.answered import answered_texts, of_answers, questions
from neuroglot.metrics.texts.metric import TextOptions
from neuroglot.metrics.texts.scoring import choose_metrics
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class AskedTask:
    """A task whose prompts a model continues, and the metrics of `TEXT_METRICS` that score what it writes.

    `stop`: strings before which an answer ends. `chats`: whether a chat template wrote the prompts. Raises
    `ConfigError` on metrics that are not there, or on an option that none of them reads.
    """

    task: Task
    metrics: tuple[str, ...]
    decoding: Decoding = field(default_factory=Decoding)
    stop: tuple[str, ...] = ()
    chats: bool = False
    options: TextOptions = field(default_factory=TextOptions)

    def __post_init__(self) -> None:
        for language in self.task.languages:
            choose_metrics(self.metrics, of_answers(self.options, self.task, language))

    @property
    def signature(self) -> Signature:
        return Signature.of(
            hash=self.task.hash, metrics="+".join(self.metrics), normalization=self.options.normalization,
            stop=repr(self.stop), chats=self.chats,
        ) | self.decoding.signature  # fmt: skip


def task_counts(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, asked: Sequence[AskedTask], *, kept: Kept = NOTHING_KEPT
) -> dict[Group, Tensor]:
    """The model's answers to each task as counts of each metric, by language: `[R, C]`, float64.

    Questions that leave no room for an answer are left out in all languages. What is in `kept` is not asked again.
    Raises `ConfigError` for two tasks of one name, and as `generate` and the metrics do.
    """
    names = [each.task.name for each in asked]
    if len(set(names)) < len(names):
        raise ConfigError(f"The tasks are called {', '.join(names)}.", "Expected each name once.")
    counts: dict[Group, Tensor] = {}
    for number, each in enumerate(asked, 1):
        place = kept.below(f"task-{number}")
        stored = place.once("counts", partial(_answered, view, tokenizer, each, place))
        counts |= {Group(each.task.name, *name.split(" ")): part for name, part in stored.items()}
    return counts


def _answered(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, asked: AskedTask, kept: Kept
) -> dict[str, Tensor]:  # fmt: skip
    """Counts by language and metric, `de numeric`."""
    written = generate(
        view, tokenizer, asked.task.prompts, asked.decoding, stop=asked.stop, chats=asked.chats,
        kept=kept.below("batches"),
    )  # fmt: skip
    task = questions(asked.task, written.ids, asked.task.languages)
    return {
        f"{language} {name}": metric.counts(answered_texts(task, language, written.texts[language], asked.metrics))
        for language in asked.task.languages
        for name, metric in choose_metrics(asked.metrics, of_answers(asked.options, task, language)).items()
    }


def task_moments(
    moments: Mapping[str, Mapping[Group, Tensor]], asked: Sequence[AskedTask], signature: Signature
) -> TaskMoments:
    """What `task_counts` gave at each moment as one result, the first moment being what the others are held against.

    Raises `ConfigError` where moments have other scores or other numbers of questions.
    """
    first, *others = moments.values()
    for moment in others:
        if {group: part.shape for group, part in moment.items()} != {
            group: part.shape for group, part in first.items()
        }:
            raise ConfigError(
                f"The moments {', '.join(moments)} do not have the same scores of the same questions.",
                "Expected the same tasks at all of them.",
            )
    counts = {group: torch.stack([moment[group] for moment in moments.values()]) for group in first}
    tasks = {f"task_{number}": f"{each.task.name} {each.signature.inline}" for number, each in enumerate(asked, 1)}
    return TaskMoments(tuple(moments), counts, signature | Signature.of(**tasks))
