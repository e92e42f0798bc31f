"""`specialize compare`: Neuron Specialization in small, beside its controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Le, Lt

from neuroglot.recipes.options import USE, OnCorpus, OnPivot, Placed, Positive, Writing
from neuroglot.recipes.reading import note_data
from neuroglot.recipes.training_options import Shaped, Trained
from neuroglot.recipes.translation_options import OfDirections, ScoredBehind

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.experiments.specialization import ComparisonConfig
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

LAB_ROWS = 4000


@dataclass(frozen=True, kw_only=True)
class SpecializeCompare(OnCorpus, OnPivot, Trained, OfDirections, ScoredBehind, Shaped, Writing, Placed):
    """The whole method in small: train a translator from nothing, then on with its directions' neurons and controls.

    The run folder holds, by seed, the baseline, masks and translations. Source: Tan et al. 2024.
    """

    command = "specialize compare"
    group = USE
    examples = """
    neuroglot specialize compare --out run
    neuroglot specialize compare --corpus flores/ --languages en de fr es \\
        --seeds 0 1 2 --steps 3000 --out run"""

    corpus: str = "lab"
    """Parallel text, or `lab`, whose documents are generated anew for each seed."""

    languages: tuple[str, ...] = ("en", "de", "es", "fr", "sw")
    """Languages between which is translated, out of the pivot and into it."""

    limit: Positive | None = None
    """Read so many rows, the first ones; all by default. Of the lab so many are generated, by default 4000."""

    validation_rows: Positive = 150
    """Rows on which is counted which neurons fire; they are not trained on."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """One experiment each."""

    steps: Positive = 1200
    """Steps of the baseline."""

    continued_steps: Positive = 250
    """Steps of every system from there."""

    learning_rate: Annotated[float, Gt(0)] = 3e-3
    """Highest learning rate of the baseline."""

    continued_rate: Annotated[float, Gt(0)] = 1e-3
    """And of every system from there."""

    by_direction: bool = False
    """Batches of one direction each, instead of all together: as exact, and slower."""

    coverage: Annotated[int, Ge(0), Le(100)] = 95
    """Percent of the firing that a direction's neurons make up."""

    layers: Positive = 2
    """Layers of the encoder, and as many of the decoder."""

    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    """Share of activations that is dropped in training."""

    max_new_tokens: Positive = 96
    """Longest translation, in tokens."""

    def read(self, identity: Identity) -> Corpus | None:
        from neuroglot.corpora.directions import directions_of
        from neuroglot.errors import ConfigError
        from neuroglot.experiments.specialization import parts_of
        from neuroglot.metrics.texts import TextOptions, choose_metrics

        if not self.seeds or len({*self.seeds}) < len(self.seeds):
            raise ConfigError(f"Got the seeds {self.seeds}.", "Expected one or more, each once.")
        choose_metrics([self.metric], TextOptions(language=self.pivot))
        directions_of(self.languages, self.pivot)
        if self.corpus == "lab":
            parts = (part for seed in self.seeds for part in parts_of(self.config, seed))
            for index, part in enumerate(parts):
                note_data(identity, part, f"data {index + 1}")
            return None
        data = self.load_corpus(identity)
        parts_of(self.config, self.seeds[0], data)  # refuses too few rows
        return data

    def work(self, run: Run, inputs: Corpus | None) -> Report:
        from neuroglot.experiments.specialization import compare_specialization
        from neuroglot.reports import Report

        comparison = compare_specialization(
            self.config, run.files, data=inputs, device=self.device, kept=run.kept("training"),
            checkpoint_every=self.checkpoint_every,
        )  # fmt: skip
        return Report([comparison], title="Neuron Specialization, in small")

    def price(self, inputs: Corpus | None) -> Price:
        from neuroglot.corpora import Directed
        from neuroglot.experiments.specialization import SYSTEMS, first_translator
        from neuroglot.interventions.gating import gating
        from neuroglot.recipes.steps import training_bytes, training_step
        from neuroglot.runs.price import price
        from neuroglot.tokens.pairs import encode_pairs
        from neuroglot.training.gated import collator, numbered
        from neuroglot.training.trainer import read_once

        view, tokenizer, train, masks = first_translator(self.config, inputs, self.device)

        def run(part: Directed) -> None:
            pairs = encode_pairs(view, tokenizer, part.corpus, masks.directions)
            with gating(view, masks):
                read_once(view.model, numbered(masks, pairs), collator(view, pairs.pad_id), self.batch_size)

        data = Directed(train, masks.directions)
        several, needed = len(masks.directions), self.batch_size * self.steps
        on = self.batch_size * self.continued_steps
        steps = [
            training_step("baselines", data, run, needed, examples_a_row=several, models=len(self.seeds)),
            training_step(
                "trained on", data, run, on, examples_a_row=several, models=len(self.seeds) * (len(SYSTEMS) - 1)
            ),
        ]
        size = training_bytes(view.model, view)
        return price(view, tokenizer, steps, size, len(self.seeds) * size)

    @property
    def config(self) -> ComparisonConfig:
        """The experiment."""
        from neuroglot.experiments.specialization import ComparisonConfig
        from neuroglot.lab.translator import TranslatorConfig

        shape = TranslatorConfig(self.hidden, self.layers, self.heads, self.ffn, self.vocabulary, self.dropout)
        return ComparisonConfig(
            self.corpus, self.languages, self.pivot, self.limit or LAB_ROWS, self.validation_rows, self.test_rows,
            self.seeds, self.steps, self.continued_steps, self.batch_size, self.learning_rate, self.continued_rate,
            self.temperature, self.coverage, not self.by_direction, self.metric, self.max_new_tokens, shape,
        )  # fmt: skip
