"""A curriculum: stages of tuning one after another, with the loss of held-out answers before, between and after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot import distribution
from neuroglot.experiments.scoring import Condition, counts_of
from neuroglot.metrics.losses import HeldOutLosses
from neuroglot.metrics.metrics import NatsPerToken
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView, view
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.prompting.examples import Example
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.asked import AskedTokens
from neuroglot.tokens.tokenizing import Text, TokenizedCorpus
from neuroglot.training.tuning import tune_on
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
    moments = [kept.below(BEFORE).once("held-out", partial(_held_out, model, held_out))]
    losses = {}
    for stage in stages:
        place = kept.below(stage.name)
        after = place.once("finished", partial(_done, model, tokenizer, stage, place, on_step))
        losses[stage.name] = tuple(after.pop(_LOSSES).tolist())
        _set_weights(model, after)
        if behind is not None:
            behind(stage.name)
        moments.append(place.once("held-out", partial(_held_out, model, held_out)))
        if place.folder is not None and distribution.rank() == 0:
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


def _held_out(model: PreTrainedModel, held_out: Mapping[str, Sequence[Text]]) -> dict[str, Tensor]:
    return {group: answer_losses(view(model), texts) for group, texts in held_out.items()}


def answer_losses(view: ModelView, texts: Sequence[Text]) -> Tensor:
    """Of each text −log p of its scored tokens, in nats, and how many these are: `[R, 2]`, float64."""
    numbered = tuple(replace(text, row=row, language=0) for row, text in enumerate(texts))
    asked = AskedTokens(TokenizedCorpus(("held out",), tuple(map(str, range(len(texts)))), numbered, ()), {})
    counts = counts_of(view, asked, NatsPerToken(), [Condition(NeuronSet.empty(view.layout))], "losses held out")
    return counts[0, :, 0, :2]
