"""`sga train`: an encoder that reads learns to write, beside its ablations and baselines."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from annotated_types import Ge, Gt, Le

from neuroglot.recipes.artefacts import CORPUS, TRANSLATIONS, write_corpus
from neuroglot.recipes.options import USE, OnCorpus, OnDevice, OnPivot, Positive, Seeded, Writing
from neuroglot.recipes.reading import note_data
from neuroglot.recipes.training_options import Shaped, Trained
from neuroglot.recipes.translation_options import Denoising, OfDirections, ScoredBehind

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.experiments.writing import WritingConfig
    from neuroglot.models import ModelView
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run

_LAB_ROWS, _LAB_LONGEST = 6000, 60


class _Inputs(NamedTuple):
    train: Corpus
    test: Corpus
    encoder: ModelView | None
    tokenizer: PreTrainedTokenizerBase | None


@dataclass(frozen=True, kw_only=True)
class SgaTrain(OnCorpus, OnPivot, Trained, Shaped, ScoredBehind, OfDirections, Denoising, Writing, OnDevice, Seeded):
    """Teach an encoder to write: SGA on a frozen encoder that is taken, or trained by masked language modelling.

    Held-out rows are translated by the whole model, by ablations of it and by the baselines that are asked for. The run
    folder is the model. Source: Wu et al. 2023.
    """

    command = "sga train"
    group = USE
    examples = """
    neuroglot sga train --out writer
    neuroglot sga train --corpus flores/ --languages en de fr \\
        --encoder FacebookAI/xlm-roberta-base --prompt-length 128 \\
        --steps 40000 --learning-rate 7e-4 --out writer"""

    corpus: str = "lab"
    """Parallel text, or `lab`, whose documents are generated anew for each seed."""

    languages: tuple[str, ...] = ("en", "de")
    """Languages between which is translated, out of the pivot and into it."""

    limit: Positive | None = None
    """Read so many rows, the first ones; all by default. Of the lab so many are generated, by default 6000."""

    longest: Positive | None = None
    """Leave out rows with a text of more characters; of the lab by default those of more than 60."""

    encoder: str | None = None
    """A folder or hub id of an encoder with a masked-LM head, which is frozen; by default one is trained."""

    encoder_steps: Positive = 1000
    """Steps of masked language modelling."""

    encoder_rate: Annotated[float, Gt(0)] = 3e-3
    """Highest learning rate of masked language modelling."""

    most_hidden: Annotated[float, Gt(0), Le(1)] = 0.4
    """Of a text from 15 % to this share of its tokens are hidden, drawn for each."""

    monolingual: bool = False
    """Train the encoder on single texts only, not on texts joined with their translations too."""

    steps: Positive = 800
    """Steps of SGA, and of each baseline."""

    learning_rate: Annotated[float, Gt(0)] = 1e-2
    """Highest learning rate of SGA, behind a tenth of its steps."""

    prompt_length: Positive = 16
    """Keys and values a layer before each pass; 128 in the paper."""

    canvas_factor: Annotated[float, Ge(1)] = 2.0
    """Masks on the canvas for each token of the source."""

    baselines: tuple[str, ...] = ()
    """Trained beside it: `no denoising`, `autoregressive`, `prefix tuning`, `full fine-tuning`."""

    hidden: Positive = 64
    """Width of an encoder that is trained."""

    ffn: Positive = 192
    """Feed-forward neurons a layer of an encoder that is trained."""

    vocabulary: Positive = 700
    """Tokens that the tokenizer of an encoder that is trained learns, at most."""

    layers: Positive = 3
    """Layers of an encoder that is trained."""

    max_new_tokens: Positive = 96
    """Longest text of the autoregressive baseline, in tokens; a canvas is as long as its source makes it."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora.directions import directions_of
        from neuroglot.errors import UnsupportedModelError
        from neuroglot.experiments.writing import writing_parts
        from neuroglot.experiments.writing_fit import require_writable
        from neuroglot.lab.encoder import new_encoder
        from neuroglot.metrics.texts import TextOptions, choose_metrics

        choose_metrics([self.metric], TextOptions(language=self.pivot))
        directions = directions_of(self.languages, self.pivot)
        config = self.config
        data = None if self.corpus == "lab" else self.load_corpus(identity)
        train, test = writing_parts(config, self.corpus, self.seed, data)
        for name, part in (("rows to train on", train), ("rows to translate", test)):
            note_data(identity, part, name)
        if self.encoder is None:
            require_writable(config, *new_encoder(train, config.encoder, self.seed), (train, test), directions)
            return _Inputs(train, test, None, None)
        view, tokenizer = self.load_model(identity, self.encoder, "encoder")
        if view.family.kind != "encoder":
            raise UnsupportedModelError(
                f"{self.encoder} is a {view.family.kind}.", "Expected an encoder with a masked-LM head, such as XLM-R."
            )
        require_writable(config, view.model, tokenizer, (train, test), directions)
        return _Inputs(train, test, view, tokenizer)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.corpora.directions import directions_of
        from neuroglot.corpora.trained import save_texts_trained_on
        from neuroglot.experiments import writing
        from neuroglot.metrics.losses import LossCurve
        from neuroglot.reports import Report
        from neuroglot.tokens.canvases import canvas_pairs, taught_directions
        from neuroglot.training.tuning import save_model

        config, directions, kept = self.config, directions_of(self.languages, self.pivot), run.kept("training")
        encoder, tokenizer, losses = self._encoder(inputs, run)
        frozen = copy.deepcopy(encoder) if self.baselines else encoder
        model = writing.over_encoder(config, encoder, tokenizer, self.seed, taught=taught_directions(directions))
        pairs = canvas_pairs(model, tokenizer, inputs.train, directions)
        own = writing.trained_sga(config, model, pairs, self.seed, kept=kept, checkpoint_every=self.checkpoint_every)
        save_model(model, tokenizer, run.files)
        save_texts_trained_on(run.files, inputs.train.texts.values())
        write_corpus(inputs.test, run.files / CORPUS)
        written = writing.written_by_systems(config, model, tokenizer, inputs.test, directions)
        trained = {writing.SGA: model.new_parameters()}
        for name in self.baselines:
            written[name], trained[name] = writing.baseline(
                name, config, copy.deepcopy(frozen), tokenizer, (pairs, inputs.test), directions, self.seed, kept=kept,
                checkpoint_every=self.checkpoint_every,
            )  # fmt: skip
        made = writing.writing_signature(config, model, tokenizer, inputs.test, self.seed)
        _save(inputs.test, written, run.files / TRANSLATIONS)
        results: list[Any] = [writing.compared(config, written, inputs.test, made, trained)]
        results.append(LossCurve(own, made, "nats per target token, both passes", dropped=pairs.reasons))
        if losses:
            results.append(LossCurve(losses, made, "nats per hidden token"))
        return Report(results, title="An encoder that writes")

    def following(self, out: Path) -> tuple[str, ...]:
        """Translate with it."""
        return ("sga", "translate", str(out), "--corpus", "TEXTS", "--into", "LANGUAGE", "--out", f"{out}-translated")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.corpora.directions import directions_of
        from neuroglot.experiments.writing import over_encoder
        from neuroglot.lab.encoder import masked_texts_of, new_encoder
        from neuroglot.models.view import view
        from neuroglot.recipes.steps import training_bytes, training_step
        from neuroglot.runs.price import price
        from neuroglot.tokens.canvases import canvas_pairs
        from neuroglot.tokens.masking import mask_id
        from neuroglot.training.masked import Hiding, masked_collator
        from neuroglot.training.sga import canvas_collator
        from neuroglot.training.trainer import read_once

        config, directions = self.config, directions_of(self.languages, self.pivot)
        if inputs.encoder is None or inputs.tokenizer is None:
            encoder, tokenizer = new_encoder(inputs.train, config.encoder, self.seed)
        else:
            encoder, tokenizer = inputs.encoder.model, inputs.tokenizer
        located = view(encoder)
        steps = []
        if inputs.encoder is None:
            collate = masked_collator(mask_id(tokenizer), tokenizer.pad_token_id or 0, len(tokenizer), Hiding())

            def learn(part: Corpus) -> None:
                texts = masked_texts_of(tokenizer, part, config.encoder.positions, joined=config.joined)
                read_once(encoder, [(text, place) for place, text in enumerate(texts)], collate, self.batch_size)

            several = len(self.languages)
            steps.append(
                training_step(
                    "encoder", inputs.train, learn, self.encoder_steps * self.batch_size,
                    examples_a_row=several + (several * (several - 1) if config.joined else 0),
                )
            )  # fmt: skip
        size = training_bytes(encoder, located)
        model = over_encoder(config, copy.deepcopy(encoder), tokenizer, self.seed)

        def run(part: Corpus) -> None:
            pairs = canvas_pairs(model, tokenizer, part, directions)
            read_once(model, list(pairs.pairs), canvas_collator(pairs.pad_id), self.batch_size)

        systems = 1 + len(self.baselines)
        steps.append(
            training_step(
                "SGA and baselines" if self.baselines else "SGA", inputs.train, run, self.steps * self.batch_size,
                examples_a_row=len(directions), models=systems,
            )
        )  # fmt: skip
        return price(located, tokenizer, steps, size, systems * size)

    def _encoder(self, inputs: _Inputs, run: Run) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, tuple[float, ...]]:
        from neuroglot.experiments.writing import trained_encoder

        if inputs.encoder is not None and inputs.tokenizer is not None:
            return inputs.encoder.model, inputs.tokenizer, ()
        return trained_encoder(
            self.config, inputs.train, self.seed, device=self.device, kept=run.kept("training"),
            checkpoint_every=self.checkpoint_every,
        )  # fmt: skip

    @property
    def _longest(self) -> int | None:
        return self.longest or (_LAB_LONGEST if self.corpus == "lab" else None)

    @property
    def config(self) -> WritingConfig:
        """The experiment."""
        from neuroglot.experiments.writing import WritingConfig
        from neuroglot.lab.encoder import EncoderConfig

        shape = EncoderConfig(self.hidden, self.layers, self.heads, self.ffn, self.vocabulary)
        return WritingConfig(
            languages=self.languages, pivot=self.pivot, rows=self.limit or _LAB_ROWS, test_rows=self.test_rows,
            longest=self._longest, encoder=shape, encoder_steps=self.encoder_steps, encoder_rate=self.encoder_rate,
            most_hidden=self.most_hidden, joined=not self.monolingual, steps=self.steps, rate=self.learning_rate,
            batch=self.batch_size, temperature=self.temperature, prompt_length=self.prompt_length,
            canvas_factor=self.canvas_factor, denoising_passes=self.denoising_passes, baselines=self.baselines,
            metric=self.metric, max_new_tokens=self.max_new_tokens,
        )  # fmt: skip


def _save(test: Corpus, written: dict[str, Any], path: Path) -> None:
    """One line a row and direction: source, reference, and what each system wrote."""
    import json

    from neuroglot.corpora.directions import Direction
    from neuroglot.storage import write_whole

    first = next(iter(written.values()))
    rows = {row_id: row for row, row_id in enumerate(test.ids)}
    lines = []
    for name in first.texts:
        direction = Direction.parse(name)
        for place, row_id in enumerate(first.ids):
            source, reference = (test.texts[code][rows[row_id]] for code in (direction.source, direction.target))
            texts = {system: found.texts[name][place] for system, found in written.items()}
            lines.append({"direction": name, "id": row_id, "source": source, "reference": reference, **texts})
    write_whole(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
