"""`ablate`: switch off neurons that were selected before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from neuroglot.recipes.options import PROVE, Controlled, OnModel, OnTask, Proving, Searching
from neuroglot.recipes.parallel import OnParallel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus, Directed, Task
    from neuroglot.generation.decoding import Decoding
    from neuroglot.metrics import AblationMatrix, Metric
    from neuroglot.models import Family, ModelView
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    data: Corpus | Directed | Task
    metric: Metric
    sets: Mapping[str, NeuronSet]


@dataclass(frozen=True, kw_only=True)
class Ablate(OnModel, OnParallel, OnTask, Controlled, Searching, Proving):
    """Switch off each language's neurons and score every language, beside random neurons: the ablation matrix."""

    command = "ablate"
    group = PROVE
    examples = """
    neuroglot ablate lab --corpus lab --part rest --neurons selected --out run
    neuroglot ablate lab --corpus lab --task iso_date --neurons selected --out run
    neuroglot ablate ./my-model --corpus held-out.tsv --neurons selected --limit 100 --out run
    neuroglot ablate ./my-translator --corpus flores.tsv --neurons selected --quality chrf++ bleu --out run"""
    positional = ("model",)
    shares_rows = True

    corpus: str
    """Parallel text, whose loss is scored, or that of its translation; or a task, whose answers are. Rows must be
    others than those that the neurons were selected on, as --part selects them."""

    neurons: Path
    """Run folder of `neuroglot select` or `neuroglot analyze`, or any folder with a neuron set a language,
    `xx.safetensors`, or a direction, `xx-yy.safetensors`."""

    quality: tuple[Literal["chrf++", "chrf", "bleu", "spbleu"], ...] = ()
    """Beside the loss of translations, translate under every condition, and score what was written by `chrf++`, `chrf`,
    `bleu` or `spbleu`. It takes far longer."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.tokens.asked import require_askable

        family = self.family_of(self.model)
        sets = self._sets(identity, self.is_directed(family) and not self._asks)
        data, metric = self._scored(identity, family, tuple(sets))
        view, tokenizer = self.load_model(identity, self.model)
        require_askable(view, tokenizer, data)
        self._require_directions(view, tokenizer, data)
        return _Inputs(view, tokenizer, data, metric, sets)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.experiments.evaluation import ablation_matrix
        from neuroglot.reports import Report

        matrix = ablation_matrix(
            *inputs[:3], inputs.sets, inputs.metric, draws=self.random_draws, seed=self.seed, same_rows=self.same_rows,
            kept=run.kept("conditions"),
        )  # fmt: skip
        title = f"Neurons switched off in {matrix.signature['model']}"
        return Report([matrix, *self._qualities(run, inputs), dict(inputs.sets)], title=title)

    def _qualities(self, run: Run, inputs: _Inputs) -> tuple[AblationMatrix, ...]:
        """What switching off does to whole translations, if that was asked for."""
        from neuroglot.corpora import Directed
        from neuroglot.experiments.quality import quality_matrices

        if not self.quality or not isinstance(inputs.data, Directed):
            return ()
        return quality_matrices(
            inputs.view, inputs.tokenizer, inputs.data, inputs.sets, self.quality, draws=self.random_draws,
            seed=self.seed, same_rows=self.same_rows, decoding=self._decoding,
            kept=run.kept("translations"),
        )  # fmt: skip

    @property
    def _decoding(self) -> Decoding:
        from neuroglot.generation.decoding import Decoding

        return Decoding(self.max_new_tokens, beams=self.beams)

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import REPORT_BYTES, conditions, scoring, translating
        from neuroglot.runs.price import price

        steps = [scoring(*inputs[:3], conditions(inputs.data, self.random_draws))]
        if self.quality:
            times = 1 + len(inputs.sets) + self.random_draws  # random sets translate their own direction only
            steps.append(translating(*inputs[:3], self.max_new_tokens, self.beams, times))
        return price(*inputs[:2], steps, 0, REPORT_BYTES)

    def _require_directions(
        self, view: ModelView, tokenizer: PreTrainedTokenizerBase, data: Corpus | Directed | Task
    ) -> None:
        """Raise `ConfigError` for quality of what is not translated, texts too long, and decoding of nothing."""
        from neuroglot.corpora import Directed
        from neuroglot.errors import ConfigError
        from neuroglot.generation.local import LocalBackend
        from neuroglot.metrics.texts import TextOptions, choose_metrics

        if not self.quality:
            if (self.beams, self.max_new_tokens) != (Searching.beams, Searching.max_new_tokens):
                raise ConfigError(
                    "Beams or a longest text were given, and nothing is translated.",
                    "Expected --quality beside them, such as --quality chrf++.",
                )
            return
        if not isinstance(data, Directed):
            raise ConfigError(
                f"Translation quality was asked for, and {data.name!r} is not read in directions.",
                "Expected a translation model, or a decoder with --directions en-de de-en.",
            )
        for direction in data.directions:
            choose_metrics(self.quality, TextOptions(language=direction.target))
            backend = LocalBackend(view, tokenizer, tags=data.tags)
            (backend.towards(direction) or backend).require_room(self._decoding)

    @property
    def _asks(self) -> bool:
        """Whether answers of a task are scored."""
        from neuroglot.corpora.tasks import is_task

        return self.task is not None or is_task(self.corpus)

    def _sets(self, identity: Identity, is_directed: bool) -> dict[str, NeuronSet]:
        """The sets of the languages, or directions, that are asked for: of all directions between the languages."""
        from neuroglot.corpora.directions import Direction
        from neuroglot.recipes.artefacts import neuron_files

        names = self.directions if is_directed else self.languages
        if is_directed and names is None and self.languages is not None:
            found = [(name, Direction.parse(name)) for name in neuron_files(self.neurons)]
            ends = set(self.languages)
            names = tuple(name for name, direction in found if {direction.source, direction.target} <= ends)
        return load_sets(identity, self.neurons, names)

    def _scored(
        self, identity: Identity, family: Family, names: tuple[str, ...]
    ) -> tuple[Corpus | Directed | Task, Metric]:
        """What is scored, and by which metric: answers of a task, or the loss of text or of translations."""
        from neuroglot.corpora.directions import is_direction
        from neuroglot.errors import ConfigError
        from neuroglot.metrics import ExactAnswer, NatsPerToken

        if self._asks:
            return self.load_task(identity, names), ExactAnswer()
        if self.is_directed(family):
            return replace(self, directions=names).load_parallel(identity, family), NatsPerToken()
        if all(is_direction(name) for name in names):
            raise ConfigError(
                f"The neuron sets are of directions of translation: {', '.join(names)}.",
                "Expected sets of languages for text that is read language by language.",
                f"Read it in these directions: --directions {' '.join(names)}.",
            )
        return self.load_parallel(identity, family, names), NatsPerToken()


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
