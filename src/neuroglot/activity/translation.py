"""How often each neuron fires in each direction of translation, under teacher forcing, all directions in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.activity.passes import Pass, automatic_token_budget
from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection
from neuroglot.activity.tallies import ActivityTally
from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.language_tokens import Tags
from neuroglot.tokens.pairs import PairBatch, Pairs, batches_by_direction, encode_pairs, translation_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RECORDING = Recording.neuron_specialization()


def collect(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    directions: Sequence[Direction | str],
    *,
    like_reference: bool = False,
    tags: Tags | None = None,
    token_budget: int | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Activity:
    """Count on how many tokens every neuron fires while the model translates, with the reference before its eyes.

    The "languages" of the Activity are the directions, `en-de`. A neuron fires where the input of the down projection
    is above 0 (Neuron Specialization, Tan et al. 2024: ≠ 0, which is the same behind a ReLU; behind other
    nonlinearities nearly everything is ≠ 0, and above 0 is what we count). Special tokens count. Encoder and decoder
    count their own tokens; `tokens` are those of the encoder, or of the only stack.

    Padding does not count; `like_reference` counts it too, as the reference does: counts then depend on the
    `token_budget`, and are not those of the reference, whose padding stands elsewhere. Otherwise the budget changes
    nothing. `kept` as in `record`. Raises as `encode_pairs` does, and `ConfigError` for a budget below 1.
    """
    if token_budget is not None and token_budget < 1:
        raise ConfigError(f"Got a token budget of {token_budget}.", "Expected one token or more.")
    pairs = encode_pairs(view, tokenizer, corpus, directions, tags)
    reading = _Reading(pairs, token_budget or automatic_token_budget(view))
    tally = ActivityTally(view.layout, len(pairs.directions), RECORDING, view.model.device)
    made = made_with(view, tokenizer, corpus, rows=len(pairs.ids), dropped=len(pairs.dropped))
    padding = f"counted in batches of {reading.token_budget} tokens" if like_reference else "not counted"
    told = ",".join(f"{language}={token}" for language, token in sorted((tags or {}).items())) or None
    signature = made | RECORDING.signature | Signature.of(read="translation", padding=padding, tags=told)
    named = ",".join(map(str, pairs.directions))
    job = signature | Signature.of(directions=named, token_budget=reading.token_budget)
    checkpoints = Checkpoints.of(kept, job)
    _TranslationPass(view, reading, [tally], checkpoints, like_reference=like_reference).run()
    fired, tokens, reached = (tally.totals[name].cpu() for name in ("fired", "tokens", "reached"))
    return Activity(
        view.layout, tuple(map(str, pairs.directions)), RECORDING, fired, tokens, reached, signature=signature
    )


def counted_in_translation(view: ModelView, batch: PairBatch, like_reference: bool = False) -> Mapping[str, Tensor]:
    """Which positions count in each stack, `[B, T]`: those that are read; a last token of a decoder alone is not."""
    if view.family.predicts_next:
        read = torch.zeros_like(batch.real)
        read[:, :-1] = batch.real[:, 1:]
        masks = {stack: read for stack, _ in view.layout.stacks}
    else:
        masks = {
            stack: batch.real if stack.startswith("encoder") else batch.target_real for stack, _ in view.layout.stacks
        }
    return {stack: torch.ones_like(mask) for stack, mask in masks.items()} if like_reference else masks


@dataclass(frozen=True, eq=False)
class _Reading:
    """Batches of one direction each, in a fixed order."""

    pairs: Pairs
    token_budget: int
    together: int = 1

    @property
    def texts(self) -> int:
        return len(self.pairs.pairs)

    def __iter__(self) -> Iterator[Batch]:
        yield from batches_by_direction(self.pairs, self.token_budget)


@dataclass(eq=False)
class _TranslationPass(Pass):
    """A pass in which the encoder reads the source and the decoder the target."""

    like_reference: bool = False

    def _forward(self, batch: Batch, forward: Callable[..., Any]) -> None:
        assert isinstance(batch, PairBatch)
        masks = counted_in_translation(self.view, batch, self.like_reference)
        selected = {stack: Selection.of(mask, torch.zeros_like(mask)) for stack, mask in masks.items()}
        for tally in self.tallies:
            tally.begin(batch, selected)
        inputs, device = translation_inputs(self.view, batch), self.view.model.device
        forward(**{name: given.to(device) if isinstance(given, Tensor) else given for name, given in inputs.items()})
        for tally in self.tallies:
            tally.commit()
