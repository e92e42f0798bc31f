"""`neuroglot select`: language neurons of a model by any selector."""

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from neuroglot.cli.options import CorpusOptions, ModelOptions, RecordingOptions

if TYPE_CHECKING:
    from neuroglot.neurons.neuronset import NeuronSet

SELECT_EXAMPLES = """Examples:

    neuroglot select --list
    neuroglot select lab --corpus lab --selector entropy --top-share 0.05 --out run
    neuroglot select ./my-model --corpus texts.tsv --selector mean-difference --count 1000 --equal --out run"""


def select(
    model: str | None = None,
    /,
    *,
    corpus: str | None = None,
    out: Path | None = None,
    selector: str | None = None,
    listing: Annotated[bool, Parameter(name="--list", negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
    top_share: float | None = None,
    count: int | None = None,
    equal: Annotated[bool, Parameter(negative="")] = False,
    filter_quantile: float | None = None,
    owner_quantile: float | None = None,
    penalty: float | None = None,
    percentile: float | None = None,
    quantile: float | None = None,
    coverage: float | None = None,
    within: Literal["model", "stack", "layer"] | None = None,
    direction: Literal["higher", "either"] | None = None,
    ends: Literal["both", "top", "bottom"] | None = None,
    depth: int | None = None,
    contrast: Literal["sets", "margin", "none"] | None = None,
    than: Literal["all", "any"] | None = None,
    seed: int | None = None,
    texts: CorpusOptions = CorpusOptions(),
    loading: ModelOptions = ModelOptions(),
    reading: RecordingOptions = RecordingOptions(),
    overwrite: Annotated[bool, Parameter(negative="")] = False,
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
    json:
        Print JSON.
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
    overwrite:
        Replace the run folder of an earlier run.
    """
    from neuroglot.evidence import gather
    from neuroglot.neurons.selecting_common import Size
    from neuroglot.neurons.selectors import selector_named
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
    sets = rule.sets(gather(view, tokenizer, parallel, (rule.needs,), reading.recording), **options)
    _write(out, overwrite, sets, {
        "command": "select", "model": model, "corpus": corpus, "selector": selector, "options": options,
        **texts.to_json(), "languages": list(sets), **loading.to_json(), "recording": reading.recording.to_json(),
    })  # fmt: skip
    _print(sets, out, json)


def _list(json: bool) -> None:
    from neuroglot.neurons.selectors import describe_selectors

    rows = describe_selectors()
    if json:
        print(json_format.dumps({"selectors": rows}, indent=1, ensure_ascii=False))
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
    from neuroglot.storage import whole_folder, write_whole

    with whole_folder(out, overwrite) as folder:
        for language, neurons in sets.items():
            neurons.save(folder / f"{language}.safetensors")
        write_whole(folder / "config.json", json_format.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _print(sets: "dict[str, NeuronSet]", out: Path, json: bool) -> None:
    sizes = {language: len(neurons) for language, neurons in sets.items()}
    if json:
        print(json_format.dumps({"out": str(out), "neurons": sizes}, indent=1, ensure_ascii=False))
        return
    for language, size in sizes.items():
        print(f"{language:8}{size:>9,} neurons: {out / f'{language}.safetensors'}")
