"""`neuroglot specialize`: neurons by direction of translation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from neuroglot.cli.options import (
    NEURONS,
    TEXTS,
    CorpusName,
    CorpusOptions,
    Flag,
    Json,
    ModelName,
    ModelOptions,
    Overwrite,
    Several,
)  # fmt: skip

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus
    from neuroglot.corpora.directions import Direction

COLLECT_EXAMPLES = """Examples:

    neuroglot specialize collect ./my-model --corpus ntrex.tsv --out run
    neuroglot specialize collect ./my-model --corpus ntrex.tsv --directions en-de de-en --out run --resume"""
SELECT_EXAMPLES = """Examples:

    neuroglot specialize select run/activity.safetensors --out masks.safetensors
    neuroglot specialize select run/activity.safetensors --coverage 70 --zero-shot de-fr --out masks.safetensors"""
EVALUATE_EXAMPLES = """Examples:

    neuroglot specialize evaluate ./my-model --masks masks.safetensors --corpus flores.tsv
    neuroglot specialize evaluate ./my-model --masks masks.safetensors --corpus flores.tsv --metrics bleu comet"""
COMPACT_EXAMPLES = """Example:

    neuroglot specialize compact ./my-model --masks masks.safetensors --direction en-de --out my-en-de"""

MasksFile = Annotated[Path, Parameter(help="Masks by direction, as `neuroglot specialize select` writes them.")]
SemanticsName = Annotated[
    Literal["activation", "weight row"],
    Parameter(
        group=NEURONS,
        help="What a removed neuron does: it writes nothing (`activation`), or, its weights being zero, what its bias "
        "makes of it (`weight row`, as in the released code).",
    ),
]

specialize_app = App(
    name="specialize", help="Neuron Specialization: each direction of translation has its own neurons."
)


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


@specialize_app.command(help_epilogue=COLLECT_EXAMPLES)
def collect(
    model: ModelName,
    /,
    *,
    corpus: CorpusName,
    out: Path,
    like_reference: Annotated[bool, Flag] = False,
    token_budget: int | None = None,
    save_seconds: float = 30.0,
    resume: Annotated[bool, Flag] = False,
    between: DirectionOptions = DirectionOptions(),
    texts: CorpusOptions = CorpusOptions(),
    loading: ModelOptions = ModelOptions(),
    json: Json = False,
) -> None:
    """Count how often each neuron fires in each direction, while the model translates with the answer given.

    Parameters
    ----------
    out:
        Run folder for activity.safetensors; must not exist, unless --resume.
    like_reference:
        Count padding too, as the released code does.
    token_budget:
        Padded tokens a batch; by the device's memory if not given.
    save_seconds:
        How often the counts are saved.
    resume:
        Go on with the job in the run folder.
    """
    from neuroglot.activity.translation import collect as collected
    from neuroglot.cli.running import print_json
    from neuroglot.storage import check_free

    if not resume:
        check_free(out)
    parallel = texts.load(corpus)
    activity = collected(
        *loading.load(model), parallel, between.of(parallel), like_reference=like_reference,
        token_budget=token_budget, run_folder=out, resume=resume, save_seconds=save_seconds,
    )  # fmt: skip
    file = activity.save(out / "activity.safetensors")
    if json:
        counts = dict(zip(activity.languages, activity.tokens.tolist(), strict=True))
        print_json({"file": str(file), "tokens": counts, "signature": activity.signature.to_json()})
        return
    print(f"{len(activity.languages)} directions, {activity.layout}: {file}")


@specialize_app.command(help_epilogue=SELECT_EXAMPLES)
def select(
    activity: Path,
    /,
    *,
    out: Path,
    coverage: int = 95,
    en2x_enc: Annotated[int | None, Parameter(group=NEURONS)] = None,
    en2x_dec: Annotated[int | None, Parameter(group=NEURONS)] = None,
    x2en_enc: Annotated[int | None, Parameter(group=NEURONS)] = None,
    x2en_dec: Annotated[int | None, Parameter(group=NEURONS)] = None,
    pivot: str = "en",
    zero_shot: Annotated[tuple[str, ...], Several] = (),
    json: Json = False,
) -> None:
    """Keep, in each direction and layer, the fewest neurons that make up a share of all firing.

    Parameters
    ----------
    activity:
        What `neuroglot specialize collect` wrote.
    out:
        File to write, a bit a neuron and direction.
    coverage:
        Percent of the firing that is kept.
    en2x_enc:
        Another percent for encoders of directions out of the pivot.
    en2x_dec:
        And for their decoders.
    x2en_enc:
        For encoders of directions into the pivot.
    x2en_dec:
        And for their decoders.
    pivot:
        The language that stands on one side of the directions.
    zero_shot:
        Directions past the pivot, such as `de-fr`: the encoder's neurons of de-en, the decoder's of en-fr.
    """
    from neuroglot.activity.activity import Activity
    from neuroglot.cli.running import print_json
    from neuroglot.neurons.rules.by_direction import Coverage, select_masks

    asked = {"en2x_enc": en2x_enc, "en2x_dec": en2x_dec, "x2en_enc": x2en_enc, "x2en_dec": x2en_dec}
    given = {name: percent for name, percent in asked.items() if percent is not None}
    percents = replace(Coverage.of(coverage), pivot=pivot, **given)
    masks = select_masks(Activity.load(activity), percents).with_zero_shot(zero_shot, pivot)
    masks.save(out)
    names = list(map(str, masks.directions))
    if json:
        sizes = dict(zip(names, masks.sizes().tolist(), strict=True))
        print_json({"file": str(out), "neurons_by_layer": sizes, "signature": masks.signature.to_json()})
        return
    for name, sizes in zip(names, masks.sizes(), strict=True):
        print(f"{name}: {int(sizes.sum()):,} of {masks.layout.neuron_count:,} neurons kept")
    print(f"Masks: {out}")


@specialize_app.command(help_epilogue=EVALUATE_EXAMPLES)
def evaluate(
    model: ModelName,
    /,
    *,
    masks: MasksFile,
    corpus: CorpusName,
    metrics: Annotated[tuple[str, ...], Several] = ("bleu", "chrf++"),
    beams: int = 5,
    max_new_tokens: int = 256,
    token_budget: int = 4096,
    semantics: SemanticsName = "activation",
    between: DirectionOptions = DirectionOptions(),
    texts: CorpusOptions = CorpusOptions(),
    loading: ModelOptions = ModelOptions(),
    json: Json = False,
) -> None:
    """Translate with and without masks, and score both.

    Parameters
    ----------
    metrics:
        Text metrics by name.
    beams:
        Beams to search.
    max_new_tokens:
        Longest translation, in tokens.
    token_budget:
        Positions a batch, read and written, beams and all.
    """
    from neuroglot.cli.running import print_json
    from neuroglot.experiments.translations import score_translations, translate_directions
    from neuroglot.generation.decoding import Decoding
    from neuroglot.neurons.masks import DirectionMasks

    chosen, parallel = DirectionMasks.load(masks), texts.load(corpus)
    view, tokenizer = loading.load(model)
    decoding = Decoding(max_new_tokens, beams=beams)
    masked, plain = (
        translate_directions(
            view, tokenizer, parallel, between.of(parallel), used, semantics=semantics, decoding=decoding,
            token_budget=token_budget,
        )
        for used in (chosen, None)
    )  # fmt: skip
    scores = score_translations(masked, parallel, metrics, baseline=plain)
    if json:
        print_json({str(direction): [score.to_json() for score in column] for direction, column in scores.items()})
        return
    for direction, column in scores.items():
        print("\n".join([str(direction), *map(str, column)]))


@specialize_app.command(help_epilogue=COMPACT_EXAMPLES)
def compact(
    model: ModelName,
    /,
    *,
    masks: MasksFile,
    direction: str,
    out: Path,
    semantics: SemanticsName = "activation",
    loading: ModelOptions = ModelOptions(),
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Cut the neurons out that a direction does not keep, and say what that saves.

    Parameters
    ----------
    direction:
        Such as `en-de`.
    out:
        Folder to write; `neuroglot.interventions.compacting.load_compacted` reads it.
    """
    from neuroglot.cli.running import print_json
    from neuroglot.interventions.compacting import compact as compacted
    from neuroglot.interventions.compacting import save_compacted, timed
    from neuroglot.neurons.masks import DirectionMasks
    from neuroglot.storage import check_free

    check_free(out, overwrite)
    view, tokenizer = loading.load(model)
    small = compacted(view, DirectionMasks.load(masks), direction, semantics)
    before, after = timed(view, view.model), timed(view, small.model)
    save_compacted(small, out, tokenizer, overwrite=overwrite)
    if json:
        print_json({"out": str(out), "widths": small.widths, "before": before.to_json(), "after": after.to_json()})
        return
    print(f"parameters {before.parameters:,} → {after.parameters:,}, {before.bytes:,} → {after.bytes:,} bytes")
    print(f"one forward {1000 * before.seconds:.1f} → {1000 * after.seconds:.1f} ms\nModel: {out}")
