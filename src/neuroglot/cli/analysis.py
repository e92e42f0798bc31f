"""`neuroglot demo` and `neuroglot analyze`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from neuroglot.analysis import AnalysisConfig

DEMO_ROWS = 24  # enough for clear intervals, few enough for a minute on two cores

ANALYZE_EXAMPLES = """Examples:

    neuroglot analyze lab --corpus my-texts/ --out run
    neuroglot analyze ./my-model --corpus texts.tsv --languages de sw zh --out run
    neuroglot analyze bigscience/bloom-560m --corpus mgsm/ --out run"""


def demo(*, out: Path = Path("neuroglot-demo")) -> None:
    """Analyse the lab model, which is shipped, on its held-out text: the whole job in under a minute, offline.

    It records activity in ten languages, selects language-specific neurons, sorts all neurons into categories, switches
    each language's neurons off beside random controls of equal size, and writes the report.

    Parameters
    ----------
    out:
        Run folder for report.html, report.json and the artefacts; that of an earlier run is replaced.
    """
    from neuroglot.analysis import AnalysisConfig

    _analyze_and_print(AnalysisConfig(ablation_rows=DEMO_ROWS), out, overwrite=True)


def analyze(
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
    fires: float = 0.0,
    special_tokens: Annotated[bool, Parameter(negative="")] = False,
    top_share: float = 0.05,
    filter_quantile: float = 0.95,
    owner_quantile: float = 0.95,
    ablation_rows: int = 50,
    random_draws: int = 5,
    seed: int = 0,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Find the language neurons of a model with a parallel corpus, and switch them off.

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub.
    corpus:
        A folder of line-aligned `xx.txt` files, a TSV, CSV, JSONL or Parquet file with a column a language, a folder in
        the layout of MGSM, MSVAMP or XQuAD, or a data set id of the hub.
    out:
        Run folder for report.html, report.json and the artefacts; must not exist.
    languages:
        Languages to compare, by code; all of the corpus by default.
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
    fires:
        A neuron fires where its value is greater than this.
    special_tokens:
        Count tokens that the tokenizer adds, such as `<s>`.
    top_share:
        Share of all neurons to select as language-specific, those of lowest entropy.
    filter_quantile:
        Quantile of all firing rates that a neuron must pass in some language to be selected.
    owner_quantile:
        Quantile of all firing rates that a neuron must pass in a language to belong to it.
    ablation_rows:
        How many of the rows that were not used for selection are scored with neurons switched off.
    random_draws:
        Random sets of equal size for each language's set.
    seed:
        Seed of the split of rows and of the random sets.
    overwrite:
        Replace the run folder of an earlier run.
    """
    from neuroglot.activity.recording import Recording
    from neuroglot.analysis import AnalysisConfig

    config = AnalysisConfig(
        model=model,
        corpus=corpus,
        languages=languages,
        on_missing=on_missing,
        column=column,
        revision=revision,
        device=device,
        dtype=dtype,
        recording=Recording(site=site, fires=(fires,), special_tokens=special_tokens),
        top_share=top_share,
        filter_quantile=filter_quantile,
        owner_quantile=owner_quantile,
        ablation_rows=ablation_rows,
        random_draws=random_draws,
        seed=seed,
    )
    _analyze_and_print(config, out, overwrite)


def _analyze_and_print(config: "AnalysisConfig", out: Path, overwrite: bool) -> None:
    from neuroglot.analysis import analyze

    analyze(config, out, overwrite=overwrite).print()
    print(f"\nReport: {out / 'report.html'}")
