"""Other precisions and adapters: the same proofs hold, and the same neurons are found."""

import peft
import pytest
import torch
from transformers import PreTrainedModel

from neuroglot.activity.record import record
from neuroglot.interventions import switch_off
from neuroglot.models import ModelView, load, view
from neuroglot.neurons import NeuronSet
from tests.families import forward_inputs, tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

TOKEN_IDS = torch.tensor([[1, 5, 9, 20, 33, 7]])


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(**forward_inputs("llama", TOKEN_IDS)).logits


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "bloom", "opt", "mixtral", "gemma3_text", "xlm-roberta"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_passes_the_checks_and_restores_exactly(model_type: str, dtype: torch.dtype) -> None:
    model = tiny_model(model_type).to(dtype)
    with torch.no_grad():
        before = model(**forward_inputs(model_type, TOKEN_IDS)).logits
    located = view(model)
    everything = NeuronSet(located.layout, torch.ones(located.layout.neuron_count, dtype=torch.bool))
    for intervention, same in (
        (located.tapping("write", lambda _l, values, _r: values), True),
        (switch_off(located, everything), False),
    ):
        with intervention, torch.no_grad():
            assert torch.equal(model(**forward_inputs(model_type, TOKEN_IDS)).logits, before) is same
    with torch.no_grad():
        assert torch.equal(model(**forward_inputs(model_type, TOKEN_IDS)).logits, before)


def adapted(target: str) -> peft.PeftModel:
    config = peft.LoraConfig(r=4, target_modules=[target], init_lora_weights=False)
    return peft.get_peft_model(tiny_model("llama"), config).eval()


@pytest.mark.parametrize("target", ["down_proj", "gate_proj", "q_proj"])
@pytest.mark.parametrize("merged", [False, True])
def test_low_rank_adapters_are_part_of_the_neurons(target: str, merged: bool) -> None:
    model = adapted(target)
    if merged:
        model.merge_adapter()
    located = view(model)
    assert located.layout == view(tiny_model("llama")).layout
    for layer in located.layout.layers:
        check_ablation(located, layer.index)


def check_ablation(located: ModelView, layer: int) -> None:
    """Switching a neuron off takes its effective value vector, adapter included, out of the layer's output."""
    outputs, coefficients = [], []
    down = located.model.model.layers[layer].mlp.down_proj
    hooks = [
        down.register_forward_hook(lambda _module, _inputs, output: outputs.append(output[0])),
        down.register_forward_pre_hook(lambda _module, inputs: coefficients.append(inputs[0][0])),
    ]
    logits(located.model)
    with switch_off(located, NeuronSet.of(located.layout, {("decoder", layer): [7]})):
        logits(located.model)
    for hook in hooks:
        hook.remove()
    vector = located.value_vectors(located.layout.layers[layer])[7]
    torch.testing.assert_close(outputs[0] - outputs[1], coefficients[0][:, 7:8] * vector, rtol=1e-4, atol=1e-5)


def test_counts_of_an_adapted_model_are_those_of_the_merged_one() -> None:
    model = adapted("gate_proj")
    corpus, tokenizer = tiny_corpus(), tiny_tokenizer()
    apart = record(view(model), tokenizer, corpus)
    together = record(view(model.merge_and_unload()), tokenizer, corpus)
    assert torch.equal(apart.fired, together.fired)


def test_a_model_spread_by_device_map_counts_the_same(tmp_path) -> None:
    tiny_model("llama").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    (spread, tokenizer), (plain, _) = load(str(tmp_path), device="auto"), load(str(tmp_path), device="cpu")
    corpus = tiny_corpus()
    assert torch.equal(record(spread, tokenizer, corpus).fired, record(plain, tokenizer, corpus).fired)
    members = torch.arange(spread.layout.neuron_count) % 3 == 0
    outputs = []
    for located in (spread, plain):
        with switch_off(located, NeuronSet(located.layout, members)):
            outputs.append(logits(located.model).cpu())
    assert torch.equal(*outputs)
