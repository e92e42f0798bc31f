"""Attribution of a task: categories and both scores of every neuron at the last token of each prompt, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.activity.passes import Pass, automatic_token_budget
from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection
from neuroglot.attribution.attribution import Attribution
from neuroglot.attribution.frozen_norm import find_frozen_norm
from neuroglot.attribution.scores import (
    GROUPS,
    REDUCTIONS,
    by_group,
    contribution,
    effective,
    groups_of,
    top_members,
    top_size,
)
from neuroglot.attribution.unembedding import Unembedding
from neuroglot.corpora.corpus import Task
from neuroglot.errors import ConfigError, InterventionError
from neuroglot.layout import Layer
from neuroglot.models.locating import text_config
from neuroglot.models.points import Routing
from neuroglot.models.provenance import made_with
from neuroglot.models.split import require_whole
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.examples import Unfit
from neuroglot.tokens.questions import Targets, find_targets, read_questions
from neuroglot.tokens.reading import GivenTexts
from neuroglot.tokens.tokenizing import context_limit

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


SCORES = ("contribution", "effective")
_COUNTS = ("sizes", "top")
KEPT = (*_COUNTS, *(f"{score}_{statistic}" for score in SCORES for statistic in REDUCTIONS))


class CategoriesTally:
    """In which group of `scores.GROUPS` each neuron is: `take(layer)` gives `[rows, G, N]` of the batch, once."""

    maxima: frozenset[str] = frozenset()

    def __init__(self, languages: int, recording: Recording) -> None:
        self.recording, self.languages = recording, languages
        self.totals: dict[str, Tensor] = {}
        self._groups: dict[Layer, Tensor] = {}

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        self.shape, self.selected = batch.real.shape, dict(selected)
        self._groups.clear()

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Note one layer's groups; a neuron of an expert does not fire on tokens that it does not get."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        (threshold,) = self.recording.thresholds(activation.dtype)
        if routing is None:
            fired = activation.index_select(0, selection.counted) > threshold
        else:
            fired = by_text(activation > threshold, selection, self.shape, layer, routing)
        self._groups[layer] = groups_of(fired.reshape(-1, self.languages, fired.shape[-1]))

    def take(self, layer: Layer) -> Tensor:
        if layer not in self._groups:
            raise InterventionError(
                f"Layer {layer.index} of the {layer.stack} wrote before its nonlinearity was seen.",
                "Expected the site 'post_act' to be passed first.",
            )
        return self._groups.pop(layer)

    def commit(self) -> None:
        """The categories are in what the scores keep."""

    def hold(self) -> None:
        """Rows are read whole, without shared beginnings: there is nothing to keep."""


class ScoresTally:
    """What is kept of both scores by group, `KEPT`: each `[R, G, L, 6]`, over the rows of `targets.questions`."""

    maxima: frozenset[str] = frozenset()

    def __init__(
        self, view: ModelView, categories: CategoriesTally, targets: Targets, unembedding: Unembedding, top_share: float
    ):
        special_tokens = categories.recording.special_tokens
        self.recording = Recording(site="write", tokens="last", special_tokens=special_tokens)
        self.categories, self.targets, self.unembedding, self.top_share = categories, targets, unembedding, top_share
        self.places = {layer: place for place, layer in enumerate(view.layout.layers)}
        shape = len(targets.questions.rows), categories.languages, len(self.places), len(GROUPS)
        dtypes = {name: torch.int32 if name in _COUNTS else torch.float32 for name in KEPT}
        self.totals = {name: torch.zeros(shape, dtype=dtypes[name], device=view.model.device) for name in KEPT}
        self.pending: dict[Layer, dict[str, Tensor]] = {}
        self.factors: Tensor | None = None

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        """Look up the batch's targets, each different one once."""
        self.shape, self.selected, self.pending = batch.token_ids.shape, dict(selected), {}
        self.rows = torch.tensor([text.row for text in batch.texts[:: self.categories.languages]])
        wanted = [self.targets.of_rows[text.row][text.language] for text in batch.texts]
        self.distinct = list(dict.fromkeys(wanted))
        places = {target: place for place, target in enumerate(self.distinct)}
        self.target_places = torch.tensor([places[target] for target in wanted])

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Score one layer's neurons; what an expert writes counts times the weight that its router gives it."""
        selection = self.selected[layer.stack] = self.selected[layer.stack].to(activation.device)
        if routing is None:
            coefficients = activation.index_select(0, selection.counted).float()
        else:
            weighted = activation.float() * routing.weights.float()[:, None]
            coefficients = by_text(weighted, selection, self.shape, layer, routing)
        groups = self.categories.take(layer).to(coefficients.device)
        contributions = contribution(coefficients, self.unembedding.value_norms(layer))
        projected = self.unembedding.projected(layer, self.distinct)
        effects = effective(coefficients, projected[self.target_places.to(projected.device)])
        contributions, effects = (scores.reshape(groups.shape) for scores in (contributions, effects))
        top = top_members(contributions, top_size(self.top_share, layer.width))
        self.pending[layer] = by_group(groups, top, {"contribution": contributions, "effective": effects})

    def see_norm(self, before: Tensor, after: Tensor) -> None:
        """Take the final norm's factors at the last token of each text, from its input and output `[positions, D]`."""
        assert self.unembedding.norm is not None
        last = next(iter(self.selected.values())).counted.to(before.device)
        self.factors = self.unembedding.norm.factors(before[last], after[last]).reshape(len(self.rows), -1)

    def commit(self) -> None:
        """Write down the batch's rows."""
        for layer, kept in self.pending.items():
            for name, values in kept.items():
                total = self.totals[name]
                if self.factors is not None and name.startswith("effective"):
                    values = values * self.factors.to(values.device)[..., None]
                total[:, :, self.places[layer]][self.rows.to(total.device)] = values.to(total.device)

    def hold(self) -> None:
        """Rows are read whole, without shared beginnings: there is nothing to keep."""


