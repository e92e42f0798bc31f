"""Training on with direction masks: transformers' Trainer, batches that name their rows' directions, and the gate."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from neuroglot import extras
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.interventions.gating import DIRECTION_IDS, Semantics, gating
from neuroglot.models.view import ModelView
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.tokens.mixtures import drawn
from neuroglot.tokens.pairs import Pair, Pairs, labels, pad_pairs, translation_inputs

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback, TrainingArguments

MASKS_FILE = "direction_masks.safetensors"


def train_specialized(
    view: ModelView,
    masks: DirectionMasks,
    pairs: Pairs,
    arguments: TrainingArguments,
    *,
    semantics: Semantics = "activation",
    temperature: float = 5.0,
    mixed: bool = False,
    eval_pairs: Pairs | None = None,
    resume_from: Path | str | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    **options: Any,
) -> Trainer:
    """Train the model on with each row's direction masks in force; all parameters, as the arguments say.

    `arguments.max_steps` says how long. Batches are of one direction each, or `mixed`; directions are drawn with
    p ∝ n^(1/temperature) (5 in Neuron Specialization, Tan et al. 2024), all before the start and from
    `arguments.seed`, so that a run taken up from one of its checkpoints gives the same weights. Each checkpoint holds
    the masks with the names of the directions, in `direction_masks.safetensors`. `options` go to the Trainer
    (optimizers, compute_metrics). Returns the Trainer, whose `state.log_history` holds the losses; the model is no
    longer gated.

    Adam moves weights of removed neurons on for some steps after a batch of another direction: what is exactly zero is
    their gradient. Raises `ConfigError` without `max_steps`, for pairs of a direction without masks, and for several
    devices in one process; `ArtifactError` where the checkpoint to go on from has other masks; `MissingExtraError`
    without the extra `training`.
    """
    arguments = _checked(arguments)
    for needed in (pairs, eval_pairs):
        for direction in needed.directions if needed else ():
            masks.place(direction)  # refuses a direction without masks
    if resume_from is not None:
        _require_same_masks(Path(resume_from), masks)
    batches = arguments.max_steps * arguments.gradient_accumulation_steps * arguments.world_size
    size = arguments.per_device_train_batch_size
    order = drawn(
        [pair.language for pair in pairs.pairs], batches, size, temperature=temperature, mixed=mixed,
        lengths=[len(pair.token_ids) + len(pair.target_ids) for pair in pairs.pairs], seed=arguments.seed,
    )  # fmt: skip
    trainer = _trainer()(
        model=view.model,
        args=arguments,
        train_dataset=_numbered(pairs, masks, order),
        eval_dataset=_numbered(eval_pairs, masks) if eval_pairs else None,
        data_collator=collator(view, pairs.pad_id),
        callbacks=[_saving(masks), *callbacks],
        **options,
    )
    with gating(view, masks, semantics=semantics):
        trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
    return trainer


def last_checkpoint(folder: Path | str) -> Path:
    """The newest checkpoint in a training's folder; raises `ArtifactError` where there is none."""
    found = [path for path in Path(folder).glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    if not found:
        raise ArtifactError(f"{folder} has no checkpoint.", "Expected checkpoint-N.", "Leave --resume out.")
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]))


Numbered = tuple[Pair, int]  # a pair, and the place of its direction among the masks


def collator(view: ModelView, pad_id: int) -> Callable[[Sequence[Numbered]], dict[str, Any]]:
    """What turns pairs, each with the place of its direction's mask, into a batch of the model with `direction_ids`."""

    def collate(numbered: Sequence[Numbered]) -> dict[str, Any]:
        batch = pad_pairs([pair for pair, _ in numbered], pad_id)
        places = torch.tensor([place for _, place in numbered])
        return translation_inputs(view, batch) | {"labels": labels(batch), DIRECTION_IDS: places}

    return collate


def _numbered(pairs: Pairs, masks: DirectionMasks, order: Sequence[int] | None = None) -> list[Numbered]:
    places = [masks.place(direction) for direction in pairs.directions]
    chosen = pairs.pairs if order is None else [pairs.pairs[place] for place in order]
    return [(pair, places[pair.language]) for pair in chosen]


def _checked(arguments: TrainingArguments) -> TrainingArguments:
    """The arguments, with batches in the order in which they were drawn."""
    if arguments.max_steps < 1 or arguments.n_gpu > 1:
        raise ConfigError(
            f"Got max_steps={arguments.max_steps} on {arguments.n_gpu} accelerators in one process.",
            "Expected max_steps from 1, and one accelerator a process.",
            "Start several processes by torchrun or accelerate launch.",
        )
    arguments = copy.copy(arguments)
    arguments.train_sampling_strategy = "sequential"
    return arguments


def _require_same_masks(checkpoint: Path, masks: DirectionMasks) -> None:
    stored = DirectionMasks.load(checkpoint / MASKS_FILE)
    if stored.directions != masks.directions or not torch.equal(stored.kept, masks.kept):
        raise ArtifactError(f"{checkpoint} was trained with other masks.", f"Expected those in its {MASKS_FILE}.")


def _trainer() -> type[Trainer]:
    extras.require("accelerate", extra="training")
    from transformers import Trainer

    return Trainer


def _saving(masks: DirectionMasks) -> TrainerCallback:
    """Puts the masks into every checkpoint."""
    from transformers import TrainerCallback

    class Saving(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                masks.save(Path(args.output_dir) / f"checkpoint-{state.global_step}" / MASKS_FILE)

    return Saving()
