"""The main job as a recipe: model + parallel corpus → activity → neuron sets → switched off, with controls → report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot import corpora, models
from neuroglot.activity.activity import Activity
from neuroglot.activity.record import record, record_sharing
from neuroglot.activity.recording import Recording
from neuroglot.activity.text_means import MOST_BYTES, record_text_means
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.experiments.evaluation import ablation_matrix, evaluate, require_decoder
from neuroglot.metrics.ablation import AblationMatrix
from neuroglot.metrics.metrics import ExactAnswer, Metric, NatsPerToken
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.rules.rates import by_entropy
from neuroglot.reports.report import Report, Result
from neuroglot.reports.texts import TopTexts, top_texts
from neuroglot.storage import check_free, parse_json, stored_texts, whole_folder, write_whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.models.view import ModelView

TEXT_ROWS = 50  # rows among which the texts are sought on which a neuron fires most
MASTERED = 0.8  # accuracy that a model must have in every language before neurons are switched off on a task


@dataclass(frozen=True)
class AnalysisConfig:
    """Everything that can change the result of an analysis; saved in the run folder as `config.json`.

    Neurons are selected on `selection_share` of the rows and switched off on others, at most `ablation_rows` of
    them, so that no effect is measured where the neurons were chosen. The other options are those of `models.load`,
    `corpora.load`, `Recording`, `by_entropy` and `ablation_matrix`. `ablated_tasks` and `task_rows` bound the work
    on the lab's questions.
    """

    model: str = "lab"
    corpus: str = "lab"
    languages: tuple[str, ...] | None = None
    on_missing: corpora.OnMissing = "refuse"
    column: str | None = None
    revision: str | None = None
    device: str | None = None
    dtype: str = "auto"
    recording: Recording = Recording()  # noqa: RUF009 (frozen)
    top_share: float = 0.05
    filter_quantile: float = 0.95
    owner_quantile: float = 0.95
    selection_share: float = 0.5
    ablation_rows: int = 50
    ablated_tasks: int = 1
    task_rows: int = 60
    task_top_share: float = 0.2  # an exact answer changes only where probabilities change much: a wider set
    random_draws: int = 5
    seed: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, path: Path | str) -> AnalysisConfig:
        """The config of a run folder, to run it again; raises `ArtifactError` on unknown keys or values."""
        try:
            stored = parse_json(Path(path).read_text(encoding="utf-8"))
            recording = Recording.from_json(stored.pop("recording"))
            languages = stored.pop("languages")
            named = None if languages is None else stored_texts(languages, "languages")
            return cls(**stored, recording=recording, languages=named)
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise ArtifactError(
                f"{path} is not the config of an analysis: {error}.", "Expected config.json."
            ) from error


def analyze(config: AnalysisConfig, out: Path | str, *, overwrite: bool = False) -> Report:
    """Run the main job and write its run folder `out`, whole or not at all.

    The folder holds `report.html`, `report.json`, `config.json`, `activity.safetensors`, `sharing.safetensors` and
    `neurons/<language>.safetensors`. Raises `NeuroglotError` of the kind that names what is wrong.
    """
    check_free(out, overwrite)
    corpus = corpora.load(config.corpus, languages=config.languages, on_missing=config.on_missing, column=config.column)
    selection_rows, held_out_rows = _split(corpus, config)
    view, tokenizer = models.load(config.model, revision=config.revision, device=config.device, dtype=config.dtype)
    require_decoder(view)
    with whole_folder(out, overwrite) as folder:
        report = _run(config, view, tokenizer, selection_rows, held_out_rows, folder)
        report.save(folder / "report.html")
        report.save(folder / "report.json")
        write_whole(folder / "config.json", config.to_json())
    return report


def _run(
    config: AnalysisConfig,
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    selection_rows: Corpus,
    held_out_rows: Corpus,
    folder: Path,
) -> Report:
    activity = record(view, tokenizer, selection_rows, config.recording)
    sharing = record_sharing(view, tokenizer, selection_rows, replace(config.recording, tokens="last"))
    sets = _selected(config, activity, config.top_share)
    results: list[Result] = [_ablated(config, view, tokenizer, held_out_rows, sets, NatsPerToken())]
    results += _on_tasks(config, view, tokenizer, activity)
    activity.save(folder / "activity.safetensors")
    sharing.save(folder / "sharing.safetensors")
    for language, neurons in sets.items():
        neurons.save(folder / "neurons" / f"{language}.safetensors")
    title = f"Language neurons of {activity.signature['model']}"
    notes = _notes(selection_rows, held_out_rows, activity)
    if len(results) > 1:
        shares = f"{config.top_share:.0%} of the neurons for losses, {config.task_top_share:.0%} for tasks"
        notes.append(f"Selected were {shares}.")
    texts = _texts(view, tokenizer, selection_rows, config.recording, sets)
    return Report([*results, sharing, sets, activity], title=title, notes=notes, texts=texts)


def _texts(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    rows: Corpus,
    recording: Recording,
    sets: Mapping[str, NeuronSet],
) -> TopTexts | None:
    """Texts on which neurons of the sets fire most; None where there are none to show, or a row was too long."""
    fitting = MOST_BYTES // (4 * len(rows.languages) * view.layout.neuron_count)
    if recording.tokens not in ("all", "last") or not any(map(len, sets.values())) or not fitting:
        return None
    rows = rows.take(range(min(len(rows), TEXT_ROWS, fitting)))
    plain = replace(recording, fires=recording.fires[:1], statistics=())
    means = record_text_means(view, tokenizer, rows, plain, quantities=("fired",))
    return None if means.signature["rows_dropped"] else top_texts(means, rows, sets)


def _on_tasks(
    config: AnalysisConfig, view: ModelView, tokenizer: PreTrainedTokenizerBase, activity: Activity
) -> list[Result]:
    """Accuracy on every task, and what switching neurons off does to some that the model has mastered.

    Those with the lowest mean accuracy are taken, because a task that every language solves with ease hides harm.
    """
    tasks = {task.name: task for task in _tasks(config, activity.languages)}
    evaluations = [evaluate(view, tokenizer, task, ExactAnswer()) for task in tasks.values()]
    accuracies = {evaluation.data: [score.value for score in evaluation.scores.values()] for evaluation in evaluations}
    mastered = [name for name, accuracy in accuracies.items() if min(accuracy) >= MASTERED]
    mastered.sort(key=lambda name: sum(accuracies[name]))
    results: list[Result] = [tuple(evaluations)] if evaluations else []
    sets = _selected(config, activity, config.task_top_share) if mastered else {}
    for name in mastered[: config.ablated_tasks]:
        some = tasks[name].take(range(min(len(tasks[name]), config.task_rows)))
        results.append(_ablated(config, view, tokenizer, some, sets, ExactAnswer()))
    return results


def _selected(config: AnalysisConfig, activity: Activity, top_share: float) -> dict[str, NeuronSet]:
    return by_entropy(
        activity,
        top_share=top_share,
        filter_quantile=config.filter_quantile,
        owner_quantile=config.owner_quantile,
    )


def _ablated(
    config: AnalysisConfig,
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    data: Corpus | Task,
    sets: Mapping[str, NeuronSet],
    metric: Metric,
) -> AblationMatrix:
    return ablation_matrix(view, tokenizer, data, sets, metric, draws=config.random_draws, seed=config.seed)


def _notes(selection_rows: Corpus, held_out_rows: Corpus, activity: Activity) -> list[str]:
    """Which rows did what, and which were left out."""
    notes = [
        f"Neurons were selected on {len(selection_rows)} parallel rows of {selection_rows.name} "
        f"and switched off on {len(held_out_rows)} others."
    ]
    if selection_rows.dropped:
        notes.append(f"{_rows(selection_rows.dropped)} left out because a language lacked a text.")
    if over_long := activity.signature["rows_dropped"]:
        notes.append(f"{_rows(int(over_long))} of those to select on left out: longer than the model's context.")
    return notes


def _rows(count: int) -> str:
    return "1 row was" if count == 1 else f"{count:,} rows were"


def _split(corpus: Corpus, config: AnalysisConfig) -> tuple[Corpus, Corpus]:
    """Rows to select neurons on and rows to switch them off on, disjoint."""
    if len(corpus.languages) < 2:
        raise ConfigError(
            f"Corpus {corpus.name!r} has one language, {corpus.languages[0]!r}.",
            "Language neurons are defined by comparison: two languages or more are needed.",
        )
    selection_rows, rest = corpus.split(config.selection_share, config.seed)
    if config.ablation_rows < len(rest):
        rest, _ = rest.split(config.ablation_rows / len(rest), config.seed)
    return selection_rows, rest


def _tasks(config: AnalysisConfig, languages: Sequence[str]) -> tuple[Task, ...]:
    """The lab's questions where the lab's corpus is analysed: its model was trained on such."""
    if config.corpus != "lab":
        return ()
    from neuroglot import lab

    return tuple(task.select(languages) for task in lab.tasks())
