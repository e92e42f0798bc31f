"""`answers`: generated answers against a task's, by language, and how consistent they are across languages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from neuroglot.recipes.artefacts import GENERATED, artefact
from neuroglot.recipes.options import USE, Limited, Normalized

if TYPE_CHECKING:
    from neuroglot.corpora import Task
    from neuroglot.generation.texts import GeneratedTexts
    from neuroglot.metrics.texts import TextOptions
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    task: Task
    answers: GeneratedTexts
    baseline: GeneratedTexts | None


@dataclass(frozen=True, kw_only=True)
class Answers(Limited, Normalized):
    """Score generated answers to a task (MGSM, MSVAMP, XQuAD, MLQA, your own) by language, with intervals, and say how
    consistent they are across languages; with a baseline, paired by question.
    """

    command = "answers"
    group = USE
    examples = """
    neuroglot generate ./my-model --corpus mgsm --max-new-tokens 512 --out written
    neuroglot answers written --task mgsm
    neuroglot answers written --task mgsm --baseline written-before --candidates en fr
    neuroglot answers written --task xquad --metrics exact-match f1 containment
    neuroglot generate ./my-model --corpus symbols --column prompt --out written
    neuroglot answers written --task symbols --metrics form"""
    positional = ("generated",)
    keeping = "optional"

    generated: Path
    """Run folder of `neuroglot generate`, or its generated.jsonl; its ids are those of the task's questions."""

    task: str
    """The task that was asked: a folder or file in the layout of MGSM, MSVAMP, XQuAD, MLQA, mParaRel, XNLI or MzsRE, a
    YAML file that describes your own, or `symbols`, generated questions whose languages are formal ones."""

    metrics: tuple[str, ...] = ("numeric", "numeric-published")
    """How answers are scored, by the names of `neuroglot score`; several are allowed."""

    languages: tuple[str, ...] | None = None
    """Languages to score; all that were answered by default."""

    baseline: Path | None = None
    """Another system's answers to the same questions, as a run folder or file."""

    candidates: tuple[str, ...] = ()
    """Also tell the language of each answer, among these and the questions' own; needs the extra `identification`."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora import load_task
        from neuroglot.metrics.texts import choose_metrics
        from neuroglot.metrics.texts.answered import in_language, questions
        from neuroglot.recipes.reading import note_data

        choose_metrics(self.metrics, in_language(self._options, "en"))  # refuses, before any file is read
        answers = self._texts(identity, "generated", self.generated).first(self.limit)
        languages = self.languages or answers.languages
        task = questions(load_task(self.task, languages=languages), answers.ids, languages)
        note_data(identity, task)
        answers = _chosen(answers, task)
        baseline = None if self.baseline is None else self._texts(identity, "baseline", self.baseline)
        return _Inputs(task, answers, None if baseline is None else _chosen(baseline, task))

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.metrics.texts.answered import score_answers
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.reports.sections.consistency import consistency_section
        from neuroglot.reports.sections.scoring import scores_section

        task, answers, baseline = inputs
        signature = answers.signature | made_with(data=task)
        scored = score_answers(
            task, answers.texts, self.metrics, self._options, baseline=None if baseline is None else baseline.texts,
            signature=signature,
        )  # fmt: skip
        parts: list[Any] = [scores_section(scored.scores, signature, by="language")]
        if scored.consistency:
            parts.append(consistency_section(list(scored.consistency), list(scored.baseline)))
        if self.candidates:
            parts.append(self._told(answers))
        return Report(parts, title=f"Answers to {task.name}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import of_files

        files = [artefact(path, GENERATED) for path in (self.generated, self.baseline) if path is not None]
        return of_files(files, [], REPORT_BYTES)

    @property
    def _options(self) -> TextOptions:
        from neuroglot.metrics.texts import TextOptions

        return TextOptions(
            normalization=self.normalization, form=self.form, databases=self.databases, execute=self.execute
        )

    def _texts(self, identity: Identity, what: str, path: Path) -> GeneratedTexts:
        from neuroglot.generation.texts import GeneratedTexts

        return identity.file(what, artefact(path, GENERATED), GeneratedTexts.load)

    def _told(self, answers: GeneratedTexts) -> Any:
        """In which languages the answers are."""
        from neuroglot.metrics.identification import language_forcing

        candidates = tuple(dict.fromkeys([*answers.languages, *self.candidates]))
        return language_forcing(answers.texts, answers.ids, candidates=candidates, signature=answers.signature)


def _chosen(answers: GeneratedTexts, task: Task) -> GeneratedTexts:
    """The answers to the task's questions, in its order; raises `CorpusError` if one is missing."""
    from neuroglot.errors import CorpusError
    from neuroglot.generation.texts import GeneratedTexts

    row_of = {row_id: row for row, row_id in enumerate(answers.ids)}
    missing = [row_id for row_id in task.ids if row_id not in row_of]
    absent = [language for language in task.languages if language not in answers.texts]
    if missing or absent:
        raise CorpusError(
            f"{len(missing)} of {len(task)} questions have no answer, and {', '.join(absent) or 'no language'} has "
            "none.",
            "Expected an answer to each question in each language.",
            "Leave out languages (--languages), or answer the same questions with both systems.",
        )
    texts = {
        language: tuple(answers.texts[language][row_of[row_id]] for row_id in task.ids) for language in task.languages
    }
    prompts = {language: (("",) * len(task)) for language in task.languages}
    return GeneratedTexts(tuple(task.ids), texts, prompts, answers.signature)
