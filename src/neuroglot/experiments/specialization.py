"""The small experiment: a baseline from nothing, trained on with the directions' own neurons and with controls."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot import corpora, progress
from neuroglot.activity.translation import collect
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction, directions_of
from neuroglot.corpora.documents import deal
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.experiments.evaluation import control_seed
from neuroglot.experiments.translations import require_translatable, translate_directions
from neuroglot.generation.decoding import Decoding
from neuroglot.lab.translator import TranslatorConfig, new_translator
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, Texts, choose_metrics
from neuroglot.metrics.translation import TranslationComparison
from neuroglot.models.loading import move
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView, view
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.neurons.rules.by_direction import Coverage, select_masks
from neuroglot.neurons.rules.common import highest
from neuroglot.neurons.rules.scores import at_random_like
from neuroglot.signature import Signature, short_hash
from neuroglot.storage import NOTHING_KEPT, Kept, load_tensors, save_tensors, write_whole
from neuroglot.tokens.pairs import Pairs, encode_pairs
from neuroglot.training.adapters import with_adapters
from neuroglot.training.gated import train_specialized, translation_training
from neuroglot.training.types import Lora

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SYSTEMS = ("continued", "specialized", "random", "magnitude", "lora", "baseline")
ADAPTERS = Lora(8, 16)


@dataclass(frozen=True)
class ComparisonConfig:
    """The recipe: parallel text, the languages, how long each stage lasts, and the seeds.

    `data` is `lab`, whose training documents, `rows` in number, are generated anew for each seed (extra `lab`), or any
    parallel corpus.
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


def compare_specialization(
    config: ComparisonConfig,
    out: Path | str,
    *,
    data: Corpus | None = None,
    device: str | None = None,
    kept: Kept = NOTHING_KEPT,
    checkpoint_every: int | None = None,
) -> TranslationComparison:
    """Train, translate and score every system for every seed; what is in `out` already is taken from there.

    What lies there is of the same config and data: whoever hands it on sees to that. Trainings go on from checkpoints
    in `kept`. `data` is the corpus that the config names, if it is loaded already.

    `continued`: trained on with all neurons. `specialized`: with each direction's own neurons. `random` and
    `magnitude`: with as many neurons in each layer, or expert, drawn at random, or of the longest value vectors.
    `lora`: adapters of rank 8 on all linear layers, with all neurons. `baseline`: not trained on. All have the same
    start, batches and number of steps. Raises as the parts do.
    """
    out = Path(out)
    (metric,) = choose_metrics([config.metric], TextOptions(language=config.pivot)).values()
    directions = directions_of(config.languages, config.pivot)
    counts: dict[str, list[Tensor]] = {system: [] for system in SYSTEMS}
    found: list[DirectionMasks] = []
    rows: list[str] = []

    def begun(seed: int) -> _Experiment:
        place = _Place(out / f"seed-{seed}", kept.below(f"seed-{seed}"), device, checkpoint_every)
        return _Experiment(config, seed, directions, place, data)

    for seed in config.seeds:  # of each seed, before any of them is trained
        begun(seed).require_fit()
    for seed in config.seeds:
        experiment = begun(seed)
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
        config.signature | Signature.of(corpus_hash=short_hash(*rows)) | made_with(), metric.right_or_wrong,
        definition.ends,
    )  # fmt: skip


def first_translator(
    config: ComparisonConfig, data: Corpus | None, device: str | None
) -> tuple[ModelView, PreTrainedTokenizerBase, Corpus, DirectionMasks]:
    """The untrained model of the first seed with its tokenizer, the rows to train on, and masks that keep all."""
    train, _, _ = parts_of(config, config.seeds[0], data)
    model, tokenizer = new_translator(train, config.model, config.seeds[0])
    move(model, device)
    located = view(model)
    return located, tokenizer, train, _everything(located, directions_of(config.languages, config.pivot))


def _everything(located: ModelView, directions: tuple[Direction, ...]) -> DirectionMasks:
    kept = torch.ones(len(directions), located.layout.neuron_count, dtype=torch.bool)
    return DirectionMasks(located.layout, directions, kept)


@dataclass(frozen=True)
class _Place:
    """Where one experiment keeps its parts and its checkpoints, and where it runs."""

    folder: Path
    kept: Kept
    device: str | None
    checkpoint_every: int | None


