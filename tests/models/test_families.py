"""Invariants of every family, on a tiny random model each."""

from collections import Counter

import pytest
import torch
from transformers import PreTrainedModel

from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.errors import InterventionError, UnsupportedModelError
from neuroglot.interventions import switch_off
from neuroglot.layout import Layer
from neuroglot.models import ModelView, view
from neuroglot.models.checks import available_sites
from neuroglot.neurons import NeuronSet
from tests.families import EVERY_FAMILY, TINY_CONFIGS, VOCABULARY, forward_inputs, tiny_model
from tests.oracles import DOWN_PROJECTIONS, modules_of
from tests.tiny import tiny_corpus, tiny_tokenizer

TOKEN_IDS = torch.tensor([[1, 5, 9, 20, 33, 7], [1, 50, 3, 8, 41, 60]])

each_family = pytest.mark.parametrize("model_type", TINY_CONFIGS)


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        return model(**forward_inputs(model.config.model_type, TOKEN_IDS % VOCABULARY)).logits


def everything(located: ModelView) -> NeuronSet:
    return NeuronSet(located.layout, torch.ones(located.layout.neuron_count, dtype=torch.bool))


def test_every_family_has_a_tiny_config() -> None:
    assert {family.model_type for family in EVERY_FAMILY} == set(TINY_CONFIGS)
    assert len(EVERY_FAMILY) == len(TINY_CONFIGS) >= 60


@each_family
def test_layout_is_that_of_the_config(model_type: str) -> None:
    model = tiny_model(model_type)
    layout = view(model).layout
    found = dict(Counter(place for place, _ in modules_of(model, DOWN_PROJECTIONS)))
    experts = {layer.index for layer in layout.layers if layer.experts > 1}
    assert len(layout.layers) == len(found) + len(experts)
    assert all(count == 1 for count in found.values())


@each_family
def test_identity_tap_is_bit_exact_and_leaves_no_hook(model_type: str) -> None:
    model = tiny_model(model_type)
    before, located = logits(model), view(model)
    for site in available_sites(located):
        with located.tapping(site, lambda _layer, activation, _routing: activation):
            assert torch.equal(logits(model), before)
    assert torch.equal(logits(model), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@each_family
def test_sites_coincide_exactly_where_the_network_is_not_gated(model_type: str) -> None:
    located = view(tiny_model(model_type))
    if len(available_sites(located)) < 2:
        with pytest.raises(UnsupportedModelError, match="'post_act' cannot be tapped"):
            record(located, tiny_tokenizer(), tiny_corpus(), Recording(site="post_act"))
        return
    seen: dict[str, list[torch.Tensor]] = {"post_act": [], "write": []}
    with (
        located.tapping("post_act", lambda _layer, activation, _routing: seen["post_act"].append(activation.clone())),
        located.tapping("write", lambda _layer, activation, _routing: seen["write"].append(activation.clone())),
    ):
        logits(located.model)
    same = all(torch.equal(a, b) for a, b in zip(seen["post_act"], seen["write"], strict=True))
    assert same is not any(getattr(plan.network, "gated", True) for plan in located.family.stacks)


@each_family
def test_empty_ablation_changes_nothing_and_restoration_is_exact(model_type: str) -> None:
    model = tiny_model(model_type)
    before, located = logits(model), view(model)
    with switch_off(located, NeuronSet.empty(located.layout)):
        assert torch.equal(logits(model), before)
    with pytest.raises(RuntimeError, match="on purpose"), switch_off(located, everything(located)):
        assert not torch.equal(logits(model), before)
        raise RuntimeError("on purpose")
    assert torch.equal(logits(model), before)
    assert not any("_apply_gate" in vars(module) for module in model.modules())


@each_family
def test_ablating_everything_equals_zero_down_projection_inputs(model_type: str) -> None:
    model = tiny_model(model_type)
    located = view(model)
    with switch_off(located, everything(located)):
        ablated = logits(model)
    for _, module in modules_of(model, DOWN_PROJECTIONS):
        module.register_forward_pre_hook(lambda _module, inputs: (torch.zeros_like(inputs[0]),))
    with torch.no_grad():
        for layer in located.layout.layers:
            if layer.experts > 1:
                located.points[layer].output_module.down_proj.zero_()
    assert torch.equal(ablated, logits(model))


@each_family
def test_ablating_one_neuron_equals_zeroing_its_value_vector(model_type: str) -> None:
    model = tiny_model(model_type)
    located = view(model)
    for layer in located.layout.layers:
        neuron = 2 * layer.width // layer.experts + 7 if layer.experts > 1 else 7
        with switch_off(located, NeuronSet.of(located.layout, {(layer.stack, layer.index): [neuron]})):
            ablated = logits(model)
        vector = value_vector_in_place(located, layer, neuron)
        kept = vector.clone()
        vector.zero_()
        torch.testing.assert_close(ablated, logits(model), rtol=1e-4, atol=1e-5)
        vector.copy_(kept)


def value_vector_in_place(located: ModelView, layer: Layer, neuron: int) -> torch.Tensor:
    if layer.experts == 1:
        return located.value_vectors(layer).detach()[neuron]  # a view of the weight, whichever way it is stored
    experts = located.points[layer].output_module
    expert, place = divmod(neuron, layer.width // layer.experts)
    down = experts.down_proj.detach()[expert]
    return down[place] if getattr(experts, "is_transposed", True) else down[:, place]


def test_a_layer_that_is_not_reached_is_an_error() -> None:
    located = view(tiny_model("llama"))
    located.model.model.layers[2].mlp.forward = lambda hidden: hidden
    with (
        pytest.raises(InterventionError, match="did not pass write of layer 2"),
        switch_off(located, NeuronSet.of(located.layout, {("decoder", 2): [0]})),
    ):
        logits(located.model)
