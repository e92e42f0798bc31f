"""`curriculum`: tune a decoder in stages, each on a mixture of data sets, with earlier ones replayed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from neuroglot.recipes.options import USE, OnModel, Seeded
from neuroglot.recipes.training_options import Computed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neuroglot.corpora import Corpus
    from neuroglot.experiments.asked_tasks import AskedTask
    from neuroglot.experiments.curriculum import Stage
    from neuroglot.models import ModelView
    from neuroglot.neurons import NeuronSet
    from neuroglot.recipes.curriculum_file import CurriculumFile
    from neuroglot.reports import Report
    from neuroglot.runs.identity import Identity
    from neuroglot.runs.price import Price
    from neuroglot.runs.run import Run
    from neuroglot.signature import Signature
    from neuroglot.tokens.tokenizing import Text
    from neuroglot.training.types import TuningConfig


class _Inputs(NamedTuple):
    view: ModelView
    tokenizer: PreTrainedTokenizerBase
    stages: tuple[Stage, ...]
    held_out: Mapping[str, tuple[Text, ...]]
    dropped: Mapping[str, int]
    asked: tuple[AskedTask, ...]


@dataclass(frozen=True, kw_only=True)
class Curriculum(OnModel, Computed, Seeded):
    """Tune a decoder in stages, each on an exact mixture of data sets; the run folder is the model behind the last one.

    Sources: question alignment, Zhu et al. 2024 (QAlign); cross-lingual instruction tuning, Zhu et al. 2023 (x-LLM).
    """

    command = "curriculum"
    group = USE
    examples = """
    neuroglot curriculum ./my-model --stages qalign.yaml --out aligned
    neuroglot curriculum ./my-model --stages qalign.yaml --dry-run
    torchrun --nproc-per-node 8 -m neuroglot curriculum ./my-model --stages qalign.yaml --out aligned"""
    positional = ("model",)
    shares_rows = True

    stages: Path
    """YAML file of data sets and stages; the paths in it begin at its folder."""

    keep_stages: bool = False
    """Also save the model behind each stage but the last, in a folder of its name, to compare or analyze it; and in
    `learned` there the adapters or deltas of neurons of a stage that trains these, to merge or subtract them."""

    def read(self, identity: Identity) -> _Inputs:
        from neuroglot.recipes.asking import asked_tasks
        from neuroglot.recipes.curriculum_file import CurriculumFile
        from neuroglot.recipes.mixing import Encoder, mixed_stages, read_data
        from neuroglot.training.four_bits import require_four_bits

        file = identity.file("stages", self.stages, CurriculumFile.load)
        if any(stage.train == "qlora" for stage in file.stages):
            require_four_bits(self.device)
        data = read_data(file, self.stages.parent, self.seed)
        neurons = self._neurons(identity, file)
        view, tokenizer = self.load_model(identity, self.model)
        longest = getattr(view.model.config, "max_position_embeddings", None) or 2**30
        encoder = Encoder(tokenizer, longest)
        stages, dropped = mixed_stages(file, data, encoder, neurons, self.seed, self._shared)
        held_out = encoder.grouped(file.stages[-1], {name: part.held_out for name, part in data.items()})
        asked = asked_tasks(file, data, encoder)
        self._refuse(view, stages)
        for stage in stages:
            identity.note(f"stage {stage.name}", signature_of(stage))
        identity.note("held out", texts_signature("held_out", held_out))
        for each in asked:
            identity.note(f"asked {each.task.name}", each.signature)
        return _Inputs(view, tokenizer, stages, held_out, dropped, asked)

    def work(self, run: Run, inputs: _Inputs) -> Report:
        from neuroglot import progress
        from neuroglot.distribution import rank
        from neuroglot.experiments.asked_tasks import task_counts, task_moments
        from neuroglot.experiments.curriculum import BEFORE, LEARNED, run_curriculum
        from neuroglot.metrics.losses import LossCurve, TriedRates
        from neuroglot.models.provenance import made_with
        from neuroglot.reports import Report
        from neuroglot.reports.wording import plural
        from neuroglot.training.trajectory import TRAJECTORY_FILE
        from neuroglot.training.tuning import save_model

        view, tokenizer, stages, held_out, dropped, asked = inputs
        made = made_with(view, tokenizer)
        for number, stage in enumerate(stages, 1):
            made |= _numbered(number, signature_of(stage))

        kept = run.kept("curriculum")
        moments: dict[str, Any] = {}

        def ask(moment: str) -> None:
            moments[moment] = task_counts(view, tokenizer, asked, kept=kept.below(moment).below("tasks"))

        def behind(stage: str, learned: Path | None) -> None:
            ask(stage)
            if self.keep_stages and rank() == 0:
                if stage != stages[-1].name:
                    save_model(view.model, tokenizer, run.files / stage)
                if learned is not None:
                    shutil.copytree(learned, run.files / stage / LEARNED, dirs_exist_ok=True)

        ask(BEFORE)
        with progress.steps("tuning") as on_step:
            taught = run_curriculum(
                view.model, tokenizer, stages, held_out, kept=kept, on_step=on_step, behind=behind,
                keep_learned=self.keep_stages,
            )  # fmt: skip
        if rank() == 0:
            save_model(view.model, tokenizer, run.files)
            for name, trajectory in taught.trajectories.items():
                trajectory.save(run.files / f"{name}-{TRAJECTORY_FILE}")
        losses = tuple(loss for part in taught.losses.values() for loss in part)
        parts: list[Any] = [LossCurve(losses, made, dropped=dropped)]
        parts += [TriedRates(taught.tried, made)] if taught.tried else []
        parts += [taught.held_out] if held_out else []
        parts += [task_moments(moments, asked, made)] if asked else []
        mixed = [
            f"Stage {stage.name}: {count:,} examples of {name} in {language}."
            for stage in stages
            for (name, language), count in sorted(stage.counts.items())
        ]
        for stage in stages:
            different = len({example.id for example in stage.examples})
            if different < len(stage.examples):
                times = f"{len(stage.examples) / different:.1f} times on average"
                said = f"Stage {stage.name} learns its {different:,} different examples {times}"
                mixed.append(f"{said}, because more were asked for than there are.")
        return Report(parts, title=f"{made['model']}, tuned in {plural(len(stages), 'stage')}", notes=mixed)

    def following(self, out: Path) -> tuple[str, ...]:
        """Compare with the model that was tuned."""
        return ("compare", self.model, str(out), "--corpus", "TEXTS", "--out", f"{out}-compared")

    def price(self, inputs: _Inputs) -> Price:
        from dataclasses import replace

        view, tokenizer, stages, *_ = inputs
        prices = [_price_of(stage, view, tokenizer) for stage in stages]
        size = max(price.disk_bytes for price in prices)
        return replace(
            prices[0],
            lines=tuple(line for price in prices for line in price.lines),
            kept_bytes=max(price.kept_bytes for price in prices),
            disk_bytes=(2 + len(stages) * (1 + self.keep_stages)) * size,
            remarks=tuple(remark for price in prices for remark in price.remarks),
        )

    @property
    def _shared(self) -> TuningConfig:
        from neuroglot.training import TuningConfig

        return TuningConfig(
            steps=1, seed=self.seed, bf16=self.bf16, gradient_checkpointing=self.gradient_checkpointing,
            checkpoint_every=self.checkpoint_every, report_to=self.report_to,
        )  # fmt: skip

    def _neurons(self, identity: Identity, file: CurriculumFile) -> dict[str, NeuronSet]:
        """The neuron set of each stage that trains one, noted."""
        from neuroglot.neurons import NeuronSet, at_random_like
        from neuroglot.recipes.artefacts import neuron_file

        sets = {}
        for stage in file.stages:
            if stage.neurons is not None:
                path = neuron_file(self.stages.parent / stage.neurons)
                neurons = identity.file(f"neurons of stage {stage.name}", path, NeuronSet.load)
                sets[stage.name] = at_random_like(neurons, self.seed) if stage.random_neurons else neurons
        return sets

    def _refuse(self, view: ModelView, stages: tuple[Stage, ...]) -> None:
        """Raise for models with an encoder or not to be packed, neurons of another, and modules that are not there."""
        from neuroglot.training.packing import separation_of
        from neuroglot.training.parts import training_only
        from neuroglot.training.tuning import require_decoder

        require_decoder(view.model)
        if any(stage.config.pack for stage in stages):
            separation_of(view.model)
        for stage in stages:
            if stage.config.neurons is not None:
                view.layout.require_same(stage.config.neurons.layout, "The neuron set")
            with training_only(view.model, stage.config.modules, stage.config.frozen):
                pass


def _price_of(stage: Stage, view: ModelView, tokenizer: PreTrainedTokenizerBase) -> Price:
    """What a stage costs with what it trains: whole weights, adapters, or deltas of neurons."""
    from dataclasses import replace

    from neuroglot.recipes.steps import Learned, training_bytes, training_step
    from neuroglot.runs.price import price
    from neuroglot.training.trainer import read_once
    from neuroglot.training.tuning import batching, trained_part

    collate = batching(view.model, tokenizer, stage.config)
    plain = replace(stage.config, four_bits=False)  # whole weights are read first, which takes the most memory
    with trained_part(view.model, tokenizer, plain) as part:

        def run(rows: Corpus) -> None:
            read_once(part.model, [stage.texts[int(row)] for row in rows.ids], collate, stage.config.batch_size)

        times = max(1, len(stage.rates))
        step = training_step(f"stage {stage.name}", _as_corpus(stage), run, len(stage.texts), models=times)
        learned = Learned.of(part.model)
        tokens = times * sum(len(text.token_ids) for text in stage.texts)
        priced = price(view, tokenizer, [step], learned.bytes, training_bytes(part.model, view))
    if stage.config.lora is not None:
        unadapted: Any = part.model
        unadapted.unload()
    return replace(priced, remarks=(learned.remark(f"Stage {stage.name}", tokens),))


def signature_of(stage: Stage) -> Signature:
    """Which examples a stage learns, and how."""
    from neuroglot.prompting.examples import examples_hash
    from neuroglot.recipes.tune import options_of
    from neuroglot.signature import Signature

    drawn = Signature.of(stage=stage.name, examples=len(stage.examples), examples_hash=examples_hash(stage.examples))
    tokens = sum(len(text.token_ids) for text in stage.texts)
    learned = sum(sum(text.scored) for text in stage.texts)
    searched = (
        Signature.of(learning_rates=" ".join(f"{rate:g}" for rate in stage.rates)) if stage.rates else Signature()
    )
    searched |= texts_signature("selection", stage.selection)
    return drawn | Signature.of(tokens=tokens, learned_tokens=learned) | options_of(stage.config) | searched


def texts_signature(name: str, groups: Mapping[str, Sequence[Text]]) -> Signature:
    """A hash of the texts of each group, with what of them is scored; nothing without any."""
    from neuroglot.signature import Signature, short_hash

    parts = (f"{group}: {text.token_ids} {text.scored}" for group, texts in groups.items() for text in texts)
    return Signature.of(**({f"{name}_hash": short_hash(*parts)} if groups else {}))


def _numbered(number: int, signature: Signature) -> Signature:
    from neuroglot.signature import Signature

    return Signature.of(**{f"stage_{number}": signature.inline})


def _as_corpus(stage: Stage) -> Corpus:
    from neuroglot.corpora import Corpus

    ids = tuple(map(str, range(len(stage.examples))))
    return Corpus("examples", ids, {"und": tuple(example.prompt + example.completion for example in stage.examples)})
