"""The small experiment: a baseline from nothing, trained on with the directions' own neurons and with controls."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuroglot import corpora
from neuroglot.activity.translation import collect
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction, directions_of
from neuroglot.errors import ConfigError
from neuroglot.experiments.translations import translate_directions
from neuroglot.generation.decoding import Decoding
from neuroglot.lab.translator import TranslatorConfig, new_translator
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, Texts, choose_metrics
from neuroglot.metrics.translation import TranslationComparison
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView, view
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.neurons.rules.by_direction import Coverage, select_masks
from neuroglot.neurons.rules.common import highest
from neuroglot.signature import Signature, short_hash
from neuroglot.storage import write_whole
from neuroglot.tokens.pairs import Pairs, encode_pairs
from neuroglot.training.gated import train_specialized

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SYSTEMS = ("continued", "specialized", "random", "magnitude", "lora", "baseline")
LORA_RANK = 8


@dataclass(frozen=True)
class ComparisonConfig:
    """The recipe: parallel text, the languages, how long each stage lasts, and the seeds.

    `data` is `lab`, whose training documents are generated anew for each seed (extra `lab`), or any parallel corpus.
    Of the rows, `validation_rows` are counted on, `test_rows` translated, the others trained on. The baseline is
    trained for `steps`; every system then for `continued_steps` from it, on the same batches. `coverage` is the percent
    of firing that a direction's neurons make up.
    """

    data: str = "lab"
    languages: tuple[str, ...] = ("en", "de", "es", "fr", "sw")
    pivot: str = "en"
    rows: int = 4000
    validation_rows: int = 150
    test_rows: int = 60
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 1200
    continued_steps: int = 250
    batch: int = 32
    rate: float = 3e-3
    continued_rate: float = 1e-3
    temperature: float = 5.0
    coverage: int = 95
    mixed: bool = True
    metric: str = "chrf++"
    max_new_tokens: int = 96
    model: TranslatorConfig = TranslatorConfig()  # noqa: RUF009 (frozen)

    @property
    def signature(self) -> Signature:
        """All options, and the size of the model in words."""
        plain, shape = (str, int, float, bool), self.model
        written = {name: value if isinstance(value, plain) else str(value) for name, value in asdict(self).items()}
        size = f"M2M-100 of {shape.layers}+{shape.layers} layers, {shape.hidden} wide, FFN {shape.ffn}"
        details = f"vocabulary {shape.vocabulary}, heads {shape.heads}, dropout {shape.dropout}"
        return Signature.of(**(written | {"model": f"{size}, {details}"}))


def compare_specialization(config: ComparisonConfig, out: Path | str) -> TranslationComparison:
    """Train, translate and score every system for every seed; what is in `out` already is taken from there.

    `continued`: trained on with all neurons. `specialized`: with each direction's own neurons. `random` and
    `magnitude`: with as many neurons in each layer, drawn at random, or of the longest value vectors. `lora`: adapters
    of rank 8 on all linear layers, with all neurons. `baseline`: not trained on. All have the same start, batches and
    number of steps. Raises as the parts do.
    """
    out = Path(out)
    (metric,) = choose_metrics([config.metric], TextOptions(language=config.pivot)).values()
    directions = directions_of(config.languages, config.pivot)
    counts: dict[str, list[Tensor]] = {system: [] for system in SYSTEMS}
    found: list[DirectionMasks] = []
    rows: list[str] = []
    for seed in config.seeds:
        experiment = _Experiment(config, seed, directions, out / f"seed-{seed}")
        for system in SYSTEMS:
            answers, references = experiment.translations(system)
            counts[system].append(
                torch.stack([metric.counts(Texts(tuple(answers[d]), (tuple(references[d]),))) for d in answers], dim=1)
            )
        found.append(experiment.masks)
        rows += [part.hash for part in (experiment.train, experiment.validation, experiment.test)]
    definition = TEXT_METRICS[config.metric]
    layers = tuple(f"{layer.stack} {layer.index}" for layer in found[0].layout.layers)
    return TranslationComparison(
        definition.name, definition.unit, metric.value, tuple(map(str, directions)),
        {system: torch.stack(of_seeds) for system, of_seeds in counts.items()}, layers,
        torch.stack([_overlap(masks, config.pivot) for masks in found]),
        torch.stack([masks.sparsity().mean(0) for masks in found]),
        config.signature | Signature.of(corpus_hash=short_hash(*rows)) | made_with(),
    )  # fmt: skip


class _Experiment:
    """One seed; parts are made when they are asked for, and kept on disk."""

    def __init__(self, config: ComparisonConfig, seed: int, directions: tuple[Direction, ...], folder: Path) -> None:
        self.config, self.seed, self.directions, self.folder = config, seed, directions, folder
        self.train, self.validation, self.test = _parts(config, seed)
        model, self.tokenizer = new_translator(self.train, config.model, seed)
        self.view = view(model)
        everything = torch.ones(len(directions), self.view.layout.neuron_count, dtype=torch.bool)
        self.all_neurons = DirectionMasks(self.view.layout, directions, everything)
        self.trained = False

    @property
    def masks(self) -> DirectionMasks:
        """The directions' own neurons, counted on the validation rows by the baseline."""
        path = self.folder / "masks.safetensors"
        if not path.exists():
            activity = collect(self.baseline(), self.tokenizer, self.validation, self.directions)
            select_masks(activity, Coverage.of(self.config.coverage)).save(path)
        return DirectionMasks.load(path)

    def baseline(self) -> ModelView:
        """The model after the first stage."""
        path = self.folder / "baseline.safetensors"
        if not self.trained:
            from safetensors.torch import load_file, save_file

            if path.exists():
                self.view.model.load_state_dict(load_file(path), strict=False)
                self.view.model.tie_weights()
            else:
                self._train(self.view, self.all_neurons, self.config.steps, self.config.rate, self.seed)
                path.parent.mkdir(parents=True, exist_ok=True)
                kept = {name: tensor.clone() for name, tensor in self.view.model.state_dict().items()}
                save_file(kept, path)
            self.trained = True
        return self.view

    def translations(self, system: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """What a system makes of the test rows, by direction, and the references."""
        path = self.folder / f"{system}.json"
        if not path.exists():
            model, masks = self._system(system)
            decoding = Decoding(self.config.max_new_tokens)
            translated = translate_directions(
                model, self.tokenizer, self.test, self.directions, masks, decoding=decoding
            )
            if translated.dropped:
                raise ConfigError("A test row is longer than the model's context.", "Expected shorter ones.")
            answers = {str(direction): list(column) for direction, column in translated.texts.items()}
            write_whole(path, json.dumps(answers, ensure_ascii=False, indent=1))
        answers = json.loads(path.read_text(encoding="utf-8"))
        return answers, {str(direction): list(self.test.texts[direction.target]) for direction in self.directions}

    def _system(self, system: str) -> tuple[ModelView, DirectionMasks]:
        baseline = self.baseline()
        masks = {
            "baseline": lambda: self.all_neurons,
            "continued": lambda: self.all_neurons,
            "lora": lambda: self.all_neurons,
            "specialized": lambda: self.masks,
            "random": lambda: _random_like(self.masks, self.seed),
            "magnitude": lambda: _longest_like(self.masks, baseline),
        }[system]()
        if system == "baseline":
            return baseline, masks
        start = copy.deepcopy(baseline.model)
        model = view(_with_adapters(start) if system == "lora" else start)
        # the same seed: every system sees the same batches
        self._train(model, masks, self.config.continued_steps, self.config.continued_rate, self.seed + 1000)
        return model, masks

    def _train(self, model: ModelView, masks: DirectionMasks, steps: int, rate: float, seed: int) -> None:
        from transformers import TrainingArguments

        arguments = TrainingArguments(
            str(self.folder / "trainer"), max_steps=steps, per_device_train_batch_size=self.config.batch,
            learning_rate=rate, lr_scheduler_type="inverse_sqrt", warmup_steps=max(1, steps // 10),
            label_smoothing_factor=0.1, adam_beta2=0.98, max_grad_norm=1.0, seed=seed, save_strategy="no",
            logging_strategy="no", report_to="none", disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
        )  # fmt: skip
        train_specialized(
            model, masks, self._pairs(model, self.train), arguments, temperature=self.config.temperature,
            mixed=self.config.mixed,
        )  # fmt: skip

    def _pairs(self, model: ModelView, rows: Corpus) -> Pairs:
        return encode_pairs(model, self.tokenizer, rows, self.directions)


def _with_adapters(model: PreTrainedModel) -> PreTrainedModel:
    """The model with low-rank adapters in all linear layers, which alone are trained."""
    from peft import LoraConfig, get_peft_model

    adapted: Any = get_peft_model(model, LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules="all-linear"))
    return adapted


def _parts(config: ComparisonConfig, seed: int) -> tuple[Corpus, Corpus, Corpus]:
    """Rows to train on, to count on, and to translate, disjoint; all seeds translate rows of their own."""
    held = config.validation_rows + config.test_rows
    if config.data == "lab":
        from neuroglot.lab.config import LabConfig
        from neuroglot.lab.generator import make_corpus

        made = make_corpus(LabConfig(seed, config.rows, 1, held, 1))
        train, rest = made.train.select(config.languages), made.held_out.select(config.languages)
    else:
        whole = corpora.load(config.data, languages=config.languages)
        if len(whole) <= held:
            raise ConfigError(f"{config.data} has {len(whole)} rows.", f"Expected more than {held}.")
        rest, train = whole.split(held / len(whole), seed)
    return train, rest.head(config.validation_rows), rest.take(range(config.validation_rows, held))


def _random_like(masks: DirectionMasks, seed: int) -> DirectionMasks:
    """As many neurons for every direction and layer, drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    return _ranked_like(masks, torch.rand(masks.kept.shape, generator=generator), "random")


def _longest_like(masks: DirectionMasks, model: ModelView) -> DirectionMasks:
    """As many neurons for every direction and layer, those of the longest value vectors; alike in all directions."""
    lengths = torch.cat([model.value_vectors(layer).detach().norm(dim=1) for layer in masks.layout.layers])
    return _ranked_like(masks, lengths.expand(masks.kept.shape).contiguous(), "magnitude")


def _ranked_like(masks: DirectionMasks, scores: Tensor, rule: str) -> DirectionMasks:
    kept = torch.zeros_like(masks.kept)
    for layer, sizes in zip(masks.layout.layers, masks.sizes().T, strict=True):
        for place, size in enumerate(sizes.tolist()):
            kept[place, layer.neurons] = highest(scores[place, layer.neurons][None], size)[0]
    return DirectionMasks(masks.layout, masks.directions, kept, Signature.of(rule=f"{rule}, as many in each layer"))


def _overlap(masks: DirectionMasks, pivot: str) -> Tensor:
    """Mean over pairs of directions of the overlap: of x→pivot in encoders, of pivot→x in decoders: `[L]`."""
    overlap = masks.overlap()
    types = [direction.type(pivot) for direction in masks.directions]
    means = []
    for layer, of_layer in zip(masks.layout.layers, overlap, strict=True):
        wanted = "x2en" if layer.stack == "encoder" else "en2x"
        places = torch.tensor([place for place, kind in enumerate(types) if kind == wanted])
        square = of_layer[places][:, places]
        means.append(square[~torch.eye(len(places), dtype=torch.bool)].mean())
    return torch.stack(means)
