"""Forwards that begin behind layers whose outputs are known, and heads of chosen states, against whole forwards."""

from functools import partial

import pytest
import torch

from neuroglot.interventions import switch_off
from neuroglot.models import view
from neuroglot.models.trunk import Blocks, Trunk, head_lies_apart, layers_can_be_known
from neuroglot.neurons import NeuronSet
from tests.families import EVERY_FAMILY, tiny_model

WHOLE = {"t5", "mt5", "umt5", "opt", "llama4", "llama4_text"}  # their head reads the stacks past the base model
every_family = pytest.mark.parametrize("model_type", [family.model_type for family in EVERY_FAMILY])


def read(located, rows: int = 3):
    """Inputs of a forward over made-up rows that differ."""
    inputs = located.family.reads.dummy(located.model, rows=rows, length=5)
    for name, value in inputs.items():
        if name.endswith("input_ids"):
            inputs[name] = torch.arange(value.numel()).reshape(value.shape) % 50 + 5
    return inputs


def off_from(located, layer) -> NeuronSet:
    """Every second neuron of one layer and all behind it."""
    members = torch.zeros(located.layout.neuron_count, dtype=torch.bool)
    members[layer.start :: 2] = True
    return NeuronSet(located.layout, members)


@every_family
def test_changed_neurons_cost_the_layers_behind_them_and_give_the_same_logits(model_type: str) -> None:
    located = view(tiny_model(model_type))
    if located.model.get_output_embeddings() is None:
        pytest.skip("it has no head")
    inputs, blocks = read(located), Blocks.of(located)
    with located.evaluating():
        apart = head_lies_apart(located, inputs)
        assert apart == (model_type not in WHOLE)
        sets = [off_from(located, layer) for layer in located.layout.layers]
        firsts = [blocks.first_of(located, neurons.members) for neurons in sets]
        assert min(firsts) == 0
        assert max(firsts) > 0
        assert layers_can_be_known(located, inputs, apart, set(firsts))
        trunk = Trunk.of(located, inputs, apart, set(firsts))
        for neurons, first in zip(sets, firsts, strict=True):
            with switch_off(located, neurons):
                expected = located.model(**inputs).logits
                behind, passed = passing(blocks, partial(trunk.behind, first))
                part = trunk.behind(first, rows=[2, 0])
            assert passed == list(range(first, len(blocks.modules)))
            logits = behind.logits(behind.states.flatten(0, 1)).reshape(expected.shape)
            torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)
            logits = part.logits(part.states.flatten(0, 1)).reshape(2, *expected.shape[1:])
            torch.testing.assert_close(logits, expected[[2, 0]], rtol=1e-5, atol=1e-5)


def passing(blocks: Blocks, forward):
    """What the forward gives, and the numbers of the layers that it computes, by their parts."""
    passed, hooks = [], []
    for number, module in enumerate(blocks.modules):
        for part in list(module.modules())[1:]:
            hooks.append(part.register_forward_hook(lambda *_, number=number: passed.append(number)))
    result = forward()
    for hook in hooks:
        hook.remove()
    return result, sorted(set(passed))


@pytest.fixture
def llama():
    return view(tiny_model("llama"))


def test_known_layers_are_not_used_where_a_layer_changes_what_it_was_given(llama) -> None:
    inputs, blocks = read(llama), Blocks.of(llama)
    with llama.evaluating():
        assert layers_can_be_known(llama, inputs, True, {1, 2})
        blocks.modules[2].register_forward_pre_hook(lambda _, given: (given[0].add_(1),))
        assert not layers_can_be_known(llama, inputs, True, {1, 2})


def test_known_layers_are_not_used_where_layers_are_passed_twice_or_change_from_call_to_call(llama) -> None:
    inputs, blocks, calls = read(llama), Blocks.of(llama), []
    inner = blocks.modules[1].forward

    def twice(states, *rest, **named):
        return blocks.modules[2](inner(states, *rest, **named), *rest, **named)

    with llama.evaluating():
        blocks.modules[1].forward = twice
        assert not layers_can_be_known(llama, inputs, True, {1, 2})
        del blocks.modules[1].forward
        assert layers_can_be_known(llama, inputs, True, {1, 2})
        blocks.modules[0].register_forward_hook(lambda _, given, output: output + len(calls.append(0) or calls))
        assert not layers_can_be_known(llama, inputs, True, {0, 1})


def test_interventions_around_it_are_passed_by_every_forward(llama) -> None:
    inputs = read(llama)
    everywhere = off_from(llama, llama.layout.layers[0])
    with llama.evaluating(), switch_off(llama, everywhere):
        assert not layers_can_be_known(llama, inputs, True, {1, 2})
        assert head_lies_apart(llama, inputs)
        trunk = Trunk.of(llama, inputs, True)
        logits = trunk.logits(trunk.states.flatten(0, 1))
        torch.testing.assert_close(logits, llama.model(**inputs).logits.flatten(0, 1))


def test_a_head_that_reads_more_than_single_states_is_not_taken_apart(llama) -> None:
    inputs, inner = read(llama), llama.model.lm_head.forward
    with llama.evaluating():
        llama.model.lm_head.forward = lambda states: inner(states - states.mean(1, keepdim=True))
        assert not head_lies_apart(llama, inputs)


def test_the_model_is_as_before(llama) -> None:
    inputs, before = read(llama), {id(part): dict(vars(part)) for part in llama.model.modules()}
    with llama.evaluating():
        whole = llama.model(**inputs).logits
        trunk = Trunk.of(llama, inputs, True, {2})
        trunk.logits(trunk.behind(2).states[0])
        with pytest.raises(RuntimeError):
            trunk.logits(torch.zeros(1, 3))
        assert torch.equal(llama.model(**inputs).logits, whole)
    assert {id(part): dict(vars(part)) for part in llama.model.modules()} == before


def test_hooks_of_layers_that_are_known_are_not_called_again(llama) -> None:
    inputs, blocks, called = read(llama), Blocks.of(llama), []
    for number in (0, 2):
        blocks.modules[number].register_forward_pre_hook(lambda *_, number=number: called.append(("before", number)))
        blocks.modules[number].register_forward_hook(lambda *_, number=number: called.append(("behind", number)))
    with llama.evaluating():
        trunk = Trunk.of(llama, inputs, True, {2})
        called.clear()
        trunk.behind(2)
        assert called == [("before", 2), ("behind", 2)]


def test_layers_of_a_decoder_stand_behind_those_of_its_encoder() -> None:
    located = view(tiny_model("marian"))
    encoders = sum(layer.stack == "encoder" for layer in located.layout.layers)
    for layer in located.layout.layers:
        members = torch.zeros(located.layout.neuron_count, dtype=torch.bool)
        members[layer.start] = True
        expected = layer.index + (encoders if layer.stack == "decoder" else 0)
        assert Blocks.of(located).first_of(located, members) == expected
