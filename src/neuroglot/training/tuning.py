"""Supervised fine-tuning of a decoder, in full or by LoRA, on completions only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import pad_sequence

from neuroglot.errors import CorpusError, UnsupportedModelError
from neuroglot.prompting.examples import Example
from neuroglot.storage import NOTHING_KEPT, Kept, as_artifact_error
from neuroglot.tokens.examples import IGNORED, Examples, examples
from neuroglot.tokens.tokenizing import Text
from neuroglot.training.adapters import with_adapters
from neuroglot.training.trainer import Collate, fit
from neuroglot.training.types import OnStep, TuningConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class Tuned:
    """The tuned model (with adapters if they are not to be merged), its loss in nats per learned token by step, and
    the examples dropped by reason.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    losses: tuple[float, ...]
    dropped: Mapping[str, int]

    def save(self, folder: Path | str) -> Path:
        """Write model and tokenizer in the hub's layout."""
        return save_model(self.model, self.tokenizer, Path(folder))


def tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    config: TuningConfig,
    *,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
) -> Tuned:
    """Tune a decoder, in place, on the examples in their order.

    With a place in `kept` the job goes on from its last whole checkpoint, as `trainer.fit` says.

    Raises `UnsupportedModelError` for a model with an encoder; `CorpusError` for examples that do not fit;
    `ConfigError` for modules that are not there, and several accelerators; `MissingExtraError` without the extra
    `training`.
    """
    encoded = learnable(model, tokenizer, examples, config)
    trained = model if config.lora is None else with_adapters(model, config.lora, config.seed)
    collate = completions(tokenizer.pad_token_id or 0)
    losses = fit(trained, encoded.texts, collate, config.training, kept=kept, on_step=on_step)
    merged: Any = trained
    if config.lora is not None and config.save == "merged":
        merged = merged.merge_and_unload()
    return Tuned(merged, tokenizer, losses, encoded.dropped)


def learnable(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, given: Sequence[Example], config: TuningConfig
) -> Examples:
    """The examples as tokens; raises as `tune` if the model or all examples do not fit."""
    if model.config.is_encoder_decoder or not model.can_generate():
        raise UnsupportedModelError(
            f"{type(model).__name__} has an encoder, or generates no text.",
            "Expected is a decoder, which reads prompt and completion as one text.",
        )
    longest = min(config.max_tokens, getattr(model.config, "max_position_embeddings", None) or config.max_tokens)
    encoded = examples(tokenizer, given, end=config.end, unfit=config.unfit, max_tokens=longest)
    if not encoded.kept:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in encoded.dropped.items()) or "none was given"
        raise CorpusError(
            f"Of {len(given)} examples none is left ({reasons}).",
            f"Expected one or more, of at most {longest} tokens, whose prompt keeps its tokens if the answer follows.",
            "Allow more tokens (max_tokens), or end prompts where a token ends.",
        )
    return encoded


def completions(pad_id: int) -> Collate:
    """What turns texts into a batch, padded on the right, whose labels are the scored tokens."""

    def collate(texts: Sequence[Text]) -> dict[str, Any]:
        ids = [torch.tensor(text.token_ids) for text in texts]
        labels = [
            torch.where(torch.tensor(text.scored), tokens, IGNORED) for text, tokens in zip(texts, ids, strict=True)
        ]
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=pad_id),
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
            "attention_mask": pad_sequence([torch.ones_like(tokens) for tokens in ids], batch_first=True),
        }

    return collate


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    """Write a model and its tokenizer in the hub's layout; raises `ArtifactError` if they cannot be written."""
    with as_artifact_error(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for path in folder.iterdir():  # safetensors makes files that only their owner reads
            if path.is_file():
                path.chmod(0o644)
    return folder
