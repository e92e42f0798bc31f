"""Studies of sharing as recipes: one model on one task or several, and two models on the same rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from neuroglot import corpora, models
from neuroglot.activity.record import record_generated_sharing, record_several_sharings
from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.corpora.columns import OnMissing
from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.tasks import is_task
from neuroglot.errors import ConfigError
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.layout import Site
from neuroglot.neurons.comparing import SharingChange
from neuroglot.reports.report import Report, Result
from neuroglot.storage import check_free, whole_folder, write_whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.models.view import ModelView


@dataclass(frozen=True)
class SharingConfig:
    """Everything that can change the result of a study; saved in the run folder as `config.json`.

    Each corpus is a task, whose prompts are read, or parallel text. The first of the `thresholds` is the main one.
    `new_tokens` above 0 lets the model go on from each prompt by so many tokens, to be read as well.
    """

    model: str = "lab"
    corpora: tuple[str, ...] = ("lab",)
    languages: tuple[str, ...] | None = None
    on_missing: OnMissing = "refuse"
    limit: int | None = None
    revision: str | None = None
    device: str | None = None
    dtype: str = "auto"
    site: Site = "post_act"
    thresholds: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    special_tokens: bool = True
    new_tokens: int = 0


def study_sharing(config: SharingConfig, out: Path | str, *, overwrite: bool = False) -> Report:
    """Sort the neurons of a model by the languages in which they fire, and write the run folder `out`.

    For each corpus: the last token of each prompt at every threshold, all tokens, and what the model says next. The
    folder holds `report.html`, `report.json`, `config.json` and `sharing-1.safetensors`, … of each corpus. Source: Wang
    et al. 2024 (Sharing Matters), §§3–4. Raises `NeuroglotError` of the kind that names what is wrong.
    """
    check_free(out, overwrite)
    read = [prompts_of(source, config) for source in config.corpora]
    view, tokenizer = models.load(config.model, revision=config.revision, device=config.device, dtype=config.dtype)
    with whole_folder(out, overwrite) as folder:
        results: list[Result] = []
        last: list[Sharing] = []
        for place, (corpus, _) in enumerate(read, 1):
            by_threshold, others = _recorded(view, tokenizer, corpus, config)
            by_threshold[0].save(folder / f"sharing-{place}.safetensors")
            last.append(by_threshold[0])
            results += [by_threshold[0], *others, *([by_threshold] if len(by_threshold) > 1 else [])]
        if len(last) > 1:
            results.append(tuple(last))
        notes = [note for _, notes in read for note in notes] + _over_long(last)
        report = Report(results, title=f"Shared neurons of {last[0].signature['model']}", notes=notes)
        _write(report, config, folder)
    return report


def compare_models(config: SharingConfig, other: str, out: Path | str, *, overwrite: bool = False) -> Report:
    """How the share of each category changes from `config.model` to the model `other`, on the same rows.

    The folder holds the report, the config, and each model's `before.safetensors` and `after.safetensors`. Raises as
    `study_sharing` does, and `LayoutMismatchError` for models that are not built alike.
    """
    check_free(out, overwrite)
    if len(config.corpora) != 1:
        raise ConfigError(f"{len(config.corpora)} corpora were given.", "Two models are compared on one.")
    corpus, notes = prompts_of(config.corpora[0], config)
    with whole_folder(out, overwrite) as folder:
        pair = []
        for name, path in (("before", config.model), ("after", other)):
            view, tokenizer = models.load(path, revision=config.revision, device=config.device, dtype=config.dtype)
            recording = replace(_recording(config), fires=config.thresholds[:1])
            (sharing,) = record_several_sharings(view, tokenizer, corpus, [recording])
            sharing.save(folder / f"{name}.safetensors")
            pair.append(sharing)
        change = SharingChange(*pair)
        report = Report([change], title="Shared neurons of two models", notes=[*notes, *_over_long(pair[:1])])
        _write(report, replace(config, model=f"{config.model} and {other}"), folder)
    return report


def prompts_of(source: str, config: SharingConfig) -> tuple[Corpus, list[str]]:
    """The texts to read and what was left out of them: a task's prompts, or parallel text."""
    if is_task(source):
        task: Task = corpora.load_task(
            source, languages=config.languages, on_missing=config.on_missing, limit=config.limit
        )
        return task.prompts, [f"{task.name}: {count:,} rows left out: {why}." for why, count in task.dropped.items()]
    corpus = corpora.load(source, languages=config.languages, on_missing=config.on_missing)
    notes = [f"{corpus.name}: {corpus.dropped:,} rows left out: a language lacked the text."] if corpus.dropped else []
    return (corpus if config.limit is None else corpus.take(range(min(config.limit, len(corpus))))), notes


def _recording(config: SharingConfig) -> Recording:
    return Recording(config.site, "last", config.thresholds[:1], config.special_tokens)


def _recorded(
    view: ModelView, tokenizer: PreTrainedTokenizerBase, corpus: Corpus, config: SharingConfig
) -> tuple[tuple[Sharing, ...], list[Sharing]]:
    """At the last token by threshold; and over all tokens and what was generated, at the first threshold."""
    last = _recording(config)
    sweep = [replace(last, fires=(threshold,)) for threshold in config.thresholds]
    *by_threshold, everywhere = record_several_sharings(view, tokenizer, corpus, [*sweep, replace(last, tokens="all")])
    others = [everywhere]
    if config.new_tokens:
        generation = generate(view, tokenizer, corpus, Decoding(max_new_tokens=config.new_tokens))
        others += record_generated_sharing(view, generation, [replace(last, tokens="generated")])
    return tuple(by_threshold), others


def _over_long(sharings: Sequence[Sharing]) -> list[str]:
    """Rows that did not fit into the model's context, by corpus."""
    said = []
    for sharing in sharings:
        if count := int(sharing.signature["rows_dropped"] or 0):
            said.append(f"{sharing.signature['corpus']}: {count:,} rows left out: longer than the model's context.")
    return said


def _write(report: Report, config: SharingConfig, folder: Path) -> None:
    report.save(folder / "report.html")
    report.save(folder / "report.json")
    write_whole(folder / "config.json", json.dumps(asdict(config), indent=2, ensure_ascii=False) + "\n")
