"""`specialize train`: training a translating model on, each row with the neurons of its direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from neuroglot.recipes.artefacts import MASKS
from neuroglot.recipes.options import USE, OnCorpus, OnDirections, OnMasks, OnModel, Positive, Seeded
from neuroglot.recipes.training_options import Trained
from neuroglot.recipes.translation_options import OfDirections, WarmedUp

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.corpora.directions import Direction
    from neuroglot.models import ModelView
    from neuroglot.neurons.masks import DirectionMasks
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.tokens.pairs import Pairs
    from neuroglot.training import Training


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus
    directions: tuple[Direction, ...]
    masks: DirectionMasks
    pairs: Pairs


@dataclass(frozen=True, kw_only=True)
class SpecializeTrain(OnModel, OnCorpus, OnDirections, OnMasks, Trained, OfDirections, WarmedUp, Seeded):
    """Train the model on, each row with the neurons of its direction.

    The run folder is the model in the hub's layout, with its masks. Source: Tan et al. 2024.
    """

    command = "specialize train"
    group = USE
    examples = """
    neuroglot specialize train ./my-model --masks masks --corpus train.tsv \\
        --steps 5000 --out run
    neuroglot specialize train ./my-model --masks masks --corpus train.tsv \\
        --steps 5000 --out run --resume"""
    positional = ("model",)

    batch_size: Positive = 32
    """Pairs of texts read at once."""

    mixed: bool = False
    """Batches of all directions together, instead of one direction each: as exact, and faster."""

    seed: int = 222
    """Seed of the order of rows and of dropout."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.tokens.pairs import encode_pairs
        from neuroglot.training.gated import numbered

        masks, corpus = self.load_masks(identity), self.load_corpus(identity)
        directions = self.directions_in(corpus)
        view, tokenizer = self.load_model(identity, self.model)
        view.layout.require_same(masks.layout, "The masks")
        pairs = encode_pairs(view, tokenizer, corpus, directions)
        numbered(masks, pairs)  # refuses a direction without masks
        return _Inputs(view, tokenizer, corpus, directions, masks, pairs)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot import progress
        from neuroglot.metrics.losses import LossCurve
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.signature import Signature
        from neuroglot.training.gated import train_specialized
        from neuroglot.training.tuning import save_model

        view, tokenizer, corpus, _, masks, pairs = inputs
        dropped = len(pairs.dropped)
        made = made_with(view, tokenizer, corpus, rows=len(pairs.ids), dropped=dropped) | masks.described
        made |= Signature.of(
            semantics=self.semantics, steps=self.steps, learning_rate=self.learning_rate, batch_size=self.batch_size,
            temperature=self.temperature, mixed=self.mixed, seed=self.seed,
        )  # fmt: skip
        with progress.steps("training") as on_step:
            losses = train_specialized(
                view, masks, pairs, self.training, semantics=self.semantics, temperature=self.temperature,
                mixed=self.mixed, kept=run.kept("training"), on_step=on_step,
            )  # fmt: skip
        save_model(view.model, tokenizer, run.files)
        masks.save(run.files / MASKS)
        return Report([LossCurve(losses, made, dropped=pairs.reasons)], title=f"{made['model']}, specialized")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.corpora import Directed
        from neuroglot.interventions.gating import gating
        from neuroglot.recipes.steps import training_bytes, training_step
        from neuroglot.runs.price import price
        from neuroglot.tokens.pairs import encode_pairs
        from neuroglot.training.gated import collator, numbered
        from neuroglot.training.trainer import read_once

        view, tokenizer, corpus, directions, masks, _ = inputs

        def run(part: Directed) -> None:
            pairs = encode_pairs(view, tokenizer, part.corpus, directions)
            with gating(view, masks, semantics=self.semantics):
                read_once(view.model, numbered(masks, pairs), collator(view, pairs.pad_id), self.batch_size)

        step = training_step(
            "training", Directed(corpus, directions), run, self.steps * self.batch_size,
            examples_a_row=len(directions),
        )  # fmt: skip
        size = training_bytes(view.model, view)
        return price(view, tokenizer, [step], size, size)

    @property
    def training(self) -> Training:
        """How the weights are updated."""
        from neuroglot.training.gated import translation_training

        return translation_training(
            steps=self.steps,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            seed=self.seed,
            checkpoint_every=self.checkpoint_every,
        )
