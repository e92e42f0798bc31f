"""Refusals: what is not known, or not built as the table says, is never guessed."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from neuroglot import models
from neuroglot.errors import UnsupportedModelError
from tests.families import tiny_model


def test_unknown_architecture_is_refused_by_name() -> None:
    config = AutoConfig.for_model("mamba", vocab_size=32, hidden_size=16, num_hidden_layers=1)
    with pytest.raises(UnsupportedModelError, match=r"'mamba'.*It knows llama.*one entry in models/families.py"):
        models.view(AutoModelForCausalLM.from_config(config))


def test_a_module_that_is_no_transformers_model_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="Linear, which has no config"):
        models.view(torch.nn.Linear(2, 2))  # type: ignore[arg-type]


def test_fewer_layers_than_the_config_says_are_refused() -> None:
    model = tiny_model("llama")
    del model.model.layers[2]
    with pytest.raises(UnsupportedModelError, match="2 layers.*num_hidden_layers = 3"):
        models.view(model)


def test_another_width_than_the_config_says_is_refused() -> None:
    model = tiny_model("llama")
    model.config.intermediate_size = 25
    with pytest.raises(UnsupportedModelError, match="width 24 in layer 0.*intermediate_size = 25"):
        models.view(model)


def test_a_missing_module_is_refused() -> None:
    model = tiny_model("llama")
    del model.model.layers[1].mlp.act_fn
    with pytest.raises(UnsupportedModelError, match="lacks a module"):
        models.view(model)


def test_a_site_that_fires_twice_is_refused() -> None:
    model = tiny_model("llama")
    mlp = model.model.layers[0].mlp
    once = mlp.forward
    mlp.forward = lambda hidden: once(hidden) + once(hidden)
    with pytest.raises(UnsupportedModelError, match="layer 0 fired 2 times"):
        models.view(model)


def test_an_output_that_is_not_the_sum_of_value_vectors_is_refused() -> None:
    model = tiny_model("llama")
    down = model.model.layers[1].mlp.down_proj
    plain = down.forward
    down.forward = lambda hidden: plain(hidden) * 1.5
    with pytest.raises(UnsupportedModelError, match="layer 1 writes something else"):
        models.view(model)


def test_training_mode_survives_the_dummy_forward() -> None:
    model = tiny_model("llama").train()
    models.view(model)
    assert model.training


def test_loading_from_a_folder_in_the_hubs_layout(tmp_path) -> None:
    from tests.tiny import tiny_tokenizer

    tiny_model("qwen3").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    located, tokenizer = models.load(str(tmp_path), device="cpu")
    assert located.family.model_type == "qwen3"
    assert len(tokenizer) == 64
    assert str(tmp_path.parent) not in str(models.model_signature(located.model))


def test_loading_what_is_not_there_or_not_known_is_one_message(tmp_path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"cannot be loaded.*Expected 'lab', a folder"):
        models.load(str(tmp_path / "nothing"))
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    with pytest.raises(UnsupportedModelError, match="architecture 'mamba'"):
        models.load(str(tmp_path))


def test_fingerprint_changes_with_the_weights_only() -> None:
    first, again, other = tiny_model("llama"), tiny_model("llama"), tiny_model("llama", seed=1)
    assert models.model_signature(first) == models.model_signature(again)
    assert models.model_signature(first) != models.model_signature(other)
