"""`neuroglot attribute`."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from neuroglot.cli.tasks import read_task

ATTRIBUTE_EXAMPLES = """Examples:

    neuroglot attribute lab --corpus lab --task currency --out run
    neuroglot attribute bigscience/bloomz-560m --corpus xnli.test.tsv --languages en de ru --limit 1000 --out run
    neuroglot attribute ./my-model --corpus my_task.yaml --contrastive --frozen-norm --out run"""


def attribute(
    model: str,
    /,
    *,
    corpus: str,
    out: Path,
    task: str | None = None,
    languages: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
    on_missing: Literal["refuse", "drop"] = "refuse",
    limit: int | None = None,
    revision: str | None = None,
    device: str | None = None,
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    site: Literal["post_act", "write"] = "post_act",
    fires: float = 0.0,
    top_share: float = 0.0488,
    frozen_norm: Annotated[bool, Parameter(negative="")] = False,
    contrastive: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Score what the neurons of each type (all-shared, partial-shared, specific, none) contribute to right answers.

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub.
    corpus:
        A task: a folder or file in the layout of mParaRel, XNLI, MzsRE, MGSM or XQuAD, a YAML file that describes one
        of your own, or `lab`.
    out:
        Run folder for report.html, report.json and attribution.safetensors; must not exist.
    task:
        Which of the lab's tasks, where the corpus is `lab`.
    languages:
        Languages to compare, by code; all of the task by default.
    on_missing:
        What to do where a language lacks a row: `refuse` the task, or `drop` the whole row.
    limit:
        Read so many rows, the first ones; all by default.
    revision:
        Branch, tag or commit of a hub model.
    device:
        For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default.
    dtype:
        Precision of the model; the checkpoint's own by default.
    site:
        Where a neuron's type is read: `post_act`, output of the nonlinearity, or `write`, input of the down projection.
    fires:
        A neuron fires where its value is greater than this.
    top_share:
        Share of a layer's neurons, those of highest contribution, that is told apart by type.
    frozen_norm:
        Score the effect through the final norm, at the scale that it has at that position.
    contrastive:
        Score the right option's first token against the mean of the wrong options'.
    overwrite:
        Replace the run folder of an earlier run.
    """
    from neuroglot import models
    from neuroglot.activity.recording import Recording
    from neuroglot.attribution.recording import attribute
    from neuroglot.reports.report import Report
    from neuroglot.storage import check_free, whole_folder, write_whole

    config = {
        "command": "attribute", "model": model, "corpus": corpus, "task": task, "languages": languages,
        "on_missing": on_missing, "limit": limit, "revision": revision, "device": device, "dtype": dtype, "site": site,
        "fires": fires, "top_share": top_share, "frozen_norm": frozen_norm, "contrastive": contrastive,
    }  # fmt: skip
    check_free(out, overwrite)
    questions = read_task(corpus, task, languages, on_missing, limit)
    view, tokenizer = models.load(model, revision=revision, device=device, dtype=dtype)
    recording = Recording(site=site, tokens="last", fires=(fires,), special_tokens=True)
    with whole_folder(out, overwrite) as folder:
        found = attribute(
            view, tokenizer, questions, recording=recording, top_share=top_share, frozen_norm=frozen_norm,
            contrastive=contrastive,
        )  # fmt: skip
        results: list[Any] = [found]
        report = Report(results, title=f"Attribution on {found.data} of {dict(found.signature.fields)['model']}")
        found.save(folder / "attribution.safetensors")
        report.save(folder / "report.html")
        report.save(folder / "report.json")
        write_whole(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    report.print()
    print(f"\nReport: {out / 'report.html'}")
