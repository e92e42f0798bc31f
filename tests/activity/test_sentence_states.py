"""Sentence states of NeuronXA (weights that grow with the position) against plain loops over tokens and neurons."""

import math

import pytest
import torch

from neuroglot.activity.recording import Recording
from neuroglot.activity.text_means import record_text_means
from neuroglot.models import view
from tests.families import tiny_model
from tests.oracles import activations
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus(rows=5)
TOKENIZER = tiny_tokenizer()


def state(values: list[float], quantity: str) -> float:
    """Σ_t t·n_t / Σ_t t of one neuron, t from 1; an expert that a token does not reach has −∞ there."""
    total = 0.0
    for t, a in enumerate(values, start=1):
        n = (1.0 if a > 0 else 0.0) if quantity == "fired" else (0.0 if a == -math.inf else abs(a))
        total += t * n
    return total / sum(range(1, len(values) + 1))


@pytest.mark.parametrize("quantity", ["fired", "magnitude"])
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "opt", "mixtral", "bart"])
def test_states_equal_loops(model_type: str, quantity: str) -> None:
    located = view(tiny_model(model_type))
    found = record_text_means(
        located, TOKENIZER, CORPUS, Recording(), quantities=[quantity], weights="position", token_budget=30
    ).values[quantity]
    assert found.shape == (5, 3, located.layout.neuron_count)
    for place, column in enumerate(CORPUS.texts.values()):
        for row, text in enumerate(column):
            layers = activations(located.model, TOKENIZER(text)["input_ids"], "post_act")
            for layer, values in zip(located.layout.layers, layers, strict=True):
                first = 2 if model_type == "bart" and layer.stack == "decoder" else 1  # behind a start token and <s>
                if len(values) == first:  # the only token is not read again
                    assert found[row, place, layer.neurons].isnan().all()
                    continue
                expected = torch.tensor([state(column, quantity) for column in values[first:].T.tolist()])
                torch.testing.assert_close(found[row, place, layer.neurons], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "xglm", "mixtral"])
def test_neither_batches_nor_padding_change_a_state(model_type: str) -> None:
    located = view(tiny_model(model_type))
    options = {"quantities": ["fired", "magnitude"], "weights": "position"}
    alone, together = (
        record_text_means(located, TOKENIZER, CORPUS, token_budget=budget, **options).values for budget in (1, 4096)
    )
    for quantity in ("fired", "magnitude"):
        torch.testing.assert_close(alone[quantity], together[quantity], rtol=1e-5, atol=1e-5)


def test_later_tokens_weigh_more() -> None:
    located = view(tiny_model("llama"))
    position, uniform = (
        record_text_means(located, TOKENIZER, CORPUS, quantities=["fired"], weights=weights).values["fired"]
        for weights in ("position", "uniform")
    )
    lengths = torch.tensor([[len(text.split()) for text in row] for row in zip(*CORPUS.texts.values())])
    assert torch.equal(position[lengths == 1], uniform[lengths == 1])
    assert not torch.allclose(position[lengths > 2], uniform[lengths > 2])
