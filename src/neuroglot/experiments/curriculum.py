"""A curriculum: stages of tuning one after another, with the loss of held-out answers before, between and after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from neuroglot.metrics.losses import HeldOutLosses
from neuroglot.models.provenance import made_with
from neuroglot.prompting.examples import Example
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.examples import IGNORED
from neuroglot.tokens.tokenizing import Text
from neuroglot.training.tuning import completions, tune_on
from neuroglot.training.types import OnStep, TuningConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BEFORE = "before"


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage: its examples in the order in which they are learned, as texts whose scored tokens are learned, and
    how many came from which data set and language (`counts`).
    """

    name: str
    config: TuningConfig
    examples: tuple[Example, ...]
    texts: tuple[Text, ...]
    counts: Mapping[tuple[str, str], int]


def run_curriculum(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    stages: Sequence[Stage],
    held_out: Mapping[str, Sequence[Text]],
    *,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
    behind: Callable[[str], object] | None = None,
) -> tuple[dict[str, tuple[float, ...]], HeldOutLosses]:
    """Tune the model in place, stage by stage; returns the losses of each stage's steps, and those held out.

    `held_out` has texts by group, such as a data set in a language. What a stage learned (adapters, deltas of neurons)
    is merged before the next one. With a place in `kept` a killed job goes on within its stage, from the last whole
    checkpoint, and ends with the same weights; a finished stage is kept as its weights. `behind` is called with the
    name of each stage when the model is what it left. Raises as `tune`.
    """
    signature = made_with(model, tokenizer)
    moments = [kept.below(BEFORE).once("held-out", partial(_held_out, model, tokenizer, held_out))]
    losses = {}
    for stage in stages:
        place = kept.below(stage.name)
        after = place.once("finished", partial(_done, model, tokenizer, stage, place, on_step))
        losses[stage.name] = tuple(after.pop(_LOSSES).tolist())
        _set_weights(model, after)
        if behind is not None:
            behind(stage.name)
        moments.append(place.once("held-out", partial(_held_out, model, tokenizer, held_out)))
        if place.folder is not None:
            shutil.rmtree(place.folder / "training", ignore_errors=True)
    by_group = {group: torch.stack([moment[group] for moment in moments]) for group in held_out}
    order = Signature.of(stages=" → ".join(stage.name for stage in stages))
    return losses, HeldOutLosses((BEFORE, *losses), by_group, signature | order)


_LOSSES = "losses of the steps"


def _done(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, stage: Stage, place: Kept, on_step: OnStep | None
) -> dict[str, Tensor]:
    """The weights behind a stage, and its losses."""
    tuned = tune_on(model, tokenizer, stage.texts, stage.config, kept=place.below("training"), on_step=on_step)
    return _weights(model) | {_LOSSES: torch.tensor(tuned.losses, dtype=torch.float64)}


def _weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """All parameters, shared ones once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@torch.no_grad()
def _set_weights(model: PreTrainedModel, weights: Mapping[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        parameter.copy_(weights[name])


def _held_out(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, held_out: Mapping[str, Sequence[Text]]
) -> dict[str, Tensor]:
    pad_id = tokenizer.pad_token_id or 0
    return {group: answer_losses(model, texts, pad_id) for group, texts in held_out.items()}


@torch.inference_mode()
def answer_losses(model: PreTrainedModel, texts: Sequence[Text], pad_id: int, batch_size: int = 8) -> Tensor:
    """Of each text −log p of its scored tokens, in nats, and how many these are: `[R, 2]`, float64."""
    was_training, forward, collate = model.training, model.eval(), completions(pad_id)
    rows = []
    for start in range(0, len(texts), batch_size):
        batch: dict[str, Any] = {
            name: value.to(model.device) for name, value in collate(texts[start : start + batch_size]).items()
        }
        labels = batch.pop("labels")[:, 1:]
        logits = forward(**batch).logits[:, :-1].float()
        nats = cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none").double().sum(1)
        rows.append(torch.stack([nats, (labels != IGNORED).sum(1).double()], dim=1).cpu())
    model.train(was_training)
    return torch.cat(rows)
