"""`neuroglot record`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from neuroglot.cli.options import (
    NEURONS,
    CorpusName,
    CorpusOptions,
    DryRun,
    Flag,
    Json,
    ModelName,
    ModelOptions,
    Site,
    SpecialTokens,
    Thresholds,
    Tokens,
)

RECORD_EXAMPLES = """Examples:

    neuroglot record lab --corpus my-texts/ --out run
    neuroglot record ./my-model --corpus texts.tsv --site write --statistics moments maximum --out run
    neuroglot record ./my-model --corpus texts.tsv --out run --dry-run
    neuroglot record ./my-model --corpus texts.tsv --out run --resume
    torchrun --nproc-per-node 2 -m neuroglot record ./my-model --corpus texts.tsv --out run"""


def record(
    model: ModelName,
    /,
    *,
    corpus: CorpusName,
    out: Path,
    token_budget: int | None = None,
    save_seconds: float = 30.0,
    wait_minutes: float = 30.0,
    resume: Annotated[bool, Flag] = False,
    texts: CorpusOptions = CorpusOptions(),
    loading: ModelOptions = ModelOptions(),
    site: Site = "post_act",
    tokens: Tokens = "all",
    fires: Thresholds = (0.0,),
    special_tokens: SpecialTokens = False,
    statistics: Annotated[
        tuple[Literal["moments", "magnitude", "maximum", "zeros", "histogram"], ...],
        Parameter(group=NEURONS, consume_multiple=True, negative="", show_default=False),
    ] = (),
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Count how often each neuron fires in each language; killed at any moment, it goes on with --resume.

    Started by a launcher such as torchrun, the processes share the rows of the corpus.

    Parameters
    ----------
    out:
        Run folder for activity.safetensors; must not exist, unless --resume.
    token_budget:
        Padded tokens a batch; by the device's memory if not given. Batches that do not fit are halved.
    save_seconds:
        How often the counts are saved.
    wait_minutes:
        How long a process waits for the others before the job ends.
    resume:
        Go on with the job in the run folder.
    fires:
        A neuron fires where its value is greater than this; several in one pass.
    statistics:
        What else is kept of the same values: mean and variance (`moments`), mean absolute value (`magnitude`),
        `maximum`, how often a value is exactly 0 (`zeros`), and a `histogram` of every 32nd token.
    """
    from neuroglot.activity.record import record_into
    from neuroglot.activity.recording import Recording
    from neuroglot.cli.running import print_json, print_price
    from neuroglot.distribution import rank, sharing_the_job
    from neuroglot.recipes import prices as pricing
    from neuroglot.storage import check_free

    recording = Recording(site, tokens, fires, special_tokens, statistics)
    parallel = texts.load(corpus)
    if dry_run:
        if not resume:
            check_free(out)
        print_price(pricing.price_recording(*loading.load(model), parallel, recording), json)
        return
    with sharing_the_job(wait_minutes):
        view, tokenizer = loading.load(model)
        try:
            activity = record_into(
                out, view, tokenizer, parallel, recording, resume=resume, token_budget=token_budget,
                save_seconds=save_seconds,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"go on with --resume --out {out}.") from None
    if rank() != 0:
        return
    read, file = int(activity.tokens.sum()), out / "activity.safetensors"
    if json:
        by_language = dict(zip(activity.languages, activity.tokens.tolist(), strict=True))
        print_json({
            "out": str(out), "file": str(file), "tokens": by_language, "layout": view.layout.to_json(),
            "signature": activity.signature.to_json(),
        })  # fmt: skip
        return
    print(f"{read:,} tokens in {len(activity.languages)} languages, {view.layout}: {file}")
