"""Invariants of every family, on a tiny random model each."""

import pytest
import torch

from neuroglot.errors import InterventionError
from neuroglot.interventions import ablating
from neuroglot.models import FAMILIES, view
from neuroglot.neurons import NeuronSet
from tests.families import TINY_CONFIGS, VOCABULARY, tiny_model
from tests.oracles import DOWN_PROJECTIONS

TOKEN_IDS = torch.tensor([[1, 5, 9, 20, 33, 7], [1, 50, 3, 8, 41, 60]])

each_family = pytest.mark.parametrize("model_type", TINY_CONFIGS)


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=TOKEN_IDS % VOCABULARY, attention_mask=torch.ones_like(TOKEN_IDS)).logits


def test_every_family_has_a_tiny_config() -> None:
    assert {family.model_type for family in FAMILIES} == set(TINY_CONFIGS)
    assert len(FAMILIES) >= 15


@each_family
def test_layout_is_that_of_the_config(model_type: str) -> None:
    width = 64 if model_type == "bloom" else 24
    assert view(tiny_model(model_type)).layout.stacks == (("decoder", (width,) * 3),)


@each_family
def test_identity_tap_is_bit_exact_and_leaves_no_hook(model_type: str) -> None:
    model = tiny_model(model_type)
    before, located = logits(model), view(model)
    for site in ("post_act", "write"):
        with located.tapping(site, lambda _layer, activation: activation):
            assert torch.equal(logits(model), before)
    assert torch.equal(logits(model), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@each_family
def test_sites_coincide_exactly_where_the_network_is_not_gated(model_type: str) -> None:
    located = view(tiny_model(model_type))
    seen: dict[str, list[torch.Tensor]] = {"post_act": [], "write": []}
    with (
        located.tapping("post_act", lambda _layer, activation: seen["post_act"].append(activation.clone())),
        located.tapping("write", lambda _layer, activation: seen["write"].append(activation.clone())),
    ):
        logits(located.model)
    same = all(torch.equal(a, b) for a, b in zip(seen["post_act"], seen["write"], strict=True))
    assert same is not located.family.stacks[0].gated


@each_family
def test_empty_ablation_changes_nothing_and_restoration_is_exact(model_type: str) -> None:
    model = tiny_model(model_type)
    before, located = logits(model), view(model)
    with ablating(located, NeuronSet.empty(located.layout)):
        assert torch.equal(logits(model), before)
    everything = NeuronSet(located.layout, torch.ones(located.layout.neuron_count, dtype=torch.bool))
    with pytest.raises(RuntimeError, match="on purpose"), ablating(located, everything):
        assert not torch.equal(logits(model), before)
        raise RuntimeError("on purpose")
    assert torch.equal(logits(model), before)


@each_family
def test_ablating_everything_equals_zero_down_projection_inputs(model_type: str) -> None:
    model = tiny_model(model_type)
    located = view(model)
    everything = NeuronSet(located.layout, torch.ones(located.layout.neuron_count, dtype=torch.bool))
    with ablating(located, everything):
        ablated = logits(model)
    zeroed = [
        module.register_forward_pre_hook(lambda _module, inputs: (torch.zeros_like(inputs[0]),))
        for name, module in model.named_modules()
        if name.rsplit(".", 1)[-1] in DOWN_PROJECTIONS and "attn" not in name
    ]
    assert len(zeroed) == 3
    assert torch.equal(ablated, logits(model))


@each_family
def test_ablating_one_neuron_equals_zeroing_its_value_vector(model_type: str) -> None:
    model = tiny_model(model_type)
    located = view(model)
    layer = located.layout.layers[1]
    with ablating(located, NeuronSet.of(located.layout, {("decoder", 1): [7]})):
        ablated = logits(model)
    with torch.no_grad():
        located.value_vectors(layer)[7] = 0  # a view of the weight, whichever way it is stored
    torch.testing.assert_close(ablated, logits(model), rtol=1e-5, atol=1e-5)


def test_a_layer_that_is_not_reached_is_an_error() -> None:
    located = view(tiny_model("llama"))
    located.model.model.layers[2].mlp.forward = lambda hidden: hidden
    with (
        pytest.raises(InterventionError, match="did not pass write of layer 2"),
        ablating(located, NeuronSet.of(located.layout, {("decoder", 2): [0]})),
    ):
        logits(located.model)
