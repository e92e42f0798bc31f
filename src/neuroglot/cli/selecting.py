"""`neuroglot select`: language neurons of a model by any selector."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from neuroglot.cli.options import (
    CorpusOptions,
    DryRun,
    Json,
    ModelOptions,
    Overwrite,
    RecordingOptions,
)

if TYPE_CHECKING:
    from neuroglot.neurons.neuronset import NeuronSet

RULE = Group("Selector", sort_key=9)  # what each takes stands in brackets
Rule = Parameter(group=RULE)

SELECT_EXAMPLES = """Examples:

    neuroglot select --list
    neuroglot select lab --corpus lab --selector entropy --top-share 0.05 --out run
    neuroglot select ./my-model --corpus texts.tsv --selector mean-difference --count 1000 --equal --out run"""


def select(
    model: Annotated[str | None, Parameter(show_default=False)] = None,
    /,
    *,
    corpus: str | None = None,
    out: Path | None = None,
    selector: str | None = None,
    listing: Annotated[bool, Parameter(name="--list", negative="", show_default=False)] = False,
    top_share: Annotated[float | None, Rule] = None,
    count: Annotated[int | None, Rule] = None,
    equal: Annotated[bool, Parameter(group=RULE, negative="", show_default=False)] = False,
    filter_quantile: Annotated[float | None, Rule] = None,
    owner_quantile: Annotated[float | None, Rule] = None,
    penalty: Annotated[float | None, Rule] = None,
    percentile: Annotated[float | None, Rule] = None,
    quantile: Annotated[float | None, Rule] = None,
    coverage: Annotated[float | None, Rule] = None,
    within: Annotated[Literal["model", "stack", "layer"] | None, Rule] = None,
    direction: Annotated[Literal["higher", "either"] | None, Rule] = None,
    ends: Annotated[Literal["both", "top", "bottom"] | None, Rule] = None,
    depth: Annotated[int | None, Rule] = None,
    contrast: Annotated[Literal["sets", "margin", "none"] | None, Rule] = None,
    than: Annotated[Literal["all", "any"] | None, Rule] = None,
    seed: Annotated[int | None, Rule] = None,
    texts: CorpusOptions = CorpusOptions(),
    loading: ModelOptions = ModelOptions(),
    reading: RecordingOptions = RecordingOptions(),
    json: Json = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Select each language's neurons: record what the selector needs, and write one set a language.

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub.
    corpus:
        A folder of line-aligned `xx.txt` files, a TSV, CSV, JSONL or Parquet file with a column a language, a folder in
        the layout of MGSM, MSVAMP or XQuAD, or a data set id of the hub.
    out:
        Run folder for one safetensors file a language and config.json; must not exist.
    selector:
        The rule; `--list` names all.
    listing:
        List the selectors, what they need and where they are from, and stop.
    top_share:
        Share of all neurons to select; 1 %, or what the selector's source has, by default.
    count:
        Number of neurons to select, instead of a share.
    equal:
        Give every language as many, or refuse.
    filter_quantile:
        Quantile of all firing rates that a neuron must pass in some language (entropy).
    owner_quantile:
        Quantile of all firing rates that a neuron must pass in a language to belong to it (entropy, penalised-entropy).
    penalty:
        Weight of the highest rate, found by bisection if not given (penalised-entropy); or of squared weights (probe).
    percentile:
        Percentile of activations that counts as passed, as a share (percentile).
    quantile:
        Quantile of all overlaps up to which a neuron is selected (overlap).
    coverage:
        Share of all firing that the neurons make up (coverage).
    within:
        Where percentiles or coverage are taken: the model, a stack or a layer (percentile, coverage).
    direction:
        Means `higher` than elsewhere, or `either` way (mean-difference).
    ends:
        Texts told apart best (`top`), worst (`bottom`) or `both` (average-precision).
    depth:
        Most important neurons of each layer and text (consistency, exclusive).
    contrast:
        Highest scores of one language only (`sets`), by the `margin` over all others, or `none` (gradient).
    than:
        Less what `all` languages share, or what `any` other has (exclusive).
    seed:
        Seed of the draw (random).
    """
    from neuroglot.cli.running import print_price
    from neuroglot.experiments.scoreboard import gather
    from neuroglot.neurons.rules.common import Size
    from neuroglot.neurons.rules.table import selector_named
    from neuroglot.recipes import prices as pricing
    from neuroglot.storage import check_free

    if listing:
        _list(json)
        return
    model, corpus, selector, out = _given(model=model, corpus=corpus, selector=selector, out=out)
    rule, chosen = selector_named(selector), {
        "top_share": top_share, "count": count, "equal": equal or None, "filter_quantile": filter_quantile,
        "owner_quantile": owner_quantile, "penalty": penalty, "percentile": percentile, "quantile": quantile,
        "coverage": coverage, "within": within, "direction": direction, "ends": ends, "depth": depth,
        "contrast": contrast, "than": than, "seed": seed,
    }  # fmt: skip
    options = rule.with_options(chosen)
    check_free(out, overwrite)
    parallel = texts.load(corpus)
    view, tokenizer = loading.load(model)
    Size.of(view.layout.neuron_count, top_share, count)  # refuses before anything is recorded
    if dry_run:
        print_price(pricing.price_selection(view, tokenizer, parallel, (rule.needs,), reading.recording), json)
        return
    sets = rule.sets(gather(view, tokenizer, parallel, (rule.needs,), reading.recording), **options)
    _write(out, overwrite, sets, {
        "command": "select", "model": model, "corpus": corpus, "selector": selector, "options": options,
        **texts.to_json(), "languages": list(sets), **loading.to_json(), "recording": reading.recording.to_json(),
    })  # fmt: skip
    _print(sets, out, json)


def _list(json: bool) -> None:
    from neuroglot.cli.running import print_json
    from neuroglot.neurons.rules.table import describe_selectors

    rows = describe_selectors()
    if json:
        print_json({"selectors": rows})
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*map(escape, row.values()))  # brackets are no markup
    Console().print(table)


def _given(model: str | None, corpus: str | None, selector: str | None, out: Path | None) -> tuple[str, str, str, Path]:
    from neuroglot.errors import ConfigError

    if model is None or corpus is None or selector is None or out is None:
        given = {"MODEL": model, "--corpus": corpus, "--selector": selector, "--out": out}
        missing = [name for name, value in given.items() if value is None]
        raise ConfigError(f"{', '.join(missing)} was not given.", "Expected all four, or --list.")
    return model, corpus, selector, out


def _write(out: Path, overwrite: bool, sets: "dict[str, NeuronSet]", config: dict[str, Any]) -> None:
    from neuroglot.cli.running import write_config
    from neuroglot.storage import whole_folder

    with whole_folder(out, overwrite) as folder:
        for language, neurons in sets.items():
            neurons.save(folder / f"{language}.safetensors")
        write_config(folder, config)


def _print(sets: "dict[str, NeuronSet]", out: Path, json: bool) -> None:
    from neuroglot.cli.running import print_json

    sizes = {language: len(neurons) for language, neurons in sets.items()}
    if json:
        print_json({"out": str(out), "neurons": sizes})
        return
    for language, size in sizes.items():
        print(f"{language:8}{size:>9,} neurons: {out / f'{language}.safetensors'}")
