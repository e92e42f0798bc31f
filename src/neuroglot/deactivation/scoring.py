"""Scoring the answers of a few rows under one condition: teacher-forced, one forward a batch."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from neuroglot.activity.selection import last_only
from neuroglot.corpora.batches import Batch
from neuroglot.deactivation.questions import Questions
from neuroglot.interventions.deactivating import deactivating
from neuroglot.metrics.deactivation import OUTCOMES
from neuroglot.models.view import ModelView

Scope = Literal["all", "last", "prompt", "answer"]


def positions_of(batch: Batch, scope: Scope) -> Tensor:
    """Which tokens of prompts with answers a scope means: `[B, T]`; padding never.

    The `answer` is the answer as the model reads it, so that its first token is predicted with all neurons on.
    """
    prompt = batch.real & ~batch.scored
    return {"all": batch.real, "prompt": prompt, "last": last_only(prompt), "answer": batch.real & batch.scored}[scope]


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores `rows` of the questions with neurons off in a `scope`; `value` is what they have instead, a number or
    floats `[N]` or `[G, N]`, of each language its own.
    """

    view: ModelView
    questions: Questions
    rows: Sequence[int]
    scope: Scope
    value: float | Tensor
    token_budget: int

    @cached_property
    def batches(self) -> list[Batch]:
        return self.questions.batches(self.rows, self.token_budget)

    def counts(self, off: Tensor | None = None) -> Tensor:
        """The counts of every row and language, `[rows, G, C]`, with the neurons `off [rows, N]` or none of them."""
        languages, answers = len(self.questions.languages), self.questions.answers
        scores = torch.zeros(len(self.rows) * languages * answers, 3, dtype=torch.float64)
        for batch in self.batches:
            places = torch.tensor([text.row for text in batch.texts])
            if off is None:
                scores[places] = self._forward(batch)
                continue
            spoken = torch.tensor([text.language for text in batch.texts])
            value = self.value
            if isinstance(value, Tensor) and value.dim() == 2:
                value = value[spoken]
            of_text = off[places // (languages * answers)]
            with deactivating(self.view, of_text, positions_of(batch, self.scope), value):
                scores[places] = self._forward(batch)
        right = torch.tensor([self.questions.right[row] for row in self.rows])
        return outcomes(scores.reshape(len(self.rows), languages, answers, 3), right)

    def _forward(self, batch: Batch) -> Tensor:
        """Log-probability, number and all-ranked-first of each text's scored tokens: `[B, 3]`, on the CPU."""
        batch = batch.to(self.view.model.device)
        first = int(batch.scored.any(0).nonzero()[0])  # no prediction before this position is asked for
        kept: dict[str, Any] = {}
        if "logits_to_keep" in inspect.signature(self.view.model.forward).parameters:
            kept["logits_to_keep"] = batch.token_ids.shape[1] - first + 1
        mask = batch.real.long()
        logits = self.view.model(input_ids=batch.token_ids, attention_mask=mask, use_cache=False, **kept).logits
        scored, targets = batch.scored[:, first:], batch.token_ids[:, first:]
        predicted = logits[:, -scored.shape[1] - 1 : -1][scored].float()
        texts = scored.nonzero()[:, 0]
        found = predicted.log_softmax(-1).gather(1, targets[scored][:, None])[:, 0].double()
        missed = (predicted.argmax(-1) != targets[scored]).double()
        sums = torch.zeros(len(scored), 3, dtype=torch.float64, device=found.device)
        sums.index_add_(0, texts, torch.stack([found, torch.ones_like(found), missed], dim=1))
        sums[:, 2] = (sums[:, 2] == 0).double()
        return sums.cpu()


def outcomes(scores: Tensor, right: Tensor) -> Tensor:
    """The counts `[rows, G, C]` in the order of `OUTCOMES`, from `[rows, G, answers, 3]` and the `right [rows]` one.

    An option is chosen where its log-probability is strictly the highest; a tie is wrong.
    """
    own = scores[torch.arange(len(scores)), :, right]  # [rows, G, 3]
    named = {"log_probability": own[..., 0], "tokens": own[..., 1], "exact": own[..., 2]}
    if scores.shape[2] > 1:
        named["option"] = _chosen(scores[..., 0], right)
        named["option_per_token"] = _chosen(scores[..., 0] / scores[..., 1], right)
    missing = torch.full_like(own[..., 0], torch.nan)
    return torch.stack([named.get(name, missing) for name in OUTCOMES], dim=-1)


def _chosen(scores: Tensor, right: Tensor) -> Tensor:
    """Whether the right option scores strictly higher than all others: `[rows, G, answers]` → `[rows, G]`."""
    rows = torch.arange(len(scores))
    own, others = scores[rows, :, right], scores.clone()
    others[rows, :, right] = -torch.inf
    return (own > others.amax(-1)).double()
