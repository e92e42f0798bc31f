"""Nothing mixes tensors of the model's device with others: on one that only says it is a GPU, numbers are as before."""

import pytest
import torch

from neuroglot.activity.record import record
from neuroglot.activity.text_means import record_text_means
from neuroglot.experiments.evaluation import ablation_matrix
from neuroglot.interventions.switching import switch_off
from neuroglot.metrics import NatsPerToken
from neuroglot.models.view import view
from neuroglot.neurons import NeuronSet
from tests.accelerator import accelerator
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

DECODERS = ("llama", "gemma3_text", "bloom", "transnormer")  # experts are counted by a kernel that GPUs alone have


def test_mixing_devices_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with accelerator(monkeypatch) as device:
        there, here = torch.arange(3.0, device=device), torch.ones(3)
        assert (there.device, (there * 2).device, there.cpu().device.type) == (device, device, "cpu")
        assert (there + here.to(device)).tolist() == [1.0, 2.0, 3.0]
        with pytest.raises(RuntimeError, match="mixes the accelerator with the processor"):
            there + here
        with pytest.raises(RuntimeError, match="mixes the accelerator with the processor"):
            there[:] = here


@pytest.mark.parametrize("model_type", DECODERS)
def test_recorded_and_switched_off_on_the_models_device(model_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer, corpus = tiny_model(model_type).eval(), tiny_tokenizer(), tiny_corpus()
    looked_at = view(model)
    neurons = looked_at.layout.neuron_count
    sets = {
        language: NeuronSet(looked_at.layout, torch.arange(neurons) % 7 == place)
        for place, language in enumerate(corpus.languages)
    }

    def numbers() -> list[torch.Tensor]:
        activity = record(looked_at, tokenizer, corpus)
        matrix = ablation_matrix(looked_at, tokenizer, corpus, sets, NatsPerToken(), draws=1)
        with switch_off(looked_at, sets["de"]):
            means = record_text_means(looked_at, tokenizer, corpus)
        return [activity.fired, activity.tokens, matrix.ablated, matrix.random, means.values["activation"]]

    expected = numbers()
    with accelerator(monkeypatch) as device:
        model.to(device)
        assert looked_at.model.device == device
        for number, wanted in zip(numbers(), expected, strict=True):
            torch.testing.assert_close(number, wanted)
            assert number.device.type == "cpu"
