"""`neuroglot deactivate`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from neuroglot.cli.tasks import read_task

DEACTIVATE_EXAMPLES = """Examples:

    neuroglot deactivate lab --corpus lab --task currency --out run
    neuroglot deactivate ./my-model --corpus xnli/ --languages de sw zh --limit 500 --out run
    neuroglot deactivate ./my-model --corpus my_task.yaml --value mean --equal-size --out run"""


def deactivate(
    model: str,
    /,
    *,
    corpus: str,
    out: Path,
    task: str | None = None,
    languages: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, negative="")] = None,
    on_missing: Literal["refuse", "drop"] = "refuse",
    limit: int | None = None,
    level: Literal["row", "corpus"] = "row",
    corpus_share: float = 0.5,
    scope: Literal["all", "last", "prompt", "answer"] = "all",
    value: Literal["zero", "mean", "mean of other languages"] = "zero",
    draws: int = 5,
    equal_size: Annotated[bool, Parameter(negative="")] = False,
    by_generation: Annotated[bool, Parameter(negative="")] = False,
    seed: int = 0,
    revision: str | None = None,
    device: str | None = None,
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Switch off all-shared, partial-shared, specific and non-activated neurons, and see which answers change.

    Each type stands beside random sets with as many neurons in every layer.

    Parameters
    ----------
    model:
        `lab`, a folder in the hub's layout, or a model id of the hub.
    corpus:
        A task: the folder of mParaRel, MGSM or XQuAD, the folder or file of XNLI or MzsRE, a YAML file that describes a
        task of your own, or `lab`.
    out:
        Run folder for report.html, report.json, deactivation.safetensors and config.json; must not exist.
    task:
        Which of the lab's tasks.
    languages:
        Languages to compare, by code; all of the task by default. The types depend on how many there are.
    on_missing:
        What to do where a language lacks a row: `refuse` the task, or `drop` the row in all languages.
    limit:
        Take the first rows only.
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
    revision:
        Branch, tag or commit of a hub model.
    device:
        For example `cpu` or `cuda`; `auto` spreads a large model over all devices; the fastest one by default.
    dtype:
        Precision of the model; the checkpoint's own by default.
    overwrite:
        Replace the run folder of an earlier run.
    """
    import json

    from neuroglot import models
    from neuroglot.deactivation import deactivate as run
    from neuroglot.reports import Report
    from neuroglot.storage import check_free, whole_folder, write_whole

    options = {
        "level": level, "corpus_share": corpus_share, "scope": scope, "value": value, "draws": draws,
        "equal_size": equal_size, "by_generation": by_generation, "seed": seed,
    }  # fmt: skip
    config = {
        "command": "deactivate", "model": model, "corpus": corpus, "task": task, "languages": languages,
        "on_missing": on_missing, "limit": limit, **options, "revision": revision, "device": device, "dtype": dtype,
    }  # fmt: skip
    check_free(out, overwrite)
    questions = read_task(corpus, task, languages, on_missing, limit)
    view, tokenizer = models.load(model, revision=revision, device=device, dtype=dtype)
    with whole_folder(out, overwrite) as folder:
        result = run(view, tokenizer, questions, **options)  # type: ignore[arg-type]
        report = Report([result], title=f"Types of neurons switched off in {dict(result.signature.fields)['model']}")
        report.save(folder / "report.html")
        report.save(folder / "report.json")
        result.save(folder / "deactivation.safetensors")
        write_whole(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    report.print()
    print(f"\nReport: {out / 'report.html'}")
