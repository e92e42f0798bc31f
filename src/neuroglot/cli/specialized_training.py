"""`neuroglot specialize train` and `compare`: changing weights by direction of translation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from neuroglot.cli.options import (
    NEURONS,
    TEXTS,
    CorpusName,
    CorpusOptions,
    Flag,
    Json,
    ModelName,
    ModelOptions,
    Several,
)  # fmt: skip

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.corpora.directions import Direction

TRAIN_EXAMPLES = """Example:

    neuroglot specialize train ./my-model --masks masks.safetensors --corpus train.tsv --steps 5000 --out run"""
COMPARE_EXAMPLES = """Examples:

    neuroglot specialize compare --out run
    neuroglot specialize compare --corpus flores/ --languages en de fr es --seeds 0 1 2 --steps 3000 --out run"""

MasksFile = Annotated[Path, Parameter(help="Masks by direction, as `neuroglot specialize select` writes them.")]
SemanticsName = Annotated[
    Literal["activation", "weight row"],
    Parameter(
        group=NEURONS,
        help="What a removed neuron does: it writes nothing (`activation`), or, its weights being zero, what its bias "
        "makes of it (`weight row`, as in the released code).",
    ),
]


@Parameter(name="*", group=TEXTS)
@dataclass(frozen=True)
class DirectionOptions:
    """Between which languages is translated."""

    directions: Annotated[tuple[str, ...] | None, Several] = None
    """Such as `en-de de-en`; by default out of the pivot into every other language, and back."""

    pivot: str = "en"
    """The language that stands on one side of most directions."""

    def of(self, corpus: Corpus) -> tuple[Direction, ...]:
        from neuroglot.corpora.directions import as_direction, directions_of

        if self.directions is not None:
            return tuple(map(as_direction, self.directions))
        return directions_of(corpus.languages, self.pivot)


def train(
    model: ModelName,
    /,
    *,
    masks: MasksFile,
    corpus: CorpusName,
    out: Path,
    steps: int,
    batch: int = 32,
    rate: float = 5e-4,
    temperature: float = 5.0,
    mixed: Annotated[bool, Flag] = False,
    save_steps: int = 500,
    resume: Annotated[bool, Flag] = False,
    seed: int = 222,
    semantics: SemanticsName = "activation",
    between: DirectionOptions = DirectionOptions(),
    texts: CorpusOptions = CorpusOptions(),
    loading: ModelOptions = ModelOptions(),
) -> None:
    """Train the model on, each row with the neurons of its direction.

    Parameters
    ----------
    out:
        Folder for checkpoints, each with the masks, and at the end the model; must not exist, unless --resume.
    steps:
        How long, in steps.
    batch:
        Rows a step.
    rate:
        Highest learning rate, behind a tenth of the steps of warm-up.
    temperature:
        Directions are drawn with p ∝ n^(1/temperature).
    mixed:
        Batches of all directions together, instead of one direction each: as exact, and faster.
    save_steps:
        Steps between two checkpoints.
    resume:
        Go on from the last checkpoint in the folder.
    seed:
        Seed of the order of rows and of dropout.
    """
    from neuroglot.errors import ConfigError
    from neuroglot.neurons.masks import DirectionMasks
    from neuroglot.recipes.artefacts import MASKS, artefact
    from neuroglot.storage import check_free
    from neuroglot.tokens.pairs import encode_pairs
    from neuroglot.training.gated import MASKS_FILE, last_checkpoint, train_specialized

    if min(steps, batch, save_steps) < 1:
        raise ConfigError(f"Got {steps} steps, {batch} rows, {save_steps} steps to save.", "Expected 1 up of each.")
    if not resume:
        check_free(out)
    chosen, parallel = DirectionMasks.load(artefact(masks, MASKS)), texts.load(corpus)
    view, tokenizer = loading.load(model)
    pairs = encode_pairs(view, tokenizer, parallel, between.of(parallel))
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        str(out), max_steps=steps, per_device_train_batch_size=batch, learning_rate=rate,
        lr_scheduler_type="inverse_sqrt", warmup_steps=max(1, steps // 10), label_smoothing_factor=0.1, seed=seed,
        adam_beta2=0.98, save_steps=save_steps, save_total_limit=2, report_to="none", disable_tqdm=True,
        use_cpu=view.model.device.type == "cpu",
    )  # fmt: skip
    train_specialized(
        view, chosen, pairs, arguments, semantics=semantics, temperature=temperature, mixed=mixed,
        resume_from=last_checkpoint(out) if resume else None,
    )  # fmt: skip
    view.model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    chosen.save(out / MASKS_FILE)
    print(f"Model and masks: {out}")


def compare(
    *,
    out: Path,
    corpus: CorpusName = "lab",
    languages: Annotated[tuple[str, ...], Several] = ("en", "de", "es", "fr", "sw"),
    seeds: Annotated[tuple[int, ...], Several] = (0, 1, 2),
    steps: int = 1200,
    continued_steps: int = 250,
    batch: int = 32,
    coverage: int = 95,
    metric: str = "chrf++",
    json: Json = False,
) -> None:
    """The whole method in small: train a translator from nothing, then on with its directions' neurons and controls.

    Parts that are done are kept in the run folder, and not done again.

    Parameters
    ----------
    out:
        Run folder for report.html, report.json, and by seed the baseline, masks and translations.
    languages:
        The first is the pivot: directions go out of it and into it.
    seeds:
        One experiment each.
    steps:
        Steps of the baseline.
    continued_steps:
        Steps of every system from there.
    batch:
        Rows a step.
    coverage:
        Percent of the firing that a direction's neurons make up.
    metric:
        A text metric by name.
    """
    from neuroglot.cli.running import print_report
    from neuroglot.experiments.specialization import ComparisonConfig, compare_specialization
    from neuroglot.reports import Report

    config = ComparisonConfig(
        corpus, languages, languages[0], seeds=seeds, steps=steps, continued_steps=continued_steps, batch=batch,
        coverage=coverage, metric=metric,
    )  # fmt: skip
    report = Report([compare_specialization(config, out)], title="Neuron Specialization, in small")
    report.save(out / "report.html")
    report.save(out / "report.json")
    print_report(report, out, json)
