"""The recording loop: the model without its head, over padded batches, into a tally."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from neuroglot.activity.activity import Activity
from neuroglot.activity.recording import Recording
from neuroglot.activity.sharing import Sharing
from neuroglot.activity.tallies import FiredTally, SharingTally, last_only
from neuroglot.corpora.batches import TOKEN_BUDGET, Batch, TokenizedCorpus, by_language, by_row, context_limit, tokenize
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import ConfigError
from neuroglot.layout import Layer
from neuroglot.models.inputs import counted_by_stack, forward_inputs
from neuroglot.models.loading import model_signature
from neuroglot.models.locating import text_config
from neuroglot.models.points import Routing
from neuroglot.models.view import ModelView
from neuroglot.progress import track
from neuroglot.signature import Signature, versions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Tally(Protocol):
    """Anything that can be shown the activations of a forward, layer by layer."""

    def begin(self, batch: Batch, counted: Mapping[str, Tensor]) -> None: ...
    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None: ...


def record(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recording: Recording | None = None,
    *,
    token_budget: int = TOKEN_BUDGET,
) -> Activity:
    """Count on how many tokens of each language every neuron fires, in one pass.

    Texts are padded on the right and padding never counts; `token_budget` (padded tokens a batch) changes no count.
    Rows with a text longer than the model's context are left out in all languages and counted in the signature. Raises
    `CorpusError` where nothing is left to record.
    """
    recording = recording or Recording()
    tokenized = tokenize(tokenizer, corpus, context_limit(tokenizer, text_config(view.model)))
    tally = FiredTally(view.layout, len(corpus.languages), recording.fires, view.model.device)
    _run(view, by_language(tokenized, recording.special_tokens, token_budget), recording, tally)
    signature = recorded_signature(view, corpus, recording, tokenized)
    counts = (tally.fired.cpu(), tally.tokens.cpu(), tally.reached.cpu())
    return Activity(view.layout, corpus.languages, recording, *counts, signature)


def record_sharing(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    recording: Recording | None = None,
    *,
    token_budget: int = TOKEN_BUDGET,
) -> Sharing:
    """Count in how many languages every neuron fires at the last token of the same parallel row.

    Source: Wang et al. 2024 (Sharing Matters), §3. Raises `ConfigError` for fewer than two languages, several
    thresholds, or a recording of more than the last token.
    """
    recording = recording or Recording.sharing_matters()
    if recording.tokens != "last" or len(recording.fires) != 1 or len(corpus.languages) < 2:
        raise ConfigError(
            f"Sharing was asked for {recording.signature} in {len(corpus.languages)} language(s).",
            "It is defined for the last token, one threshold, and two languages or more.",
        )
    tokenized = tokenize(tokenizer, corpus, context_limit(tokenizer, text_config(view.model)))
    languages, rows = len(corpus.languages), len(tokenized.ids)
    tally = SharingTally(view.layout, languages, recording.fires[0], rows, view.model.device)
    _run(view, by_row(tokenized, recording.special_tokens, token_budget), recording, tally)
    counts = (tally.histogram.cpu(), tally.fired.cpu(), tally.by_row.cpu())
    signature = recorded_signature(view, corpus, recording, tokenized)
    return Sharing(view.layout, corpus.languages, recording, *counts, signature)


def recorded_signature(view: ModelView, corpus: Corpus, recording: Recording, tokenized: TokenizedCorpus) -> Signature:
    """Model, corpus, recording and versions: all that can change a count."""
    return (
        model_signature(view.model)
        | Signature.of(
            corpus=corpus.name, corpus_hash=corpus.hash, rows=len(tokenized.ids), rows_dropped=len(tokenized.dropped)
        )
        | recording.signature
        | versions()
    )


def _run(view: ModelView, batches: list[Batch], recording: Recording, tally: Tally) -> None:
    model, was_training = view.model.base_model, view.model.training
    view.model.eval()
    try:
        with torch.inference_mode(), view.tapping(recording.site, tally.update):
            for batch in track(batches, "recording", len(batches)):
                batch = batch.to(view.model.device)
                counted = counted_by_stack(view, batch.counts, batch.real, recording.special_tokens)
                if recording.tokens == "last":
                    counted = {stack: last_only(mask) for stack, mask in counted.items()}
                tally.begin(batch, counted)
                model(**forward_inputs(view, batch.token_ids, batch.real))
    finally:
        view.model.train(was_training)
