"""`neuroglot record`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

RECORD_EXAMPLES = """Examples:

    neuroglot record lab --corpus my-texts/ --out run
    neuroglot record ./my-model --corpus texts.tsv --site write --statistics moments maximum --out run
    neuroglot record ./my-model --corpus texts.tsv --out run --resume
    torchrun --nproc-per-node 2 -m neuroglot record ./my-model --corpus texts.tsv --out run"""


def record(
    model: str,
    /,
    *,
    corpus: str,
    out: Path,
    languages: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
    on_missing: Literal["refuse", "drop"] = "refuse",
    column: str | None = None,
    revision: str | None = None,
    device: str | None = None,
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    site: Literal["post_act", "write"] = "post_act",
    tokens: Literal["all", "last"] = "all",
    fires: Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative="")] = (0.0,),
    special_tokens: Annotated[bool, Parameter(negative="")] = False,
    statistics: Annotated[
        tuple[Literal["moments", "magnitude", "maximum", "histogram"], ...],
        Parameter(consume_multiple=True, negative=""),
    ] = (),
    token_budget: int | None = None,
    save_seconds: float = 30.0,
    wait_minutes: float = 30.0,
    resume: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Count how often each neuron fires in each language; killed at any moment, it goes on with --resume.

    Started by a launcher such as torchrun, the processes share the rows of the corpus.

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub.
    corpus:
        A folder of line-aligned `xx.txt` files, a TSV, CSV, JSONL or Parquet file with a column a language, a folder in
        the layout of MGSM, MSVAMP or XQuAD, or a data set id of the hub.
    out:
        Run folder for activity.safetensors; must not exist, unless --resume.
    languages:
        Languages to read, by code; all of the corpus by default.
    on_missing:
        What to do where a language lacks a text: `refuse` the corpus, or `drop` the whole row.
    column:
        The column that holds the text, where a corpus has several.
    revision:
        Branch, tag or commit of a hub model.
    device:
        For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default.
    dtype:
        Precision of the model; the checkpoint's own by default.
    site:
        Where a neuron is read: `post_act`, output of the nonlinearity, or `write`, input of the down projection.
    tokens:
        Count `all` tokens, or the `last` one of each text.
    fires:
        A neuron fires where its value is greater than this; several in one pass.
    special_tokens:
        Count tokens that the tokenizer adds, such as `<s>`.
    statistics:
        What else is kept of the same values: mean and variance (`moments`), mean absolute value (`magnitude`),
        `maximum`, and a `histogram` of every 32nd token.
    token_budget:
        Padded tokens a batch; by the device's memory if not given. Batches that do not fit are halved.
    save_seconds:
        How often the counts are saved.
    wait_minutes:
        How long a process waits for the others before the job ends.
    resume:
        Go on with the job in the run folder.
    """
    from neuroglot import corpora, models
    from neuroglot.activity.recorded import record_into
    from neuroglot.activity.recording import Recording
    from neuroglot.distribution import rank, sharing_the_job

    recording = Recording(site, tokens, fires, special_tokens, statistics)
    texts = corpora.load(corpus, languages=languages, on_missing=on_missing, column=column)
    with sharing_the_job(wait_minutes):
        view, tokenizer = models.load(model, revision=revision, device=device, dtype=dtype)
        try:
            activity = record_into(
                out,
                view,
                tokenizer,
                texts,
                recording,
                resume=resume,
                token_budget=token_budget,
                save_seconds=save_seconds,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"go on with --resume --out {out}.") from None
        if rank() == 0:
            read, languages_read = int(activity.tokens.sum()), len(activity.languages)
            print(f"{read:,} tokens in {languages_read} languages, {view.layout}: {out / 'activity.safetensors'}")
