"""A curriculum: stages of tuning one after another, with the loss of held-out answers before, between and after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from neuroglot import distribution
from neuroglot.errors import ConfigError
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
from neuroglot.training.trainer import DivergedError, require_weights
from neuroglot.training.trajectory import Trajectory
from neuroglot.training.tuning import tune_on
from neuroglot.training.types import OnStep, TuningConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BEFORE = "before"
LEARNED = "learned"  # the folder of what a stage learned, beside its model


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage: its examples in the order in which they are learned, as texts whose scored tokens are learned, and
    how many came from which data set and language (`counts`).

    With `rates` its learning rate is searched among them: the one that leaves the lowest loss of `selection`, texts by
    group, which are neither learned nor reported on.
    """

    name: str
    config: TuningConfig
    examples: tuple[Example, ...]
    texts: tuple[Text, ...]
    counts: Mapping[tuple[str, str], int]
    rates: tuple[float, ...] = ()
    selection: Mapping[str, tuple[Text, ...]] = field(default_factory=dict)


class Taught(NamedTuple):
    """The losses of each stage's steps, those of what was held out, and of each stage whose learning rate was searched
    the mean loss of its selection by rate, in nats per learned token; and what each stage that logs its choices kept
    of them.
    """

    losses: Mapping[str, tuple[float, ...]]
    held_out: HeldOutLosses
    tried: Mapping[str, Mapping[float, float]]
    trajectories: Mapping[str, Trajectory]


class _Job(NamedTuple):
    """What all stages have in common."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    on_step: OnStep | None
    keep_learned: bool


def run_curriculum(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    stages: Sequence[Stage],
    held_out: Mapping[str, Sequence[Text]],
    *,
    kept: Kept = NOTHING_KEPT,
    on_step: OnStep | None = None,
    behind: Callable[[str, Path | None], object] | None = None,
    keep_learned: bool = False,
) -> Taught:
    """Tune the model in place, stage by stage.

    `held_out` has texts by group, such as a data set in a language. What a stage learned (adapters, deltas of neurons)
    is merged before the next one. With a place in `kept` a killed job goes on within its stage, from the last whole
    checkpoint, and ends with the same weights; a finished stage is kept as its weights. `behind` is called with the
    name of each stage when the model is what it left, and, with `keep_learned`, with the folder in `kept` of the
    adapters or deltas that it learned: None for whole weights, and where it was handed on before the job was killed.
    Raises as `tune`.
    """
    require_weights(model)
    job = _Job(model, tokenizer, on_step, keep_learned)
    signature = made_with(model, tokenizer)
    moments = [kept.below(BEFORE).once("held-out", partial(_held_out, model, held_out))]
    losses, tried, trajectories = {}, {}, {}
    for stage in stages:
        place = kept.below(stage.name)
        make = _searched if stage.rates else _done
        after = place.once("finished", partial(make, job, stage, place))
        losses[stage.name] = tuple(after.pop(_LOSSES).tolist())
        if stage.rates:
            tried[stage.name] = dict(zip(stage.rates, after.pop(_TRIED).tolist(), strict=True))
        if stage.config.log_choices:
            trajectories[stage.name] = Trajectory.of(after.pop(_SUMS), after.pop(_STEPS))
        _set_weights(model, after)
        if behind is not None:
            learned = _best(stage, tried.get(stage.name), place).file(LEARNED)
            behind(stage.name, learned if learned is not None and learned.is_dir() else None)
        moments.append(place.once("held-out", partial(_held_out, model, held_out)))
        if place.folder is not None and distribution.rank() == 0:
            for folder in ("training", LEARNED, *map(_named, stage.rates)):
                shutil.rmtree(place.folder / folder, ignore_errors=True)
    by_group = {group: torch.stack([moment[group] for moment in moments]) for group in held_out}
    order = Signature.of(stages=" → ".join(stage.name for stage in stages))
    return Taught(losses, HeldOutLosses((BEFORE, *losses), by_group, signature | order), tried, trajectories)


_LOSSES, _TRIED = "losses of the steps", "losses by rate"
_SUMS, _STEPS = "sums of choices", "rates and steps"


def _searched(job: _Job, stage: Stage, place: Kept) -> dict[str, Tensor]:
    """The weights behind a stage at the best of its learning rates, with what each of them left of the loss."""
    before = {name: weight.cpu().clone() for name, weight in _weights(job.model).items()}
    tried, places = [], [place.below(_named(rate)) for rate in stage.rates]
    for rate, below in zip(stage.rates, places, strict=True):
        _set_weights(job.model, before)
        at_rate = replace(stage, config=replace(stage.config, learning_rate=rate))
        tried.append(below.once("selection", partial(_selected, job, at_rate, below)))
    losses = torch.cat([part[_TRIED] for part in tried])
    if not bool(losses.isfinite().any()):
        listed = ", ".join(f"{rate:g}" for rate in stage.rates)
        raise ConfigError(f"The stage {stage.name!r} diverges at {listed}.", "Expected a rate at which it does not.")
    best = int(losses.argmin())
    _set_weights(job.model, before)
    at_best = replace(stage, config=replace(stage.config, learning_rate=stage.rates[best]))
    after = places[best].once("finished", partial(_done, job, at_best, places[best]))
    return after | {_TRIED: losses}


def _selected(job: _Job, stage: Stage, place: Kept) -> dict[str, Tensor]:
    """The mean over groups of the loss of the selection behind a stage; infinite if its own loss is no number."""
    try:
        after = place.once("finished", partial(_done, job, stage, place))
    except DivergedError:
        return {_TRIED: torch.tensor([torch.inf], dtype=torch.float64)}
    _set_weights(job.model, after)
    sums = [counts.sum(0) for counts in _held_out(job.model, stage.selection).values()]
    return {_TRIED: torch.stack([nats / tokens for nats, tokens in sums]).mean().nan_to_num(torch.inf)[None]}


def _best(stage: Stage, tried: Mapping[float, float] | None, place: Kept) -> Kept:
    """Where a stage was tuned at the rate that was gone on with."""
    return place if tried is None else place.below(_named(min(stage.rates, key=tried.__getitem__)))


def _named(rate: float) -> str:
    return f"rate-{rate:g}"


def _done(job: _Job, stage: Stage, place: Kept) -> dict[str, Tensor]:
    """The weights behind a stage, and its losses."""
    learned = place.file(LEARNED) if job.keep_learned else None
    training = place.below("training")
    tuned = tune_on(
        job.model, job.tokenizer, stage.texts, stage.config, kept=training, on_step=job.on_step, learned=learned
    )
    sums = {} if tuned.trajectory is None else dict(zip((_SUMS, _STEPS), tuned.trajectory.tensors, strict=True))
    return _weights(job.model) | {_LOSSES: torch.tensor(tuned.losses, dtype=torch.float64)} | sums


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
