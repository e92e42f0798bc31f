"""The loop over batches: a model's answers reduced to counts, with the model as it is or with neurons off.

All conditions of a batch are scored one after another, so that they share what they have in common: the layers before
the first that differs. Logits are computed for tokens that are asked for only, a few at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from neuroglot import distribution
from neuroglot.activity.passes import token_budget_of
from neuroglot.errors import ConfigError
from neuroglot.interventions.switching import switch_off
from neuroglot.metrics.metrics import Metric, Predictions
from neuroglot.models.finite import not_finite
from neuroglot.models.locating import text_config
from neuroglot.models.trunk import Blocks, Trunk, head_lies_apart, layers_can_be_known
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.progress import track
from neuroglot.signature import short_hash
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.asked import AskedTokens, asked_inputs, asked_positions
from neuroglot.tokens.batches import Batch

LOGIT_BUDGET = 2**25  # tokens × vocabulary at a time: 128 MiB of float32
STATE_BUDGET = 2**27  # tokens × width × known layers of a batch: 512 MiB of float32


@dataclass(frozen=True, eq=False)
class Condition:
    """Neurons that are off, and the only language, by its number, of which texts are scored; None for all."""

    neurons: NeuronSet
    only: int | None = None


@dataclass(frozen=True)
class _Plan:
    """How a batch is run: whether the head lies `apart`, and from which layer on each condition is computed."""

    apart: bool
    firsts: tuple[int, ...]
    token_budget: int


def counts_of(
    view: ModelView,
    asked: AskedTokens,
    metric: Metric,
    conditions: Sequence[Condition],
    description: str = "scoring",
    kept: Kept = NOTHING_KEPT,
) -> Tensor:
    """The metric's counts by condition, row and language: `[C, R, G, K]`, float64; NaN for languages that a condition
    leaves out. What each batch gave is kept.
    """
    languages = asked.tokens.languages
    if not any(text.asked for text in asked.tokens.texts):
        raise ConfigError(
            "There is nothing to score: no text has a token that is predicted.",
            "Expected texts of two tokens or more, or a tokenizer that begins each with a special one.",
        )
    with view.evaluating():
        plan = _plan(view, asked, conditions)
        batches = asked.batches(plan.token_budget)

        def scored(batch: Batch) -> dict[str, Tensor]:
            return {"counts": _by_condition(view, plan, batch.to(view.model.device), languages, metric, conditions)}

        parts: dict[int, Tensor] = {}
        for number, batch in track(enumerate(batches), description, len(batches)):
            if distribution.dealt(number):
                name = f"batch-{number}-{short_hash(*(str(text.token_ids) for text in batch.texts))}"
                parts[number] = kept.own(name, partial(scored, batch))["counts"]
    shape = len(conditions), len(asked.tokens.ids), len(languages)
    return _summed(shape, batches, _of_all(len(conditions), batches, parts))


def _of_all(conditions: int, batches: Sequence[Batch], parts: Mapping[int, Tensor]) -> list[Tensor]:
    """What every batch gave, `[C, B, K]` each, from the batches of this process and of those that share the job."""
    width = torch.tensor(max((part.shape[-1] for part in parts.values()), default=0))
    distribution.combine([(width, True)])
    all_parts = [
        parts[number].to(torch.float64, copy=True)  # what inference mode made is not written into
        if number in parts
        else torch.zeros(conditions, len(batch.texts), int(width), dtype=torch.float64)
        for number, batch in enumerate(batches)
    ]
    distribution.combine((part, False) for part in all_parts)
    return all_parts


def _summed(shape: tuple[int, int, int], batches: Sequence[Batch], parts: Sequence[Tensor]) -> Tensor:
    """Counts of texts `[C, B, K]` by row and language, `[C, R, G, K]`: a masked text is read several times."""
    counts = torch.zeros(*shape, parts[0].shape[-1], dtype=torch.float64)
    for batch, part in zip(batches, parts, strict=True):
        rows = torch.tensor([text.row for text in batch.texts])
        texts = rows, torch.tensor([text.language for text in batch.texts])
        for of_condition, of_batch in zip(counts, part, strict=True):
            of_condition.index_put_(texts, of_batch, accumulate=True)
    return counts


def _plan(view: ModelView, asked: AskedTokens, conditions: Sequence[Condition]) -> _Plan:
    """Tries on the shortest text what the model allows."""
    vocabulary, width = (int(getattr(text_config(view.model), name)) for name in ("vocab_size", "hidden_size"))
    blocks = Blocks.of(view)
    firsts = [
        blocks.first_of(view, condition.neurons.members) if condition.neurons or condition.only is not None else 0
        for condition in conditions
    ]
    shortest = min(asked.tokens.texts, key=lambda text: len(text.token_ids))
    (batch,) = replace(asked, tokens=replace(asked.tokens, texts=(shortest,))).batches(1)
    inputs = asked_inputs(view, batch.to(view.model.device))
    apart = head_lies_apart(view, inputs)
    shared = layers_can_be_known(view, inputs, apart, set(firsts))
    known = len(blocks.needed(firsts)) if shared else 1
    widest = width * max(known, 1) if apart else vocabulary
    budget = (STATE_BUDGET if apart else LOGIT_BUDGET) // widest
    return _Plan(apart, tuple(firsts) if shared else (0,) * len(firsts), max(1, min(token_budget_of(view), budget)))


def _by_condition(
    view: ModelView, plan: _Plan, batch: Batch, languages: tuple[str, ...], metric: Metric,
    conditions: Sequence[Condition],
) -> Tensor:  # fmt: skip
    """The counts of one batch: `[C, B, K]`."""
    whole = Trunk.of(view, asked_inputs(view, batch), plan.apart, set(plan.firsts))
    counts: list[Tensor] = []
    for condition, first in zip(conditions, plan.firsts, strict=True):
        rows = [number for number, text in enumerate(batch.texts) if condition.only in (None, text.language)]
        part = batch if len(rows) == len(batch.texts) else batch.of(rows)
        of_texts = counts[0].new_full(counts[0].shape, torch.nan) if counts else None
        if rows:
            trunk = _changed(view, whole, condition.neurons, first, None if part is batch else rows)
            of_part = metric.counts(_predictions(view, trunk, part, languages)).cpu()
            of_texts = of_part.new_full((len(batch.texts), of_part.shape[1]), torch.nan)
            of_texts[rows] = of_part
        assert of_texts is not None
        counts.append(of_texts)
    return torch.stack(counts)


def _changed(view: ModelView, whole: Trunk, neurons: NeuronSet, first: int, rows: Sequence[int] | None) -> Trunk:
    if not neurons and rows is None:
        return whole
    with switch_off(view, neurons):
        return whole.behind(first, rows)


def _predictions(view: ModelView, trunk: Trunk, batch: Batch, languages: tuple[str, ...]) -> Predictions:
    """What the model says of the tokens that are asked for; raises for scores that are no numbers."""
    positions, targets, scored = asked_positions(view, batch)
    states = trunk.states[:, positions][scored]
    text_of = scored.nonzero()[:, 0]
    together = max(1, LOGIT_BUDGET // int(text_config(view.model).vocab_size))

    def logits() -> Iterator[Tensor]:
        for part, texts in zip(states.split(together), text_of.split(together), strict=True):
            answer = trunk.logits(part).float()
            finite = answer.amax(-1).isfinite()  # NaN where one is; −∞ elsewhere means "never"
            if not bool(finite.all()):
                broken = dict(Counter(texts[~finite].tolist()))
                raise not_finite(view.model, "Scores of tokens are", dict(enumerate(batch.texts)), broken, languages)
            yield answer

    text_bytes = torch.tensor([text.scored_bytes for text in batch.texts], device=states.device)
    return Predictions(logits, targets[scored], scored, text_bytes)
