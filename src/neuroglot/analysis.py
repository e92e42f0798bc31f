"""The main job as a recipe: model + parallel corpus → activity → neuron sets → switched off, with controls → report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot import corpora, models
from neuroglot.activity.record import record, record_sharing
from neuroglot.activity.recording import Recording
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.errors import ConfigError
from neuroglot.evaluation import ablation_matrix
from neuroglot.metrics.metrics import ExactAnswer, NatsPerToken
from neuroglot.neurons.selecting import by_entropy
from neuroglot.reports.report import Report
from neuroglot.storage import check_free, whole_folder, write_whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.models.view import ModelView


@dataclass(frozen=True)
class AnalysisConfig:
    """Everything that can change the result of an analysis; saved in the run folder as `config.json`.

    Neurons are selected on `selection_share` of the rows and switched off on others, at most `ablation_rows` of
    them, so that no effect is measured where the neurons were chosen. The other options are those of `models.load`,
    `corpora.load`, `Recording`, `by_entropy` and `ablation_matrix`.
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
    ablation_rows: int = 100
    random_draws: int = 5
    seed: int = 0


def analyze(config: AnalysisConfig, out: Path | str, *, overwrite: bool = False) -> Report:
    """Run the main job and write its run folder `out`, whole or not at all.

    The folder holds `report.html`, `report.json`, `config.json`, `activity.safetensors`, `sharing.safetensors` and
    `neurons/<language>.safetensors`. Raises `NeuroglotError` of the kind that names what is wrong.
    """
    check_free(out, overwrite)
    corpus = corpora.load(config.corpus, languages=config.languages, on_missing=config.on_missing, column=config.column)
    selection_rows, held_out_rows = _split(corpus, config)
    view, tokenizer = models.load(config.model, revision=config.revision, device=config.device, dtype=config.dtype)
    with whole_folder(out, overwrite) as folder:
        report = _run(config, view, tokenizer, selection_rows, held_out_rows, folder)
        report.save(folder / "report.html")
        report.save(folder / "report.json")
        write_whole(folder / "config.json", json.dumps(asdict(config), indent=2, ensure_ascii=False) + "\n")
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
    sharing = record_sharing(view, tokenizer, selection_rows)
    sets = by_entropy(
        activity,
        top_share=config.top_share,
        filter_quantile=config.filter_quantile,
        owner_quantile=config.owner_quantile,
        threshold=config.recording.fires[0],
    )
    controls = {"draws": config.random_draws, "seed": config.seed}
    matrices = [ablation_matrix(view, tokenizer, held_out_rows, sets, NatsPerToken(), **controls)]
    for task in _tasks_of(config, selection_rows.languages):
        matrices.append(ablation_matrix(view, tokenizer, task, sets, ExactAnswer(), **controls))
    activity.save(folder / "activity.safetensors")
    sharing.save(folder / "sharing.safetensors")
    for language, neurons in sets.items():
        neurons.save(folder / "neurons" / f"{language}.safetensors")
    title = f"Language neurons of {dict(activity.signature.fields)['model']}"
    return Report([*matrices, sharing, sets, activity], title=title)


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


def _tasks_of(config: AnalysisConfig, languages: Sequence[str]) -> tuple[Task, ...]:
    """The lab's questions where the lab's corpus is analysed: its model was trained on such."""
    if config.corpus != "lab":
        return ()
    from neuroglot import lab

    return tuple(task.select(languages).take(range(min(len(task), config.ablation_rows))) for task in lab.tasks())
