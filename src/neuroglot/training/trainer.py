"""The training core: one factory over transformers' Trainer, which reads examples in their order and can go on."""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from neuroglot import distribution, extras
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.examples import IGNORED
from neuroglot.training.checkpoints import PREFIX, last_whole, seal, step_of
from neuroglot.training.continued import Continued
from neuroglot.training.sharing import Collate, shared_steps
from neuroglot.training.trajectory import TRAJECTORY_FILE, Trajectory
from neuroglot.training.types import OnStep, Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments


def fit(
    model: PreTrainedModel,
    rows: Sequence[Any],
    collate: Collate,
    training: Training,
    *,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
    trajectory: Trajectory | None = None,
    continued: Continued | None = None,
) -> tuple[float, ...]:
    """Train the model in place; returns the loss of each step, in nats per learned token.

    A `trajectory` is filled on the way, and kept with every checkpoint; it changes nothing of the training. What is
    `continued` is a part of a longer training, whose moments it takes on and hands on.

    A step's loss is the mean over all tokens learned in it, not over examples. With a place in `kept` the training goes
    on from its last whole checkpoint; on the CPU, with as many threads, it ends with the same weights to the last bit.
    What lies there is of the same job: whoever hands it on sees to that.

    Several processes, as `torchrun` starts them, share each step's examples (DistributedDataParallel) and end with the
    weights of one, up to rounding; they may go on from each other's checkpoints in any number. Only dropout differs.

    Raises `ConfigError` for several accelerators a process and for steps that cannot be shared, `ProcessError` if
    another process ended, `ArtifactError` if a checkpoint cannot be written, and `MissingExtraError` without the extra
    `training`.
    """
    with ExitStack() as stack, _configs_as_they_were(model):
        folder = kept.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neuroglot-training-")))
        trainer = new_trainer(
            model, rows, collate, training, folder, on_step, keeping=kept.folder is not None, trajectory=trajectory,
            continued=continued,
        )  # fmt: skip
        checkpoint = _last_of_all(folder)
        if trajectory is not None:
            trajectory.begin(model)
            if checkpoint is not None:
                trajectory.restore(checkpoint / TRAJECTORY_FILE)
        with distribution.while_together():
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if continued is not None:
            continued.take(model, trainer.optimizer)
    return tuple(row["loss"] for row in trainer.state.log_history if "loss" in row)


def _last_of_all(folder: Path) -> Path | None:
    """The last whole checkpoint, as the first process sees it, in all of them."""
    checkpoint = last_whole(folder) if distribution.rank() == 0 else None
    step = distribution.number_from_first(step_of(checkpoint))
    return folder / f"{PREFIX}{step}" if step else None


@contextmanager
def _configs_as_they_were(model: PreTrainedModel) -> Iterator[None]:
    """Trainers leave their cache and special tokens in a model's configs; an encoder has one only."""
    base: Any = getattr(model, "get_base_model", lambda: model)()
    names = [name for name in ("config", "generation_config") if hasattr(base, name)]
    configs = copy.deepcopy([getattr(base, name) for name in names])
    try:
        yield
    finally:
        for name, config in zip(names, configs, strict=True):
            setattr(base, name, config)


def read_once(model: PreTrainedModel, rows: Sequence[Any], collate: Collate, batch_size: int) -> None:
    """Forward and backward over the rows, as in training, without an update: what a training is timed by."""
    forward: Any = model
    for start in range(0, len(rows), batch_size):
        batch = collate(rows[start : start + batch_size])
        moved = {name: value.to(model.device) if isinstance(value, Tensor) else value for name, value in batch.items()}
        forward(**moved).loss.backward()
        model.zero_grad(set_to_none=True)


