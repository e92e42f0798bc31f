"""Localized training of a branched model (Lego-MT, Yuan et al. 2022): group by group, only its branch in memory.

The released code lacks its training driver; stages and flows are as its paper and its helpers say.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neuroglot.errors import ConfigError
from neuroglot.models.branched.config import MAIN, SIDES, BranchedConfig
from neuroglot.models.branched.flows import single_flows
from neuroglot.models.branched.model import BranchedSeq2Seq
from neuroglot.models.loading import move
from neuroglot.signature import seed_of
from neuroglot.storage import Kept
from neuroglot.training.continued import Continued
from neuroglot.training.exchange import Exchange
from neuroglot.training.language_centric import Directions, branches_of_flow, flow_collator, rows_of_turn
from neuroglot.training.pieces import EMBEDDING_PART, PieceName, Pieces, parts_in, piece_name
from neuroglot.training.trainer import fit
from neuroglot.training.types import Training

MAIN_ENCODER, MAIN_DECODER = (piece_name(side, MAIN) for side in SIDES)
SHARED_PIECES = frozenset({EMBEDDING_PART, MAIN_ENCODER, MAIN_DECODER})


@dataclass(frozen=True)
class LocalStage:
    """Which flows are trained, as their bitmask, and which parts stay as they are."""

    flows: int
    frozen: frozenset[PieceName] = frozenset()

    def needs(self, group: str) -> tuple[list[str], list[str]]:
        """The encoders and the decoders that a turn of the group has in memory."""
        pairs = [branches_of_flow(flow, group) for flow in single_flows(self.flows)]
        encoders, decoders = (list(dict.fromkeys(pair[place] for pair in pairs)) for place in (0, 1))
        return encoders, decoders

    def trains(self, group: str) -> set[PieceName]:
        """The parts that a turn of the group changes, and no others."""
        there = {piece_name(side, name) for side, names in zip(SIDES, self.needs(group), strict=True) for name in names}
        return ({EMBEDDING_PART} | there) - self.frozen


# By name. 1: the unified space, by Mix- and Enc-Flow. 2: decoders, by Dec-Flow, with main encoder and embedding frozen.
# branches: the encoder and the decoder of a group, all that is shared frozen, so that nothing else can be forgotten.
STAGES = {
    "1": LocalStage(6),
    "2": LocalStage(1, frozenset({EMBEDDING_PART, MAIN_ENCODER})),
    "branches": LocalStage(3, SHARED_PIECES),
}


@dataclass(frozen=True, kw_only=True)
class LocalizedConfig:
    """How long, and how: in each stage `rounds` times through the `groups`, by default all, in drawn order.

    A turn has `steps`, a step `batch_size` pairs for each flow. In each stage the rate rises over the first tenth of
    its steps and falls with their inverse square root, as in Neuron Specialization; the release does not say its own.
    Directions are drawn with p ∝ n^(1/temperature). Raises `ConfigError` for unknown stages.
    """

    steps: int
    learning_rate: float
    stages: tuple[str, ...] = ("1", "2")
    rounds: int = 1
    groups: tuple[str, ...] | None = None
    batch_size: int = 32
    temperature: float = 5.0
    label_smoothing: float = 0.1
    seed: int = 0
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown or not self.stages or self.rounds < 1:
            raise ConfigError(
                f"Got the stages {', '.join(self.stages) or 'none'} and {self.rounds} rounds.",
                f"Expected some of {', '.join(STAGES)}, and one round or more.",
            )

    def turns(self, config: BranchedConfig) -> list[Turn]:
        """All turns in order; raises `ConfigError` for groups that the model lacks."""
        return list(self._turns(config))

    def _turns(self, config: BranchedConfig) -> Iterator[Turn]:
        groups = list(config.members) if self.groups is None else list(self.groups)
        if not groups or not set(groups) <= set(config.members) or len({*groups}) < len(groups):
            raise ConfigError(
                f"The groups {', '.join(groups) or 'none'} were to be trained.",
                f"Expected some of {', '.join(config.members)}, each once.",
            )
        number = 0
        for place, stage in enumerate(self.stages):
            total, first = self.rounds * len(groups) * self.steps, 0
            for again in range(self.rounds):
                order = np.random.default_rng(seed_of(self.seed, stage, place, again)).permutation(len(groups))
                for group in (groups[index] for index in order):
                    yield Turn(number, stage, group, first, total)
                    number, first = number + 1, first + self.steps


@dataclass(frozen=True)
class Turn:
    """One group's turn: its number, and which steps of its stage's these are."""

    number: int
    stage: str
    group: str
    first: int
    total: int


OnTurn = Callable[[Turn, int, int, float], None]  # the turn, step (from 1), steps of the turn, loss


def train_localized(
    pieces: Pieces,
    directions: Directions,
    config: LocalizedConfig,
    *,
    exchange: Exchange | None = None,
    device: str | None = None,
    on_step: OnTurn | None = None,
) -> Pieces:
    """Train every turn that is not done yet; what is behind is in the pieces' folder, and memory holds one turn.

    In turns, one that was killed goes on with the same weights to the last bit. With an `exchange` the main pair is
    taken and published around each turn that trains it, and a turn that is done again takes what its log says. Raises
    as `fit` and `Exchange.before`, and `ConfigError` for a flow without text.
    """
    for turn in config.turns(pieces.config)[pieces.done :]:
        exchanging = exchange if SHARED_PIECES & STAGES[turn.stage].trains(turn.group) else None
        if exchanging is not None and (mixed := exchanging.before(turn.number, pieces.main_pair())):
            pieces.put_main_pair(mixed, f"taken-{turn.number:06d}")
        _train_turn(pieces, directions, config, turn, device, on_step)
        if exchanging is not None:
            exchanging.publish(turn.number, pieces.main_pair())
    return pieces


def _train_turn(
    pieces: Pieces, directions: Directions, config: LocalizedConfig, turn: Turn, device: str | None,
    on_step: OnTurn | None,
) -> None:  # fmt: skip
    stage, trained = STAGES[turn.stage], STAGES[turn.stage].trains(turn.group)
    seed = seed_of(config.seed, turn.number)
    rows = rows_of_turn(
        directions, pieces.config, turn.group, stage.flows, config.steps, config.batch_size, config.temperature, seed
    )
    model: Any = pieces.load(*stage.needs(turn.group))
    move(model, device)
    freeze_all_but(model, trained)
    continued = Continued(turn.first, turn.total, max(1, turn.total // 10), pieces.load_moments(trained))
    losses = fit(
        model, rows, flow_collator(pieces.config, directions.pad_id), training_of(config, stage, seed),
        kept=Kept(pieces.path / "checkpoints" / f"{turn.number:06d}"), continued=continued,
        on_step=None if on_step is None else lambda *said: on_step(turn, *said),
    )  # fmt: skip
    pieces.finish_turn(model, trained, continued.moments, [turn.stage, turn.group, list(losses)])
    del model, continued
    gc.collect()  # a model and its trainer hold each other


def freeze_all_but(model: BranchedSeq2Seq, trained: set[PieceName]) -> None:
    """Let only these parts take gradients; the embedding that stacks look up is the one that all share."""
    for _, _, module in parts_in(model):
        for parameter in module.parameters():
            parameter.requires_grad_(False)
    for part, _, module in parts_in(model):
        for name, parameter in module.named_parameters():
            if part in trained and name != "embed_tokens.weight":
                parameter.requires_grad_(True)


def training_of(config: LocalizedConfig, stage: LocalStage, seed: int) -> Training:
    """How the weights of one turn are updated: a batch of each flow a step."""
    flows = len(single_flows(stage.flows))
    return Training(
        steps=config.steps, learning_rate=config.learning_rate, batch_size=config.batch_size, accumulation=flows,
        schedule="inverse_sqrt", beta2=0.98, label_smoothing=config.label_smoothing, seed=seed % 2**32,
        checkpoint_every=config.checkpoint_every,
    )  # fmt: skip


def of_stage(config: LocalizedConfig, stage: str, groups: tuple[str, ...]) -> LocalizedConfig:
    """The part of a training that one process does in one stage."""
    return replace(config, stages=(stage,), groups=groups)
