"""`neuroglot tune`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from neuroglot.cli.options import (
    MODEL,
    OUTPUT,
    TEXTS,
    Flag,
    Json,
    ModelName,
    ModelOptions,
    Several,
    TaskOptions,
)
from neuroglot.cli.refusing import require_rows

if TYPE_CHECKING:
    from neuroglot.corpora import Task
    from neuroglot.prompting import PromptSet
    from neuroglot.training import Example, TuningConfig

TUNE_EXAMPLES = """Examples:

    neuroglot tune lab --corpus lab --task iso_date --original de --languages en fr --end newline --steps 50 --out run
    neuroglot tune ./my-model --corpus texts.tsv --template translation --original de --languages es fr --target en \\
        --steps 500 --direct-share 0.125 --lora-rank 8 --out tuned
    neuroglot tune ./my-model --corpus xnli/ --original de fr --steps 500 --out run --export-openai data.jsonl"""

LAB_QUESTIONS = 400


@Parameter(name="*", group=TEXTS)
@dataclass(frozen=True)
class MixOptions(TaskOptions):
    """What the examples are made of."""

    languages: Annotated[tuple[str, ...] | None, Several] = None
    """Languages shown beside the original, in this order; all others by default."""

    limit: int | None = None
    """Read so many rows, the first ones; all by default. Of the lab so many new questions are drawn, by default 400."""

    column: str | None = None
    """The column that holds the text, where a corpus has several."""

    template: str = "question"
    """How prompts are worded: `question` or `sums` for a task, `translation` for a corpus."""

    target: str | None = None
    """Language of the answer; the original by default."""

    direct_share: float = 0.125
    """Share of examples that show the original only."""

    seed: int = 0
    """Seed of the mix, the lab's questions, and the adapters."""


@Parameter(name="*", group=MODEL)
@dataclass(frozen=True)
class LearningOptions:
    """How the model is tuned."""

    steps: int
    """Updates of the weights."""

    lora_rank: int = 8
    """Rank of the adapters; 0 tunes all parameters."""

    lora_alpha: float = 16.0
    """Updates of adapters are scaled by this over the rank."""

    learning_rate: float | None = None
    """Highest learning rate, by default 1e-4 for adapters and 2e-5 for all parameters; it falls linearly to 0."""

    batch_size: int = 8
    """Examples read at once."""

    accumulation: int = 1
    """Batches a step."""

    max_tokens: int = 1024
    """Longest example; nothing is cut."""

    end: Literal["eos", "newline", "none"] = "eos"
    """What ends an answer: the tokenizer's end of text, a `newline` (as the lab's answers), or nothing more."""

    drop_unfit: Annotated[bool, Flag] = False
    """Leave out, and count, examples that are too long or whose prompt has other tokens when its answer follows."""

    adapter: Annotated[bool, Flag] = False
    """Save the adapters alone, instead of merging them into the weights."""

    bf16: Annotated[bool, Flag] = False
    """Autocast the forward to bfloat16."""

    checkpoint_every: int | None = None
    """Keep, so many steps apart, what is needed to go on, in OUT.checkpoints until the job is done."""

    report_to: Literal["none", "wandb", "tensorboard"] = "none"
    """Where else the losses go."""

    def config(self, seed: int) -> TuningConfig:
        from neuroglot.training import Lora, TuningConfig

        options = asdict(self)
        rank, alpha = options.pop("lora_rank"), options.pop("lora_alpha")
        options["unfit"] = "drop" if options.pop("drop_unfit") else "refuse"
        options["save"] = "adapter" if options.pop("adapter") else "merged"
        return TuningConfig(**options, lora=Lora(rank, alpha) if rank else None, seed=seed)


