"""The experiment: every setting of every original on every model, taken up again where it was, into one report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from neuroglot import corpora, models
from neuroglot.corpora.parallel_inputs import ParallelInputs, from_corpora, from_task, read_released
from neuroglot.corpora.tasks import is_task
from neuroglot.corpora.textfiles import read_yaml
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.prompts import load_result, measure, save_result
from neuroglot.generation.decoding import Decoding
from neuroglot.metrics.prompts import Counted, PromptComparison, SettingResult
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, choose_metrics
from neuroglot.models.provenance import generation_signature, made_with, model_name
from neuroglot.models.view import ModelView
from neuroglot.progress import track
from neuroglot.prompting import (
    PromptSet,
    Setting,
    build_prompts,
    choose_demonstrations,
    direct,
    filler,
    pivot,
    pmi,
    repeated,
    shuffled,
)
from neuroglot.reports.report import Report
from neuroglot.signature import Signature, short_hash
from neuroglot.storage import write_whole

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


Control = Literal["pivot", "repeated", "shuffled", "filler"]
TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


@dataclass(frozen=True)
class PmiConfig:
    """Models, inputs and settings; every field can stand in the YAML.

    * `data`: the lab's `task` (`lab`), a task's folder, parallel text (with a `target`), or a data set of the paper's
      folder (`released` names it, such as `GSM8K`).
    * `originals`: languages of the question; results are means over them. `languages`: those shown beside, in this
      order; an original is left out of its own.
    * `parallel`: how many are shown; 0 is the direct prompt, to which all is compared. `controls` are of the largest
      number; `pivot` shows the first language instead of the original.
    * `metric`: a name of `neuroglot score`. `stop`: where an answer ends, beside the model's own end.
    * `forced`: count once more with the reference as the output, so that all settings are read on the same tokens.
      `segments`: count on the tokens of each language of the prompt.
    """

    models: tuple[str, ...]
    data: str
    originals: tuple[str, ...]
    languages: tuple[str, ...]
    task: str | None = None
    released: str | None = None
    target: str | None = None
    parallel: tuple[int, ...] = (0, 1, 3, 6)
    controls: tuple[Control, ...] = ("pivot", "repeated", "shuffled", "filler")
    metric: str = "exact-match"
    stop: str = "\n"
    rows: int = 200
    shots: int = 0
    template: str | None = None
    instruction: str | None = None
    reveal_source: bool = False
    chat: bool = False
    forced: bool = True
    segments: bool = True
    max_new_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    top_share: float = 0.2
    device: str | None = None
    dtype: str = "auto"

    def __post_init__(self) -> None:
        for name in ("models", "originals", "languages", "parallel", "controls"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str | int) else tuple(value))
        most = len([language for language in self.languages if language not in self.originals[:1]])
        unknown = set(self.controls) - set(get_args(Control)) or len({*self.languages}) < len(self.languages)
        if not self.models or not self.originals or 0 not in self.parallel or unknown or self.rows < 1:
            raise ConfigError(
                f"Got models {self.models}, originals {self.originals}, parallel {self.parallel}, controls "
                f"{self.controls}, {self.rows} rows.",
                f"Expected one or more of each, 0 among `parallel`, each language once, and controls of "
                f"{', '.join(get_args(Control))}.",
            )
        if max(self.parallel) > most or min(self.parallel) < 0:
            raise ConfigError(
                f"{max(self.parallel)} languages were to be shown of {', '.join(self.languages)}.",
                f"Expected 0 to {most}, because an original is not shown beside itself.",
            )

    @property
    def decoding(self) -> Decoding:
        return Decoding(self.max_new_tokens, self.temperature, seed=self.seed)

    def settings(self, original: str) -> dict[str, Setting]:
        """The settings by name, `direct` first, then growing k, then the controls of the largest k."""
        others = [language for language in self.languages if language != original]
        counts = sorted(set(self.parallel) - {0})
        found = {"direct": direct(original)} | {f"pmi-{k}": pmi(original, others[:k]) for k in counts}
        if not counts:
            return found
        shown = others[: counts[-1]]
        controls = {
            "pivot": lambda: pivot(shown[0]),
            "repeated": lambda: repeated(original, len(shown) + 1),
            "shuffled": lambda: shuffled(original, shown),
            "filler": lambda: filler(original, shown),
        }
        return found | {name: controls[name]() for name in self.controls}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, path: Path | str) -> PmiConfig:
        """The experiment in a YAML file; raises `ConfigError` on anything that is not one."""
        try:
            stored = read_yaml(Path(path))
        except CorpusError as error:
            raise ConfigError(error.got, error.expected, error.next_step) from error
        known = {one.name: str(one.type) for one in fields(cls)}
        if not isinstance(stored, dict) or (unknown := set(stored) - set(known)):
            found = "no mapping" if not isinstance(stored, dict) else f"the key {sorted(map(str, unknown))[0]!r}"
            raise ConfigError(f"{path} has {found[:80]}.", f"Expected keys of {', '.join(sorted(known))}.")
        for name, value in stored.items():
            _check_type(name, known[name], value)
        try:
            return cls(**stored)
        except TypeError as error:
            raise ConfigError(
                f"{path} is not an experiment: {error}.", "Expected models, data, originals, languages."
            ) from error


def _check_type(name: str, annotation: str, value: object) -> None:
    """Raise `ConfigError` where a value, or one of a list, is not of the type that the field says."""
    listed = annotation.startswith("tuple")
    kind = annotation.removeprefix("tuple[").removesuffix(", ...]").removesuffix(" | None").replace("Control", "str")
    allowed = TYPES[kind] + ((type(None),) if annotation.endswith("None") else ())
    for one in value if listed and isinstance(value, list) else [value]:
        if type(one) not in allowed:
            many = " or a list of them" if listed else ""
            raise ConfigError(f"{name} is {str(one)[:80]!r}.", f"Expected {kind}{many}.")


def inputs_of(config: PmiConfig, original: str) -> ParallelInputs:
    """All rows in the original and the languages beside it; raises `ConfigError` where the data do not fit."""
    shown = list(dict.fromkeys([original, *config.languages]))
    if config.released is not None:
        return read_released(config.data, config.released, languages=shown[1:])
    if config.data == "lab":
        return from_task(_of_the_lab(config.task).select(shown), original)
    if is_task(config.data):
        return from_task(corpora.load_task(config.data, languages=shown), original)
    if config.target is None:
        raise ConfigError(f"{config.data} is parallel text.", "Expected a target: the language to translate into.")
    texts = corpora.load(config.data, languages=[*shown, config.target])
    return from_corpora({"text": texts}, original, target=config.target)


def _of_the_lab(name: str | None) -> corpora.Task:
    from neuroglot import lab

    tasks = {task.name: task for task in lab.tasks()}
    if name not in tasks:
        raise ConfigError(f"The lab's task {name!r} was asked for.", f"Expected one of {', '.join(tasks)}.")
    return tasks[name]


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
    made = made_with(view, tokenizer) | _options(config) | generation_signature(view.model)
    results: dict[str, list[SettingResult]] = {}
    for (original, name), prompt_set in track(prompts.items(), "settings", len(prompts)):
        path = None if folder is None else folder / f"{_file_name(view)}-{name}-{original}.safetensors"
        found = _result(view, tokenizer, prompt_set, original, config, path, made | prompt_set.signature)
        results.setdefault(name, []).append(found)
    (metric,) = choose_metrics([config.metric], TextOptions(language=config.target or config.originals[0])).values()
    first = next(iter(by_original.values()))
    used = short_hash(*(str(prompt_set.signature) for prompt_set in prompts.values()))
    signature = made_with(view, tokenizer, first) | _options(config) | generation_signature(view.model)
    signature |= Signature.of(originals=",".join(config.originals), prompts=used)
    return PromptComparison(
        model_name(view), first.name, config.originals, view.layout,
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
    path: Path | None,
    signature: Signature,
) -> SettingResult:
    (metric,) = choose_metrics([config.metric], TextOptions(language=prompts.target)).values()
    if path is not None and (stored := load_result(path, signature)) is not None:
        return stored
    result, answers = measure(
        view,
        tokenizer,
        prompts,
        original,
        metric,
        decoding=config.decoding,
        stop=config.stop,
        forced_too=config.forced,
        by_segment=config.segments,
    )
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


def _options(config: PmiConfig) -> Signature:
    measured = Signature.of(metric=config.metric, stop=repr(config.stop), fires=">0 at steps (PMI)")
    return measured | Signature.of(forced=config.forced, segments=config.segments) | config.decoding.signature


def _file_name(view: ModelView) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in model_name(view))
