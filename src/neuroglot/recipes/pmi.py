"""`pmi`: the same questions in one language and in several, beside controls (parallel multilingual input)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from neuroglot.recipes.deciding import ByRule
from neuroglot.recipes.options import USE, Natural, OnDevice, OnTask, Positive
from neuroglot.recipes.reading import first_sound, note_data, part_of, read_task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora.parallel_inputs import ParallelInputs
    from neuroglot.experiments.prompts import MeasuredSetting
    from neuroglot.metrics.prompts import PromptComparison
    from neuroglot.metrics.texts.metric import TextMetric
    from neuroglot.models import ModelView
    from neuroglot.prompting import PromptSet, Setting
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price, PricedStep
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature

Control = Literal["pivot", "repeated", "shuffled", "filler"]
_Inputs = Mapping[str, "ParallelInputs"]  # by original
_Model = tuple["ModelView", "PreTrainedTokenizerBase"]


@dataclass(frozen=True, kw_only=True)
class Pmi(OnDevice, OnTask, ByRule):
    """Ask the same questions in one language and in several, beside controls: score, neurons that fire, and cost.

    Every setting sees the same rows, demonstrations and decoding. Source: Mu et al. 2024.
    """

    command = "pmi"
    group = USE
    examples = """
    neuroglot pmi lab --corpus lab --task iso_date --originals de sw \\
        --languages en fr es --parallel 0 1 3 --out run
    neuroglot pmi ./my-model --corpus texts.tsv --target en --originals de \\
        --languages es fr --parallel 0 2 --out run
    neuroglot pmi --config experiment.yaml --out run"""
    positional = ("models",)

    models: tuple[str, ...]
    """`lab`, folders in the hub's layout, or model ids of the hub; several are reported side by side."""

    corpus: str
    """`lab` with --task, a task's folder or file, parallel text with --target, or the paper's folder with
    --released."""

    originals: tuple[str, ...]
    """Languages of the question; results are means over them."""

    languages: tuple[str, ...] = field()  # required here
    """Languages shown beside the original, in this order; an original is left out of its own."""

    released: str | None = None
    """Which data set of the paper's folder, such as `GSM8K`."""

    target: str | None = None
    """Language of the answer, needed for parallel text; the original by default."""

    parallel: tuple[Natural, ...] = (0, 1, 3, 6)
    """How many languages are shown; 0 is the direct prompt, to which all is compared."""

    controls: tuple[Control, ...] = ("pivot", "repeated", "shuffled", "filler")
    """Controls of the largest number; `pivot` shows the first language instead of the original."""

    metric: str = "exact-match"
    """By which answers are scored, a name of `neuroglot score`."""

    stop: str = "\n"
    """Where an answer ends, beside the model's own end."""

    limit: Positive | None = 200
    """Ask about so many rows, the first ones that all originals have."""

    shots: Natural = 0
    """Rows shown as demonstrations, the same in every setting, and not asked."""

    template: str | None = None
    """How prompts are worded; by the task if not given."""

    instruction: str | None = None
    """Instruction instead of the template's, where several texts are shown."""

    reveal_source: bool = False
    """Say which of the languages is the original."""

    chat: bool = False
    """Write prompts in the tokenizer's chat template."""

    forced: bool = True
    """Count once more with the reference as the output, so that all settings are read on the same tokens."""

    segments: bool = True
    """Count on the tokens of each language of the prompt."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.models.loading import require_known

        self._require_fitting()
        self.note_rule(identity)
        self._metric(self.target or self.originals[0])
        for model in self.models:
            require_known(model, self.revision)  # all of them, before the first answers
        inputs = _same_rows({original: self._asked(original) for original in self.originals}, self.limit)
        for original, asked in inputs.items():
            note_data(identity, asked, f"data of {original}")
        return inputs

    def compare(self, identity: Identity) -> None:
        from neuroglot.runs.identity import Identity

        inputs = self.read(Identity())
        for index in range(len(self.models)):
            self._noted_prompts(identity, self._model(identity, index), inputs, index)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot.reports import Report

        comparisons = [self._compared(run, inputs, index) for index in range(len(self.models))]
        return Report(comparisons, title=f"Parallel multilingual input on {comparisons[0].data}")

    def price(self, inputs: _Inputs) -> Price:
        from neuroglot.runs.identity import Identity
        from neuroglot.runs.price import together

        return together([self._price(self._model(Identity(), index), inputs) for index in range(len(self.models))])

    def settings(self, original: str) -> dict[str, Setting]:
        """The settings by name: `direct`, then growing numbers of languages, then controls of the largest number."""
        from neuroglot.prompting import direct, filler, pivot, pmi, repeated, shuffled

        others = [language for language in self.languages if language != original]
        numbers = sorted(set(self.parallel) - {0})
        settings = {"direct": direct(original)} | {
            f"pmi-{number}": pmi(original, others[:number]) for number in numbers
        }
        if not numbers:
            return settings
        shown = others[: numbers[-1]]
        controls = {
            "pivot": lambda: pivot(shown[0]),
            "repeated": lambda: repeated(original, len(shown) + 1),
            "shuffled": lambda: shuffled(original, shown),
            "filler": lambda: filler(original, shown),
        }
        return settings | {name: controls[name]() for name in self.controls}

    def prompt_sets(
        self, inputs: ParallelInputs, tokenizer: PreTrainedTokenizerBase, original: str
    ) -> dict[str, PromptSet]:
        """The prompts of one original, by setting."""
        from neuroglot.prompting import build_prompts, choose_demonstrations

        demonstrations, asked = choose_demonstrations(inputs, self.shots, self.seed)
        sets = {}
        for name, setting in self.settings(original).items():
            sets[name] = build_prompts(
                asked, setting, template=self.template, target=self.target, demonstrations=demonstrations,
                instruction=None if name in ("direct", "pivot") else self.instruction,
                reveal_source=self.reveal_source and name.startswith("pmi-"), seed=self.seed, tokenizer=tokenizer,
            )  # fmt: skip
        return {name: prompts.as_chat(tokenizer) for name, prompts in sets.items()} if self.chat else sets

    def _require_fitting(self) -> None:
        """Raise `ConfigError` for options that do not fit each other."""
        from neuroglot.errors import ConfigError

        most = len([language for language in self.languages if language not in self.originals[:1]])
        repeats = len({*self.languages}) < len(self.languages)
        if not self.models or not self.originals or 0 not in self.parallel or repeats:
            raise ConfigError(
                f"Got models {self.models}, originals {self.originals}, languages {self.languages}, parallel "
                f"{self.parallel}.",
                "Expected one or more of each, 0 among `parallel`, and each language once.",
            )
        if max(self.parallel) > most:
            raise ConfigError(
                f"{max(self.parallel)} languages were to be shown of {', '.join(self.languages)}.",
                f"Expected 0 to {most}, because an original is not shown beside itself.",
            )
        if self.released is not None and self.task is not None:
            raise ConfigError(
                f"Got the task {self.task!r} and {self.released!r} of the paper.", "Expected one of them."
            )
        if self.released is not None and self.part != "all":
            raise ConfigError(f"The part {self.part!r} was asked for of a released set.", "Expected all of its rows.")

    def _asked(self, original: str) -> ParallelInputs:
        """All rows in the original and the languages beside it; raises `ConfigError` if the data do not fit."""
        from neuroglot import corpora
        from neuroglot.corpora.parallel_inputs import from_corpora, from_task, read_released
        from neuroglot.corpora.tasks import is_task
        from neuroglot.errors import ConfigError
        from neuroglot.recipes.artefacts import corpus_source

        shown = tuple(dict.fromkeys([original, *self.languages]))
        if self.released is not None:
            return read_released(self.corpus, self.released, languages=shown[1:])
        if self.corpus == "lab" or self.task is not None or is_task(self.corpus):
            return from_task(read_task(replace(self, limit=None), self.corpus, self.task, shown), original)
        if self.target is None:
            raise ConfigError(f"{self.corpus} is parallel text.", "Expected a target: the language to translate into.")
        languages = [*shown, self.target]
        texts = corpora.load(corpus_source(self.corpus), languages=languages, on_missing=self.on_missing)
        texts = first_sound(part_of(self, texts), None, self.suspicious)
        return from_corpora({"text": texts}, original, target=self.target)

    def _model(self, identity: Identity, index: int) -> _Model:
        model = self.load_model(identity, self.models[index], f"model {index + 1}")
        self.require_rule(model[0])
        return model

    def _metric(self, language: str) -> TextMetric:
        from neuroglot.metrics.texts import TextOptions, choose_metrics

        (metric,) = choose_metrics([self.metric], TextOptions(language=language)).values()
        return metric

    def _compared(self, run: Run, inputs: _Inputs, index: int) -> PromptComparison:
        """All settings on one model."""
        from neuroglot.experiments.prompts import MeasuredSetting, side_by_side
        from neuroglot.metrics.prompts import PromptComparison, SettingResult
        from neuroglot.metrics.texts import TEXT_METRICS
        from neuroglot.models.provenance import made_with
        from neuroglot.progress import track
        from neuroglot.signature import Signature

        model = view, _ = self._model(run.identity, index)
        prompts, used = self._noted_prompts(run.identity, model, inputs, index)
        results: dict[str, list[SettingResult]] = {}
        for (name, original), prompt_set in track(prompts.items(), "settings", len(prompts)):
            file, measure = f"{name}-{original}.safetensors", partial(self._measured, model, prompt_set, original)
            measured = run.once(f"settings/model-{index + 1}/{file}", MeasuredSetting, measure)
            results.setdefault(name, []).append(measured.result)
        first = next(iter(inputs.values()))
        signature = (
            made_with(*model, first) | self._options(view) | used | Signature.of(originals=",".join(self.originals))
        )
        definition, metric = TEXT_METRICS[self.metric], self._metric(self.target or self.originals[0])
        return PromptComparison(
            str(signature["model"]), first.name, self.originals, view.layout, definition.name, definition.unit,
            metric.value,
            {name: side_by_side(of_originals) for name, of_originals in results.items()}, signature,
            dict(first.fault_counts), metric.right_or_wrong, definition.ends,
        )  # fmt: skip

    def _noted_prompts(
        self, identity: Identity, model: _Model, inputs: _Inputs, index: int
    ) -> tuple[dict[tuple[str, str], PromptSet], Signature]:
        """All prompts, and a hash of them that is noted: a chat template may write the time."""
        from neuroglot.models.provenance import prompts_signature

        prompts = self._all_prompts(model, inputs)
        used = prompts_signature(model[1], (prompt.text for part in prompts.values() for prompt in part.prompts))
        identity.note(f"prompts of model {index + 1}", used)
        return prompts, used

    def _all_prompts(self, model: _Model, inputs: _Inputs) -> dict[tuple[str, str], PromptSet]:
        """Prompts by setting and original."""
        return {
            (name, original): prompts
            for original, asked in inputs.items()
            for name, prompts in self.prompt_sets(asked, model[1], original).items()
        }

    def _measured(self, model: _Model, prompts: PromptSet, original: str) -> MeasuredSetting:
        from neuroglot.experiments.prompts import measure_setting
        from neuroglot.models.provenance import made_with

        return measure_setting(
            *model, prompts, original, self._metric(prompts.target), decoding=self.decoding, stop=self.stop,
            forced_too=self.forced, by_segment=self.segments,
            signature=made_with(*model) | self._options(model[0]) | prompts.signature,
        )  # fmt: skip

    def _options(self, view: ModelView) -> Signature:
        from neuroglot.models.provenance import generation_signature
        from neuroglot.signature import Signature

        measured = Signature.of(metric=self.metric, stop=repr(self.stop), fires=">0 at steps (PMI)")
        told = Signature.of(forced=self.forced, segments=self.segments)
        return measured | told | self.decoding.signature | generation_signature(view.model)

    def _price(self, model: _Model, inputs: _Inputs) -> Price:
        """Each setting of each original is answered, and read again for what is counted beside."""
        from neuroglot.recipes.steps import REPORT_BYTES
        from neuroglot.runs.price import price

        prompts = self._all_prompts(model, inputs)
        steps = [self._step(model, prompt_set, *key) for key, prompt_set in prompts.items()]
        kept = 8 * len(steps) * model[0].layout.neuron_count
        return price(*model, steps, kept, kept + REPORT_BYTES)

    def _step(self, model: _Model, prompts: PromptSet, name: str, original: str) -> PricedStep:
        from neuroglot.runs.price import PricedStep

        return PricedStep(
            f"{name} of {original}", prompts.corpus,
            lambda part: self._measured(model, _of_rows(prompts, part.ids), original), written=self.max_new_tokens,
        )  # fmt: skip


def _same_rows(by_original: _Inputs, limit: int | None) -> dict[str, ParallelInputs]:
    """The first rows that all originals have; raises `ConfigError` if there is none."""
    from neuroglot.errors import ConfigError

    shared = set.intersection(*({item.id for item in inputs.items} for inputs in by_original.values()))
    if not shared:
        raise ConfigError("No row is there in all originals.", "Expected parallel rows.")
    return {
        original: inputs.take([row for row, item in enumerate(inputs.items) if item.id in shared][:limit])
        for original, inputs in by_original.items()
    }


def _of_rows(prompts: PromptSet, ids: Sequence[str]) -> PromptSet:
    """The prompts of these rows."""
    rows = [prompts.ids.index(row_id) for row_id in ids]
    references = tuple(prompts.references[row] for row in rows)
    return replace(prompts, ids=tuple(ids), prompts=tuple(prompts.prompts[row] for row in rows), references=references)
