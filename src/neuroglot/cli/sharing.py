"""`neuroglot sharing` and `neuroglot compare`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

SHARING_EXAMPLES = """Examples:

    neuroglot sharing lab --corpus lab --out run
    neuroglot sharing ./my-model --corpus mpararel/ --languages en de fr --on-missing drop --out run
    neuroglot sharing ./my-model --corpus mgsm/ xquad/ --limit 200 --new-tokens 16 --out run"""
COMPARE_EXAMPLES = """Examples:

    neuroglot compare ./base ./aligned --corpus mgsm/ --out run"""

Languages = Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, negative="")]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


def sharing(
    model: str,
    /,
    *,
    corpus: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")],
    out: Path,
    languages: Languages = None,
    on_missing: Literal["refuse", "drop"] = "refuse",
    limit: int | None = None,
    revision: str | None = None,
    device: str | None = None,
    dtype: Precision = "auto",
    site: Literal["post_act", "write"] = "post_act",
    thresholds: Annotated[tuple[float, ...], Parameter(consume_multiple=True, negative="")] = (
        0.0, 0.1, 0.2, 0.3, 0.4, 0.5,
    ),
    new_tokens: int = 0,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:  # fmt: skip
    """Sort neurons into all-shared, partial-shared, specific and non-activated, row by row (Sharing Matters).

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub.
    corpus:
        A task (a folder of mParaRel, MGSM, XQuAD, XNLI or MzsRE, or a YAML that describes one) or parallel text;
        several are compared.
    out:
        Run folder for report.html, report.json and the counts; must not exist.
    languages:
        Languages to read, by code; all of the corpus by default.
    on_missing:
        What to do where a language lacks a text: `refuse` the corpus, or `drop` the whole row.
    limit:
        Read no more than so many rows.
    revision:
        Branch, tag or commit of a hub model.
    device:
        For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default.
    dtype:
        Precision of the model; the checkpoint's own by default.
    site:
        Where a neuron is read: `post_act`, output of the nonlinearity, or `write`, input of the down projection.
    thresholds:
        A neuron fires where its value is greater than this; the first is the main one.
    new_tokens:
        Let the model go on from each prompt by so many tokens, and read those as well.
    overwrite:
        Replace the run folder of an earlier run.
    """
    from neuroglot.sharing import SharingConfig, study_sharing

    config = SharingConfig(
        model=model,
        corpora=corpus,
        languages=languages,
        on_missing=on_missing,
        limit=limit,
        revision=revision,
        device=device,
        dtype=dtype,
        site=site,
        thresholds=thresholds,
        new_tokens=new_tokens,
    )
    study_sharing(config, out, overwrite=overwrite).print()
    print(f"\nReport: {out / 'report.html'}")


def compare(
    before: str,
    after: str,
    /,
    *,
    corpus: str,
    out: Path,
    languages: Languages = None,
    on_missing: Literal["refuse", "drop"] = "refuse",
    limit: int | None = None,
    device: str | None = None,
    dtype: Precision = "auto",
    site: Literal["post_act", "write"] = "post_act",
    threshold: float = 0.0,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Compare how two models share neurons between languages, for example before and after alignment.

    Parameters
    ----------
    before:
        `lab`, a folder in the hub's layout, or a model id of the hub.
    after:
        The other model, built alike.
    corpus:
        A task or parallel text, as in `neuroglot sharing`.
    out:
        Run folder for report.html, report.json and the counts; must not exist.
    languages:
        Languages to read, by code; all of the corpus by default.
    on_missing:
        What to do where a language lacks a text: `refuse` the corpus, or `drop` the whole row.
    limit:
        Read no more than so many rows.
    device:
        For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default.
    dtype:
        Precision of the models; the checkpoints' own by default.
    site:
        Where a neuron is read: `post_act`, output of the nonlinearity, or `write`, input of the down projection.
    threshold:
        A neuron fires where its value is greater than this.
    overwrite:
        Replace the run folder of an earlier run.
    """
    from neuroglot.sharing import SharingConfig, compare_models

    config = SharingConfig(
        model=before,
        corpora=(corpus,),
        languages=languages,
        on_missing=on_missing,
        limit=limit,
        device=device,
        dtype=dtype,
        site=site,
        thresholds=(threshold,),
    )
    compare_models(config, after, out, overwrite=overwrite).print()
    print(f"\nReport: {out / 'report.html'}")
