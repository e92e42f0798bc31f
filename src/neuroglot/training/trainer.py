"""TRL's trainer as tuning needs it: the examples in their order, nothing cut, nothing sent anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuroglot import extras
from neuroglot.errors import ConfigError
from neuroglot.tokens.examples import IGNORED, Examples
from neuroglot.training.types import Lora, TuningConfig

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
    from trl import SFTConfig, SFTTrainer


def require_packages() -> None:
    """Raise `MissingExtraError` where a package of the extra `training` is not installed."""
    for package in ("accelerate", "datasets", "peft", "trl"):
        extras.require(package, extra="training")


def new_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoded: Examples,
    config: TuningConfig,
    folder: Path,
    on_step: Callable[[int, int, float], None] | None = None,
) -> SFTTrainer:
    """TRL's trainer with adapters put in where asked; what it cannot do with this model it says in a `ConfigError`.

    Examples come as tokens with their labels, which TRL leaves as they are: its own preparation needs an end-of-text
    token and cuts what is too long.
    """
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    arguments = _arguments(model, config, folder)
    try:
        trainer = _quiet_trainer()(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(with_labels(encoded)),
            # given, because TRL's own sets the padding token of a tokenizer that has none
            data_collator=DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id or 0),
            processing_class=tokenizer,
            peft_config=None if config.lora is None else _adapters(config.lora),
            callbacks=[_reporting(on_step)] if on_step else None,
        )
    except (ValueError, TypeError, RuntimeError) as error:
        message = str(error).strip().splitlines()[0]
        raise ConfigError(f"The model cannot be tuned in this way: {message}") from error
    trainer.remove_callback(PrinterCallback)
    return trainer


def with_labels(encoded: Examples) -> list[dict[str, list[int]]]:
    """The tokens of each example, and labels that are -100 for those of the prompt."""
    return [
        {
            "input_ids": list(text.token_ids),
            "labels": [token if asked else IGNORED for token, asked in zip(text.token_ids, text.scored, strict=True)],
        }
        for text in encoded.texts
    ]


def _arguments(model: PreTrainedModel, config: TuningConfig, folder: Path) -> SFTConfig:
    from trl import SFTConfig

    on_cpu = model.device.type == "cpu"
    known = {field.name for field in fields(SFTConfig)}  # transformers 5.x renamed the option on the way
    name = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    checkpointing: dict[str, Any] = {name: config.gradient_checkpointing}
    arguments = SFTConfig(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        train_sampling_strategy="sequential",
        learning_rate=config.rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        seed=config.seed,
        bf16=config.bf16,
        max_length=None,
        save_strategy="no" if config.checkpoint_every is None else "steps",
        save_steps=config.checkpoint_every or config.steps,
        save_total_limit=2,
        logging_steps=1,
        report_to=config.report_to,
        disable_tqdm=True,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        **checkpointing,
    )
    if arguments.world_size > 1 or (arguments.n_gpu > 1 and not hasattr(model, "hf_device_map")):
        raise ConfigError(
            f"There are {arguments.world_size} processes, with {arguments.n_gpu} accelerators each.",
            "Expected is one process with one accelerator, or a model spread over several by device 'auto'.",
            "Name one in CUDA_VISIBLE_DEVICES.",
        )
    return arguments


def _adapters(lora: Lora) -> LoraConfig:
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft divides it by the rank
        lora_dropout=lora.dropout,
        target_modules="all-linear" if lora.targets is None else list(lora.targets),
        task_type="CAUSAL_LM",
    )


def _quiet_trainer() -> type[SFTTrainer]:
    from trl import SFTTrainer

    class QuietTrainer(SFTTrainer):
        def _send_telemetry(self) -> None:
            """TRL tells the hub about every run; neuroglot sends nothing that was not asked for."""

    return QuietTrainer


def _reporting(on_step: Callable[[int, int, float], None]) -> TrainerCallback:
    from transformers import TrainerCallback

    class Reporting(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                on_step(state.global_step, state.max_steps, logs["loss"])

    return Reporting()
