"""`neuroglot ablate`: switch off neurons that were selected before."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from neuroglot.cli.options import (
    TEXTS,
    CorpusOptions,
    DryRun,
    Json,
    Limit,
    ModelName,
    ModelOptions,
    Overwrite,
)
from neuroglot.cli.refusing import require_rows
from neuroglot.cli.tasks import read_task

if TYPE_CHECKING:
    from neuroglot.corpora import Corpus, Task
    from neuroglot.metrics import Metric
    from neuroglot.neurons import NeuronSet
    from neuroglot.reports import Report

ABLATE_EXAMPLES = """Examples:

    neuroglot ablate lab --corpus lab --neurons selected --out run
    neuroglot ablate lab --corpus lab --task iso_date --neurons selected --out run
    neuroglot ablate ./my-model --corpus held-out.tsv --neurons selected --limit 100 --out run"""


def ablate(
    model: ModelName,
    /,
    *,
    corpus: str,
    neurons: Path,
    out: Path,
    random_draws: int = 5,
    seed: int = 0,
    task: Annotated[str | None, Parameter(group=TEXTS)] = None,
    texts: CorpusOptions = CorpusOptions(),
    limit: Limit = None,
    loading: ModelOptions = ModelOptions(),
    json: Json = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Switch off each language's neurons and score every language, beside random neurons: the ablation matrix.

    Parameters
    ----------
    corpus:
        Parallel text, whose loss is scored; or a task, whose answers are. Rows should be others than those that the
        neurons were selected on.
    neurons:
        Folder with a neuron set a language, `xx.safetensors`, as `neuroglot select` writes it.
    out:
        Run folder for report.html, report.json and config.json; must not exist.
    task:
        Score this task of the lab's instead of its text.
    random_draws:
        Random sets, as large in every layer, for each language's set.
    seed:
        Seed of the random sets.
    """
    from neuroglot.cli.running import print_price, write_run
    from neuroglot.experiments.evaluation import ablation_matrix
    from neuroglot.recipes import prices as pricing
    from neuroglot.reports import Report
    from neuroglot.storage import check_free

    check_free(out, overwrite)
    sets = _sets(neurons, texts.languages)
    data, metric = _scored(corpus, task, tuple(sets), limit, texts)
    view, tokenizer = loading.load(model)
    if dry_run:
        print_price(pricing.price_ablation(view, tokenizer, data, random_draws), json)
        return

    def work(folder: Path) -> "Report":
        matrix = ablation_matrix(view, tokenizer, data, sets, metric, draws=random_draws, seed=seed)
        title = f"Neurons switched off in {matrix.signature['model']}"
        return Report([matrix, sets], title=title)

    write_run(out, overwrite, json, {
        "command": "ablate", "model": model, "corpus": corpus, "task": task, "neurons": str(neurons), "limit": limit,
        "random_draws": random_draws, "seed": seed, **texts.to_json(), **loading.to_json(),
    }, work)  # fmt: skip


def _scored(
    corpus: str, task: str | None, languages: tuple[str, ...], limit: int | None, texts: CorpusOptions
) -> "tuple[Corpus | Task, Metric]":
    """What is scored, and by which metric: answers of a task, or the loss of text."""
    from neuroglot.corpora.tasks import is_task
    from neuroglot.metrics import ExactAnswer, NatsPerToken

    require_rows(limit)
    if task is not None or is_task(corpus):
        return read_task(corpus, task, languages, texts.on_missing, limit), ExactAnswer()
    whole = CorpusOptions(languages, texts.on_missing, texts.column).load(corpus)
    return whole if limit is None else whole.take(range(min(limit, len(whole)))), NatsPerToken()


def _sets(folder: Path, languages: tuple[str, ...] | None) -> "dict[str, NeuronSet]":
    """One set a language, of those that were asked for; raises `ConfigError` where the folder lacks one."""
    from neuroglot.errors import ConfigError
    from neuroglot.neurons import NeuronSet

    found = {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
    wanted = tuple(found) if languages is None else languages
    missing = [language for language in wanted if language not in found]
    if missing or not wanted:
        raise ConfigError(
            f"{folder} holds no neuron set of {', '.join(missing) or 'any language'}.",
            "Expected xx.safetensors for each language, as `neuroglot select` writes them.",
        )
    return {language: NeuronSet.load(found[language]) for language in wanted}
