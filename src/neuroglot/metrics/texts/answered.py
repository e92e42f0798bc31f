"""AnswersByLanguage to a task's questions in several languages: scores by language, and how consistent they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from neuroglot.corpora.corpus import Task
from neuroglot.corpora.symbols.rows import UNPAIRED
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.metrics.consistency import Consistency
from neuroglot.metrics.texts.metric import TextOptions, Texts
from neuroglot.metrics.texts.scoring import TEXT_METRICS, TextScore, choose_metrics, score_texts
from neuroglot.signature import Signature

AnswersByLanguage = Mapping[str, Sequence[str]]  # by language, in the order of the questions


@dataclass(frozen=True, eq=False)
class AnswerScores:
    """Scores by language, the metrics in their order, and the consistency by each metric that is right or wrong, with
    that of the baseline if there is one.
    """

    scores: Mapping[str, list[TextScore]]
    consistency: tuple[Consistency, ...]
    baseline: tuple[Consistency, ...]


def questions(task: Task, ids: Sequence[str], languages: Sequence[str]) -> Task:
    """The questions that were answered; raises `CorpusError` for answers to questions that the task lacks."""
    row_of = {row_id: row for row, row_id in enumerate(task.ids)}
    unknown = [row_id for row_id in ids if row_id not in row_of]
    if unknown:
        raise CorpusError(
            f"{len(unknown)} of {len(ids)} answers have ids that {task.name!r} lacks, such as {unknown[0]!r}.",
            f"Expected ids such as {task.ids[0]!r}.",
            "Answer the questions of this task, or name the task that was asked.",
        )
    return task.select(languages).take([row_of[row_id] for row_id in ids])


def references_of(task: Task) -> dict[str, tuple[str, ...]]:
    """The right answers by language, without white space around them."""
    return {language: tuple(map(str.strip, column)) for language, column in task.answers.texts.items()}


def score_answers(
    task: Task,
    texts: AnswersByLanguage,
    metrics: Sequence[str],
    options: TextOptions | None = None,
    *,
    baseline: AnswersByLanguage | None = None,
    signature: Signature | None = None,
) -> AnswerScores:
    """Scores of the answers `texts[language][r]` to the task's questions by metrics of the table.

    The language of `options` is that of the answers. Raises `ConfigError` where texts or baseline are in other
    languages, and as `score_texts` does.
    """
    for side in (texts, *([] if baseline is None else [baseline])):
        if set(side) != set(task.languages):
            raise ConfigError(f"AnswersByLanguage are in {', '.join(side)}.", f"Expected {', '.join(task.languages)}.")
    chosen = options or TextOptions()
    scores = {
        language: score_texts(
            answered_texts(task, language, texts[language], metrics), metrics, of_answers(chosen, task, language),
            None if baseline is None else baseline[language],
        )
        for language in task.languages
    }  # fmt: skip
    made = signature or Signature.of(data=task.name, rows=len(task))
    own, other = (
        [] if side is None else _consistencies(task, side, metrics, chosen, made) for side in (texts, baseline)
    )
    return AnswerScores(scores, tuple(own), tuple(other))


def answered_texts(task: Task, language: str, texts: Sequence[str], metrics: Sequence[str]) -> Texts:
    """Answers in a language beside the right ones, with the prompts if one of the metrics reads them."""
    reads_prompts = any(name in TEXT_METRICS and TEXT_METRICS[name].reads_prompt for name in metrics)
    references = (references_of(task)[language],)
    return Texts(tuple(texts), references, tuple(task.prompts.texts[language]) if reads_prompts else None)


def of_answers(options: TextOptions, task: Task, language: str) -> TextOptions:
    """The same options for a task's answers in a row of a language, which may all be in another one."""
    return in_language(options, task.answers_in or language)


def in_language(options: TextOptions, language: str) -> TextOptions:
    """The same options for texts in a language."""
    return replace(options, language=language)


def _consistencies(
    task: Task, texts: AnswersByLanguage, metrics: Sequence[str], options: TextOptions, signature: Signature
) -> list[Consistency]:
    if len(task.languages) < 2 or UNPAIRED in task.prompts.remarks:
        return []
    each = [_consistency(task, texts, name, options, signature) for name in metrics]
    return [consistency for consistency in each if consistency is not None]


def _consistency(
    task: Task, texts: AnswersByLanguage, name: str, options: TextOptions, signature: Signature
) -> Consistency | None:
    """By one metric; None if it is not right or wrong."""
    right, read = [], {}
    for language in task.languages:
        metric = choose_metrics([name], _read_by(name, of_answers(options, task, language)))[name]
        if not metric.right_or_wrong:
            return None
        right.append(metric.counts(answered_texts(task, language, texts[language], [name]))[:, 0])
        if metric.read is not None:
            read[language] = tuple(map(metric.read, texts[language]))
    return Consistency(name, task.languages, tuple(task.ids), torch.stack(right, dim=1), read, signature)


def _read_by(name: str, options: TextOptions) -> TextOptions:
    """Those of the options that the metric reads."""
    read = TEXT_METRICS[name].reads
    return replace(TextOptions(options.language), **{field: getattr(options, field) for field in read})
