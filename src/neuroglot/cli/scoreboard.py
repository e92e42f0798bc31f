"""`neuroglot scoreboard`: all selectors at one size, judged by what switching off their neurons does."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from neuroglot.cli.options import (
    CorpusOptions,
    DryRun,
    Json,
    ModelOptions,
    Overwrite,
    RecordingOptions,
    Several,
)
from neuroglot.cli.refusing import require_model

if TYPE_CHECKING:
    from neuroglot.reports import Report

SCOREBOARD_EXAMPLES = """Examples:

    neuroglot scoreboard lab --corpus lab --count 15 --out run
    neuroglot scoreboard ./my-model --corpus texts.tsv --top-share 0.01 --selectors entropy gradient random --out run
    neuroglot scoreboard ./seed0 ./seed1 ./seed2 --corpus texts.tsv --count 100 --out run"""


def scoreboard(
    *models: str,
    corpus: Annotated[tuple[str, ...], Several],
    out: Path,
    count: int | None = None,
    top_share: float | None = None,
    selectors: Annotated[tuple[str, ...] | None, Several] = None,
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
    """Rank all selectors: each picks as many neurons a language on half of the rows, which are switched off on others.

    Parameters
    ----------
    models:
        `lab`, folders in the hub's layout, or model ids of the hub; several are ranked together, such as three seeds.
    corpus:
        Parallel text, as for `analyze`; one corpus for all models, or one a model.
    out:
        Run folder for report.html, report.json and config.json; must not exist.
    count:
        Number of neurons a language.
    top_share:
        The same as a share of all neurons; 1 % by default.
    selectors:
        Names of `neuroglot select --list`; all that take a number of neurons by default.
    ablation_rows:
        How many of the rows that were not used for selection are scored.
    random_draws:
        Random sets, as large in every layer, for each language's set.
    seed:
        Seed of the split of rows and of the random sets.
    """
    from neuroglot.cli.running import print_price, write_run
    from neuroglot.experiments.scoreboard import RANKABLE, compare_selectors, corpus_a_model, held_out, over_models
    from neuroglot.neurons.rules.common import Size
    from neuroglot.recipes import prices as pricing
    from neuroglot.reports import Report
    from neuroglot.runs.price import together
    from neuroglot.storage import check_free

    check_free(out, overwrite)
    names, pairs = selectors or RANKABLE, corpus_a_model(models, corpus)
    for model in models:
        require_model(model, loading.revision)  # all of them, before the first is recorded
    if dry_run:
        parts = [held_out(texts.load(one), ablation_rows, seed) for _, one in pairs]
        prices = [
            pricing.price_scoreboard(*loading.load(model), *rows, names, random_draws, reading.recording)
            for (model, _), rows in zip(pairs, parts, strict=True)
        ]
        print_price(together(prices), json)
        return

    def work(folder: Path) -> "Report":
        boards = []
        for model, one in pairs:
            selection_rows, others = held_out(texts.load(one), ablation_rows, seed)
            view, tokenizer = loading.load(model)
            wanted = Size.of(view.layout.neuron_count, top_share, count).wanted
            boards.append(
                compare_selectors(
                    view, tokenizer, selection_rows, others, count=wanted, selectors=names,
                    recording=reading.recording, draws=random_draws, seed=seed,
                )
            )  # fmt: skip
        return Report([over_models(boards)], title="Selectors of language neurons")

    write_run(out, overwrite, json, {
        "command": "scoreboard", "models": models, "corpus": corpus, "count": count, "top_share": top_share,
        "selectors": selectors, "ablation_rows": ablation_rows, "random_draws": random_draws, "seed": seed,
        **texts.to_json(), **loading.to_json(), "recording": reading.recording.to_json(),
    }, work)  # fmt: skip
