"""`sga teach`: an encoder learns to write questions about passages, or headlines and summaries of articles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt

from neuroglot.recipes.options import USE, OnDevice, Positive, Seeded
from neuroglot.recipes.training_options import Trained, Unlearned
from neuroglot.recipes.translation_options import Denoising, WarmedUp

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora.written import ToWrite
    from neuroglot.models import ModelView
    from neuroglot.models.architectures.sga import SGAForConditionalGeneration
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.training import Training

WRITTEN = "written.jsonl"


class _Inputs(NamedTuple):
    train: ToWrite
    test: ToWrite
    encoder: ModelView
    tokenizer: PreTrainedTokenizerBase
    seen: int  # pairs of the test files that are trained on


@dataclass(frozen=True, kw_only=True)
class SgaTeach(Trained, Unlearned, WarmedUp, Denoising, OnDevice, Seeded):
    """Teach a frozen encoder to write questions about passages, or headlines and summaries of articles, by SGA.

    What it writes of the test files is scored beside what it writes without denoising. The run folder is the model.
    Source: Wu et al. 2023.
    """

    command = "sga teach"
    group = USE
    examples = """
    neuroglot sga teach FacebookAI/xlm-roberta-base --layout questions \\
        --train squad/train --test squad/test --steps 20000 --out asker
    neuroglot sga teach FacebookAI/xlm-roberta-base --layout headlines \\
        --train xlsum/train --test xlsum/test --steps 20000 --out titler"""
    positional = ("encoder",)

    encoder: str
    """A folder or hub id of an encoder with a masked-LM head, which is frozen."""

    layout: Literal["questions", "headlines", "summaries"]
    """`questions`: SQuAD's, of an answer and its passage the question; `headlines` and `summaries`: XL-Sum's lines."""

    train: str
    """A file, or a folder of files whose names begin with their language, such as de.json or de_train.jsonl."""

    test: str
    """The same, of what is to be written to be scored."""

    limit: Positive | None = None
    """Read so many of each language, the first ones; all by default."""

    longest_source: Positive = 256
    """Read a source to so many tokens."""

    canvas_length: Positive = 48
    """Masks on the canvas; a target of more tokens is left out."""

    learning_rate: Annotated[float, Gt(0)] = 7e-4

    temperature: Annotated[float, Ge(1)] = 5.0
    """Languages are drawn with p ∝ n^(1/temperature)."""

    prompt_length: Positive = 128
    """Keys and values a layer before each pass."""

    metrics: tuple[str, ...] = ("rouge-l",)
    """By which what is written is scored, text metrics by name."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.corpora.trained import require_untrained
        from neuroglot.corpora.written import read_to_write
        from neuroglot.errors import ConfigError, UnsupportedModelError
        from neuroglot.metrics.texts import TextOptions, choose_metrics
        from neuroglot.models.architectures.sga import SGAForConditionalGeneration
        from neuroglot.signature import Signature
        from neuroglot.tokens.canvases import task_pairs

        parts = [read_to_write(source, self.layout).head(self.limit) for source in (self.train, self.test)]
        if missing := [language for language in parts[1].texts if language not in parts[0].texts]:
            raise ConfigError(f"The test files have {missing[0]!r}.", f"Expected {', '.join(parts[0].texts)}.")
        for language in parts[1].texts:
            choose_metrics(self.metrics, TextOptions(language=language))
        for name, part in zip(("train", "test"), parts, strict=True):
            identity.note(name, Signature.of(name=part.name, hash=part.hash, rows=len(part)))
        found = parts[1].sources_among(parts[0])
        seen = require_untrained(found, len(parts[1]), "pairs", self.same_rows, "Name other files (--test)")
        view, tokenizer = self.load_model(identity, self.encoder, "encoder")
        if view.family.kind != "encoder":
            raise UnsupportedModelError(
                f"{self.encoder} is a {view.family.kind}.", "Expected an encoder with a masked-LM head, such as XLM-R."
            )
        sketch = SGAForConditionalGeneration.sketch(view.model, **self._options(tokenizer))
        for part in parts:  # refuses, before anything is trained, a part of which nothing is left
            task_pairs(sketch, tokenizer, part, self.longest_source)
        return _Inputs(parts[0], parts[1], view, tokenizer, seen)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot import progress
        from neuroglot.corpora.trained import save_texts_trained_on, told_trained
        from neuroglot.generation.sga import CanvasDecoding, write_texts
        from neuroglot.metrics.losses import LossCurve
        from neuroglot.metrics.texts import TextOptions, Texts, score_texts
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.reports.sections.scoring import scores_section
        from neuroglot.signature import Signature
        from neuroglot.storage import write_whole
        from neuroglot.tokens.canvases import task_pairs
        from neuroglot.training.sga import train_sga
        from neuroglot.training.tuning import save_model

        train, test, _, tokenizer, seen = inputs
        model = self._model(inputs)
        pairs = task_pairs(model, tokenizer, train, self.longest_source)
        with progress.steps("SGA") as on_step:
            losses = train_sga(
                model, pairs, self.training, temperature=self.temperature, kept=run.kept("training"), on_step=on_step
            )
        save_model(model, tokenizer, run.files)
        save_texts_trained_on(run.files, train.columns)
        asked = task_pairs(model, tokenizer, test, self.longest_source)
        written = {
            passes: write_texts(model, tokenizer, asked, CanvasDecoding(passes))
            for passes in dict.fromkeys((self.denoising_passes, 0))
        }
        whole, alone = (written[passes] for passes in (self.denoising_passes, 0))
        lines, scores = [], {}
        for place, language in enumerate(test.texts):
            rows = [row for row, pair in enumerate(asked.pairs) if pair.language == place]
            if not rows:
                continue
            numbers = [int(asked.ids[asked.pairs[row].row].rpartition("-")[2]) for row in rows]
            sources, references = zip(*(test.texts[language][number] for number in numbers), strict=True)
            texts = tuple(whole[row].text for row in rows)
            options = TextOptions(language=language)
            beside = [alone[row].text for row in rows] if self.denoising_passes else None
            scores[language] = score_texts(Texts(texts, (references,), sources), self.metrics, options, beside)
            lines += [
                {"language": language, "source": source, "reference": reference, "written": text}
                for source, reference, text in zip(sources, references, texts, strict=True)
            ]
        write_whole(run.files / WRITTEN, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        made = made_with(model, tokenizer) | Signature.of(
            train_hash=train.hash, test_hash=test.hash, rows=len(asked.ids), rows_dropped=len(asked.dropped),
            layout=self.layout, steps=self.steps, learning_rate=self.learning_rate, batch_size=self.batch_size,
            temperature=self.temperature, seed=self.seed, denoising_passes=self.denoising_passes,
        )  # fmt: skip
        section = scores_section(scores, made | told_trained(seen), "language", "without denoising")
        curve = LossCurve(losses, made, "nats per target token, both passes", dropped=pairs.reasons)
        return Report([section, curve], title=f"An encoder that writes {self.layout}")

    def price(self, inputs: _Inputs) -> Price:
        import copy

        from neuroglot.corpora import Corpus
        from neuroglot.recipes.steps import training_bytes, training_step
        from neuroglot.runs.price import price
        from neuroglot.tokens.canvases import task_pairs
        from neuroglot.training.sga import canvas_collator
        from neuroglot.training.trainer import read_once

        train, view = inputs.train, inputs.encoder
        size = training_bytes(view.model, view)
        model = self._model(inputs._replace(encoder=copy.deepcopy(view)))
        language, texts = next((language, texts) for language, texts in train.texts.items() if texts)
        ids = tuple(map(str, range(len(texts))))
        corpus = Corpus(train.name, ids, {language: tuple(source for source, _ in texts)})

        def run(part: Corpus) -> None:
            chosen = type(train)(train.name, {language: tuple(texts[int(row)] for row in part.ids)})
            pairs = task_pairs(model, inputs.tokenizer, chosen, self.longest_source)
            read_once(model, list(pairs.pairs), canvas_collator(pairs.pad_id), self.batch_size)

        step = training_step("SGA", corpus, run, self.steps * self.batch_size)
        return price(view, inputs.tokenizer, [step], size, size)

    def _model(self, inputs: _Inputs) -> SGAForConditionalGeneration:
        import torch

        from neuroglot.models.architectures.sga import SGAForConditionalGeneration

        torch.manual_seed(self.seed)
        return SGAForConditionalGeneration.over(inputs.encoder.model, **self._options(inputs.tokenizer))

    def _options(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        from neuroglot.tokens.masking import mask_id

        return {
            "prompt_length": self.prompt_length, "canvas_length": self.canvas_length, "taught": [self.layout],
            "mask_token_id": mask_id(tokenizer), "pad_token_id": tokenizer.pad_token_id,
        }  # fmt: skip

    @property
    def training(self) -> Training:
        """How the weights are updated."""
        from neuroglot.training.sga import sga_training

        return sga_training(
            steps=self.steps, learning_rate=self.learning_rate, batch_size=self.batch_size, seed=self.seed,
            checkpoint_every=self.checkpoint_every,
        )  # fmt: skip
