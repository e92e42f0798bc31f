"""Attribution of a task: types and both scores of every neuron at the last token of each prompt, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from neuroglot.activity.budget import automatic_token_budget
from neuroglot.activity.passes import Pass
from neuroglot.activity.recording import Recording
from neuroglot.attribution.attribution import Attribution
from neuroglot.attribution.frozen_norm import find_frozen_norm
from neuroglot.attribution.tallies import ScoresTally, TypesTally
from neuroglot.attribution.targets import find_targets
from neuroglot.attribution.unembedding import Unembedding
from neuroglot.corpora.corpus import Task
from neuroglot.corpora.reading import Reading
from neuroglot.corpora.tokenizing import context_limit
from neuroglot.errors import ConfigError
from neuroglot.models.loading import model_signature
from neuroglot.models.locating import text_config
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature, versions

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

TOP_SHARE = 0.0488  # 800 of BLOOMZ-7B1's 16,384 neurons a layer, as in the paper's code
TOO_LONG = "a prompt is longer than the model's context"


def attribute(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    *,
    recording: Recording | None = None,
    top_share: float = TOP_SHARE,
    frozen_norm: bool = False,
    contrastive: bool = False,
    token_budget: int | None = None,
) -> Attribution:
    """Score every neuron's contribution to the answer, by the type that it has on the same parallel row.

    A neuron's type is read at the last token of the prompt, at the recording's site; its coefficient m_i at the input
    of the down projection, in the same forward. C = |m_i|·‖v_i‖, and E = m_i (u·v_i) with u the row of the LM head of
    the answer's first token; `contrastive` takes off the mean row of the wrong options' first tokens. With
    `frozen_norm` u is what the final norm makes of it at that position, and all terms of a logit sum up to it. In
    layers of experts m_i includes the router's weight, and is 0 for experts that the token did not get.

    Source: Wang et al. 2024 (Sharing Matters), §5. Where we differ: the paper's code takes u from the input embedding
    and gives an empty type the score 0, where ours is left out. Models that normalise or gate what a network writes
    before they add it are scored without that. Raises `ConfigError` for what is not defined, `CorpusError` where no row
    is left.
    """
    recording = recording or Recording.sharing_matters()
    _require_defined(view, task, recording, top_share)
    targets = find_targets(tokenizer, task, contrastive)
    unembedding = Unembedding(view, find_frozen_norm(view) if frozen_norm else None)
    types = TypesTally(len(task.languages), recording)
    scores = ScoresTally(view, types, targets, unembedding, top_share)
    limit = context_limit(tokenizer, text_config(view.model))
    reading = Reading(tokenizer, targets.task.prompts, limit, "row", token_budget or automatic_token_budget(view))
    _AttributionPass(view, reading, [types, scores], scores=scores).run()
    dropped = {**task.dropped, **targets.dropped, **({TOO_LONG: len(reading.dropped)} if reading.dropped else {})}
    kept = {name: total.cpu()[reading.rows] for name, total in scores.totals.items()}
    _require_finite(kept["contribution_sum"])
    return Attribution(
        view.layout, task.languages, task.name, recording, top_share, frozen_norm, contrastive,
        sizes=kept.pop("sizes"), values=kept, dropped=dropped, collisions=targets.collisions,
        first_tokens=targets.first_tokens(reading.rows),
        signature=_signature(view, task, recording, len(reading.rows)) | _options(top_share, frozen_norm, contrastive),
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
    if view.family.kind != "decoder":
        raise ConfigError(
            f"The model is of the kind {view.family.kind!r} ({view.family.model_type}).",
            "Attribution is to the next token of a decoder.",
        )
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


def _signature(view: ModelView, task: Task, recording: Recording, rows: int) -> Signature:
    corpus = Signature.of(corpus=task.name, corpus_hash=task.hash, rows=rows, rows_dropped=len(task) - rows)
    return model_signature(view.model) | corpus | recording.signature | versions()


def _options(top_share: float, frozen_norm: bool, contrastive: bool) -> Signature:
    held_against = "first token of the answer" + (" less the mean of the wrong options" if contrastive else "")
    return Signature.of(top_share=top_share, target=held_against, final_norm="frozen" if frozen_norm else "none")
