"""The trainings around a localized one: a main pair from nothing, and several processes that share the groups."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import NeuroglotError, ProcessError
from neuroglot.models.branched import MAIN, SIDES, BranchedConfig, BranchedFolder, BranchedSeq2Seq, Flow
from neuroglot.models.loading import move
from neuroglot.storage import Kept
from neuroglot.tokens.mixtures import drawn
from neuroglot.training.exchange import Exchange, Policy
from neuroglot.training.gated import translation_training
from neuroglot.training.language_centric import Directions, FlowRow, flow_collator
from neuroglot.training.localized import SHARED_PIECES, STAGES, LocalizedConfig, OnTurn, train_localized
from neuroglot.training.pieces import PIECES_STATE, Pieces, piece_name
from neuroglot.training.trainer import fit
from neuroglot.training.types import OnStep

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Shared:
    """How several processes train at once: how many, and how they exchange the main pair."""

    processes: int = 1
    policy: Policy = "average"
    minutes: float = 60.0


def by_direction(corpus: Corpus, directions: tuple[Direction, ...]) -> dict[Direction, Corpus]:
    """Parallel rows as the text of each direction."""
    return {each: corpus.select([each.source, each.target]) for each in directions}


def rows_of_all(directions: Directions) -> list[FlowRow]:
    """Every pair, to be read and written by the main pair."""
    return [(pair, Flow.MIX, MAIN) for pairs in directions.pairs.values() for pair in pairs]


def train_main(
    model: PreTrainedModel, directions: Directions, *, steps: int, learning_rate: float, batch_size: int,
    temperature: float, seed: int, checkpoint_every: int | None, kept: Kept, device: str | None, on_step: OnStep,
) -> tuple[float, ...]:  # fmt: skip
    """Train an M2M-100 in place on all directions together, as multilingual fine-tuning does; returns the losses."""
    branched: Any = BranchedSeq2Seq.from_model(model, {})  # type: ignore[arg-type]  # refuses another one
    move(branched, device)
    rows = rows_of_all(directions)
    parts = [place for place, pairs in enumerate(directions.pairs.values()) for _ in pairs]
    lengths = [len(pair.token_ids) + len(pair.target_ids) for pair, _, _ in rows]
    order = drawn(parts, steps, batch_size, temperature=temperature, mixed=True, lengths=lengths, seed=seed)
    training = translation_training(
        steps=steps, learning_rate=learning_rate, batch_size=batch_size, seed=seed, checkpoint_every=checkpoint_every
    )
    collate = flow_collator(branched.config, directions.pad_id)
    losses = fit(branched, [rows[row] for row in order], collate, training, kept=kept, on_step=on_step)
    move(branched, "cpu")
    return losses


def train_shared(
    root: Path, start: BranchedFolder, config: BranchedConfig, directions: Directions, training: LocalizedConfig,
    shared: Shared, *, device: str | None = None, on_step: OnTurn | None = None,
) -> Pieces:  # fmt: skip
    """A localized training in one process, or in several that each train some of the groups.

    Several exchange the main pair while a stage lasts; behind it theirs are averaged, so that all decoders of stage 2
    are trained beside one encoder. Raises `ProcessError` if a process failed; the others' turns are kept.
    """
    if shared.processes == 1:
        pieces = Pieces.of(root, start, config)
        return train_localized(pieces, directions, training, device=device, on_step=on_step)
    groups = [turn.group for turn in replace(training, rounds=1, stages=training.stages[:1]).turns(config)]
    shares = [tuple(groups[place :: shared.processes]) for place in range(min(shared.processes, len(groups)))]
    pieces, losses = Pieces.of(root / "begun", start, config), []
    for place, stage in enumerate(training.stages):
        folder = root / f"{place}-{stage}"
        if not (folder / GATHERED / PIECES_STATE).is_file():
            jobs = [
                _Job(
                    folder / f"p{number}", start, config.to_dict(), pieces.files, directions,
                    replace(training, stages=(stage,), groups=share),
                    Exchange(folder / "exchange", f"p{number}", shared.policy, shared.minutes, training.seed), device,
                )
                for number, share in enumerate(shares)
            ]  # fmt: skip
            _run(jobs)
            _gather(folder, pieces, stage, shares)
        pieces = Pieces.of(folder / GATHERED, start, config)
        losses += pieces.losses
    pieces.losses = losses
    return pieces


GATHERED = "gathered"


@dataclass(frozen=True)
class _Job:
    """What one process does; it can be handed to another process."""

    folder: Path
    start: BranchedFolder
    config: Mapping[str, Any]
    files: Mapping[str, str]
    directions: Directions
    training: LocalizedConfig
    exchange: Exchange
    device: str | None


def _work(job: _Job, told: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        pieces = Pieces.of(job.folder, job.start, BranchedConfig.from_dict(dict(job.config)))
        if not pieces.done:
            pieces.files = dict(job.files)
        train_localized(pieces, job.directions, job.training, exchange=job.exchange, device=job.device)
    except NeuroglotError as error:
        told.put(str(error))
        sys.exit(1)
    except KeyboardInterrupt:  # its parent says so
        sys.exit(1)


def _end_with_parent() -> None:
    """End where the parent was killed, so that the next one finds nobody in the folders."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(jobs: list[_Job]) -> None:
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    running = [context.Process(target=_work, args=(job, told)) for job in jobs]
    try:
        for process in running:
            process.start()
        for process in running:
            process.join()
    finally:
        for process in running:
            if process.is_alive():
                process.terminate()
    failed = [job.folder.name for job, process in zip(jobs, running, strict=True) if process.exitcode]
    if failed:
        raise ProcessError(
            f"The process {failed[0]}, of {len(jobs)}, failed{'.' if told.empty() else f': {told.get()}'}",
            "Expected all to finish.", "Go on with resume (--resume), which keeps the turns that are done.",
        )  # fmt: skip


def _gather(folder: Path, before: Pieces, stage: str, shares: list[tuple[str, ...]]) -> None:
    """The branches of every process, and the mean of their main pairs if the stage trained it."""
    config, parts = (
        before.config,
        [Pieces.stored(folder / f"p{number}", before.config) for number in range(len(shares))],
    )
    pieces = Pieces(folder / GATHERED, config, files=dict(before.files), moments=dict(before.moments))
    for share, part in zip(shares, parts, strict=True):
        names = [piece_name(side, group) for group in share for side in SIDES]
        pieces.files |= {name: part.files[name] for name in names}
        pieces.moments |= {name: part.moments[name] for name in names if name in part.moments}
        pieces.losses += part.losses
    if SHARED_PIECES & STAGES[stage].trains(shares[0][0]):
        pairs = [part.main_pair() for part in parts]
        mean = {name: torch.stack([pair[name].double() for pair in pairs]).mean(0).to(weight.dtype)
                for name, weight in pairs[0].items()}  # fmt: skip
        pieces.put_main_pair(mean, "main")
    pieces.commit()
