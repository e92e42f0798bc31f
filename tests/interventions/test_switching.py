"""Neurons off text by text, against models whose value vectors are zeroed and against plain hooks."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from neuroglot.errors import InterventionError, LayoutMismatchError
from neuroglot.interventions.switching import switch_off
from neuroglot.models import ModelView, view
from neuroglot.neurons import NeuronSet
from tests.families import tiny_model
from tests.oracles import DOWN_PROJECTIONS, _one_expert, modules_of

DENSE = ("llama", "gpt2", "bloom", "opt", "gemma2", "gpt_neox", "xglm", "falcon")
EXPERTS = ("mixtral", "olmoe", "gpt_oss", "llama4_text")
LENGTHS = (7, 4, 6)
TOKEN_IDS = torch.tensor([[1, 5, 9, 20, 33, 7, 12], [1, 50, 3, 8, 8, 8, 8], [1, 30, 31, 32, 33, 34, 34]])
REAL = torch.arange(7) < torch.tensor(LENGTHS)[:, None]

each_dense = pytest.mark.parametrize("model_type", DENSE)


def logits(model: PreTrainedModel, token_ids: Tensor = TOKEN_IDS) -> Tensor:
    with torch.no_grad():
        return model(input_ids=token_ids, use_cache=False).logits


def random_sets(located: ModelView, texts: int, share: float = 0.4, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(texts, located.layout.neuron_count, generator=generator) < share


def zero_value_vectors(located: ModelView, off: Tensor) -> PreTrainedModel:
    """A copy of the model in which the value vectors of these neurons are zero."""
    model = copy.deepcopy(located.model)
    dense = dict(modules_of(model, DOWN_PROJECTIONS))
    experts = [module for name, module in model.named_modules() if name.endswith(".experts")]
    sparse = iter([layer for layer in located.layout.layers if layer.experts > 1])
    with torch.no_grad():
        for module in experts:
            layer = next(sparse)
            for expert, part in enumerate(off[layer.neurons].reshape(layer.experts, -1)):
                down = module.down_proj[expert]
                (down if getattr(module, "is_transposed", True) else down.T)[part] = 0
        for layer in located.layout.layers:
            if layer.experts == 1:
                module = next(found for (_, number), found in dense.items() if number == layer.index)
                weight = module.weight if type(module).__name__ == "Conv1D" else module.weight.T
                weight[off[layer.neurons]] = 0
    return model


@pytest.mark.parametrize("model_type", [*DENSE, *EXPERTS])
def test_each_text_is_as_alone_with_its_value_vectors_zeroed(model_type: str) -> None:
    located = view(tiny_model(model_type))
    off = random_sets(located, 3)
    with switch_off(located, off, positions=torch.ones_like(REAL)):
        together = logits(located.model)
    for text, length in enumerate(LENGTHS):
        alone = logits(zero_value_vectors(located, off[text]), TOKEN_IDS[text : text + 1, :length])
        torch.testing.assert_close(together[text, :length], alone[0], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together, logits(located.model), atol=1e-2)


@contextmanager
def plainly_changed(model: PreTrainedModel, located: ModelView, change) -> Iterator[None]:  # type: ignore[no-untyped-def]
    """A plain hook on every down projection: `change(layer, coefficients [1, T, N])`."""
    layers = {(layer.stack, layer.index): layer for layer in located.layout.layers}
    handles = []
    for (stack, number), module in modules_of(model, DOWN_PROJECTIONS):
        layer = layers[stack if (stack, number) in layers else "decoder", number]
        handles.append(
            module.register_forward_pre_hook(
                lambda _module, inputs, layer=layer: (
                    change(layer, inputs[0].clone().reshape(1, -1, layer.width)).reshape(inputs[0].shape),
                )
            )
        )
    yield
    for handle in handles:
        handle.remove()


def scope_masks() -> dict[str, Tensor]:
    last = torch.zeros_like(REAL)
    last[torch.arange(3), torch.tensor([3, 1, 5])] = True
    prompt = torch.arange(7) <= torch.tensor([3, 1, 5])[:, None]
    return {"all": REAL, "last": last, "prompt": prompt, "answer": REAL & ~prompt}


@each_dense
@pytest.mark.parametrize("scope", ["all", "last", "prompt", "answer"])
@pytest.mark.parametrize("kind", ["number", "one", "each"])
def test_scopes_and_values_equal_plain_hooks(model_type: str, scope: str, kind: str) -> None:
    located = view(tiny_model(model_type))
    off, positions = random_sets(located, 3), scope_masks()[scope]
    values = torch.randn(3, located.layout.neuron_count, generator=torch.Generator().manual_seed(3))
    value = {"number": 0.7, "one": values[0], "each": values}[kind]
    with switch_off(located, off, value, positions=positions):
        together = logits(located.model)
    for text, length in enumerate(LENGTHS):
        new = {"number": torch.full_like(values[0], 0.7), "one": values[0], "each": values[text]}[kind]

        def change(layer, coefficients: Tensor, text: int = text, new: Tensor = new) -> Tensor:  # type: ignore[no-untyped-def]
            for token in range(coefficients.shape[1]):
                for neuron in range(layer.width):
                    if positions[text, token] and off[text, layer.start + neuron]:
                        coefficients[0, token, neuron] = new[layer.start + neuron]
            return coefficients

        with plainly_changed(located.model, located, change):
            alone = logits(located.model, TOKEN_IDS[text : text + 1, :length])
        torch.testing.assert_close(together[text, :length], alone[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model_type", ["mixtral", "olmoe"])
@pytest.mark.parametrize("scope", ["all", "last", "prompt", "answer"])
def test_scopes_in_experts_equal_a_plain_loop(model_type: str, scope: str) -> None:
    located = view(tiny_model(model_type))
    off, positions = random_sets(located, 3), scope_masks()[scope]
    with switch_off(located, off, 0.3, positions=positions):
        together = logits(located.model)
    model = copy.deepcopy(located.model)
    modules = [module for name, module in model.named_modules() if name.endswith(".experts")]
    for text, length in enumerate(LENGTHS):
        for layer, module in zip(located.layout.layers, modules, strict=True):
            part = off[text, layer.neurons].reshape(layer.experts, -1)

            def forward(hidden, chosen, weights, module=module, part=part, text=text):  # type: ignore[no-untyped-def]
                output = torch.zeros_like(hidden)
                for token, expert_row in enumerate(chosen.tolist()):
                    for slot, expert in enumerate(expert_row):
                        value = _one_expert(module, expert, hidden[token], "write")
                        value[part[expert] & positions[text, token]] = 0.3
                        output[token] += weights[token, slot] * (module.down_proj[expert] @ value)
                return output

            module.forward = forward
        alone = logits(model, TOKEN_IDS[text : text + 1, :length])
        torch.testing.assert_close(together[text, :length], alone[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model_type", [*DENSE, *EXPERTS])
def test_nothing_off_or_nowhere_changes_nothing_bit_for_bit(model_type: str) -> None:
    located = view(tiny_model(model_type))
    before, count = logits(located.model), located.layout.neuron_count
    everywhere, everything = torch.ones_like(REAL), torch.ones(3, count, dtype=torch.bool)
    for off, positions in ((~everything, everywhere), (everything, ~everywhere)):
        with switch_off(located, off, positions=positions):
            assert torch.equal(logits(located.model), before)
    only_first = everything & (torch.arange(3) == 0)[:, None]
    with switch_off(located, only_first, positions=everywhere):
        changed = logits(located.model)
    torch.testing.assert_close(changed[1:], before[1:], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(changed[0], before[0], atol=1e-2)


@pytest.mark.parametrize("model_type", [*DENSE, *EXPERTS])
def test_the_model_is_restored_exactly_on_exceptions_too(model_type: str) -> None:
    located = view(tiny_model(model_type))
    before, off = logits(located.model), random_sets(located, 3)
    with pytest.raises(RuntimeError, match="on purpose"), switch_off(located, off, positions=REAL):
        assert not torch.equal(logits(located.model), before)
        raise RuntimeError("on purpose")
    assert torch.equal(logits(located.model), before)
    hooks = [module for module in located.model.modules() if module._forward_hooks or module._forward_pre_hooks]
    assert hooks == []
    assert not any("_apply_gate" in vars(module) for module in located.model.modules())


@each_dense
def test_everything_off_is_the_model_without_feed_forward_outputs_but_their_biases(model_type: str) -> None:
    located = view(tiny_model(model_type))
    with torch.no_grad():
        for _, module in modules_of(located.model, DOWN_PROJECTIONS):
            if getattr(module, "bias", None) is not None:
                module.bias.normal_(0, 0.5, generator=torch.Generator().manual_seed(5))
    off = torch.ones(3, located.layout.neuron_count, dtype=torch.bool)
    with switch_off(located, off, positions=torch.ones_like(REAL)):
        found = logits(located.model)
    width = located.value_vectors(located.layout.layers[0]).shape[1]
    for _, module in modules_of(located.model, DOWN_PROJECTIONS):
        bias = getattr(module, "bias", None)
        constant = torch.zeros(width) if bias is None else bias.detach()
        module.register_forward_hook(lambda _module, _inputs, output, constant=constant: constant.expand_as(output) + 0)
    torch.testing.assert_close(found, logits(located.model), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mixtral", "llama4_text"])
def test_one_set_for_all_texts_equals_ablating_in_any_shape(model_type: str) -> None:
    located = view(tiny_model(model_type))
    off = random_sets(located, 1)[0]
    with switch_off(located, NeuronSet(located.layout, off), 0.5):
        expected = [logits(located.model), logits(located.model, TOKEN_IDS[:1, :2])]
    with switch_off(located, off, 0.5):
        found = [logits(located.model), logits(located.model, TOKEN_IDS[:1, :2])]
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    with switch_off(located, off, 0.5, positions=torch.ones_like(REAL)):
        torch.testing.assert_close(logits(located.model), expected[0])


@pytest.mark.parametrize("model_type", ["llama", "bloom", "mixtral"])
def test_blocks_nest(model_type: str) -> None:
    located = view(tiny_model(model_type))
    first, second = random_sets(located, 3, seed=1), random_sets(located, 3, seed=2)
    with switch_off(located, first | second, positions=REAL):
        both = logits(located.model)
    with switch_off(located, first, positions=REAL), switch_off(located, second, positions=REAL):
        assert torch.equal(logits(located.model), both)


def test_other_shapes_and_batches_are_refused() -> None:
    located = view(tiny_model("llama"))
    off = random_sets(located, 3)
    for wrong, positions in ((off[:, 1:], REAL), (off, None), (off[:2], REAL), (off.float(), REAL)):
        with pytest.raises(LayoutMismatchError, match="Expected bool"), switch_off(located, wrong, positions=positions):
            pass
    for value in (torch.zeros(2, off.shape[1]), torch.zeros(5)):
        with pytest.raises(LayoutMismatchError, match="Expected bool"), switch_off(located, off, value, positions=REAL):
            pass
    with pytest.raises(InterventionError, match="anew for each batch"), switch_off(located, off, positions=REAL):
        logits(located.model, TOKEN_IDS[:2])


def test_a_layer_that_is_not_reached_is_an_error() -> None:
    located = view(tiny_model("llama"))
    located.model.model.layers[2].mlp.forward = lambda hidden: hidden
    with (
        pytest.raises(InterventionError, match="did not pass write of layer 2"),
        switch_off(located, random_sets(located, 3), positions=REAL),
    ):
        logits(located.model)


def test_names_of_0_1_work_or_say_what_replaces_them() -> None:
    from neuroglot import interventions
    from neuroglot.interventions import ablating, fold  # type: ignore[attr-defined]

    assert (ablating, fold) == (interventions.switch_off, interventions.fold_out)
    with pytest.raises(ImportError, match=r"deactivating is no more\. Use switch_off\(view, masks"):
        from neuroglot.interventions import deactivating  # type: ignore[attr-defined] # noqa: F401
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        interventions.nothing  # type: ignore[attr-defined] # noqa: B018
