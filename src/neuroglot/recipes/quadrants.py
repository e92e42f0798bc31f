"""`quadrants`: a decoder is tuned on each language alone, and what that gives it and the others is told apart."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt

from neuroglot.recipes.options import USE, OnCorpus, OnModel, OnPivot, Positive, Seeded, Share
from neuroglot.recipes.training_options import Computed, Scheduled, Trained

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.experiments.asked_tasks import AskedTask
    from neuroglot.experiments.quadrants import EachLanguage, HeldOutAnswers, Measured
    from neuroglot.metrics.written import WrittenGains
    from neuroglot.models import ModelView
    from neuroglot.prompting.examples import Example
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.storage import Kept
    from neuroglot.training import TuningConfig

CHRF = "chrf"
# Options that change no measured number, or that are noted as what they stand for.
_NOT_MEASURED = ("model", "corpus", "measured", "repeats", "least_own", "least_others", "checkpoint_every", "report_to")


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    plan: EachLanguage
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Quadrants(OnModel, OnCorpus, OnPivot, Trained, Computed, Scheduled, Seeded):
    """Tune on each language of a parallel corpus alone, and tell whether it and the others gain (quadrants).

    The model learns to translate from the pivot into one language, and its loss on held-out translations into all
    languages is measured. Source: Yuan et al. 2023, whose thresholds are not stated: here they are options, and a
    language whose gains cannot be told from them gets no quadrant.
    """

    command = "quadrants"
    group = USE
    examples = """
    neuroglot quadrants lab --corpus lab --languages en de fr --steps 20 --end newline --out map
    neuroglot quadrants ./my-model --corpus flores.tsv --steps 200 \\
        --measured languages --out map    # several at once, each with an --out of its own"""
    positional = ("model",)

    train: Literal["embeddings", "all", "adapters"] = "embeddings"
    """What learns: the input `embeddings` alone (of a model that shares them with its unembedding, both), `all`
    weights, or low-rank `adapters`."""

    held_out: Share = 0.2
    """Share of the rows that no model learns from, and on which all are measured, the same ones in all languages."""

    repeats: Positive = 1
    """Models tuned on each language; several say how much depends on the order of examples."""

    least_own: Annotated[float, Ge(0)] = 0.01
    """The least gain of the language itself that is worth having, in bits per target byte."""

    least_others: Annotated[float, Ge(0)] = 0.01
    """The least mean gain of the other languages that is worth having, in bits per target byte."""

    shuffled: bool = False
    """Learn answers of other rows: the control, of which a gain is one of the language and not of translating."""

    chrf: Annotated[int, Ge(0)] = 0
    """Held-out rows of which each model also writes translations, to be scored by chrF beside the bits; 0 for none."""

    max_new_tokens: Positive = 128
    """Longest translation that is written, where `chrf` asks for some; it ends at a new line."""

    measured: Path | None = None
    """Folder that keeps what was measured of each language for later jobs. Several processes may share it, each with a
    run folder of its own: each takes the next language, and nothing is done twice."""

    learning_rate: Annotated[float, Gt(0)] | None = None
    """Highest learning rate, by default 1e-4 for adapters and 2e-5 for whole weights."""

    schedule: Literal["linear", "cosine", "constant", "inverse_sqrt"] = "cosine"

    lora_rank: Positive = 8
    """Rank of the adapters."""

    max_tokens: Positive = 1024
    """Longest example; longer ones are left out, and counted."""

    end: Literal["eos", "newline", "none"] = "eos"
    """What ends a learned answer; it is not measured."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.experiments.quadrants import EachLanguage, held_out_answers, with_other_answers
        from neuroglot.reports.wording import left_out, plural, repeated_rows
        from neuroglot.training.tuning import learnable

        rows = self.load_corpus(identity)
        targets = self._targets(rows)
        learned_rows, held_out_rows = rows.split(1 - self.held_out, self.seed)
        view, tokenizer = self.load_model(identity, self.model)
        learned = {language: self._examples(learned_rows, language) for language in targets}
        if self.shuffled:
            learned = {language: with_other_answers(examples, self.seed) for language, examples in learned.items()}
        apart = {language: self._examples(held_out_rows, language) for language in targets}
        held_out = held_out_answers(tokenizer, apart, self.max_tokens)
        config = self.tuning
        notes = [*repeated_rows(held_out_rows.duplicates), *left_out(held_out.dropped, targets)]
        for language, examples in learned.items():
            dropped = learnable(view.model, tokenizer, examples, config).dropped
            notes += [f"{plural(count, 'example')} of {language} not learned: {why}." for why, count in dropped.items()]
        if self.shuffled:
            notes.append("A control: answers of other rows were learned.")
        if self.train == "embeddings" and _shares_embeddings(view.model):
            notes.append("The model shares its embeddings with its unembedding: both were tuned.")
        seeds = tuple(range(self.seed, self.seed + self.repeats))
        plan = EachLanguage(learned, held_out, config, seeds, self._asked(held_out))
        return _Inputs(view, tokenizer, plan, tuple(notes))

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot import progress
        from neuroglot.experiments.quadrants import tune_on_each
        from neuroglot.metrics.quadrants import QuadrantMap
        from neuroglot.models.provenance import made_with
        from neuroglot.recipes.tune import options_of
        from neuroglot.reports import Report
        from neuroglot.signature import Signature

        view, tokenizer, plan, notes = inputs
        with progress.steps("tuning") as on_step:
            measured = tune_on_each(view.model, tokenizer, plan, kept=self._kept(run), on_step=on_step)
        before, after = measured.of("bits")
        chosen = Signature.of(pivot=self.pivot, trained=self.train, seeds=self.repeats, held_out=len(before))
        made = made_with(view, tokenizer) | options_of(plan.config) | chosen
        quadrants = QuadrantMap(
            tuple(plan.learned),
            before,
            plan.held_out.target_bytes,
            after,
            made,
            self.least_own,
            self.least_others,
            notes,
            self._written(measured, tuple(plan.learned)) if plan.asked is not None else None,
        )
        return Report([quadrants], title=f"{made['model']}, tuned on each language alone")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.experiments.curriculum import answer_losses
        from neuroglot.experiments.quadrants import ordered
        from neuroglot.recipes.steps import Learned, training_bytes, training_step, writing
        from neuroglot.runs.price import PricedStep, price
        from neuroglot.tokens.examples import examples
        from neuroglot.training.trainer import read_once
        from neuroglot.training.tuning import batching, learnable, trained_part

        view, tokenizer, plan, _ = inputs
        models = len(plan.learned) * len(plan.seeds)
        every = ordered([example for part in plan.learned.values() for example in part], self.seed)
        measured = plan.held_out.examples
        collate = batching(view.model, tokenizer, plan.config)
        with trained_part(view.model, tokenizer, plan.config) as part:

            def learn(rows: Corpus) -> None:
                texts = learnable(view.model, tokenizer, _chosen(every, rows), plan.config).texts
                read_once(part.model, texts, collate, self.batch_size)

            needed = self.steps * self.batch_size * self.accumulation * models
            tuning = training_step("tuning on each language", _as_corpus(every), learn, needed)
            sizes, bytes_kept = Learned.of(part.model).bytes, training_bytes(part.model, view)
            priced = price(view, tokenizer, [tuning], sizes, bytes_kept)
        if plan.config.lora is not None:
            unadapted: Any = part.model
            unadapted.unload()

        def measure(rows: Corpus) -> None:
            answer_losses(view, examples(tokenizer, _chosen(measured, rows)).texts)

        scoring = PricedStep("measuring all languages", _as_corpus(measured), measure, 1 + models)
        steps = [scoring]
        if plan.asked is not None:
            steps += [replace(writing(view, tokenizer, plan.asked.task.prompts, plan.asked.decoding), times=1 + models)]
        return replace(priced, lines=(*priced.lines, *price(view, tokenizer, steps, 0, 0).lines))

    @property
    def tuning(self) -> TuningConfig:
        """How the model is tuned on each language."""
        from neuroglot.training import Lora, TuningConfig

        return TuningConfig(
            steps=self.steps, learning_rate=self.learning_rate, batch_size=self.batch_size,
            accumulation=self.accumulation, schedule=self.schedule, end=self.end, max_tokens=self.max_tokens,
            lora=Lora(self.lora_rank, self.lora_alpha) if self.train == "adapters" else None,
            modules=("embeddings",) if self.train == "embeddings" else None, unfit="drop", seed=self.seed,
            bf16=self.bf16, gradient_checkpointing=self.gradient_checkpointing,
            checkpoint_every=self.checkpoint_every, report_to=self.report_to,
        )  # fmt: skip

    def _targets(self, rows: Corpus) -> tuple[str, ...]:
        from neuroglot.corpora.languages import language_code
        from neuroglot.errors import ConfigError

        pivot = language_code(self.pivot)
        targets = tuple(language for language in rows.languages if language != pivot)
        if pivot not in rows.languages or len(targets) < 2:
            raise ConfigError(
                f"{rows.name} is read in {', '.join(rows.languages)}.",
                f"Expected the pivot {pivot} and two languages or more beside it.", "Name the pivot with --pivot.",
            )  # fmt: skip
        return targets

    def _examples(self, rows: Corpus, language: str) -> tuple[Example, ...]:
        """Translations of the rows from the pivot into the language, in the rows' order."""
        from neuroglot.corpora.languages import language_code
        from neuroglot.corpora.parallel_inputs import from_corpora
        from neuroglot.prompting import build_prompts, direct
        from neuroglot.prompting.examples import Example

        pivot = language_code(self.pivot)
        inputs = from_corpora({"text": rows.select([pivot, language])}, pivot, target=language)
        prompts = build_prompts(inputs, direct(pivot), template="translation", target=language)
        parts = zip(prompts.ids, prompts.prompts, prompts.references, strict=True)
        return tuple(Example.of(prompt, right[0], language, row_id) for row_id, prompt, right in parts)

    def _asked(self, held_out: HeldOutAnswers) -> AskedTask | None:
        """The translations that are written, if any are."""
        from neuroglot.experiments.asked_tasks import AskedTask
        from neuroglot.experiments.quadrants import written_task
        from neuroglot.generation.decoding import Decoding

        if not self.chrf:
            return None
        return AskedTask(written_task(held_out, self.chrf), (CHRF,), Decoding(self.max_new_tokens), ("\n",))

    def _written(self, measured: Measured, languages: tuple[str, ...]) -> WrittenGains:
        from neuroglot.metrics.texts.metric import TextOptions
        from neuroglot.metrics.texts.overlap import chrf
        from neuroglot.metrics.written import WrittenGains

        return WrittenGains(CHRF, chrf(TextOptions()), languages, *measured.of("written"))

    def _kept(self, run: Run) -> Kept:
        """Where measurements are kept: with other models, data or options in a folder of its own."""
        from neuroglot.storage import Kept

        if self.measured is None:
            return run.kept("languages")
        left_out = (*_NOT_MEASURED, *(() if self.chrf else ("chrf", "max_new_tokens")))
        options = {name: value for name, value in self.to_json().items() if name not in left_out}
        same = json.dumps([options, run.identity.noted], sort_keys=True, default=str)
        return Kept(self.measured / hashlib.sha256(same.encode()).hexdigest()[:16])


def _shares_embeddings(model: Any) -> bool:
    unembedding = model.get_output_embeddings()
    return unembedding is not None and unembedding.weight is model.get_input_embeddings().weight


def _chosen(examples: tuple[Example, ...], rows: Corpus) -> list[Example]:
    return [examples[int(row)] for row in rows.ids]


def _as_corpus(examples: tuple[Example, ...]) -> Corpus:
    from neuroglot.corpora import Corpus

    ids = tuple(map(str, range(len(examples))))
    return Corpus("examples", ids, {"und": tuple(example.prompt + example.completion for example in examples)})
