"""Low-rank adapters put into a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from neuroglot import extras
from neuroglot.errors import ConfigError
from neuroglot.training.types import Lora

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def with_adapters(model: PreTrainedModel, lora: Lora, seed: int, *, four_bits: bool = False) -> PreTrainedModel:
    """The model with adapters, which alone are trained, drawn from the seed; `four_bits` if its layers are held so.

    Raises `ConfigError` for modules that the model does not have, and `MissingExtraError` without the extra `training`.
    """
    peft = extras.require("peft", extra="training")
    from transformers import set_seed

    set_seed(seed)
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # divided by the rank
        lora_dropout=lora.dropout,
        target_modules="all-linear" if lora.targets is None else list(lora.targets),
        task_type=None if model.config.is_encoder_decoder else "CAUSAL_LM",
    )
    try:
        with _said_to_be_in_four_bits(model) if four_bits else nullcontext():
            adapted: Any = peft.get_peft_model(model, config)
    except (ValueError, TypeError, RuntimeError) as error:
        message = str(error).strip().splitlines()[0]
        raise ConfigError(f"The model cannot be tuned in this way: {message}") from error
    for stated in adapted.peft_config.values():
        if isinstance(stated.target_modules, set):  # which is saved in an order that changes from run to run
            stated.target_modules = sorted(stated.target_modules)
    return adapted


@contextmanager
def _said_to_be_in_four_bits(model: Any) -> Iterator[None]:
    """PEFT asks this before it takes adapters that know 4-bit layers."""
    model.is_loaded_in_4bit = True
    try:
        yield
    finally:
        del model.is_loaded_in_4bit
