"""Each operator against plain hooks; order, nesting, restoration, refusals."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from neuroglot.errors import ConfigError, InterventionError, LayoutMismatchError
from neuroglot.interventions.operators import (
    OPERATORS,
    Step,
    add,
    language_arithmetic,
    multiply,
    set_to,
    two_set_scaling,
)
from neuroglot.interventions.steering import steering
from neuroglot.interventions.switching import switch_off
from neuroglot.models import ModelView, view
from neuroglot.neurons import NeuronSet
from tests.families import tiny_model
from tests.interventions.steering_oracle import Change, plainly

DENSE = ("llama", "gpt2", "bloom", "opt", "gemma2", "gpt_neox", "xglm", "phi")
EXPERTS = ("mixtral", "olmoe", "qwen3_moe", "gpt_oss")
TOKEN_IDS = torch.tensor([[1, 5, 9, 20, 33, 7, 12]])


def some(located: ModelView, seed: int, share: float = 0.4) -> NeuronSet:
    generator = torch.Generator().manual_seed(seed)
    return NeuronSet(located.layout, torch.rand(located.layout.neuron_count, generator=generator) < share)


def numbers(located: ModelView, seed: int) -> Tensor:
    return torch.randn(located.layout.neuron_count, generator=torch.Generator().manual_seed(seed))


def indices(neurons: NeuronSet) -> set[int]:
    return set(neurons.members.nonzero()[:, 0].tolist())


def logits(located: ModelView, token_ids: Tensor = TOKEN_IDS) -> Tensor:
    with torch.no_grad():
        return located.model(input_ids=token_ids, use_cache=False).logits


def cases(located: ModelView, site: str) -> dict[str, tuple[tuple[Step, ...], list[Change]]]:
    """Each operator as steps of the package, and as formulas on one neuron's activation."""
    a, b = some(located, 1), some(located, 2)
    inside_a, inside_b, v = indices(a), indices(b), numbers(located, 3)

    def clas(n: int, h: float) -> float:
        h1 = h * (1 + 0.5 * (n in inside_a))
        h2 = h1 * (1 - 0.3 * (n in inside_b))
        return (1 - 0.8) * h + 0.8 * h2

    return {
        "zero": ((set_to(a, 0, site),), [(site, inside_a, lambda n, h: 0.0)]),
        "constant": ((set_to(a, -1.5, site),), [(site, inside_a, lambda n, h: -1.5)]),
        "by neuron": ((set_to(a, v, site),), [(site, inside_a, lambda n, h: float(v[n]))]),
        "add": ((add(a, v, 0.7, site),), [(site, inside_a, lambda n, h: h + 0.7 * float(v[n]))]),
        "add one number": ((add(a, 0.4, site=site),), [(site, inside_a, lambda n, h: h + 0.4)]),
        "multiply": ((multiply(a, 1.2, site),), [(site, inside_a, lambda n, h: 1.2 * h)]),
        "multiply by neuron": ((multiply(a, v, site),), [(site, inside_a, lambda n, h: float(v[n]) * h)]),
        "arithmetic": (
            language_arithmetic(a, b, v, 2.0, -1.0, site),
            [(site, inside_a, lambda n, h: -1.0), (site, inside_b, lambda n, h: h + 2 * float(v[n]))],
        ),
        "two sets": (two_set_scaling(a, b, 0.5, 0.3, 0.8, site), [(site, inside_a | inside_b, clas)]),
    }


@pytest.mark.parametrize("site", ["write", "post_act"])
@pytest.mark.parametrize("model_type", [*DENSE, *EXPERTS])
def test_operators_equal_plain_hooks(model_type: str, site: str) -> None:
    if (model_type, site) == ("gpt_oss", "post_act"):
        pytest.skip("gpt_oss has no module for its nonlinearity")
    located = view(tiny_model(model_type))
    before = logits(located)
    found = cases(located, site)
    assert len(found) == 9
    for name, (steps, changes) in found.items():
        with plainly(located, changes) as model:
            expected = model(input_ids=TOKEN_IDS, use_cache=False).logits
        with steering(located, steps):
            got = logits(located)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
        assert not torch.allclose(got, before, atol=1e-2), name


@pytest.mark.parametrize("model_type", [*DENSE, *EXPERTS, "llama4_text", "mt5", "bert"])
def test_an_empty_set_is_bit_exact_and_setting_to_a_constant_equals_ablating(model_type: str) -> None:
    located = view(tiny_model(model_type))
    inputs = {"input_ids": TOKEN_IDS} | ({"decoder_input_ids": TOKEN_IDS} if model_type == "mt5" else {})

    def run() -> Tensor:
        with torch.no_grad():
            return located.model(**inputs).logits

    before, empty, some_neurons = run(), NeuronSet.empty(located.layout), some(located, 1)
    with steering(located, [set_to(empty, 3.0), add(empty, 1.0), multiply(empty, 0.0)]):
        assert torch.equal(run(), before)
    with switch_off(located, some_neurons, 0.5):
        expected = run()
    with steering(located, set_to(some_neurons, 0.5)):
        assert torch.equal(run(), expected)
    assert not torch.equal(expected, before)


