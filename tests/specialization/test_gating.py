"""Gated models against copies whose weights were masked by hand, row by row; gradients; generation with beams."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import M2M100Config, M2M100ForConditionalGeneration, PreTrainedModel

from neuroglot.errors import ConfigError, InterventionError, LayoutMismatchError, UnsupportedModelError
from neuroglot.interventions.gating import Semantics, gating
from neuroglot.models.feedforward import feed_forwards
from neuroglot.models.view import ModelView, view
from tests.families import TINY_CONFIGS, VOCABULARY, forward_inputs, tiny_model
from tests.specialization.making import DECODERS, PAIRS, located, random_masks, row_masked, up_projections

BOTH: tuple[Semantics, ...] = ("activation", "weight row")
ROWS = ["de-en", "en-de", "de-en", "fr-en"]


def token_ids(rows: int = len(ROWS), length: int = 6) -> Tensor:
    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(3))


def inputs_of(view: ModelView, ids: Tensor) -> dict[str, Tensor]:
    return forward_inputs(view.model.config.model_type, ids)


def logits(model: PreTrainedModel, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model(**inputs).logits


def close(got: Tensor, expected: Tensor) -> None:
    """Within 1e-6 of the largest value."""
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6 * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize("model_type", [*PAIRS, *DECODERS])
def test_each_row_has_the_logits_of_a_model_masked_for_its_direction(model_type: str, semantics: Semantics) -> None:
    view = located(model_type)
    masks, inputs = random_masks(view.layout), inputs_of(view, token_ids())
    before = logits(view.model, inputs)
    with gating(view, masks, ROWS, semantics=semantics):
        got = logits(view.model, inputs)
    for row, direction in enumerate(ROWS):
        masked = row_masked(view, masks[direction].members, biases_too=semantics == "activation")
        close(got[row], logits(masked, {name: given[row : row + 1] for name, given in inputs.items()})[0])
    assert float((got - before).abs().max()) > 1e-2
    assert torch.equal(logits(view.model, inputs), before)


@pytest.mark.parametrize("model_type", ["m2m_100", "opt"])
def test_one_direction_holds_for_any_batch_and_calls_may_name_their_own(model_type: str) -> None:
    view = located(model_type)
    masks, inputs = random_masks(view.layout), inputs_of(view, token_ids())
    places = torch.tensor([masks.place(direction) for direction in ROWS])
    with gating(view, masks, ROWS):
        expected = logits(view.model, inputs)
    with gating(view, masks):
        assert torch.equal(logits(view.model, inputs | {"direction_ids": places}), expected)
        flipped = {name: given.flip(0) for name, given in inputs.items()}
        close(logits(view.model, flipped | {"direction_ids": places.flip(0)}).flip(0), expected)
    with gating(view, masks, ["de-en"] * 4):
        expected = logits(view.model, inputs)
    with gating(view, masks, "de-en"):
        close(logits(view.model, inputs), expected)


def test_biases_tell_the_semantics_apart_and_without_any_they_are_the_same() -> None:
    for model_type, same in (("m2m_100", False), ("gpt2", False), ("t5", True), ("mt5", True), ("llama", True)):
        view = located(model_type)
        masks, inputs, got = random_masks(view.layout), inputs_of(view, token_ids()), []
        for semantics in BOTH:
            with gating(view, masks, ROWS, semantics=semantics):
                got.append(logits(view.model, inputs))
        assert torch.allclose(*got, atol=1e-5) == same, model_type


@pytest.mark.parametrize("bias", [True, False])
def test_a_gate_with_biases_writes_with_both_of_them(bias: bool) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, mlp_bias=bias, **sizes)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    located_model = view(model)
    masks, network = random_masks(located_model.layout), feed_forwards(located_model)[located_model.layout.layers[0]]
    seen: list[Tensor] = []
    network.down.register_forward_pre_hook(lambda _module, given: seen.append(given[0].detach()))
    with gating(located_model, masks, "en-de", semantics="weight row"):
        logits(model, {"input_ids": token_ids()})
    removed = ~masks["en-de"].members[:24]
    mlp = model.model.layers[0].mlp
    expected = torch.nn.functional.silu(mlp.gate_proj.bias) * mlp.up_proj.bias if bias else torch.zeros(24)
    torch.testing.assert_close(seen[-1][..., removed], expected[removed].detach().expand(4, 6, -1))
    torch.testing.assert_close(network.without_weights(), expected)


def loss(model: PreTrainedModel, inputs: dict[str, Tensor], answers: Tensor) -> Tensor:
    return cross_entropy(model(**inputs).logits.flatten(0, 1), answers.flatten(), reduction="sum")


def gradients(model: PreTrainedModel) -> dict[str, Tensor]:
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize("model_type", ["m2m_100", "t5", "mt5", "gpt2", "llama", "opt"])
def test_gradients_of_a_mixed_batch_are_the_sums_of_those_of_its_directions(
    model_type: str, semantics: Semantics
) -> None:
    view = located(model_type)
    view.model.double()
    masks, ids = random_masks(view.layout), token_ids()
    inputs, answers = inputs_of(view, ids), ids.roll(-1, 1)
    with gating(view, masks, ROWS, semantics=semantics):
        loss(view.model, inputs, answers).backward()
    mixed, total = gradients(view.model), {}
    for direction in dict.fromkeys(ROWS):
        chosen = [row for row, other in enumerate(ROWS) if other == direction]
        with gating(view, masks, direction, semantics=semantics):
            loss(view.model, {name: given[chosen] for name, given in inputs.items()}, answers[chosen]).backward()
        for name, gradient in gradients(view.model).items():
            total[name] = total.get(name, 0) + gradient
    assert set(total) == set(mixed)
    for name, gradient in mixed.items():
        torch.testing.assert_close(gradient, total[name], rtol=0, atol=1e-6)
    assert max(float(gradient.abs().max()) for gradient in mixed.values()) > 1e-2


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize("model_type", ["m2m_100", "mt5", "gpt2", "phi3"])
def test_removed_neurons_have_no_gradient_in_their_rows(model_type: str, semantics: Semantics) -> None:
    view = located(model_type)
    masks, ids = random_masks(view.layout), token_ids()
    with gating(view, masks, "en-de", semantics=semantics):
        loss(view.model, inputs_of(view, ids), ids.roll(-1, 1)).backward()
    parts = {(layer.stack, layer.index): part for layer, part in view.layout.by_layer(masks["en-de"].members)}
    for place, module in up_projections(view.model):
        gradient = module.weight.grad.T if type(module).__name__ == "Conv1D" else module.weight.grad
        removed = (~parts[place]).repeat(len(gradient) // len(parts[place]))
        assert gradient[removed].count_nonzero() == 0
        assert gradient[~removed].count_nonzero() > 0
        if module.bias is not None:
            assert (module.bias.grad[removed].count_nonzero() == 0) == (semantics == "activation")


@pytest.mark.parametrize("semantics", BOTH)
def test_gradient_checkpointing_gives_the_same_gradients(semantics: Semantics) -> None:
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 20, "decoder_ffn_dim": 24, "d_model": 16}
    without = {"dropout": 0.0, "attention_dropout": 0.0, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 64}
    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=VOCABULARY, **sizes, **without, **heads))
    located_model = view(model.train())
    masks, ids, found = random_masks(located_model.layout), token_ids(), []
    places = torch.tensor([masks.place(direction) for direction in ROWS])
    for checkpointing in (False, True):
        if checkpointing:
            model.activation_checkpointing_enable()
        with gating(located_model, masks, semantics=semantics):
            loss(model, forward_inputs("m2m_100", ids) | {"direction_ids": places, "use_cache": False}, ids).backward()
        found.append(gradients(model))
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=0, atol=1e-6)


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("model_type", ["m2m_100", "mbart", "t5", "gpt2", "llama", "opt"])
def test_generating_a_mixed_batch_gives_what_masked_models_generate_row_by_row(
    model_type: str, beams: int, semantics: Semantics, monkeypatch: pytest.MonkeyPatch
) -> None:
    equal_depth = TINY_CONFIGS[model_type] | ({"num_layers": 3} if model_type == "t5" else {})  # else its cache fails
    monkeypatch.setitem(TINY_CONFIGS, model_type, equal_depth)
    view = located(model_type)
    masks, ids = random_masks(view.layout), token_ids()
    options = {
        "max_new_tokens": 7,
        "min_new_tokens": 7,
        "num_beams": beams,
        "do_sample": False,
        "no_repeat_ngram_size": 1,
    }
    with gating(view, masks, ROWS, semantics=semantics, beams=beams):
        got = view.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    plain = view.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)
    for row, direction in enumerate(ROWS):
        masked = row_masked(view, masks[direction].members, biases_too=semantics == "activation")
        one = ids[row : row + 1]
        assert torch.equal(got[row], masked.generate(input_ids=one, attention_mask=torch.ones_like(one), **options)[0])
    assert not torch.equal(got, plain)


def test_no_mask_changes_nothing_and_gates_restore_on_exceptions() -> None:
    view = located("m2m_100")
    inputs, masks = inputs_of(view, token_ids()), random_masks(view.layout, share=2.0)
    before = logits(view.model, inputs)
    hooks = [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in view.model.modules()]
    for semantics in BOTH:
        with pytest.raises(KeyError), gating(view, masks, ROWS, semantics=semantics):
            assert torch.equal(logits(view.model, inputs), before)
            raise KeyError
    assert hooks == [len(module._forward_pre_hooks) + len(module._forward_hooks) for module in view.model.modules()]


def test_half_precision_stays_half() -> None:
    view = located("m2m_100")
    view.model.bfloat16()
    masks, inputs = random_masks(view.layout), inputs_of(view, token_ids())
    for semantics in BOTH:
        with gating(view, masks, ROWS, semantics=semantics):
            assert logits(view.model, inputs).dtype == torch.bfloat16


def test_batches_without_directions_or_with_too_few_are_refused() -> None:
    view = located("m2m_100")
    masks, inputs = random_masks(view.layout), inputs_of(view, token_ids())
    with gating(view, masks), pytest.raises(InterventionError, match="without directions"):
        logits(view.model, inputs)
    with gating(view, masks, ["de-en", "en-de"]), pytest.raises(InterventionError, match="forward of 4 rows"):
        logits(view.model, inputs)
    with gating(view, masks, ["de-en", "en-de"], beams=2) as gate:
        logits(view.model, inputs)  # as in generation
        for wrong in ([4, 0], [-1, 0], [], [[0]], [0.5]):
            with pytest.raises(InterventionError, match="numbers from 0 to 3"):
                gate.set(torch.tensor(wrong))


def test_a_layer_that_is_not_passed_is_noticed() -> None:
    view = located("llama")
    masks = random_masks(view.layout)
    view.model.model.layers[1].forward = lambda hidden_states, **_: hidden_states
    with gating(view, masks, "en-de"), pytest.raises(InterventionError, match="layer 1"):
        logits(view.model, {"input_ids": token_ids()})


def test_what_cannot_be_gated_is_refused() -> None:
    gpt2 = located("gpt2")
    masks = random_masks(gpt2.layout)
    with pytest.raises(ConfigError, match="semantics='clean'"), gating(gpt2, masks, semantics="clean"):  # type: ignore[arg-type]
        pass
    with pytest.raises(ConfigError, match="no mask of en-sw"), gating(gpt2, masks, "en-sw"):
        pass
    with pytest.raises(ConfigError, match="beams=0"), gating(gpt2, masks, beams=0):
        pass
    with pytest.raises(LayoutMismatchError), gating(located("m2m_100"), masks):
        pass
    for model_type in ("mixtral", "bert"):
        model = view(tiny_model(model_type))
        with pytest.raises(UnsupportedModelError, match="dense decoder"), gating(model, random_masks(model.layout)):
            pass


def test_a_network_that_does_more_than_a_gate_is_refused_for_weight_rows() -> None:
    bitnet = located("bitnet")  # normalises between its projections
    with torch.no_grad():
        for layer in bitnet.model.model.layers:
            layer.mlp.ffn_sub_norm.weight.normal_()
    masks = random_masks(bitnet.layout)
    with pytest.raises(UnsupportedModelError, match="does more"), gating(bitnet, masks, semantics="weight row"):
        pass
