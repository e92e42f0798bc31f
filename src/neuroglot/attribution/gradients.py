"""Gradient times activation: what switching a neuron off would do to the loss, to first order."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.corpora.corpus import Corpus
from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer
from neuroglot.models.finite import not_finite, sums_finite
from neuroglot.models.locating import text_config
from neuroglot.models.points import Routing
from neuroglot.models.provenance import made_with
from neuroglot.models.view import ModelView
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.batches import Batch, by_length
from neuroglot.tokens.tokenizing import context_limit, tokenize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedTokenizerBase

GRADIENT_TOKEN_BUDGET = 2**11  # padded tokens a batch: the graph of a forward is kept for its gradient
GRADIENT_LOGIT_BUDGET = 2**24  # padded tokens × vocabulary a batch


def gradient_times_activation(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Corpus,
    *,
    magnitude: bool = False,
    kept: Kept = NOTHING_KEPT,
) -> Tensor:
    """Mean over a language's predicted tokens of −Σ_t a_t·∂L/∂a_t, L the loss of a text in nats: `[G, N]`, float64.

    The first-order estimate of how much the loss of a token rises if the neuron is 0 at all tokens; with `magnitude`
    |a_t·∂L/∂a_t| is summed instead. a is the input of the down projection. Source: gradient × activation as in Leng &
    Xiong 2024 (the sign is ours, so that harm is positive). Rows with a text longer than the model's context are left
    out. Raises `UnsupportedModelError` for a model without next-token predictions, and for one with layers of experts.
    """
    _require_dense_decoder(view)
    tokenized = tokenize(tokenizer, corpus, context_limit(tokenizer, text_config(view.model)))
    budget = max(1, min(GRADIENT_TOKEN_BUDGET, GRADIENT_LOGIT_BUDGET // int(text_config(view.model).vocab_size)))
    batches = by_length(tokenized, budget)
    sums = _Sums(len(corpus.languages), view.layout.neuron_count)
    job = made_with(view, tokenizer, corpus) | Signature.of(magnitude=magnitude, budget=budget)
    checkpoints = Checkpoints.of(kept, job)
    if checkpoints is not None:
        checkpoints.restore([sums])
    done = frozenset(checkpoints.done if checkpoints else ())
    with _differentiable(view):
        for number, batch in track(enumerate(batches), "gradients", len(batches)):
            if number not in done:
                sums.add(batch, _of_batch(view, batch.to(view.model.device), magnitude))
                if checkpoints is not None:
                    checkpoints.note(number, [sums])
    if checkpoints is not None:
        checkpoints.save([sums])
    return sums.totals["scores"] / sums.totals["predicted"][:, None]


class _Sums:
    """Scores `[G, N]` and numbers of predicted tokens `[G]`, summed over batches."""

    maxima: frozenset[str] = frozenset()

    def __init__(self, languages: int, neurons: int) -> None:
        self.totals = {
            "scores": torch.zeros(languages, neurons, dtype=torch.float64),
            "predicted": torch.zeros(languages, dtype=torch.float64),
        }

    def add(self, batch: Batch, scores: Tensor) -> None:
        """Add what a batch's texts gave, `[B, N]`."""
        languages = torch.tensor([text.language for text in batch.texts])
        self.totals["scores"].index_add_(0, languages, scores)
        self.totals["predicted"].index_add_(0, languages, batch.scored.sum(1).double())


def _of_batch(view: ModelView, batch: Batch, magnitude: bool) -> Tensor:
    """Minus the sum over tokens of activation times gradient, of each text: `[B, N]`."""
    activations: dict[Layer, Tensor] = {}

    def keep(layer: Layer, activation: Tensor, routing: Routing | None) -> Tensor:
        activations[layer] = activation.clone()  # what goes on through the model, so that it is in the loss's graph
        return activations[layer]

    with view.tapping("write", keep):
        logits = view.model(input_ids=batch.token_ids, attention_mask=batch.real.long(), use_cache=False).logits
    asked = batch.scored[:, 1:]
    loss = torch.nn.functional.cross_entropy(
        logits[:, :-1][asked].float(), batch.token_ids[:, 1:][asked], reduction="sum"
    )
    gradients = torch.autograd.grad(loss, [activations[layer] for layer in view.layout.layers])
    if not bool(loss.isfinite()) or not sums_finite([gradient.sum(dtype=torch.float32) for gradient in gradients]):
        raise not_finite(view.model, f"The loss or its gradients of rows {batch.texts[0].row + 1} and others are")
    products = [activations[layer].detach() * gradient for layer, gradient in zip(view.layout.layers, gradients)]
    texts = [
        (product.abs() if magnitude else -product).double().reshape(*batch.token_ids.shape, -1).sum(1).cpu()
        for product in products
    ]
    return torch.cat(texts, dim=1)


@contextmanager
def _differentiable(view: ModelView) -> Iterator[None]:
    """Evaluation mode with a gradient through activations only; afterwards weights ask for gradients as before."""
    training, wanted = view.model.training, [parameter.requires_grad for parameter in view.model.parameters()]
    view.model.eval()
    view.model.requires_grad_(False)

    def begin(_: object, __: object, embedded: Tensor) -> Tensor:
        return embedded.detach().requires_grad_()

    start = view.model.get_input_embeddings().register_forward_hook(begin)
    try:
        with torch.enable_grad():
            yield
    finally:
        start.remove()
        view.model.train(training)
        for parameter, asked in zip(view.model.parameters(), wanted, strict=True):
            parameter.requires_grad_(asked)


def _require_dense_decoder(view: ModelView) -> None:
    view.require("next-token predictions")
    if any(layer.experts > 1 for layer in view.layout.layers):
        raise UnsupportedModelError(
            f"{type(view.model).__name__} has layers of experts ({view.layout}).",
            "Gradients of losses are taken in decoders without experts.",
            "Take a selector that reads counts or moments.",
        )
