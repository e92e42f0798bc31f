"""`ablate`: switch off neurons that were selected before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.options import PROVE, Controlled, OnCorpus, OnModel, OnTask, Proving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus, Task
    from neuroglot.metrics import Metric
    from neuroglot.models import ModelView
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    data: Corpus | Task
    metric: Metric
    sets: Mapping[str, NeuronSet]


@dataclass(frozen=True, kw_only=True)
class Ablate(OnModel, OnCorpus, OnTask, Controlled, Proving):
    """Switch off each language's neurons and score every language, beside random neurons: the ablation matrix."""

    command = "ablate"
    group = PROVE
    examples = """
    neuroglot ablate lab --corpus lab --part rest --neurons selected --out run
    neuroglot ablate lab --corpus lab --task iso_date --neurons selected --out run
    neuroglot ablate ./my-model --corpus held-out.tsv --neurons selected --limit 100 --out run"""
    positional = ("model",)

    corpus: str
    """Parallel text, whose loss is scored; or a task, whose answers are. Rows must be others than those that the
    neurons were selected on, as --part selects them."""

    neurons: Path
    """Run folder of `neuroglot select` or `neuroglot analyze`, or any folder with a neuron set a language,
    `xx.safetensors`."""

    def read(self, identity: Identity) -> _Inputs:
        sets = load_sets(identity, self.neurons, self.languages)
        data, metric = self._scored(identity, tuple(sets))
        return _Inputs(*self.load_model(identity, self.model), data, metric, sets)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.evaluation import ablation_matrix
        from neuroglot.reports import Report

        matrix = ablation_matrix(
            *inputs[:3], inputs.sets, inputs.metric, draws=self.random_draws, seed=self.seed, same_rows=self.same_rows,
            kept=run.kept("conditions"),
        )  # fmt: skip
        title = f"Neurons switched off in {matrix.signature['model']}"
        return Report([matrix, dict(inputs.sets)], title=title)

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, conditions, scoring
        from neuroglot.runs.price import price

        step = scoring(*inputs[:3], conditions(inputs.data, self.random_draws))
        return price(*inputs[:2], [step], 0, REPORT_BYTES)

    def _scored(self, identity: Identity, languages: tuple[str, ...]) -> tuple[Corpus | Task, Metric]:
        """What is scored, and by which metric: answers of a task, or the loss of text."""
        from neuroglot.corpora.tasks import is_task
        from neuroglot.metrics import ExactAnswer, NatsPerToken

        if self.task is not None or is_task(self.corpus):
            return self.load_task(identity, languages), ExactAnswer()
        return self.load_corpus(identity, languages), NatsPerToken()


def load_sets(identity: Identity, folder: Path, languages: tuple[str, ...] | None) -> dict[str, NeuronSet]:
    """The neuron sets of these languages, or of all in the folder, noted; raises `ConfigError` if one is missing."""
    from neuroglot.errors import ConfigError
    from neuroglot.neurons import NeuronSet
    from neuroglot.recipes.artefacts import neuron_files

    files = neuron_files(folder)
    wanted = tuple(files) if languages is None else languages
    missing = [language for language in wanted if language not in files]
    if missing or not wanted:
        raise ConfigError(
            f"{folder} holds no neuron set of {', '.join(missing) or 'any language'}.",
            "Expected xx.safetensors for each language, as `neuroglot select` writes them.",
        )
    return {language: identity.file(f"neurons of {language}", files[language], NeuronSet.load) for language in wanted}
