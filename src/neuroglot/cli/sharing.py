"""`neuroglot sharing` and `neuroglot compare`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from neuroglot.cli.options import (
    NEURONS,
    DeviceOptions,
    DryRun,
    Json,
    LanguageOptions,
    Limit,
    ModelName,
    ModelOptions,
    Overwrite,
    Several,
    Site,
    Thresholds,
)
from neuroglot.cli.refusing import require_model, require_rows

SHARING_EXAMPLES = """Examples:

    neuroglot sharing lab --corpus lab --out run
    neuroglot sharing ./my-model --corpus mpararel/ --languages en de fr --on-missing drop --out run
    neuroglot sharing ./my-model --corpus mgsm/ xquad/ --limit 200 --new-tokens 16 --out run"""
COMPARE_EXAMPLES = """Examples:

    neuroglot compare ./base ./aligned --corpus mgsm/ --out run
    neuroglot compare ./base ./aligned --corpus texts.tsv --limit 500 --out run --json"""


def sharing(
    model: ModelName,
    /,
    *,
    corpus: Annotated[tuple[str, ...], Several],
    out: Path,
    new_tokens: int = 0,
    texts: LanguageOptions = LanguageOptions(),
    limit: Limit = None,
    loading: ModelOptions = ModelOptions(),
    site: Site = "post_act",
    thresholds: Thresholds = (
        0.0, 0.1, 0.2, 0.3, 0.4, 0.5,
    ),
    json: Json = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:  # fmt: skip
    """Sort neurons into all-shared, partial-shared, specific and non-activated, row by row (Sharing Matters).

    Parameters
    ----------
    corpus:
        A task (a folder of mParaRel, MGSM, XQuAD, XNLI or MzsRE, or a YAML that describes one) or parallel text;
        several are compared.
    out:
        Run folder for report.html, report.json and the counts; must not exist.
    new_tokens:
        Let the model go on from each prompt by so many tokens, and read those as well.
    thresholds:
        A neuron fires where its value is greater than this; the first is the main one.
    """
    from neuroglot.cli.running import print_price, print_report
    from neuroglot.recipes import prices as pricing
    from neuroglot.recipes.sharing_ import SharingConfig, prompts_of, study_sharing
    from neuroglot.storage import check_free

    require_rows(limit)
    config = SharingConfig(
        model=model, corpora=corpus, **texts.to_json(), limit=limit, **loading.to_json(), site=site,
        thresholds=thresholds, new_tokens=new_tokens,
    )  # fmt: skip
    if dry_run:
        check_free(out, overwrite)
        read = [prompts_of(source, config)[0] for source in corpus]
        print_price(pricing.price_sharing(*loading.load(model), read, site, thresholds, new_tokens), json)
        return
    print_report(study_sharing(config, out, overwrite=overwrite), out, json)


def compare(
    before: ModelName,
    after: str,
    /,
    *,
    corpus: str,
    out: Path,
    texts: LanguageOptions = LanguageOptions(),
    limit: Limit = None,
    loading: DeviceOptions = DeviceOptions(),
    site: Site = "post_act",
    threshold: Annotated[float, Parameter(group=NEURONS)] = 0.0,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Compare how two models share neurons between languages, for example before and after alignment.

    Parameters
    ----------
    after:
        The other model, built alike.
    corpus:
        A task or parallel text, as in `neuroglot sharing`.
    out:
        Run folder for report.html, report.json and the counts; must not exist.
    threshold:
        A neuron fires where its value is greater than this.
    """
    from neuroglot.cli.running import print_report
    from neuroglot.recipes.sharing_ import SharingConfig, compare_models

    require_rows(limit)
    for model in (before, after):
        require_model(model)  # both, before the first is read through the corpus
    config = SharingConfig(
        model=before, corpora=(corpus,), **texts.to_json(), limit=limit, **loading.to_json(), site=site,
        thresholds=(threshold,),
    )  # fmt: skip
    print_report(compare_models(config, after, out, overwrite=overwrite), out, json)
