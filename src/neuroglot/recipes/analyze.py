"""`analyze`, the main job: model + parallel corpus → activity → neuron sets → switched off, with controls → report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from neuroglot.recipes.options import FIND, Controlled, Natural, OnModel, OnNeurons, Positive, Share
from neuroglot.recipes.parallel import OnParallel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from transformers import PreTrainedTokenizerBase

    from neuroglot.activity.activity import Activity
    from neuroglot.corpora import Corpus, Directed, Task
    from neuroglot.metrics import AblationMatrix, Metric
    from neuroglot.metrics.metrics import Evaluation
    from neuroglot.metrics.top_texts import TopTexts
    from neuroglot.models import Family, ModelView
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

TEXT_ROWS = 50  # rows among which the texts are sought on which a neuron fires most
MASTERED = 0.8  # accuracy that a model must have in every language before neurons are switched off on a task


class AnalyzeInputs(NamedTuple):
    """What an analysis reads; neurons are selected on some rows and switched off on others."""

    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    selection_rows: Corpus | Directed
    held_out_rows: Corpus | Directed
    tasks: Mapping[str, Task]


@dataclass(frozen=True, kw_only=True)
class Analyze(OnModel, OnParallel, OnNeurons, Controlled):
    """Find the language neurons of a model with a parallel corpus, and switch them off.

    Neurons are selected on some rows and switched off on others, so that no effect is measured where the neurons were
    chosen. The run folder holds activity.safetensors, sharing.safetensors and a neuron set a language.
    """

    command = "analyze"
    group = FIND
    examples = """
    neuroglot analyze lab --corpus my-texts/ --out run
    neuroglot analyze ./my-model --corpus texts.tsv --languages de sw zh --out run
    neuroglot analyze bigscience/bloom-560m --corpus mgsm/ --out run --dry-run"""
    positional = ("model",)
    shares_rows = True

    top_share: Share = 0.05
    """Share of all neurons to select as language-specific, of all languages together: those of lowest entropy."""

    filter_quantile: float = 0.95
    """Quantile of all firing rates that a neuron must pass in some language to be selected."""

    owner_quantile: float = 0.95
    """Quantile of all firing rates that a neuron must pass in a language to belong to it."""

    selection_share: Share = 0.5
    """Share of the rows on which neurons are selected."""

    ablation_rows: Positive = 50
    """How many of the rows that were not used for selection are scored with neurons switched off."""

    ablated_tasks: Natural = 1
    """On how many of the lab's tasks neurons are switched off, where the lab's corpus is analysed."""

    task_rows: Positive = 60
    """Rows of such a task."""

    task_top_share: Share = 0.2
    """Share of neurons for tasks: an exact answer changes only where probabilities change much, so a wider set."""

    def read(self, identity: Identity) -> AnalyzeInputs:
        from neuroglot.tokens.asked import require_askable

        family = self.family_of(self.model)
        selection_rows, held_out_rows = self._split(self.load_parallel(identity, family))
        tasks = {task.name: task for task in self._tasks(family, selection_rows)}
        view, tokenizer = self.load_model(identity, self.model)
        require_askable(view, tokenizer, held_out_rows)
        return AnalyzeInputs(view, tokenizer, selection_rows, held_out_rows, tasks)

    def work(self, run: Run, inputs: AnalyzeInputs) -> Report:
        from neuroglot.activity.activity import Activity
        from neuroglot.activity.record import record, record_sharing
        from neuroglot.activity.sharing import Sharing
        from neuroglot.metrics import NatsPerToken
        from neuroglot.reports import Report

        model = inputs[:2]
        last = replace(self.recording, tokens="last")
        activity = run.once(
            "activity.safetensors", Activity,
            lambda: record(*model, inputs.selection_rows, self.recording, kept=run.kept("counts")),
        )  # fmt: skip
        sharing = run.once(
            "sharing.safetensors", Sharing,
            lambda: record_sharing(*model, inputs.selection_rows, last, kept=run.kept("sharing")),
        )  # fmt: skip
        sets = self._selected(inputs, activity, self.top_share)
        for language, neurons in sets.items():
            run.save(f"neurons/{language}.safetensors", neurons)
        results: list[Any] = [self._ablated(run, inputs, inputs.held_out_rows, sets, NatsPerToken())]
        results += self._on_tasks(run, inputs, activity)
        return Report(
            [*results, sharing, sets, activity],
            title=f"Language neurons of {activity.signature['model']}",
            notes=self._notes(inputs, activity, on_tasks=len(results) > 1),
            texts=self._texts(run, inputs, sets),
        )

    def following(self, out: Path) -> tuple[str, ...]:
        """Read the report in a browser."""
        return ("report", str(out), "--serve")

    def price(self, inputs: AnalyzeInputs) -> Price:
        """Two readings of the rows to select on, an ablation on others, and tasks, on some of them an ablation."""
        from neuroglot.activity.record import record, record_several_sharings
        from neuroglot.recipes.steps import REPORT_BYTES, activity_bytes, conditions, scoring, sharing_bytes
        from neuroglot.runs.price import PricedStep, price

        view, tokenizer, selection_rows, held_out_rows, tasks = inputs
        last = replace(self.recording, tokens="last")
        kept = activity_bytes(view, selection_rows, self.recording) + sharing_bytes(view, selection_rows, last)
        steps = [
            PricedStep("counting", selection_rows, lambda part: record(view, tokenizer, part, self.recording)),
            PricedStep("sharing", selection_rows, lambda part: record_several_sharings(view, tokenizer, part, [last])),
            scoring(view, tokenizer, held_out_rows, conditions(held_out_rows, self.random_draws)),
            *(scoring(view, tokenizer, task, 1) for task in tasks.values()),
        ]
        for task in list(tasks.values())[: self.ablated_tasks]:  # which ones is known only when all are scored
            some = task.head(self.task_rows)
            steps.append(scoring(view, tokenizer, some, conditions(some, self.random_draws)))
        return price(view, tokenizer, steps, kept, kept + REPORT_BYTES)

    def _split(self, corpus: Corpus | Directed) -> tuple[Corpus | Directed, Corpus | Directed]:
        """Rows to select neurons on and rows to switch them off on, disjoint."""
        from neuroglot.errors import ConfigError

        if len(corpus.languages) < 2:
            raise ConfigError(
                f"Corpus {corpus.name!r} has one language or direction, {corpus.languages[0]!r}.",
                "Language neurons are defined by comparison: two or more are needed.",
            )
        selection_rows, rest = corpus.split(self.selection_share, self.seed)
        if self.ablation_rows < len(rest):
            rest, _ = rest.split(self.ablation_rows / len(rest), self.seed)
        return selection_rows, rest

    def _tasks(self, family: Family, rows: Corpus | Directed) -> tuple[Task, ...]:
        """The lab's questions where the lab's corpus is read by a decoder: its model was trained on such."""
        from neuroglot.corpora import Corpus

        if self.corpus != "lab" or not family.predicts_next or not isinstance(rows, Corpus):
            return ()
        from neuroglot import lab

        return tuple(task.select(rows.languages) for task in lab.tasks())

    def _selected(self, inputs: AnalyzeInputs, activity: Activity, top_share: Share) -> dict[str, NeuronSet]:
        import torch

        from neuroglot.corpora.seen import sorted_hashes
        from neuroglot.neurons import by_entropy

        sets = by_entropy(
            activity, top_share=top_share, filter_quantile=self.filter_quantile, owner_quantile=self.owner_quantile
        )
        read = torch.from_numpy(sorted_hashes(inputs.selection_rows))
        return {language: neurons.selected_on(read) for language, neurons in sets.items()}

    def _ablated(
        self,
        run: Run,
        inputs: AnalyzeInputs,
        data: Corpus | Directed | Task,
        sets: Mapping[str, NeuronSet],
        metric: Metric,
    ) -> AblationMatrix:
        from neuroglot.experiments.evaluation import ablation_matrix

        return ablation_matrix(
            *inputs[:2], data, sets, metric, draws=self.random_draws, seed=self.seed,
            kept=run.kept(f"{metric.name} with neurons off"),
        )  # fmt: skip

    def _on_tasks(self, run: Run, inputs: AnalyzeInputs, activity: Activity) -> Iterator[Any]:
        """Accuracy on every task, and what switching neurons off does to some that the model has mastered.

        Those with the lowest mean accuracy are taken, because a task that every language solves with ease hides harm.
        """
        from neuroglot.metrics import ExactAnswer

        if not inputs.tasks:
            return
        evaluations = tuple(self._evaluated(run, inputs, task) for task in inputs.tasks.values())
        yield evaluations
        accuracies = {each.data: [score.value for score in each.scores.values()] for each in evaluations}
        mastered = [name for name, accuracy in accuracies.items() if min(accuracy) >= MASTERED]
        mastered.sort(key=lambda name: sum(accuracies[name]))
        for name in mastered[: self.ablated_tasks]:
            some = inputs.tasks[name].head(self.task_rows)
            sets = self._selected(inputs, activity, self.task_top_share)
            yield self._ablated(run, inputs, some, sets, ExactAnswer())

    def _evaluated(self, run: Run, inputs: AnalyzeInputs, task: Task) -> Evaluation:
        from neuroglot.experiments.evaluation import evaluate
        from neuroglot.metrics import ExactAnswer

        return evaluate(*inputs[:2], task, ExactAnswer(), kept=run.kept("tasks").below(task.name))

    def _texts(self, run: Run, inputs: AnalyzeInputs, sets: Mapping[str, NeuronSet]) -> TopTexts | None:
        """Texts on which neurons of the sets fire most; None if there are none to show, or a row was too long."""
        from neuroglot.activity.text_means import MOST_BYTES, record_text_means
        from neuroglot.metrics.top_texts import top_texts

        rows = inputs.selection_rows
        fitting = MOST_BYTES // (4 * len(rows.languages) * inputs.view.layout.neuron_count)
        if not any(map(len, sets.values())) or not fitting:
            return None
        rows = rows.head(min(TEXT_ROWS, fitting))
        plain = replace(self.recording, fires=self.recording.fires[:1])
        means = record_text_means(*inputs[:2], rows, plain, quantities=("fired",), kept=run.kept("texts"))
        return None if means.signature["rows_dropped"] else top_texts(means, rows, sets)

    def _notes(self, inputs: AnalyzeInputs, activity: Activity, on_tasks: bool) -> list[str]:
        """Which rows did what, and which were left out."""
        selection_rows = inputs.selection_rows
        notes = [
            f"Neurons were selected on {len(selection_rows)} parallel rows of {selection_rows.name} "
            f"and switched off on {len(inputs.held_out_rows)} others."
        ]
        if selection_rows.dropped:
            notes.append(f"{_rows(selection_rows.dropped)} left out because a language lacked a text.")
        if over_long := activity.signature["rows_dropped"]:
            notes.append(f"{_rows(int(over_long))} of those to select on left out: longer than the model's context.")
        if on_tasks:
            shares = f"{self.top_share:.0%} of the neurons for losses, {self.task_top_share:.0%} for tasks"
            notes.append(f"Selected were {shares}.")
        return notes


def _rows(count: int) -> str:
    return "1 row was" if count == 1 else f"{count:,} rows were"
