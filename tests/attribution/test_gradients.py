"""Gradient × activation against differences of losses, and the model left as it was."""

import copy

import pytest
import torch

from neuroglot.attribution.gradients import gradient_times_activation
from neuroglot.errors import UnsupportedModelError
from neuroglot.models import view
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus(3, languages=("de", "sw"))
TOKENIZER = tiny_tokenizer()
STEP = 1e-2  # norms compute in float32, so that smaller steps drown in rounding


def loss_with(located, text: str, neuron: int, factor: float) -> float:
    """The summed loss of one text with one neuron's coefficient times a factor."""

    def scale(layer, activation, routing):
        changed = activation.clone()
        if layer.start <= neuron < layer.start + layer.width:
            changed[:, neuron - layer.start] *= factor
        return changed

    ids = torch.tensor([TOKENIZER(text)["input_ids"]])
    with torch.no_grad(), located.tapping("write", scale):
        logits = located.model(input_ids=ids).logits[0]
    return float(torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="sum"))


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "bloom", "gemma2"])
def test_the_score_is_the_slope_of_the_loss(model_type: str) -> None:
    located = view(copy.deepcopy(tiny_model(model_type)).double())
    scores = gradient_times_activation(located, TOKENIZER, CORPUS)
    assert scores.shape == (2, located.layout.neuron_count)
    for place, language in enumerate(CORPUS.languages):
        tokens = sum(len(TOKENIZER(text)["input_ids"]) - 1 for text in CORPUS.texts[language])
        for neuron in range(0, located.layout.neuron_count, 7):
            slope = sum(
                (loss_with(located, text, neuron, 1 + STEP) - loss_with(located, text, neuron, 1 - STEP)) / (2 * STEP)
                for text in CORPUS.texts[language]
            )
            assert abs(float(scores[place, neuron]) + slope / tokens) < 1e-4


def test_magnitudes_are_no_smaller_and_the_model_is_as_it_was() -> None:
    model = tiny_model("llama").train()
    model.lm_head.weight.requires_grad_(False)
    located = view(model)
    asked = [parameter.requires_grad for parameter in model.parameters()]
    signed = gradient_times_activation(located, TOKENIZER, CORPUS)
    unsigned = gradient_times_activation(located, TOKENIZER, CORPUS, magnitude=True)
    assert bool((unsigned >= signed.abs() - 1e-9).all())
    assert model.training
    assert [parameter.requires_grad for parameter in model.parameters()] == asked
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize(("model_type", "message"), [("mixtral", "without experts"), ("t5", "Expected directions")])
def test_other_models_are_refused(model_type: str, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        gradient_times_activation(view(tiny_model(model_type)), TOKENIZER, CORPUS)
