"""Supervised fine-tuning of a decoder, in full, in part, or by LoRA, on completions only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from neuroglot import distribution
from neuroglot.errors import CorpusError, UnsupportedModelError
from neuroglot.models.provenance import made_with
from neuroglot.models.view import view
from neuroglot.prompting.examples import Example
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept, as_artifact_error, write_whole
from neuroglot.tokens.examples import IGNORED, Examples, examples
from neuroglot.tokens.tokenizing import Text
from neuroglot.training.adapters import with_adapters
from neuroglot.training.deltas import DELTAS_FILE, NeuronDeltas, merge, tunable, tuned_deltas
from neuroglot.training.four_bits import merged_whole, restore_whole, to_four_bits
from neuroglot.training.packing import packed_completions, separation_of
from neuroglot.training.parts import training_only
from neuroglot.training.sharing import Collate
from neuroglot.training.trainer import fit
from neuroglot.training.trajectory import TRAJECTORY_FILE, Trajectory
from neuroglot.training.types import OnStep, TuningConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LEARNED_ON_FILE = "learned-on.json"


@dataclass(frozen=True, eq=False)
class Tuned:
    """The tuned model (with adapters if they are not to be merged), its loss in nats per learned token by step, and
    the examples dropped by reason.

    `trajectory` is there if it was asked for. Where neurons alone were tuned, `deltas` are what was added to their
    weights; if they are not to be merged, the model is the one that was tuned.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    losses: tuple[float, ...]
    dropped: Mapping[str, int]
    deltas: NeuronDeltas | None = None
    merged: bool = True
    trajectory: Trajectory | None = None

    def save(self, folder: Path | str) -> Path:
        """Write model and tokenizer in the hub's layout, and deltas of neurons beside them, or alone if not merged."""
        folder = Path(folder)
        if self.deltas is not None:
            self.deltas.save(folder / DELTAS_FILE)
        if self.trajectory is not None:
            self.trajectory.save(folder / TRAJECTORY_FILE)
        is_alone = self.deltas is not None and not self.merged
        return folder if is_alone else save_model(self.model, self.tokenizer, folder)


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
    `training`, and for 4 bits `qlora`.
    """
    encoded = learnable(model, tokenizer, examples, config)
    tuned = tune_on(model, tokenizer, encoded.texts, config, kept=kept, on_step=on_step)
    return replace(tuned, dropped=encoded.dropped)


def tune_on(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[Text],
    config: TuningConfig,
    *,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
    learned: Path | None = None,
) -> Tuned:
    """As `tune`, on texts whose scored tokens are learned.

    Adapters, or deltas of neurons, are written alone to the folder `learned` before they are merged, with the model
    that they were learned on.
    """
    collate = batching(model, tokenizer, config)
    learned_on = made_with(view(model), tokenizer) if learned is not None and config.lora is not None else None
    trajectory = Trajectory() if config.log_choices else None
    with trained_part(model, tokenizer, config) as part:
        losses = fit(part.model, texts, collate, config.training, kept=kept, on_step=on_step, trajectory=trajectory)
        deltas = part.deltas()
    if learned is not None and distribution.rank() == 0:
        if learned_on is not None:
            learned_on |= Signature.of(four_bits=True) if config.four_bits else Signature()
            save_adapters(part.model, learned_on, learned)
        elif deltas is not None:
            deltas.save(learned / DELTAS_FILE)
    is_merged = config.save == "merged"
    if deltas is not None and is_merged:
        merge(view(model), deltas)
    tuned: Any = part.model
    if config.lora is not None and is_merged:
        tuned = merged_whole(tuned) if config.four_bits else tuned.merge_and_unload()
    return Tuned(tuned, tokenizer, losses, {}, deltas, is_merged, trajectory)


class TrainedPart(NamedTuple):
    """The model as it is trained, and what gives the deltas learned so far, None where whole weights are trained."""

    model: PreTrainedModel
    deltas: Callable[[], NeuronDeltas | None]


@contextmanager
def trained_part(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: TuningConfig
) -> Iterator[TrainedPart]:
    """The model in which only what the config says is trained; adapters stay in it unless something is raised, all else
    is as it was.
    """
    if config.lora is not None:
        before = {parameter: parameter.requires_grad for parameter in model.parameters()}
        adapted: Any = None
        try:
            if config.four_bits:
                to_four_bits(model)
            adapted = with_adapters(model, config.lora, config.seed, four_bits=config.four_bits)
            yield TrainedPart(adapted, lambda: None)
        except BaseException:
            if adapted is not None:
                adapted.unload()
            restore_whole(model)
            raise
        finally:
            for parameter, required in before.items():
                parameter.requires_grad_(required)  # of frozen ones a later stage would learn nothing
    elif config.neurons is not None:
        neurons, viewed = config.neurons, view(model)
        options = Signature.of(steps=config.steps, learning_rate=config.rate, weight_decay=config.weight_decay)
        signature = made_with(viewed, tokenizer) | neurons.described | options
        with tunable(viewed, neurons):
            yield TrainedPart(model, lambda: tuned_deltas(viewed, neurons, signature))
    else:
        with training_only(model, config.modules, config.frozen):
            yield TrainedPart(model, lambda: None)


def learnable(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, given: Sequence[Example], config: TuningConfig
) -> Examples:
    """The examples as tokens; raises as `tune` if the model or all examples do not fit."""
    require_decoder(model)
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


def require_decoder(model: PreTrainedModel) -> None:
    """Raise `UnsupportedModelError` for a model with an encoder, and for one that generates no text."""
    if model.config.is_encoder_decoder or not model.can_generate():
        raise UnsupportedModelError(
            f"{type(model).__name__} has an encoder, or generates no text.",
            "Expected a decoder, which reads prompt and completion as one text.",
        )


def batching(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: TuningConfig) -> Collate:
    """What turns texts into a batch, packed if the config says so; raises as `separation_of`."""
    pad_id = tokenizer.pad_token_id or 0
    return packed_completions(pad_id, separation_of(model), model.dtype) if config.pack else completions(pad_id)


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


def save_adapters(adapted: PreTrainedModel, learned_on: Signature, folder: Path) -> None:
    """Write a model's adapters alone, and the hashes of the model that they were learned on."""
    with as_artifact_error(folder):
        adapted.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)  # the library's empty form of a model card
        write_whole(folder / LEARNED_ON_FILE, json.dumps(learned_on.to_json(), indent=1) + "\n")


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    """Write a model and its tokenizer in the hub's layout; raises `ArtifactError` if they cannot be written."""
    with as_artifact_error(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for path in folder.iterdir():  # safetensors makes files that only their owner reads
            if path.is_file():
                path.chmod(0o644)
    return folder
