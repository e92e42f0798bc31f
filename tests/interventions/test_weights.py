"""Folded checkpoints, loaded by plain transformers, against the ablated model; and what is refused."""

import copy
import json

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel

from neuroglot.errors import ArtifactError, LayoutMismatchError, UnsupportedModelError
from neuroglot.interventions.folding import FOLDED_RECORD, fold_out
from neuroglot.interventions.switching import switch_off
from neuroglot.models import ModelView, view
from neuroglot.neurons import NeuronSet
from tests.families import family_named, forward_inputs, tiny_model
from tests.tiny import tiny_tokenizer

DENSE = (
    "llama",
    "gpt2",
    "gpt_bigcode",
    "bloom",
    "opt",
    "gemma2",
    "gemma3_text",
    "gpt_neox",
    "xglm",
    "falcon",
    "phi",
    "mpt",
)
EXPERTS = ("mixtral", "olmoe", "gpt_oss", "qwen3_moe", "qwen2_moe", "deepseek_v3", "granitemoe", "llama4_text")
OTHERS = ("t5", "mbart", "bert", "llava")
TOKEN_IDS = torch.tensor([[1, 5, 9, 20, 33, 7, 12], [1, 50, 3, 8, 30, 31, 32]])


def some(located: ModelView, seed: int = 1) -> NeuronSet:
    generator = torch.Generator().manual_seed(seed)
    return NeuronSet(located.layout, torch.rand(located.layout.neuron_count, generator=generator) < 0.4)


def logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        return model(**forward_inputs(model.config.model_type, TOKEN_IDS)).logits


def loaded(model_type: str, folder) -> PreTrainedModel:  # type: ignore[no-untyped-def]
    return family_named(model_type).loader.from_pretrained(folder).eval()


@pytest.mark.parametrize("model_type", [*DENSE, *EXPERTS, *OTHERS])
def test_a_folded_checkpoint_gives_the_ablated_models_logits(model_type: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    located = view(tiny_model(model_type))
    weights = copy.deepcopy(located.model.state_dict())
    config, generation = copy.deepcopy(located.model.config), getattr(located.model, "generation_config", None)
    before, neurons = logits(located.model), some(located)
    with switch_off(located, neurons):
        expected = logits(located.model)
    fold_out(located, neurons, tmp_path / "folded")
    torch.testing.assert_close(logits(loaded(model_type, tmp_path / "folded")), expected, rtol=0, atol=1e-5)
    assert not torch.allclose(expected, before, atol=1e-2)
    # the model itself is as it was
    assert all(torch.equal(value, weights[name]) for name, value in located.model.state_dict().items())
    assert vars(located.model.config) == vars(config)
    assert getattr(located.model, "generation_config", None) is generation
    assert torch.equal(logits(located.model), before)


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mixtral", "gpt_oss"])
def test_folding_nothing_gives_the_model_and_folding_twice_both_sets(model_type: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    located = view(tiny_model(model_type))
    fold_out(located, NeuronSet.empty(located.layout), tmp_path / "same")
    assert torch.equal(logits(loaded(model_type, tmp_path / "same")), logits(located.model))
    first, second = some(located, 1), some(located, 2)
    fold_out(located, first, tmp_path / "first")
    fold_out(view(loaded(model_type, tmp_path / "first")), second, tmp_path / "both")
    with switch_off(located, first | second):
        expected = logits(located.model)
    torch.testing.assert_close(logits(loaded(model_type, tmp_path / "both")), expected, rtol=0, atol=1e-5)


def test_half_precision_tokenizer_and_record_are_kept(tmp_path) -> None:  # type: ignore[no-untyped-def]
    located = view(tiny_model("llama").to(torch.bfloat16))
    neurons = some(located)
    fold_out(located, neurons, tmp_path / "folded", tiny_tokenizer())
    assert loaded("llama", tmp_path / "folded").dtype == torch.bfloat16
    assert AutoTokenizer.from_pretrained(tmp_path / "folded")("w1 w2")["input_ids"] == [1, 4, 5]
    record = json.loads((tmp_path / "folded" / FOLDED_RECORD).read_text())
    assert record["folded_out"] == len(neurons) == sum(len(listed) for *_, listed in record["neurons"])


def test_what_cannot_be_folded_is_refused_and_leaves_nothing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    located = view(tiny_model("llama"))
    with pytest.raises(LayoutMismatchError):
        fold_out(located, some(view(tiny_model("bloom"))), tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists already"):
        fold_out(located, some(located), tmp_path / "full")
    located.model.config.quantization_config = {"quant_method": "fp8"}
    with pytest.raises(UnsupportedModelError, match="quantised"):
        fold_out(located, some(located), tmp_path / "out")
    del located.model.config.quantization_config
    layers = located.model.model.layers
    layers[1].mlp.down_proj.weight = layers[0].mlp.down_proj.weight
    with pytest.raises(UnsupportedModelError, match="uses model.layers.0.mlp.down_proj.weight as"):
        fold_out(located, some(located), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_with_adapters_are_refused_until_they_are_merged(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(tiny_model("llama"), LoraConfig(target_modules=["down_proj"], init_lora_weights=False))
    located = view(adapted)
    with pytest.raises(UnsupportedModelError, match="Merge them first"):
        fold_out(located, some(located), tmp_path / "out")
    merged = view(adapted.merge_and_unload())
    with switch_off(merged, some(merged)):
        expected = logits(merged.model)
    fold_out(merged, some(merged), tmp_path / "out")
    torch.testing.assert_close(logits(loaded("llama", tmp_path / "out")), expected, rtol=0, atol=1e-5)