def tune(
    model: ModelName,
    /,
    *,
    corpus: str,
    original: Annotated[tuple[str, ...], Parameter(group=TEXTS, consume_multiple=True, negative="")],
    out: Path,
    learning: LearningOptions,
    texts: MixOptions = MixOptions(),
    loading: ModelOptions = ModelOptions(),
    chat: Annotated[bool, Parameter(group=TEXTS, negative="")] = False,
    resume: Annotated[bool, Flag] = False,
    export_llama_factory: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    export_openai: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    json: Json = False,
) -> None:
    """Tune a decoder on prompts in several languages mixed with direct ones; only the answers are learned.

    Parameters
    ----------
    corpus:
        A task (see `neuroglot deactivate`), `lab` with --task, or for --template translation a parallel corpus.
    original:
        Language of the inputs; of several, one is drawn for each row.
    out:
        Folder for the tuned model in the hub's layout, and neuroglot.json; must not exist.
    chat:
        Put the prompts into the tokenizer's chat template.
    resume:
        Go on with the same job from its last checkpoint.
    export_llama_factory:
        Also write the examples as LLaMA-Factory's JSON.
    export_openai:
        Also write the examples as OpenAI's chat fine-tuning JSONL.
    """
    from neuroglot.cli.running import print_json
    from neuroglot.progress import steps
    from neuroglot.storage import check_free
    from neuroglot.training import pmi_mix
    from neuroglot.training import tune as tune_model

    check_free(out)
    config = learning.config(texts.seed)
    sets = _prompt_sets(corpus, original, texts)
    examples = pmi_mix(sets, texts.direct_share, texts.seed)
    _export(examples, export_llama_factory, export_openai)
    view, tokenizer = loading.load(model)
    if chat:
        examples = pmi_mix([part.as_chat(tokenizer) for part in sets], texts.direct_share, texts.seed)
    provenance = {"corpus": corpus, "original": original, **asdict(texts), "chat": chat}
    provenance |= {"prompts": [str(part.signature) for part in sets]}
    try:
        with steps("tuning") as on_step:
            tuned = tune_model(
                view.model, tokenizer, examples, config, out, resume=resume, provenance=provenance, on_step=on_step
            )
    except KeyboardInterrupt:
        said = "nothing was kept" if config.checkpoint_every is None else f"go on with --resume --out {out}"
        raise KeyboardInterrupt(f"{said}.") from None
    if json:
        print_json({
            "out": str(out), "examples": len(examples), "dropped": dict(tuned.dropped), "losses": list(tuned.losses),
        })  # fmt: skip
        return
    for reason, count in tuned.dropped.items():
        print(f"{count:,} of {len(examples):,} examples left out: {reason}.")
    print(f"Loss {tuned.losses[0]:.3f} in the first step, {tuned.losses[-1]:.3f} in the last. Model: {out}")


def _prompt_sets(corpus: str, original: tuple[str, ...], texts: MixOptions) -> list[PromptSet]:
    """Direct and parallel prompts, for each original."""
    from neuroglot import corpora
    from neuroglot.corpora.languages import language_code
    from neuroglot.corpora.parallel_inputs import ParallelInputs, from_corpora, from_task
    from neuroglot.prompting import build_prompts, direct, pmi
    from neuroglot.prompting.templates import template_of

    require_rows(texts.limit)
    originals, target = tuple(map(language_code, original)), texts.target and language_code(texts.target)
    beside = None if texts.languages is None else tuple(map(language_code, texts.languages))
    needed = None if beside is None else tuple(dict.fromkeys([*originals, *beside, *([target] if target else [])]))
    if template_of(texts.template).translates:
        rows = corpora.load(corpus, languages=needed, on_missing=texts.on_missing, column=texts.column)
        rows = rows.head(texts.limit)
        there, inputs_of = rows.languages, lambda main: from_corpora({"text": rows}, main, target=target)
    else:
        task = _read_task(corpus, texts, needed)
        there, inputs_of = task.languages, lambda main: from_task(task, main, answer_language=target)
    sets = []
    for main in originals:
        inputs: ParallelInputs = inputs_of(main)
        hidden = {main, target} if template_of(texts.template).translates else {main}
        shown = [code for code in beside or there if code not in hidden]
        for setting in (direct(main), pmi(main, shown)):
            sets.append(build_prompts(inputs, setting, template=texts.template, target=target))
    return sets


def _read_task(corpus: str, texts: MixOptions, needed: tuple[str, ...] | None) -> Task:
    from neuroglot.cli.tasks import read_task
    from neuroglot.lab import lab_questions

    if corpus != "lab":
        return read_task(corpus, texts.task, needed, texts.on_missing, texts.limit)
    task = lab_questions(texts.task or "", texts.limit or LAB_QUESTIONS, texts.seed)
    return task if needed is None else task.select(needed)


def _export(examples: tuple[Example, ...], llama_factory: Path | None, openai: Path | None) -> None:
    from neuroglot.training import save_llama_factory, save_openai

    if llama_factory is not None:
        save_llama_factory(examples, llama_factory)
    if openai is not None:
        save_openai(examples, openai)
