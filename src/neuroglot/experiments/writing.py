"""An encoder that writes, in small: masked language modelling, SGA on top, its ablations, and baselines beside it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from neuroglot import progress
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.specialization import ComparisonConfig, parts_of
from neuroglot.experiments.writing_baselines import WrittenDirections, train_encoder_decoder, write_with_decoder
from neuroglot.generation.sga import CanvasDecoding, write_texts
from neuroglot.lab.encoder import EncoderConfig, masked_texts_of, new_encoder
from neuroglot.metrics.texts import TEXT_METRICS, TextOptions, Texts, choose_metrics
from neuroglot.metrics.writing import WritingComparison
from neuroglot.models.architectures.sga import SGAForConditionalGeneration
from neuroglot.models.loading import move
from neuroglot.models.provenance import made_with
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.canvases import canvas_pairs
from neuroglot.tokens.masking import mask_id
from neuroglot.tokens.pairs import Pairs
from neuroglot.training.masked import Hiding, train_masked
from neuroglot.training.sga import sga_training, train_sga
from neuroglot.training.types import Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SGA, ALIGNED, OFF, SHUFFLED = "sga", "alignment alone", "memory off", "memory shuffled"
UNTAUGHT, AUTOREGRESSIVE, PROMPTS_ALONE, ALL_WEIGHTS = (
    "no denoising",
    "autoregressive",
    "prefix tuning",
    "full fine-tuning",
)
BASELINES = (UNTAUGHT, AUTOREGRESSIVE, PROMPTS_ALONE, ALL_WEIGHTS)


@dataclass(frozen=True)
class WritingConfig:
    """The recipe: data, the encoder and how it is trained if none is taken, and how SGA is trained on top.

    Rows with a text of more than `longest` characters are left out. The encoder learns `encoder_steps` at
    `encoder_rate`, with shares of tokens drawn from 0.15 to `most_hidden` hidden, of single texts and of `joined` ones.
    `baselines` are trained for as many steps as SGA, on the same pairs.
    """

    languages: tuple[str, ...] = ("en", "de")
    pivot: str = "en"
    rows: int = 3000
    test_rows: int = 60
    longest: int | None = None
    encoder: EncoderConfig = EncoderConfig()  # noqa: RUF009 (frozen)
    encoder_steps: int = 800
    encoder_rate: float = 2e-3
    most_hidden: float = 0.5
    joined: bool = True
    steps: int = 800
    rate: float = 5e-3
    batch: int = 32
    temperature: float = 5.0
    prompt_length: int = 32
    canvas_factor: float = 2.0
    denoising_passes: int = 4
    baselines: tuple[str, ...] = ()
    metric: str = "chrf++"
    max_new_tokens: int = 96

    def __post_init__(self) -> None:
        if unknown := [name for name in self.baselines if name not in BASELINES]:
            raise ConfigError(
                f"The baseline {unknown[0]!r} was asked for.", f"Expected some of {', '.join(BASELINES)}."
            )
        counts = ("rows", "test_rows", "encoder_steps", "steps", "batch", "prompt_length", "max_new_tokens")
        least = dict.fromkeys(counts, 1) | {"denoising_passes": 0}
        if wrong := [f"{name}={getattr(self, name)}" for name, count in least.items() if getattr(self, name) < count]:
            raise ConfigError(f"Got {', '.join(wrong)}.", "Expected counts from 1, and denoising passes from 0.")


def writing_parts(config: WritingConfig, source: str, seed: int, data: Corpus | None = None) -> tuple[Corpus, Corpus]:
    """Rows to train on and rows to translate, disjoint, of the lab (made anew for each seed) or of another corpus."""
    several = 5 if config.longest and source == "lab" else 1  # of which some are too long
    shape = ComparisonConfig(source, config.languages, config.pivot, config.rows, 1, several * config.test_rows)
    train, _, test = parts_of(shape, seed, data)
    train, test = (_short(part, config.longest) for part in (train, test))
    return train, test.head(config.test_rows)


def _short(rows: Corpus, longest: int | None) -> Corpus:
    """The rows of which no text has more characters; raises `CorpusError` if none is left."""
    if longest is None:
        return rows
    columns = zip(*rows.texts.values(), strict=True)
    kept = [row for row, texts in enumerate(columns) if max(map(len, texts)) <= longest]
    if not kept:
        raise CorpusError(
            f"Every row of {rows.name!r} has a text of more than {longest} characters.", "Expected others."
        )
    return rows.take(kept)


class ReadyEncoder(NamedTuple):
    """An encoder, its tokenizer, and its losses in nats per token asked for; none of one that was taken."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    losses: tuple[float, ...]


