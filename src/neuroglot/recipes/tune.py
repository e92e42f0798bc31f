"""`tune`: supervised fine-tuning of a decoder on prompts in several languages, of which only answers are learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Lt

from neuroglot.recipes.options import USE, Natural, OnColumn, OnModel, OnTask, Positive, Seeded
from neuroglot.recipes.reading import note_data, read_corpus, read_task
from neuroglot.recipes.training_options import Computed, Scheduled, Trained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus, Task
    from neuroglot.corpora.parallel_inputs import ParallelInputs
    from neuroglot.models import ModelView
    from neuroglot.neurons import NeuronSet
    from neuroglot.prompting import PromptSet
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature
    from neuroglot.training import Example, TuningConfig

LAB_QUESTIONS = 400


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    examples: tuple[Example, ...]
    plain: tuple[Example, ...]  # without a chat template
    signature: Signature
    tuning: TuningConfig


@dataclass(frozen=True, kw_only=True)
class Tune(OnModel, OnTask, OnColumn, Trained, Computed, Scheduled, Seeded):
    """Tune a decoder on prompts in several languages mixed with direct ones; only the answers are learned.

    The run folder is the tuned model in the hub's layout. Source: Mu et al. 2024.
    """

    command = "tune"
    group = USE
    examples = """
    neuroglot tune lab --corpus lab --task iso_date --originals de \\
        --languages en fr --end newline --steps 50 --out run
    neuroglot tune ./my-model --corpus texts.tsv --template translation \\
        --originals de --languages es fr --target en --steps 500 --out tuned
    neuroglot tune lab --corpus lab --task iso_date --originals de --train-neurons selected/de.safetensors \\
        --end newline --steps 50 --out run
    neuroglot tune ./my-model --corpus xnli/ --originals de fr --steps 500 \\
        --export openai --out run"""
    positional = ("model",)
    shares_rows = True

    corpus: str
    """A task (see `neuroglot deactivate`), `lab` with --task, whose questions are then new ones, or for the template
    `translation` a parallel corpus."""

    originals: tuple[str, ...]
    """Languages of the inputs; of several, one is drawn for each row."""

    languages: tuple[str, ...] | None = None
    """Languages shown beside the original, in this order; all others by default."""

    limit: Positive | None = None
    """Read so many rows, the first ones; all by default. Of the lab so many new questions are drawn, by default 400."""

    template: str = "question"
    """How prompts are worded: `question` or `sums` for a task, `translation` for a corpus."""

    target: str | None = None
    """Language of the answer; the original by default."""

    direct_share: Annotated[float, Ge(0), Le(1)] = 0.125
    """Share of examples that show the original only."""

    chat: bool = False
    """Put the prompts into the tokenizer's chat template."""

    lora_rank: Natural = 8
    """Rank of the adapters; 0 tunes whole weights."""

    lora_dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of the adapters' inputs that is dropped in training."""

    lora_targets: tuple[str, ...] | None = None
    """Names of the modules that have adapters; all linear ones but the unembedding by default."""

    qlora: bool = False
    """Hold the linear layers in 4 bits (NF4, by bitsandbytes) while adapters are trained on them: less memory."""

    train_neurons: Path | None = None
    """File of a neuron set, or a run folder with one: tune only these neurons' rows of the up projections and columns
    of the down projection, in place of adapters."""

    random_neurons: bool = False
    """Tune as many neurons at random in each layer, drawn with the seed, in place of those of --train-neurons: the
    control."""

    train_modules: tuple[str, ...] | None = None
    """Tune the whole weights of these modules, in place of adapters: `embeddings`, `unembedding`, or ends of paths such
    as `mlp`."""

    freeze_modules: tuple[str, ...] = ()
    """Modules that stay as they are where whole weights are tuned."""

    learning_rate: Annotated[float, Gt(0)] | None = None
    """Highest learning rate, by default 1e-4 for adapters and neurons, and 2e-5 for whole weights."""

    warmup: Natural = 0
    """Steps in which the learning rate rises."""

    weight_decay: Annotated[float, Ge(0)] = 0.0
    """Weight decay of AdamW."""

    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of each label that is spread over all tokens of the vocabulary."""

    batch_size: Positive = 8
    """Examples read at once."""

    max_tokens: Positive = 1024
    """Longest example; nothing is cut."""

    end: Literal["eos", "newline", "none"] = "eos"
    """What ends an answer: the tokenizer's end of text, a `newline` (as the lab's answers), or nothing more."""

    drop_unfit: bool = False
    """Leave out, and count, examples that are too long or whose prompt has other tokens if its answer follows."""

    pack: bool = False
    """Put short examples of a batch into one sequence, where none sees another: less padding, and the same weights."""

    adapter: bool = False
    """Save the adapters, or what is added to neurons, alone, instead of merging them into the weights."""

    log_choices: bool = False
    """Also write trajectory.safetensors: the running mean of the probabilities of tokens while learning, which
    trajectory inversion reads."""

    export: tuple[Literal["llama-factory", "openai", "trl"], ...] = ()
    """Also write the examples, without a chat template, as these programs read them."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.prompting.examples import examples_hash, pmi_mix
        from neuroglot.signature import Signature
        from neuroglot.training.four_bits import require_four_bits
        from neuroglot.training.tuning import batching, learnable

        neurons = self._neurons(identity)
        tuning = self.tuning(neurons)  # refuses options that contradict each other
        if tuning.four_bits:
            require_four_bits(self.device)
        sets = self._prompt_sets(identity)
        plain = pmi_mix(sets, self.direct_share, self.seed)
        view, tokenizer = self.load_model(identity, self.model)
        chats = [part.as_chat(tokenizer) for part in sets] if self.chat else sets
        examples = pmi_mix(chats, self.direct_share, self.seed) if self.chat else plain
        if neurons is not None:
            view.layout.require_same(neurons.layout, "The neuron set")
        learnable(view.model, tokenizer, examples, tuning)
        batching(view.model, tokenizer, tuning)  # refuses models whose texts cannot be packed
        signature = Signature.of(examples=len(examples), examples_hash=examples_hash(examples))
        identity.note("examples", signature)
        return _Inputs(view, tokenizer, examples, plain, signature, tuning)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot import progress
        from neuroglot.distribution import rank
        from neuroglot.metrics.losses import LossCurve
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.training import tune

        made = made_with(inputs.view, inputs.tokenizer) | inputs.signature | options_of(inputs.tuning)
        title = f"{made['model']}, tuned"
        with progress.steps("tuning") as on_step:
            tuned = tune(
                inputs.view.model, inputs.tokenizer, inputs.examples, inputs.tuning, kept=run.kept("training"),
                on_step=on_step,
            )  # fmt: skip
        if rank() == 0:
            tuned.save(run.files)
            self._export(run, inputs.plain)
        return Report([LossCurve(tuned.losses, made, dropped=tuned.dropped)], title=title)

    def following(self, out: Path) -> tuple[str, ...]:
        """Compare with the model that was tuned."""
        return ("compare", self.model, str(out), "--corpus", "TEXTS", "--out", f"{out}-compared")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.recipes.steps import Learned, training_bytes, training_step
        from neuroglot.runs.price import price
        from neuroglot.training.trainer import read_once
        from neuroglot.training.tuning import batching, learnable, trained_part

        view, tokenizer, examples, *_ = inputs
        collate = batching(view.model, tokenizer, inputs.tuning)
        by_id = {example.id: example for example in examples}
        plain = replace(inputs.tuning, four_bits=False)  # whole weights are read first, which takes the most memory
        with trained_part(view.model, tokenizer, plain) as part:

            def run(rows: Corpus) -> None:
                chosen = [by_id[row_id] for row_id in rows.ids]
                texts = learnable(view.model, tokenizer, chosen, inputs.tuning).texts
                read_once(part.model, texts, collate, self.batch_size)

            needed = self.steps * self.batch_size * self.accumulation
            size = training_bytes(part.model, view)
            step = training_step("training", _as_corpus(examples), run, needed)
            learned = Learned.of(part.model)
            priced = price(view, tokenizer, [step], learned.bytes, 2 * size)
            tokens = sum(line.tokens * line.times for line in priced.lines)
            return replace(priced, remarks=(learned.remark("The training", tokens),))

    def tuning(self, neurons: NeuronSet | None = None) -> TuningConfig:
        """How the model is tuned, with the neurons that are, if any."""
        from neuroglot.training import Lora, TuningConfig

        is_low_rank = self.lora_rank and neurons is None and self.train_modules is None
        lora = Lora(self.lora_rank, self.lora_alpha, self.lora_dropout, self.lora_targets) if is_low_rank else None
        return TuningConfig(
            steps=self.steps, learning_rate=self.learning_rate, batch_size=self.batch_size,
            accumulation=self.accumulation, schedule=self.schedule, warmup=self.warmup, weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
            lora=lora, four_bits=self.qlora, neurons=neurons, modules=self.train_modules, frozen=self.freeze_modules,
            end=self.end, max_tokens=self.max_tokens, unfit="drop" if self.drop_unfit else "refuse",
            pack=self.pack, save="adapter" if self.adapter else "merged", log_choices=self.log_choices,
            seed=self.seed, bf16=self.bf16,
            gradient_checkpointing=self.gradient_checkpointing, checkpoint_every=self.checkpoint_every,
            report_to=self.report_to,
        )  # fmt: skip

    def _neurons(self, identity: Identity) -> NeuronSet | None:
        """The neurons that are tuned, if only some are, noted; raises `ConfigError` for a control of nothing."""
        from neuroglot.errors import ConfigError
        from neuroglot.neurons import NeuronSet, at_random_like
        from neuroglot.recipes.artefacts import neuron_file

        if self.train_neurons is None:
            if self.random_neurons:
                raise ConfigError("Neurons at random were asked for, like no others.", "Expected --train-neurons too.")
            return None
        neurons = identity.file("neurons", neuron_file(self.train_neurons), NeuronSet.load)
        return at_random_like(neurons, self.seed) if self.random_neurons else neurons

    def _prompt_sets(self, identity: Identity) -> list[PromptSet]:
        """Direct and parallel prompts, for each original; the rows are noted."""
        from neuroglot.corpora.languages import language_code
        from neuroglot.corpora.parallel_inputs import from_corpora, from_task
        from neuroglot.prompting import build_prompts, direct, pmi
        from neuroglot.prompting.templates import template_of

        originals, target = tuple(map(language_code, self.originals)), self.target and language_code(self.target)
        beside = None if self.languages is None else tuple(map(language_code, self.languages))
        answered = [] if target is None else [target]
        needed = None if beside is None else tuple(dict.fromkeys([*originals, *beside, *answered]))
        translates = template_of(self.template).translates
        data = read_corpus(self, self.corpus, needed, self.column) if translates else self._task(needed)
        note_data(identity, data)
        sets = []
        for main in originals:
            hidden = {main, target} if translates else {main}
            shown = [code for code in beside or data.languages if code not in hidden]
            inputs: ParallelInputs = (
                from_corpora({"text": data}, main, target=target)  # type: ignore[dict-item]
                if translates
                else from_task(data, main, answer_language=target)  # type: ignore[arg-type]
            )
            for setting in (direct(main), pmi(main, shown)):
                sets.append(build_prompts(inputs, setting, template=self.template, target=target))
        return sets

    def _task(self, languages: tuple[str, ...] | None) -> Task:
        """The task; of the lab and of generated symbols, questions that are not held out."""
        from dataclasses import replace as with_rows

        from neuroglot.corpora.symbols import symbol_source, symbol_task
        from neuroglot.lab import lab_questions

        if (source := symbol_source(self.corpus)) is not None:
            rows = source if self.limit is None else with_rows(source, rows=self.limit)
            return symbol_task(rows, languages, self.seed, held_out=False)
        if self.corpus != "lab":
            self._refuse_corpus()
            return read_task(self, self.corpus, self.task, languages)
        task = lab_questions(self.task or "", self.limit or LAB_QUESTIONS, self.seed)
        return task if languages is None else task.select(languages)

    def _refuse_corpus(self) -> None:
        from neuroglot.corpora.tasks import is_task
        from neuroglot.errors import ConfigError

        if Path(self.corpus).is_file() and not is_task(self.corpus):
            raise ConfigError(
                f"{self.corpus} is no task: its texts have no answers.",
                "Expected a task, whose answers are learned (see `neuroglot deactivate`).",
                "Of a parallel corpus, translations are learned: --template translation --target en.",
            )

    def _export(self, run: Run, examples: Sequence[Example]) -> None:
        from neuroglot.training import save_llama_factory, save_openai, save_trl

        writers = {
            "llama-factory": (save_llama_factory, "llama-factory.json"),
            "openai": (save_openai, "openai.jsonl"),
            "trl": (save_trl, "trl.jsonl"),
        }
        for name in self.export:
            write, file = writers[name]
            write(examples, run.files / file)


def options_of(config: TuningConfig) -> Signature:
    """How a model was tuned."""
    from neuroglot.signature import Signature
    from neuroglot.training.four_bits import FOUR_BITS

    parts = {"modules": config.modules, "frozen": config.frozen, "pack": ("sequences",) * config.pack,
             "held": (FOUR_BITS,) * config.four_bits}  # fmt: skip
    named = {name: " ".join(modules) for name, modules in parts.items() if modules}
    smoothed = {"label_smoothing": config.label_smoothing} if config.label_smoothing else {}
    neurons = Signature() if config.neurons is None else config.neurons.described
    return Signature.of(
        steps=config.steps, learning_rate=config.rate, batch=config.batch_size * config.accumulation,
        schedule=config.schedule, warmup=config.warmup, weight_decay=config.weight_decay, lora=str(config.lora),
        **smoothed, **named, end=config.end, seed=config.seed, bf16=config.bf16,
    ) | neurons  # fmt: skip


def _as_corpus(examples: Sequence[Example]) -> Corpus:
    from neuroglot.corpora import Corpus

    ids = tuple(example.id for example in examples)
    return Corpus("examples", ids, {"und": tuple(example.prompt + example.completion for example in examples)})
