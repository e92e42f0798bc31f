"""What is measured of a model, whether one process holds it or two."""

from typing import Any

import torch

from neuroglot import ablation_matrix, record
from neuroglot.interventions import switch_off
from neuroglot.metrics import NatsPerToken
from neuroglot.models import ModelView
from neuroglot.models.fingerprints import weights_fingerprint
from neuroglot.neurons import NeuronSet
from tests.tiny import tiny_corpus, tiny_tokenizer

IDS = torch.tensor([[5, 9, 11, 3, 20, 7]])


def measured(located: ModelView) -> dict[str, Any]:
    corpus = tiny_corpus()
    neurons = drawn(located, 4)
    sets = {language: drawn(located, seed) for seed, language in enumerate(corpus.languages)}
    with torch.no_grad(), switch_off(located, neurons):
        logits = located.model(IDS).logits
    matrix = ablation_matrix(located, tiny_tokenizer(), corpus, sets, NatsPerToken(), draws=1)
    return {
        "weights": weights_fingerprint(located.model),
        "fired": record(located, tiny_tokenizer(), corpus).fired,
        "logits": logits,
        "losses": matrix.ablated[..., 0],
        "neurons": neurons,
        "vectors": located.value_vectors(located.layout.layers[0]),
    }


def drawn(located: ModelView, seed: int) -> NeuronSet:
    """About a third of all neurons, of both halves of each layer."""
    generator = torch.Generator().manual_seed(seed)
    return NeuronSet(located.layout, torch.rand(located.layout.neuron_count, generator=generator) < 1 / 3)