def new_trainer(
    model: PreTrainedModel,
    rows: Sequence[Any],
    collate: Collate,
    training: Training,
    folder: Path,
    on_step: OnStep | None = None,
    *,
    keeping: bool = False,
    trajectory: Trajectory | None = None,
    continued: Continued | None = None,
) -> Trainer:
    """transformers' Trainer on rows in their order, nothing removed from them; its checkpoints are sealed."""
    extras.require("accelerate", extra="training")
    require_weights(model)
    from transformers import PrinterCallback

    shared = shared_steps(rows, collate, training, distribution.process_count())
    arguments = _arguments(model, shared.training, folder, keeping)
    if training.gradient_checkpointing and not all(parameter.requires_grad for parameter in model.parameters()):
        model.enable_input_require_grads()
    trainer = _sealing_trainer(trajectory, continued)(
        model=model,
        args=arguments,
        train_dataset=shared.rows,  # a sequence has all that is asked of a dataset
        data_collator=shared.collate,
        compute_loss_func=_smoothed(model, training.label_smoothing),
        callbacks=[_reporting(on_step, trajectory)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(model: PreTrainedModel, training: Training, folder: Path, keeping: bool) -> TrainingArguments:
    from transformers import TrainingArguments

    on_cpu = model.device.type == "cpu"
    known = {field.name for field in fields(TrainingArguments)}  # transformers 5.x renamed the option on the way
    name = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    checkpointing: dict[str, Any] = {name: training.gradient_checkpointing}
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=training.steps,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.accumulation,
        train_sampling_strategy="sequential",
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.schedule,
        warmup_steps=training.warmup,
        weight_decay=training.weight_decay,
        adam_beta2=training.beta2,
        label_smoothing_factor=training.label_smoothing,
        seed=training.seed,
        bf16=training.bf16,
        save_strategy="steps" if keeping and training.checkpoint_every else "no",
        save_steps=training.checkpoint_every or training.steps,
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,  # else a loss that is no number is written as the one before, or as 0
        report_to=training.report_to,
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        **checkpointing,
    )
    if arguments.world_size != distribution.process_count():
        raise ConfigError(
            f"The job was started in {arguments.world_size} processes, of which none knows the others' share.",
            "Expected a command under torchrun, or a block of neuroglot.distribution.sharing_the_job().",
        )
    if arguments.n_gpu > 1 and not hasattr(model, "hf_device_map"):
        raise ConfigError(
            f"The process has {arguments.n_gpu} accelerators.",
            "Expected one a process, or a model spread over several by device 'auto'.",
            "Name one in CUDA_VISIBLE_DEVICES, or start a process for each with torchrun.",
        )
    return arguments


def _smoothed(model: PreTrainedModel, smoothing: float) -> Callable[..., Tensor] | None:
    """The loss of smoothed labels of a decoder; transformers' own knows by names which models shift their labels, and
    would not shift those of others.
    """
    if not smoothing or model.config.is_encoder_decoder:
        return None

    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        logits, targets = outputs["logits"][:, :-1].float().flatten(0, 1), labels[:, 1:].flatten()
        summed = cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)
        return summed / (num_items_in_batch if num_items_in_batch is not None else (targets != IGNORED).sum())

    return loss


def _sealing_trainer(trajectory: Trajectory | None = None, continued: Continued | None = None) -> type[Trainer]:
    from transformers import Trainer, get_scheduler

    class SealingTrainer(Trainer):
        """Seals each checkpoint when all processes wrote their share, and says in one sentence that one cannot be
        written; with several processes it trains nothing but what all of them share.
        """

        def training_step(self, model: Any, *inputs: Any, **options: Any) -> Tensor:
            if self.args.world_size > 1 and not isinstance(model, DistributedDataParallel):
                raise ConfigError(
                    f"{self.args.world_size} processes train a {type(model).__name__} each.",
                    "Expected DistributedDataParallel, in which they share one.",
                )
            return super().training_step(model, *inputs, **options)

        def create_optimizer(self, model: Any = None) -> Any:
            optimizer = super().create_optimizer(model)
            if continued is not None:
                continued.install(self.model, optimizer)
            return optimizer

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            if continued is None:
                return super().create_scheduler(num_training_steps, optimizer)
            given: Any = optimizer or self.optimizer
            name = self.args.lr_scheduler_type
            self.lr_scheduler = get_scheduler(name, given, continued.warmup, continued.steps)
            continued.schedule(self.lr_scheduler)
            return self.lr_scheduler

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            if trajectory is None:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            labels = inputs["labels"]  # smoothing takes them out
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
            optimizer: Any = self.optimizer
            trajectory.observe(outputs["logits"], labels, float(optimizer.param_groups[0]["lr"]))
            return (loss, outputs) if return_outputs else loss

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            checkpoint = Path(str(self.args.output_dir)) / f"{PREFIX}{self.state.global_step}"
            try:
                super()._save_checkpoint(model, trial)
            except (OSError, SafetensorError, RuntimeError) as error:  # torch raises the last on a full disk
                raise ArtifactError(
                    f"{checkpoint} cannot be written: {str(error).splitlines()[0]}.", "",
                    "Free the disk, and go on from the checkpoint before.",
                ) from error  # fmt: skip
            distribution.wait_for_all()
            if distribution.rank() == 0:
                if trajectory is not None:
                    trajectory.save(checkpoint / TRAJECTORY_FILE)
                seal(checkpoint)
            distribution.wait_for_all()

    return SealingTrainer


def require_weights(model: PreTrainedModel) -> None:
    """Raise `ConfigError` for a model of which there is only the form."""
    if model.device.type == "meta":
        raise ConfigError("The model has no weights on the device 'meta'.", "Expected another one, or --dry-run.")


class DivergedError(ConfigError):
    """The loss of a training is no number any more."""


def require_finite(loss: float, step: int) -> None:
    """Raise `DivergedError` if a loss is no number: the weights behind it are none either."""
    if not math.isfinite(loss):
        raise DivergedError(
            f"The loss of step {step} is {loss}.", "Expected a finite number.",
            "Take a lower learning rate, or full precision.",
        )  # fmt: skip


def _reporting(on_step: OnStep | None, trajectory: Trajectory | None) -> TrainerCallback:
    from transformers import TrainerCallback

    class Reporting(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if trajectory is not None:
                trajectory.end_step()

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                require_finite(logs["loss"], state.global_step)
                if on_step is not None:
                    on_step(state.global_step, state.max_steps, logs["loss"])

    return Reporting()
