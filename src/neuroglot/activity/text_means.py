"""Means over the tokens of single texts: one number a text and neuron, for rules that tell texts apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.activity.passes import Pass, automatic_token_budget
from neuroglot.activity.recording import Recording
from neuroglot.activity.selection import Selection
from neuroglot.corpora.directed import Parallel
from neuroglot.errors import ConfigError, MemoryLimitError
from neuroglot.layout import Layer, Layout
from neuroglot.models.points import Routing
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.showing import Described
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.reading import read_as, reading_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Quantity = Literal["activation", "magnitude", "fired"]
Weights = Literal["uniform", "position"]
MOST_BYTES = 4 * 2**30


@dataclass(frozen=True, eq=False, repr=False)
class TextMeans(Described):
    """`values [R, G, N]`, float32, by quantity: Σ_t w_t·x_t over the counted tokens of each text, Σ_t w_t being 1.

    A text without a counted token has NaN; an expert's neuron counts as 0 on tokens that the expert did not get.
    """

    layout: Layout
    languages: tuple[str, ...]
    values: Mapping[str, Tensor]
    signature: Signature


def record_text_means(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    recording: Recording | None = None,
    *,
    quantities: Sequence[Quantity] = ("activation",),
    weights: Weights = "uniform",
    token_budget: int | None = None,
    kept: Kept = NOTHING_KEPT,
) -> TextMeans:
    """The mean of each neuron over the tokens of each text: of its `activation` a, of |a| (`magnitude`), or of whether
    it `fired` (a above the threshold).

    Weights are `uniform`, or grow with the `position` t of the counted token, w_t = t / Σt, t from 1. Rows longer than
    the model's context are left out. Raises `ConfigError` for quantities, weights or recordings that are not defined,
    `MemoryLimitError` where the values would take more than 4 GiB, before anything is read. `kept` as in `record`.
    """
    recording = recording or Recording()
    _require_defined(recording, quantities, weights)
    languages, neurons = len(corpus.languages), view.layout.neuron_count
    needed = 4 * len(quantities) * len(corpus) * languages * neurons
    if needed > MOST_BYTES:
        raise MemoryLimitError(
            f"{len(corpus):,} rows in {languages} languages of {neurons:,} neurons take {needed / 2**30:,.1f} GiB.",
            f"Expected at most {MOST_BYTES // 2**30} GiB.",
            "Take fewer rows.",
        )
    budget = token_budget or automatic_token_budget(view)
    reading = reading_of(view, tokenizer, corpus, token_budget=budget, equal_once=False)
    tally = _TextMeansTally(view.layout, recording, (len(corpus), languages), quantities, weights)
    options = recording.signature | read_as(corpus) | Signature.of(token_weights=weights)
    counted = Signature.of(quantities=",".join(quantities), languages=",".join(corpus.languages), token_budget=budget)
    Pass(view, reading, [tally], Checkpoints.of(kept, made_with(view, tokenizer, corpus) | options | counted)).run()
    values = {name: total[reading.rows] for name, total in tally.totals.items()}
    made = made_with(view, tokenizer, corpus, rows=len(reading.rows), dropped=len(reading.dropped)) | reading.unknown
    return TextMeans(view.layout, corpus.languages, values, made | options)


def _require_defined(recording: Recording, quantities: Sequence[str], weights: str) -> None:
    unknown = set(quantities) - set(get_args(Quantity)) | {weights} - set(get_args(Weights))
    if unknown or not quantities:
        raise ConfigError(
            f"Got the quantities {', '.join(quantities) or 'none'} with the weights {weights}.",
            f"Expected some of {', '.join(get_args(Quantity))}, and one of {', '.join(get_args(Weights))}.",
        )
    if len(recording.fires) != 1 or recording.statistics or recording.tokens not in ("all", "last"):
        raise ConfigError(
            f"Means of texts were asked for {recording.signature}.",
            "Expected one threshold, all or last tokens, no statistics.",
        )


class _TextMeansTally:
    """`totals [R, G, N]` by quantity, on the CPU."""

    maxima: frozenset[str] = frozenset()

    def __init__(
        self,
        layout: Layout,
        recording: Recording,
        shape: tuple[int, int],
        quantities: Sequence[Quantity],
        weights: Weights,
    ) -> None:
        self.recording, self.weights = recording, weights
        self.totals: dict[str, Tensor] = {name: torch.zeros(*shape, layout.neuron_count) for name in quantities}

    def begin(self, batch: Batch, selected: Mapping[str, Selection]) -> None:
        """Set which tokens count in the coming forward, and with which weight."""
        masks = {stack: selection.mask.reshape(selection.shape) for stack, selection in selected.items()}
        self.token_weights = {stack: _token_weights(mask, self.weights) for stack, mask in masks.items()}
        self.rows = torch.tensor([text.row for text in batch.texts])
        self.languages = torch.tensor([text.language for text in batch.texts])
        self.pending: list[tuple[str, Layer, Tensor]] = []

    def update(self, layer: Layer, activation: Tensor, routing: Routing | None) -> None:
        """Note one layer's weighted sums over each text: `[B, N]`."""
        weights = self.token_weights[layer.stack].to(activation.device)
        for name in self.totals:
            values = _quantity(name, activation, self.recording.thresholds(activation.dtype)[0])
            if routing is None:
                texts = torch.einsum("bt,btn->bn", weights, values.reshape(*weights.shape, -1))
            else:
                count, length = weights.shape
                groups = routing.tokens // length * layer.experts + routing.experts
                by_expert = values.new_zeros(count * layer.experts, values.shape[1])
                weighted = values * weights.flatten()[routing.tokens, None]
                texts = by_expert.index_add_(0, groups, weighted).reshape(count, -1)
                texts = torch.where(weights.sum(1, keepdim=True).isnan(), torch.nan, texts)
            self.pending.append((name, layer, texts.cpu()))

    def hold(self) -> None:
        """Texts are read whole, without shared beginnings: there is nothing to keep."""

    def commit(self) -> None:
        """Put the batch's texts in their places."""
        for name, layer, texts in self.pending:
            self.totals[name][self.rows, self.languages, layer.neurons] = texts


def _quantity(name: str, activation: Tensor, threshold: float) -> Tensor:
    if name == "fired":
        return (activation > threshold).float()
    return activation.float() if name == "activation" else activation.float().abs()


def _token_weights(counted: Tensor, weights: Weights) -> Tensor:
    """Weights of counted tokens that sum to 1 in each text, 0 elsewhere: `[B, T]`; NaN where none is counted."""
    raw = counted.float() if weights == "uniform" else counted.cumsum(1) * counted
    return raw / raw.sum(1, keepdim=True)
