"""`neuroglot demo` and `neuroglot analyze`."""

from pathlib import Path

from neuroglot.cli.options import (
    CorpusName,
    CorpusOptions,
    DryRun,
    Json,
    ModelName,
    ModelOptions,
    Overwrite,
    RecordingOptions,
)

DEMO_ROWS = 24  # enough for clear intervals, few enough for a minute on two cores

DEMO_EXAMPLES = """Examples:

    neuroglot demo
    neuroglot demo --out my-first-report"""

ANALYZE_EXAMPLES = """Examples:

    neuroglot analyze lab --corpus my-texts/ --out run
    neuroglot analyze ./my-model --corpus texts.tsv --languages de sw zh --out run
    neuroglot analyze bigscience/bloom-560m --corpus mgsm/ --out run --dry-run"""


def demo(*, out: Path = Path("neuroglot-demo"), json: Json = False) -> None:
    """Analyse the lab model, which is shipped, on its held-out text: the whole job in under a minute, offline.

    It records activity in ten languages, selects language-specific neurons, sorts all neurons into categories, switches
    each language's neurons off beside random controls of equal size, and writes the report.

    Parameters
    ----------
    out:
        Run folder for report.html, report.json and the artefacts; that of an earlier run is replaced.
    """
    from neuroglot.cli.running import print_report
    from neuroglot.recipes.analysis import AnalysisConfig
    from neuroglot.recipes.analysis import analyze as run

    print_report(run(AnalysisConfig(ablation_rows=DEMO_ROWS), out, overwrite=True), out, json)


def analyze(
    model: ModelName,
    /,
    *,
    corpus: CorpusName,
    out: Path,
    top_share: float = 0.05,
    filter_quantile: float = 0.95,
    owner_quantile: float = 0.95,
    ablation_rows: int = 50,
    random_draws: int = 5,
    seed: int = 0,
    texts: CorpusOptions = CorpusOptions(),
    loading: ModelOptions = ModelOptions(),
    reading: RecordingOptions = RecordingOptions(),
    json: Json = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Find the language neurons of a model with a parallel corpus, and switch them off.

    Parameters
    ----------
    out:
        Run folder for report.html, report.json and the artefacts; must not exist.
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
    """
    from neuroglot import lab
    from neuroglot.cli.running import print_price, print_report
    from neuroglot.experiments.scoreboard import held_out
    from neuroglot.recipes import prices as pricing
    from neuroglot.recipes.analysis import AnalysisConfig
    from neuroglot.recipes.analysis import analyze as run
    from neuroglot.storage import check_free

    config = AnalysisConfig(
        model=model, corpus=corpus, **texts.to_json(), **loading.to_json(), recording=reading.recording,
        top_share=top_share, filter_quantile=filter_quantile, owner_quantile=owner_quantile,
        ablation_rows=ablation_rows, random_draws=random_draws, seed=seed,
    )  # fmt: skip
    if dry_run:
        check_free(out, overwrite)
        parts = held_out(texts.load(corpus), ablation_rows, seed)
        tasks = [task.select(parts[0].languages) for task in lab.tasks()] if corpus == "lab" else []
        ablated = tasks[0].take(range(config.task_rows)) if tasks else None  # which one is known after the first scores
        view, tokenizer = loading.load(model)
        found = pricing.price_analysis(view, tokenizer, *parts, config.recording, random_draws, tasks, ablated)
        print_price(found, json)
        return
    print_report(run(config, out, overwrite=overwrite), out, json)
