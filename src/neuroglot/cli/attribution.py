"""`neuroglot attribute`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from neuroglot.cli.options import (
    NEURONS,
    DryRun,
    Flag,
    Json,
    ModelName,
    ModelOptions,
    Overwrite,
    Site,
    TaskName,
    TaskOptions,
)

if TYPE_CHECKING:
    from neuroglot.reports import Report

ATTRIBUTE_EXAMPLES = """Examples:

    neuroglot attribute lab --corpus lab --task currency --out run
    neuroglot attribute bigscience/bloomz-560m --corpus xnli.test.tsv --languages en de ru --limit 1000 --out run
    neuroglot attribute ./my-model --corpus my_task.yaml --contrastive --frozen-norm --out run"""


def attribute(
    model: ModelName,
    /,
    *,
    corpus: TaskName,
    out: Path,
    top_share: float = 0.0488,
    frozen_norm: Annotated[bool, Flag] = False,
    contrastive: Annotated[bool, Flag] = False,
    texts: TaskOptions = TaskOptions(),
    loading: ModelOptions = ModelOptions(),
    site: Site = "post_act",
    fires: Annotated[float, Parameter(group=NEURONS)] = 0.0,
    json: Json = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Score what the neurons of each type (all-shared, partial-shared, specific, none) contribute to right answers.

    Parameters
    ----------
    out:
        Run folder for report.html, report.json, attribution.safetensors and config.json; must not exist.
    top_share:
        Share of a layer's neurons, those of highest contribution, that is told apart by type.
    frozen_norm:
        Score the effect through the final norm, at the scale that it has at that position.
    contrastive:
        Score the right option's first token against the mean of the wrong options'.
    fires:
        A neuron, whose type this tells, fires where its value is greater.
    """
    from neuroglot.activity.recording import Recording
    from neuroglot.attribution.recording import attribute
    from neuroglot.cli.running import print_price, write_run
    from neuroglot.recipes import prices as pricing
    from neuroglot.reports import Report
    from neuroglot.storage import check_free

    check_free(out, overwrite)
    questions = texts.load(corpus)
    view, tokenizer = loading.load(model)
    options: dict[str, Any] = {
        "recording": Recording(site=site, tokens="last", fires=(fires,), special_tokens=True),
        "top_share": top_share, "frozen_norm": frozen_norm, "contrastive": contrastive,
    }  # fmt: skip
    if dry_run:
        print_price(pricing.price_attribution(view, tokenizer, questions, **options), json)
        return

    def work(folder: Path) -> "Report":
        found = attribute(view, tokenizer, questions, **options)
        found.save(folder / "attribution.safetensors")
        return Report([found], title=f"Attribution on {found.data} of {found.signature['model']}")

    write_run(out, overwrite, json, {
        "command": "attribute", "model": model, "corpus": corpus, **texts.to_json(), **loading.to_json(), "site": site,
        "fires": fires, "top_share": top_share, "frozen_norm": frozen_norm, "contrastive": contrastive,
    }, work)  # fmt: skip