def trained_encoder(
    config: WritingConfig, train: Corpus, seed: int, *, device: str | None = None, kept: Kept = NOTHING_KEPT,
    checkpoint_every: int | None = None,
) -> ReadyEncoder:  # fmt: skip
    """An encoder from nothing, trained by masked language modelling on the texts of the corpus."""
    model, tokenizer = new_encoder(train, config.encoder, seed)
    move(model, device)

    def learn() -> Mapping[str, torch.Tensor]:
        texts = masked_texts_of(tokenizer, train, config.encoder.positions, joined=config.joined)
        training = Training(
            steps=config.encoder_steps, learning_rate=config.encoder_rate, batch_size=config.batch, beta2=0.98,
            warmup=max(1, config.encoder_steps // 10), seed=seed, checkpoint_every=checkpoint_every,
        )  # fmt: skip
        with progress.steps("encoder") as on_step:
            losses = train_masked(
                model, tokenizer, texts, training, Hiding(min(0.15, config.most_hidden), config.most_hidden),
                kept=kept.below("encoder"), on_step=on_step,
            )  # fmt: skip
        return _weights(model) | {"losses": torch.tensor(losses, dtype=torch.float64)}

    losses = _trained(model, kept, "encoder", learn)
    return ReadyEncoder(model.eval(), tokenizer, losses)


def over_encoder(
    config: WritingConfig, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int, **options: Any
) -> SGAForConditionalGeneration:
    """An untrained SGA over an encoder, with a blank row of its own, its weights drawn from the seed."""
    torch.manual_seed(seed)
    return SGAForConditionalGeneration.over(encoder, **sga_options(config, tokenizer) | options)


def sga_options(config: WritingConfig, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What the recipe and the tokenizer say of an SGA."""
    given = {"prompt_length": config.prompt_length, "canvas_factor": config.canvas_factor}
    return given | {"mask_token_id": mask_id(tokenizer), "pad_token_id": tokenizer.pad_token_id}


def trained_sga(
    config: WritingConfig,
    model: SGAForConditionalGeneration,
    pairs: Pairs,
    seed: int,
    *,
    name: str = SGA,
    kept: Kept = NOTHING_KEPT,
    checkpoint_every: int | None = None,
) -> tuple[float, ...]:
    """Train what takes gradients in the model, in place; returns the losses by step in nats per target token."""

    def learn() -> Mapping[str, torch.Tensor]:
        training = sga_training(
            steps=config.steps, learning_rate=config.rate, batch_size=config.batch, seed=seed,
            checkpoint_every=checkpoint_every,
        )  # fmt: skip
        with progress.steps(name) as on_step:
            losses = train_sga(
                model, pairs, training, temperature=config.temperature, kept=kept.below(name.replace(" ", "-")),
                on_step=on_step,
            )  # fmt: skip
        return _weights(model) | {"losses": torch.tensor(losses, dtype=torch.float64)}

    losses = _trained(model, kept, name.replace(" ", "-"), learn)
    model.eval()
    return losses


def write_directions(
    model: SGAForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    directions: Sequence[Direction | str],
    decoding: CanvasDecoding | None = None,
) -> WrittenDirections:
    """What the model writes of every source, by direction; rows whose source is too long are dropped in all."""
    pairs = canvas_pairs(model, tokenizer, corpus, directions, ask_for_targets=False)
    started = time.perf_counter()
    texts = write_texts(model, tokenizer, pairs, decoding)
    seconds = (time.perf_counter() - started) / len(texts)
    columns = {
        str(direction): tuple(texts[place * len(pairs.ids) + row].text for row in range(len(pairs.ids)))
        for place, direction in enumerate(pairs.directions)
    }
    passes = sum(text.passes for text in texts) / len(texts)
    return WrittenDirections(pairs.ids, columns, passes, seconds, dict(pairs.reasons))


def written_by_systems(
    config: WritingConfig,
    model: SGAForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    test: Corpus,
    directions: Sequence[Direction],
) -> dict[str, WrittenDirections]:
    """What the trained model writes, and what it writes without denoising, without its memory, and with another's;
    the last is left out of one row, which has no other.
    """
    decoding = CanvasDecoding(config.denoising_passes)
    written = {SGA: write_directions(model, tokenizer, test, directions, decoding)}
    if model.config.has_denoiser and model.config.writing == "ctc":
        alone = replace(decoding, denoising_passes=0)
        written[ALIGNED] = write_directions(model, tokenizer, test, directions, alone)
    ablations = {OFF: "off", SHUFFLED: "shuffled"}
    if len(written[SGA].ids) < 2:
        del ablations[SHUFFLED]
    for name, memory in ablations.items():
        with _memory(model, memory):
            written[name] = write_directions(model, tokenizer, test, directions, decoding)
    return written


def baseline(
    name: str,
    config: WritingConfig,
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    data: tuple[Pairs, Corpus],
    directions: Sequence[Direction],
    seed: int,
    *,
    kept: Kept = NOTHING_KEPT,
    checkpoint_every: int | None = None,
) -> tuple[WrittenDirections, int]:
    """What a baseline writes of the test rows when it has learned from the pairs, and how many weights it trained.

    `encoder` is a copy that may be changed. `no denoising`: SGA without its third pass. `full fine-tuning`: SGA whose
    encoder learns too. `prefix tuning`: SGA whose memory is read through the encoder's own keys and values, so that
    prompts alone are learned. `autoregressive`: an encoder–decoder, both sides initialised from the encoder.
    """
    pairs, test = data
    if name == AUTOREGRESSIVE:
        reads = canvas_pairs(
            over_encoder(config, copy.deepcopy(encoder), tokenizer, seed), tokenizer, test, directions,
            ask_for_targets=False,
        )  # fmt: skip
        test = test.take([test.ids.index(row_id) for row_id in reads.ids])  # what SGA reads: others are too long
        training = sga_training(
            steps=config.steps, learning_rate=min(config.rate, 1e-3), batch_size=config.batch, seed=seed,
            checkpoint_every=checkpoint_every,
        )  # fmt: skip
        with progress.steps(name) as on_step:
            pair = train_encoder_decoder(
                encoder, tokenizer, pairs, training, temperature=config.temperature, kept=kept.below(name),
                on_step=on_step,
            )  # fmt: skip
        found = write_with_decoder(pair, tokenizer, test, directions, config.max_new_tokens)
        written = replace(found, dropped=dict(reads.reasons))
        return written, sum(part.numel() for part in pair.parameters())
    options: dict[str, dict[str, Any]] = {
        UNTAUGHT: {"denoise": False},
        PROMPTS_ALONE: {"memory": "encoder's"},
        ALL_WEIGHTS: {},
    }
    model = over_encoder(config, encoder, tokenizer, seed, **options[name])
    if name == ALL_WEIGHTS:
        model.backbone.requires_grad_(True)
    rate = config if name != ALL_WEIGHTS else replace(config, rate=min(config.rate, 1e-3))
    trained_sga(rate, model, pairs, seed, name=name, kept=kept, checkpoint_every=checkpoint_every)
    trained = sum(part.numel() for part in model.parameters() if part.requires_grad)
    decoding = CanvasDecoding(config.denoising_passes)
    return write_directions(model, tokenizer, test, directions, decoding), trained


def compared(
    config: WritingConfig,
    written: Mapping[str, WrittenDirections],
    test: Corpus,
    signature: Signature,
    trained: Mapping[str, int] | None = None,
) -> WritingComparison:
    """Scores of all systems on the rows that all of them wrote, against the corpus's own texts."""
    return compared_over_seeds(config, [written], [test], signature, trained)


def compared_over_seeds(
    config: WritingConfig,
    written: Sequence[Mapping[str, WrittenDirections]],
    tests: Sequence[Corpus],
    signature: Signature,
    trained: Mapping[str, int] | None = None,
) -> WritingComparison:
    """The same over seeds, each with its own test rows, of which there are as many."""
    (metric,) = choose_metrics([config.metric], TextOptions(language=config.pivot)).values()
    systems: dict[str, list[torch.Tensor]] = {name: [] for name in written[0]}
    for of_seed, test in zip(written, tests, strict=True):
        for name, found in of_seed.items():
            if found.ids != next(iter(of_seed.values())).ids:
                raise ConfigError(f"The system {name!r} wrote other rows.", "Expected the same rows of all systems.")
            rows = [test.ids.index(row_id) for row_id in found.ids]
            references = test.take(rows).texts
            counts = [
                metric.counts(Texts(column, (tuple(references[Direction.parse(direction).target]),)))
                for direction, column in found.texts.items()
            ]
            systems[name].append(torch.stack(counts, dim=1))
    definition, first = TEXT_METRICS[config.metric], written[0]

    def mean(pick: Callable[[WrittenDirections], float]) -> dict[str, float]:
        return {name: sum(pick(of_seed[name]) for of_seed in written) / len(written) for name in first}

    return WritingComparison(
        definition.name, definition.unit, metric.value, tuple(next(iter(first.values())).texts),
        {name: torch.stack(of_seeds) for name, of_seeds in systems.items()}, signature,
        mean(lambda found: found.passes), mean(lambda found: found.seconds), dict(trained or {}),
        dict(next(iter(first.values())).dropped), metric.right_or_wrong, definition.ends,
    )  # fmt: skip


def writing_signature(
    config: WritingConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, test: Corpus, seed: int
) -> Signature:
    """All options, beside model, tokenizer and rows."""
    plain = {name: value for name, value in vars(config).items() if isinstance(value, str | int | float | bool)}
    listed = {"languages": ",".join(config.languages), "baselines": ",".join(config.baselines)}
    return made_with(model, tokenizer, test) | Signature.of(**plain, **listed, seed=seed)


@contextmanager
def _memory(model: SGAForConditionalGeneration, kind: str) -> Iterator[None]:
    before, model.config.memory = model.config.memory, kind
    try:
        yield
    finally:
        model.config.memory = before


def _weights(model: Any) -> dict[str, torch.Tensor]:
    return {f"weights.{name}": weight.detach().clone() for name, weight in model.state_dict().items()}


def _trained(model: Any, kept: Kept, name: str, learn: Callable[[], Mapping[str, torch.Tensor]]) -> tuple[float, ...]:
    """The losses; the model has the weights that were learned now, or before the job was stopped."""
    found = kept.once(f"{name}-trained", learn)
    model.load_state_dict({key.removeprefix("weights."): part for key, part in found.items() if key != "losses"})
    return tuple(found["losses"].tolist())