class _Experiment:
    """One seed; parts are made when they are asked for, and kept on disk."""

    def __init__(
        self, config: ComparisonConfig, seed: int, directions: tuple[Direction, ...], place: _Place,
        data: Corpus | None,
    ) -> None:  # fmt: skip
        self.config, self.seed, self.directions, self.place = config, seed, directions, place
        self.train, self.validation, self.test = parts_of(config, seed, data)
        model, self.tokenizer = new_translator(self.train, config.model, seed)
        move(model, place.device)
        self.view = view(model)
        self.all_neurons = _everything(self.view, directions)
        self.trained = False

    @property
    def masks(self) -> DirectionMasks:
        """The directions' own neurons, counted on the validation rows by the baseline."""
        path = self.place.folder / "masks.safetensors"
        with suppress(ArtifactError):  # not there yet, or damaged: made again
            return DirectionMasks.load(path)
        activity = collect(self.baseline(), self.tokenizer, self.validation, self.directions)
        masks = select_masks(activity, Coverage.of(self.config.coverage))
        masks.save(path)
        return masks

    def baseline(self) -> ModelView:
        """The model after the first stage."""
        if not self.trained:
            path, model = self.place.folder / "baseline.safetensors", self.view.model
            try:
                model.load_state_dict(load_tensors(path, "baseline")[0])
            except ArtifactError:
                self._train("baseline", self.view, self.all_neurons, self.config.steps, self.config.rate, self.seed)
                weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}  # some are shared
                save_tensors(path, "baseline", weights, {})
            self.trained = True
        return self.view

    @property
    def decoding(self) -> Decoding:
        """How test rows are translated."""
        return Decoding(self.config.max_new_tokens)

    def require_fit(self) -> None:
        """Raise `ConfigError` for test rows that the model cannot read."""
        require_translatable(self.view, self.tokenizer, self.test, self.directions, self.decoding)

    def translations(self, system: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """What a system makes of the test rows, by direction, and the references."""
        path = self.place.folder / f"{system}.json"
        if not path.exists():
            model, masks = self._system(system)
            translated = translate_directions(
                model, self.tokenizer, self.test, self.directions, masks, decoding=self.decoding
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
        seed = self.seed + 1000  # the same for every system, which so sees the same batches
        model = view(with_adapters(start, ADAPTERS, seed) if system == "lora" else start)
        self._train(system, model, masks, self.config.continued_steps, self.config.continued_rate, seed)
        return model, masks

    def _train(self, system: str, model: ModelView, masks: DirectionMasks, steps: int, rate: float, seed: int) -> None:
        training = translation_training(
            steps=steps, learning_rate=rate, batch_size=self.config.batch, seed=seed,
            checkpoint_every=self.place.checkpoint_every,
        )  # fmt: skip
        with progress.steps(f"{system}, seed {self.seed}") as on_step:
            train_specialized(
                model, masks, self._pairs(model, self.train), training, temperature=self.config.temperature,
                mixed=self.config.mixed, kept=self.place.kept.below(system), on_step=on_step,
            )  # fmt: skip

    def _pairs(self, model: ModelView, rows: Corpus) -> Pairs:
        return encode_pairs(model, self.tokenizer, rows, self.directions)


def parts_of(config: ComparisonConfig, seed: int, data: Corpus | None = None) -> tuple[Corpus, Corpus, Corpus]:
    """Rows to train on, to count on, and to translate, disjoint; all seeds translate rows of their own."""
    held = config.validation_rows + config.test_rows
    if config.data == "lab":
        from neuroglot.lab.config import LabConfig
        from neuroglot.lab.generator import make_corpus

        made = make_corpus(LabConfig(seed, config.rows, 1, held, 1))
        train, rest = made.train.select(config.languages), made.held_out.select(config.languages)
    else:
        whole = corpora.load(config.data, languages=config.languages) if data is None else data
        if len(whole) <= held:
            raise ConfigError(f"{config.data} has {len(whole)} rows.", f"Expected more than {held}.")
        if whole.documents:
            (test, validation), left = deal(whole, (config.test_rows, config.validation_rows), seed)
            return whole.take(left), validation, test
        rest, train = whole.split(held / len(whole), seed)
        test, validation = rest.split(config.test_rows / held, seed)  # rows that share a text are in one of them
        return train, validation, test
    return train, rest.head(config.validation_rows), rest.take(range(config.validation_rows, held))


def _random_like(masks: DirectionMasks, seed: int) -> DirectionMasks:
    """As many neurons for every direction and layer, or expert, drawn at random like every other control."""
    drawn = [
        at_random_like(masks[direction], control_seed(seed, 0, str(direction), "specialized")).members
        for direction in masks.directions
    ]
    return _control(masks, torch.stack(drawn), "random")


def _longest_like(masks: DirectionMasks, model: ModelView) -> DirectionMasks:
    """As many neurons for every direction and layer, or expert, those of the longest value vectors."""
    lengths = torch.cat([model.value_vectors(layer).detach().norm(dim=1) for layer in masks.layout.layers])
    widths = masks.layout.network_widths
    kept = [
        torch.stack([highest(part, int(size)) for size in members.sum(1)])
        for part, members in zip(lengths.split(widths), masks.kept.split(widths, dim=1), strict=True)
    ]
    return _control(masks, torch.cat(kept, dim=1), "magnitude")


def _control(masks: DirectionMasks, kept: Tensor, rule: str) -> DirectionMasks:
    return DirectionMasks(masks.layout, masks.directions, kept, Signature.of(rule=f"{rule}, as many in each network"))


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