def by_text(values: Tensor, selection: Selection, shape: torch.Size, layer: Layer, routing: Routing) -> Tensor:
    """Values of routed rows `[rows, width]` at the counted token of each text: `[B, N]`, 0 where none was routed."""
    texts, length = shape
    chosen = selection.mask[routing.tokens]
    placed = values.new_zeros(texts, layer.experts, values.shape[1])
    placed[routing.tokens[chosen] // length, routing.experts[chosen]] = values[chosen]
    return placed.flatten(1)


TOP_SHARE = 0.0488  # 800 of BLOOMZ-7B1's 16,384 neurons a layer, as in the paper's code


def attribute(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    *,
    recording: Recording | None = None,
    top_share: float = TOP_SHARE,
    frozen_norm: bool = False,
    contrastive: bool = False,
    unfit: Unfit = "drop",
    token_budget: int | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Attribution:
    """Score every neuron's contribution to the answer, by the category that it has on the same parallel row.

    A neuron's category is read at the last token of the prompt, at the recording's site; its coefficient m_i at the
    input of the down projection, in the same forward. C = |m_i|·‖v_i‖, and E = m_i (u·v_i) with u the row of the LM
    head of the answer's first token; `contrastive` takes off the mean row of the wrong options' first tokens. With
    `frozen_norm` u is what the final norm makes of it at that position, and all terms of a logit sum up to it. In
    layers of experts m_i includes the router's weight, and is 0 for experts that the token did not get.

    Source: Wang et al. 2024 (Sharing Matters), §5. Where we differ: the paper's code takes u from the input embedding
    and gives an empty category the score 0, where ours is left out. Models that normalise or gate what a network writes
    before they add it are scored without that. Rows that are `unfit` (`tokens.examples`) are dropped and counted, or
    refused. What was scored is saved in `kept`, from which a killed job goes on. Raises `ConfigError` for what is not
    defined, `CorpusError` for rows to refuse or if none is left.
    """
    recording = recording or Recording.sharing_matters()
    require_whole(view.model, "Attribution")
    _require_defined(view, task, recording, top_share)
    limit = context_limit(tokenizer, text_config(view.model))
    questions = read_questions(tokenizer, task, limit, unfit)
    targets = find_targets(questions, contrastive)
    questions = targets.questions
    unembedding = Unembedding(view, find_frozen_norm(view) if frozen_norm else None)
    categories = CategoriesTally(len(task.languages), recording)
    scores = ScoresTally(view, categories, targets, unembedding, top_share)
    budget = token_budget or automatic_token_budget(view)
    reading = GivenTexts(questions.prompts, len(task.languages), budget, order="row")
    rows = len(questions.rows)
    made = made_with(view, tokenizer, task, rows=rows, dropped=len(task) - rows)
    signature = made | recording.signature | _options(top_share, frozen_norm, contrastive)
    checkpoints = Checkpoints.of(kept, signature | Signature.of(token_budget=budget))
    _AttributionPass(view, reading, [categories, scores], checkpoints, scores=scores).run()
    values = {name: total.cpu() for name, total in scores.totals.items()}
    _require_finite(values["contribution_sum"])
    return Attribution(
        view.layout, task.languages, task.name, recording, top_share, frozen_norm, contrastive,
        sizes=values.pop("sizes"), values=values, dropped=questions.dropped,
        collisions=targets.collisions, first_tokens=targets.first_tokens(),
        signature=signature,
    )  # fmt: skip


@dataclass(eq=False)
class _AttributionPass(Pass):
    """A pass that goes on to the final norm where its scale is needed."""

    scores: ScoresTally | None = None

    @contextmanager
    def _reading(self) -> Iterator[Callable[..., None]]:
        with super()._reading() as forward:
            norm = None if self.scores is None else self.scores.unembedding.norm
            if self.scores is None or norm is None:
                yield forward
                return
            with norm.watching(self.scores.see_norm):
                yield partial(forward, whole=True)


def _require_defined(view: ModelView, task: Task, recording: Recording, top_share: float) -> None:
    view.require("next-token predictions")
    if len(recording.fires) != 1 or recording.statistics or recording.tokens != "last" or len(task.languages) < 2:
        raise ConfigError(
            f"Attribution was asked for {recording.signature} in {len(task.languages)} language(s).",
            "It is defined for the last token, one threshold, no other statistics, and two languages or more.",
        )
    if not 0 < top_share <= 1:
        raise ConfigError(f"Got top_share={top_share}.", "Expected a share above 0 and at most 1.")


def _require_finite(sums: Tensor) -> None:
    """Raise `ConfigError` where a layer wrote what is no number; such a neuron has no place in any order."""
    if not bool(sums.isfinite().all()):
        layer = int((~sums.isfinite()).any(-1).flatten(0, 1).any(0).nonzero()[0])
        raise ConfigError(
            f"What neurons write in layer {layer} of all is not finite.",
            "Expected numbers within the range of the model's precision.",
            "Load the model in bfloat16 or float32.",
        )


def _options(top_share: float, frozen_norm: bool, contrastive: bool) -> Signature:
    held_against = "first token of the answer" + (" less the mean of the wrong options" if contrastive else "")
    return Signature.of(top_share=top_share, target=held_against, final_norm="frozen" if frozen_norm else "none")