@pytest.mark.parametrize("model_type", ["llama", "bloom", "mixtral"])
def test_steps_act_in_order_and_blocks_nest(model_type: str) -> None:
    located = view(tiny_model(model_type))
    a = some(located, 1)
    first, second = add(a, 1.0), multiply(a, -0.5)
    results: list[Tensor] = []
    for steps in ([first, second], [second, first]):
        with steering(located, steps):
            results.append(logits(located))
        with steering(located, steps[0]), steering(located, steps[1]):
            assert torch.equal(logits(located), results[-1])
        inside = indices(a)
        functions: list[Callable] = [lambda n, h: h + 1.0, lambda n, h: -0.5 * h]
        functions = functions if steps[0] is first else functions[::-1]
        with plainly(located, [("write", inside, function) for function in functions]) as model:
            expected = model(input_ids=TOKEN_IDS, use_cache=False).logits
        torch.testing.assert_close(results[-1], expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(*results, atol=1e-2)


@pytest.mark.parametrize("model_type", ["llama", "bloom"])
def test_post_act_acts_before_write_whatever_the_order(model_type: str) -> None:
    located = view(tiny_model(model_type))
    gate, product = add(some(located, 1), 1.0, site="post_act"), set_to(some(located, 1), 0.3)
    with steering(located, [gate, product]):
        expected = logits(located)
    with steering(located, [product, gate]):
        assert torch.equal(logits(located), expected)
    with steering(located, product):
        torch.testing.assert_close(logits(located), expected)


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mixtral", "llama4_text"])
@pytest.mark.parametrize("scope", ["all", "generated"])
def test_the_model_is_restored_exactly_on_exceptions_too(model_type: str, scope) -> None:  # type: ignore[no-untyped-def]
    located = view(tiny_model(model_type))
    before = logits(located)
    with pytest.raises(RuntimeError, match="on purpose"), steering(located, set_to(some(located, 1)), scope):
        raise RuntimeError("on purpose")
    with pytest.raises(LayoutMismatchError), steering(located, [set_to(some(view(tiny_model("bloom")), 1))]):
        pass
    assert torch.equal(logits(located), before)
    assert not [module for module in located.model.modules() if module._forward_hooks or module._forward_pre_hooks]
    assert not any({"_apply_gate", "forward"} & set(vars(module)) for module in located.model.modules())


def test_only_the_neurons_of_the_set_change_even_beside_infinite_ones() -> None:
    located = view(tiny_model("llama"))
    neurons, seen = some(located, 1), []
    values = torch.where(neurons.members, 2.0, float("nan"))
    kept = lambda _layer, rows, _routing: seen.append(rows.clone())  # noqa: E731
    for step in (multiply(neurons, values), add(neurons, values), set_to(neurons, values)):
        seen.clear()
        with located.tapping("write", kept), steering(located, step), located.tapping("write", kept):
            logits(located)
        first_layer = neurons.members[: located.layout.layers[0].width]
        assert torch.equal(seen[0][:, ~first_layer], seen[1][:, ~first_layer])
        torch.testing.assert_close(
            seen[1][:, first_layer], OPERATORS[step.operator].change(seen[0], torch.tensor(2.0))[:, first_layer]
        )


def test_gradients_pass_through_added_values() -> None:
    located = view(tiny_model("llama"))
    with steering(located, add(some(located, 1), 0.5)):
        located.model(input_ids=TOKEN_IDS, labels=TOKEN_IDS).loss.backward()
    assert all(parameter.grad is not None for parameter in located.model.model.layers[0].mlp.parameters())


def test_what_cannot_be_done_is_refused() -> None:
    located = view(tiny_model("llama"))
    neurons = some(located, 1)
    for options in (("swap", neurons, 0.0), ("set", neurons, 0.0, "gate"), ("set", neurons, float("nan"))):
        with pytest.raises(ConfigError, match="Expected one"):
            Step(*options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"{len(neurons)} of {len(neurons)} neurons have no finite value"):
        set_to(neurons, torch.full((located.layout.neuron_count,), float("inf")))
    for values in (torch.zeros(3), torch.zeros(located.layout.neuron_count, dtype=torch.long)):
        with pytest.raises(LayoutMismatchError, match="Expected floats"):
            Step("add", neurons, values)
    with pytest.raises(ConfigError, match="1 step|0 steps"), steering(located, []):
        pass
    for model_type in ("bert", "t5"):
        other = view(tiny_model(model_type))
        with pytest.raises(ConfigError, match="scope 'all'"), steering(other, set_to(some(other, 1)), "prompt"):
            pass


def test_a_step_that_is_not_reached_is_an_error() -> None:
    located = view(tiny_model("llama"))
    located.model.model.layers[2].mlp.forward = lambda hidden: hidden
    with pytest.raises(InterventionError, match="did not pass"), steering(located, set_to(some(located, 1))):
        logits(located)
