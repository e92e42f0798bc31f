"""Whether generated text begins with the right answer, with one set of neurons off in every text."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import last_only, select
from neuroglot.activity.tallies import fired_on_texts
from neuroglot.corpora.corpus import Task
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.interventions.switching import switch_off
from neuroglot.layout import Layer, Layout
from neuroglot.metrics.deactivation import OUTCOMES
from neuroglot.models.finite import not_finite
from neuroglot.models.points import Routing
from neuroglot.models.view import ModelView
from neuroglot.neurons.neuronset import NeuronSet
from neuroglot.neurons.rules.rates import at_random_like
from neuroglot.signature import seed_of
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.questions import Questions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def languages_firing(view: ModelView, prompts: Batch, languages: int, recording: Recording) -> Tensor:
    """In how many languages each neuron fires on each row of a batch of whole rows: `[rows, N]`, int16, on the CPU."""
    selected, shape = select(view, prompts, recording), prompts.real.shape
    firing = torch.zeros(shape[0] // languages, view.layout.neuron_count, dtype=torch.int16)

    def tap(layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        counted = selected[layer.stack].mask.to(activation.device)
        (threshold,) = recording.thresholds(activation.dtype)
        fired = fired_on_texts(activation > threshold, counted, shape, layer, routing)
        firing[:, layer.neurons] = fired.reshape(len(firing), languages, -1).sum(1).cpu().to(torch.int16)

    with view.reading({recording.site: tap}) as forward:
        forward(**view.family.reads.forward_kwargs(view.model, prompts))
    return firing


def members_by_category(firing: Tensor, languages: int, categories: Sequence[str]) -> dict[str, Tensor]:
    """The neurons of each category, bool like `firing`; G languages, as in `neurons.categories_of`."""
    found = {
        "all-shared": firing == languages,
        "partial-shared": (firing >= 2) & (firing < languages),
        "specific": firing == 1,
        "non-activated": firing == 0,
    }
    return {name: found[name] for name in categories}


def random_masks(layout: Layout, members: Tensor, seed: int, ids: Sequence[str], name: str, draw: int) -> Tensor:
    """For each row as many neurons in every layer, or expert, as `members [rows, N]` has, drawn from all there.

    Each row, category and draw has a seed of its own, made from these and `seed`, so that a row's draws depend neither
    on the other rows nor on the batches.
    """
    sets = (NeuronSet(layout, row) for row in members)
    drawn = [at_random_like(one, seed_of(seed, row_id, name, draw)).members for one, row_id in zip(sets, ids)]
    return torch.stack(drawn)


def of_equal_size(layout: Layout, members: Mapping[str, Tensor], seed: int, ids: Sequence[str]) -> dict[str, Tensor]:
    """Each category cut, at random in every layer and row, to the size of the smallest category that is not empty
    there.
    """
    counts = torch.stack([layout.sum_by_layer(part.long()) for part in members.values()])  # [T, rows, L]
    smallest = counts.masked_fill(counts == 0, torch.iinfo(counts.dtype).max).amin(0)
    cut = {}
    for place, (name, part) in enumerate(members.items()):
        sizes = torch.minimum(smallest, counts[place])
        cut[name] = torch.stack([
            _some(layout, row, of_row, seed_of(seed, row_id, name, "equal size"))
            for row, of_row, row_id in zip(part, sizes.tolist(), ids)
        ])  # fmt: skip
    return cut


def _some(layout: Layout, members: Tensor, sizes: Sequence[int], seed: int) -> Tensor:
    """So many of the members of each layer `[N]`."""
    generator = torch.Generator().manual_seed(seed)
    kept = torch.zeros_like(members)
    for (layer, part), size in zip(layout.by_layer(members), sizes):
        places = part.nonzero()[:, 0]
        kept[layer.start + places[torch.randperm(len(places), generator=generator)[:size]]] = True
    return kept


OffTokens = Literal["all", "last", "prompt", "answer"]


def positions_of(batch: Batch, scope: OffTokens) -> Tensor:
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
    scope: OffTokens
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
            with switch_off(self.view, of_text, value, positions=positions_of(batch, self.scope)):
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
        if not bool(predicted.amax(-1).isfinite().all()):
            raise not_finite(self.view.model, "Scores of next tokens are")
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


def longest_answer(questions: Questions) -> int:
    """Tokens of the longest right answer."""
    rights = (
        questions.wholes[place * questions.answers + questions.right[place // len(questions.languages)]]
        for place in range(len(questions.prompts))
    )
    return max(sum(text.scored) for text in rights)


def generated_right(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    questions: Questions,
    off: Tensor,
    value: float | Tensor,
    token_budget: int,
) -> Tensor:
    """Whether greedy decoding from each prompt begins with the right answer: `[R, G]`, float64.

    The neurons `off [N]` are off at all tokens; `value` as in `Scorer`. White space before the answer does not count,
    nor do special tokens. Laxer than the outcome `exact`: other tokens may spell the answer, and more may follow at
    once, as 68 begins with 6.
    """
    decoding = Decoding(max_new_tokens=longest_answer(questions))
    asked, columns = task.take(questions.rows), []
    for place, language in enumerate(task.languages):
        own = value[place] if isinstance(value, Tensor) and value.dim() == 2 else value
        prompts = asked.prompts.select([language])
        with switch_off(view, off, own):
            texts = generate(view, tokenizer, prompts, decoding, token_budget=token_budget).texts[language]
        pairs = zip(texts, asked.answers.texts[language], strict=True)
        columns.append([float(text.lstrip().startswith(answer.lstrip())) for text, answer in pairs])
    return torch.tensor(columns, dtype=torch.float64).T
