"""`neuroglot deactivate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from neuroglot.cli.options import DryRun, Flag, Json, ModelName, ModelOptions, Overwrite, TaskName, TaskOptions

if TYPE_CHECKING:
    from neuroglot.reports import Report

DEACTIVATE_EXAMPLES = """Examples:

    neuroglot deactivate lab --corpus lab --task currency --out run
    neuroglot deactivate ./my-model --corpus xnli/ --languages de sw zh --limit 500 --out run
    neuroglot deactivate ./my-model --corpus my_task.yaml --value mean --equal-size --out run"""


def deactivate(
    model: ModelName,
    /,
    *,
    corpus: TaskName,
    out: Path,
    level: Literal["row", "corpus"] = "row",
    corpus_share: float = 0.5,
    scope: Literal["all", "last", "prompt", "answer"] = "all",
    value: Literal["zero", "mean", "mean of other languages"] = "zero",
    draws: int = 5,
    equal_size: Annotated[bool, Flag] = False,
    by_generation: Annotated[bool, Flag] = False,
    seed: int = 0,
    texts: TaskOptions = TaskOptions(),
    loading: ModelOptions = ModelOptions(),
    json: Json = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Switch off all-shared, partial-shared, specific and non-activated neurons, and see which answers change.

    Each type stands beside random sets with as many neurons in every layer. The types depend on how many languages
    there are.

    Parameters
    ----------
    out:
        Run folder for report.html, report.json, deactivation.safetensors and config.json; must not exist.
    level:
        The types of each `row`, or one set a type for the whole `corpus`.
    corpus_share:
        At the level `corpus`, the share of rows on which a neuron must be of a type.
    scope:
        Tokens at which neurons are off: `all`, the `last` one of the prompt, the `prompt`, or the `answer`.
    value:
        What the coefficients become: `zero`, their `mean` over the prompts, or the `mean of other languages`.
    draws:
        Random sets a type.
    equal_size:
        First cut each type, in every layer, to the size of the smallest that is not empty there.
    by_generation:
        Generate too, and see whether the text begins with the answer; needs the level `corpus` and the scope `all`.
    seed:
        Seed of the random sets.
    """
    from neuroglot.cli.running import print_price, write_run
    from neuroglot.experiments.deactivation import deactivate as run
    from neuroglot.recipes import prices as pricing
    from neuroglot.reports import Report
    from neuroglot.storage import check_free

    options: dict[str, Any] = {
        "level": level, "corpus_share": corpus_share, "scope": scope, "value": value, "draws": draws,
        "equal_size": equal_size, "by_generation": by_generation, "seed": seed,
    }  # fmt: skip
    check_free(out, overwrite)
    questions = texts.load(corpus)
    view, tokenizer = loading.load(model)
    if dry_run:
        print_price(pricing.price_deactivation(view, tokenizer, questions, **options), json)
        return

    def work(folder: Path) -> "Report":
        result = run(view, tokenizer, questions, **options)
        result.save(folder / "deactivation.safetensors")
        return Report([result], title=f"Types of neurons switched off in {result.signature['model']}")

    write_run(out, overwrite, json, {
        "command": "deactivate", "model": model, "corpus": corpus, **texts.to_json(), **options, **loading.to_json(),
    }, work)  # fmt: skip
