"""Gradient times activation: what switching a neuron off would do to the loss, to first order."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from neuroglot import distribution
from neuroglot.activity.checkpoints import Checkpoints
from neuroglot.corpora.directed import Parallel
from neuroglot.errors import UnsupportedModelError
from neuroglot.layout import Layer
from neuroglot.models.finite import not_finite, sums_finite
from neuroglot.models.locating import text_config
from neuroglot.models.points import Routing
from neuroglot.models.provenance import made_with
from neuroglot.models.split import require_whole
from neuroglot.models.view import ModelView
from neuroglot.progress import track
from neuroglot.signature import Signature
from neuroglot.storage import NOTHING_KEPT, Kept
from neuroglot.tokens.asked import answered, asked_tokens
from neuroglot.tokens.batches import Batch
from neuroglot.tokens.reading import read_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedTokenizerBase

GRADIENT_TOKEN_BUDGET = 2**11  # padded tokens a batch: the graph of a forward is kept for its gradient
GRADIENT_LOGIT_BUDGET = 2**24  # padded tokens × vocabulary a batch


def gradient_times_activation(
    view: ModelView,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Parallel,
    *,
    magnitude: bool = False,
    kept: Kept = NOTHING_KEPT,
) -> Tensor:
    """Mean over a language's predicted tokens of −Σ_t a_t·∂L/∂a_t, L the loss of a text in nats: `[G, N]`, float64.

    The loss is what `evaluate` scores: of translations given their sources in a `Directed`, of masked tokens in an
    encoder.
    The first-order estimate of how much the loss of a token rises if the neuron is 0 at all tokens; with `magnitude`
    |a_t·∂L/∂a_t| is summed instead. a is the input of the down projection. Source: gradient × activation as in Leng &
    Xiong 2024 (the sign is ours, so that harm is positive). Rows with a text longer than the model's context are left
    out. Raises `UnsupportedModelError` for a model that cannot be asked for such data, and for layers of experts.
    """
    require_whole(view.model, "A gradient of the loss")
    _require_dense(view)
    asked = asked_tokens(view, tokenizer, corpus)
    budget = max(1, min(GRADIENT_TOKEN_BUDGET, GRADIENT_LOGIT_BUDGET // int(text_config(view.model).vocab_size)))
    batches = asked.batches(budget)
    sums = _Sums(len(corpus.languages), view.layout.neuron_count)
    options = Signature.of(magnitude=magnitude, budget=budget, languages=",".join(corpus.languages))
    job = made_with(view, tokenizer, corpus) | read_as(corpus) | options
    checkpoints = Checkpoints.of(kept, job)
    if checkpoints is not None:
        checkpoints.restore([sums])
    done = frozenset(checkpoints.done if checkpoints else ())
    with _differentiable(view):
        for number, batch in track(enumerate(batches), "gradients", len(batches)):
            if distribution.dealt(number) and number not in done:
                sums.add(batch, *_of_batch(view, batch.to(view.model.device), magnitude))
                if checkpoints is not None:
                    checkpoints.note(number, [sums])
    if checkpoints is not None:
        checkpoints.save([sums])
    distribution.combine((total, False) for total in sums.totals.values())
    return sums.totals["scores"] / sums.totals["predicted"][:, None]


class _Sums:
    """Scores `[G, N]` and numbers of predicted tokens `[G]`, summed over batches."""

    maxima: frozenset[str] = frozenset()

    def __init__(self, languages: int, neurons: int) -> None:
        self.totals = {
            "scores": torch.zeros(languages, neurons, dtype=torch.float64),
            "predicted": torch.zeros(languages, dtype=torch.float64),
        }

    def add(self, batch: Batch, scores: Tensor, predicted: Tensor) -> None:
        """Add what a batch's texts gave, `[B, N]`, over so many tokens each, `[B]`."""
        languages = torch.tensor([text.language for text in batch.texts])
        self.totals["scores"].index_add_(0, languages, scores)
        self.totals["predicted"].index_add_(0, languages, predicted)


def _of_batch(view: ModelView, batch: Batch, magnitude: bool) -> tuple[Tensor, Tensor]:
    """Minus the sum over tokens of activation times gradient, `[B, N]`, and how many tokens are predicted, `[B]`."""
    activations: dict[Layer, Tensor] = {}

    def keep(layer: Layer, activation: Tensor, routing: Routing | None) -> Tensor:
        if not activation.requires_grad:  # of the first layer of a stack: here the graph of the loss begins
            activation = activation.detach().requires_grad_()
        activations[layer] = activation.clone()  # what goes on through the model, so that it is in the loss's graph
        return activations[layer]

    with view.tapping("write", keep):
        logits, targets, asked = answered(view, batch)
    loss = torch.nn.functional.cross_entropy(logits[asked].float(), targets[asked], reduction="sum")
    gradients = torch.autograd.grad(loss, [activations[layer] for layer in view.layout.layers])
    if not bool(loss.isfinite()) or not sums_finite([gradient.sum(dtype=torch.float32) for gradient in gradients]):
        raise not_finite(view.model, f"The loss or its gradients of rows {batch.texts[0].row + 1} and others are")
    products = [activations[layer].detach() * gradient for layer, gradient in zip(view.layout.layers, gradients)]
    signed = [(product.abs() if magnitude else -product).double() for product in products]
    texts = [part.reshape(len(batch.texts), -1, part.shape[-1]).sum(1).cpu() for part in signed]
    return torch.cat(texts, dim=1), asked.sum(1).double().cpu()


@contextmanager
def _differentiable(view: ModelView) -> Iterator[None]:
    """Evaluation mode with a gradient through activations only; afterwards weights ask for gradients as before."""
    training, wanted = view.model.training, [parameter.requires_grad for parameter in view.model.parameters()]
    view.model.eval()
    view.model.requires_grad_(False)
    try:
        with torch.enable_grad():
            yield
    finally:
        view.model.train(training)
        for parameter, asked in zip(view.model.parameters(), wanted, strict=True):
            parameter.requires_grad_(asked)


def _require_dense(view: ModelView) -> None:
    if any(layer.experts > 1 for layer in view.layout.layers):
        raise UnsupportedModelError(
            f"{type(view.model).__name__} has layers of experts ({view.layout}).",
            "Gradients of losses are taken in models without experts.",
            "Take a selector that reads counts or moments.",
        )
