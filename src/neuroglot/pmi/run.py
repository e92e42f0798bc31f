"""The experiment: every setting of every original on every model, taken up again where it was, into one report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from neuroglot import models
from neuroglot.corpora.parallel_inputs import ParallelInputs
from neuroglot.errors import ConfigError
from neuroglot.metrics.prompt_comparison import Counted, PromptComparison, SettingResult
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, choose_metrics
from neuroglot.models.loading import model_signature
from neuroglot.models.view import ModelView
from neuroglot.pmi.config import PmiConfig
from neuroglot.pmi.inputs import inputs_of
from neuroglot.pmi.measuring import measure
from neuroglot.pmi.stored import load_result, save_result
from neuroglot.progress import track
from neuroglot.prompting import PromptSet, build_prompts, choose_demonstrations
from neuroglot.reports.report import Report
from neuroglot.signature import Signature, versions
from neuroglot.storage import write_whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def run_pmi(config: PmiConfig, out: Path | str) -> Report:
    """Run the experiment and write `report.html`, `report.json` and `config.json` to `out`.

    Each setting is kept in `out/settings` when it is done, and not done again by the next run of the same experiment.
    Raises `NeuroglotError` of the kind that names what is wrong.
    """
    out = Path(out)
    comparisons = []
    for name in config.models:
        view, tokenizer = models.load(name, device=config.device, dtype=config.dtype)
        comparisons.append(compare_prompts(view, tokenizer, config, out / "settings"))
    report = Report(comparisons, title=f"Parallel multilingual input on {comparisons[0].data}")
    report.save(out / "report.html")
    report.save(out / "report.json")
    write_whole(out / "config.json", json.dumps(config.to_json(), indent=2, ensure_ascii=False) + "\n")
    return report


def compare_prompts(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, config: PmiConfig, folder: Path | None = None
) -> PromptComparison:
    """All settings on one model; with a `folder`, what lies there of the same experiment is taken, and kept there.

    Rows that one original lacks are left out of all. Raises `ConfigError` where no row is left.
    """
    by_original = _same_rows({original: inputs_of(config, original) for original in config.originals}, config.rows)
    prompts = {
        (original, name): prompt_set
        for original, inputs in by_original.items()
        for name, prompt_set in _prompt_sets(inputs, tokenizer, config, original).items()
    }
    results: dict[str, list[SettingResult]] = {}
    for (original, name), prompt_set in track(prompts.items(), "settings", len(prompts)):
        found = _result(view, tokenizer, prompt_set, original, config, folder, name)
        results.setdefault(name, []).append(found)
    (metric,) = choose_metrics([config.metric], TextOptions(language=config.target or config.originals[0])).values()
    first = next(iter(by_original.values()))
    signature = _signature(view, config) | Signature.of(
        corpus=first.name, corpus_hash=first.hash, rows=len(first), originals=",".join(config.originals)
    )
    return PromptComparison(
        str(dict(signature.fields)["model"]), first.name, config.originals, view.layout,
        TEXT_METRICS[config.metric].name, TEXT_METRICS[config.metric].unit, metric.value,
        {name: _together(of_originals) for name, of_originals in results.items()}, signature,
        dict(first.fault_counts),
    )  # fmt: skip


def _same_rows(by_original: Mapping[str, ParallelInputs], rows: int) -> dict[str, ParallelInputs]:
    shared = set.intersection(*({item.id for item in inputs.items} for inputs in by_original.values()))
    kept = {}
    for original, inputs in by_original.items():
        places = [row for row, item in enumerate(inputs.items) if item.id in shared][:rows]
        if not places:
            raise ConfigError("No row is there in all originals.", "Expected parallel rows.")
        kept[original] = inputs.take(places)
    return kept


def _prompt_sets(
    inputs: ParallelInputs, tokenizer: PreTrainedTokenizerBase, config: PmiConfig, original: str
) -> dict[str, PromptSet]:
    demonstrations, rest = choose_demonstrations(inputs, config.shots, config.seed)
    found = {}
    for name, setting in config.settings(original).items():
        reveals = config.reveal_source and name.startswith("pmi-")
        instruction = None if name in ("direct", "pivot") else config.instruction
        found[name] = build_prompts(
            rest, setting, template=config.template, target=config.target, demonstrations=demonstrations,
            instruction=instruction, reveal_source=reveals, seed=config.seed, tokenizer=tokenizer,
        )  # fmt: skip
    return {name: one.as_chat(tokenizer) for name, one in found.items()} if config.chat else found


def _result(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    prompts: PromptSet,
    original: str,
    config: PmiConfig,
    folder: Path | None,
    name: str,
) -> SettingResult:
    (metric,) = choose_metrics([config.metric], TextOptions(language=prompts.target)).values()
    signature = _signature(view, config) | prompts.signature
    path = None if folder is None else folder / f"{_file_name(view)}-{name}-{original}.safetensors"
    if path is not None and (stored := load_result(path, signature)) is not None:
        return stored
    result, answers = measure(view, tokenizer, prompts, original, config, metric)
    if path is not None:
        save_result(path, result, signature, answers, prompts)
    return result


def _together(results: Sequence[SettingResult]) -> SettingResult:
    """Results of several originals side by side on the axis G; roles that not all have are left out."""
    roles = [role for role in results[0].firing if all(role in one.firing for one in results)]
    firing = {
        role: Counted(
            torch.cat([one.firing[role].fired for one in results], 1),
            torch.cat([one.firing[role].tokens for one in results], 1),
        )
        for role in roles
    }
    tokens = torch.stack([one.firing["steps"].tokens.sum() for one in results]).double()
    zeros = torch.stack([one.zero_by_layer for one in results])
    return SettingResult(
        torch.cat([one.score for one in results], 1),
        firing,
        torch.stack([one.neurons for one in results]).sum(0),
        (zeros * tokens[:, None]).sum(0) / tokens.sum(),
        torch.cat([one.prompt_tokens for one in results], 1),
        torch.cat([one.generated_tokens for one in results], 1),
    )


def _signature(view: ModelView, config: PmiConfig) -> Signature:
    return (
        model_signature(view.model)
        | Signature.of(metric=config.metric, stop=repr(config.stop), fires=">0 at steps (PMI)")
        | Signature.of(forced=config.forced, segments=config.segments)
        | config.decoding.signature
        | versions()
    )


def _file_name(view: ModelView) -> str:
    name = str(dict(model_signature(view.model).fields)["model"])
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
