"""What a TransNormerLLM is given that does not fit is refused, and what is unusual gives the text's own numbers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from neuroglot.errors import ConfigError
from neuroglot.models.architectures.transnormer import TransNormerConfig, TransNormerForCausalLM
from tests.models.transnormer.making import TINY, plain_logits, tiny, token_ids

SOFTMAX = ("hybrid", "softmax first, with lrpe", "softmax alone")
WAYS = ("as released", "lrpe and decay in all layers", *SOFTMAX)
each_way = pytest.mark.parametrize("kind", WAYS)
NAN = float("nan")


def relative(got: Tensor, expected: Tensor) -> float:
    return float(((got - expected).abs().max() / expected.abs().max()).detach())


def packed(*lengths: int) -> tuple[list[Tensor], Tensor, Tensor]:
    """Texts, and the same in one row with their positions."""
    texts = [token_ids(1, length, length) for length in lengths]
    return texts, torch.cat(texts, dim=1), torch.cat([torch.arange(length) for length in lengths])[None]


# ---- positions and documents


@each_way
@torch.no_grad()
def test_packed_documents_are_as_if_alone_by_default_too(kind: str) -> None:
    model = tiny(kind)
    texts, row, positions = packed(5, 1, 9)
    expected = torch.cat([plain_logits(model, text) for text in texts], dim=1)
    assert relative(model(row, position_ids=positions).logits, expected) < 1e-12


@pytest.mark.parametrize("kind", SOFTMAX)
@torch.no_grad()
def test_softmax_layers_do_not_remember_packed_documents(kind: str) -> None:
    model = tiny(kind)
    _, row, positions = packed(5, 6)
    assert model(row, position_ids=positions).past_key_values is None
    with pytest.raises(ConfigError, match="Expected use_cache=False, or one document a row"):
        model(row, position_ids=positions, use_cache=True)
    past = model(row[:, :5], position_ids=positions[:, :5]).past_key_values
    with pytest.raises(ConfigError, match="Expected use_cache=False, or one document a row"):
        model(row[:, 5:], position_ids=positions[:, 5:], past_key_values=past)


@pytest.mark.parametrize("kind", ["as released", "lrpe and decay in all layers"])
@pytest.mark.parametrize("cut", [3, 5, 7, 10])
@torch.no_grad()
def test_packed_documents_go_on_from_a_cache(kind: str, cut: int) -> None:
    model, later = tiny(kind), token_ids(1, 4, 77)
    texts, row, positions = packed(5, 6)
    first = model(row[:, :cut], position_ids=positions[:, :cut])
    second = model(row[:, cut:], position_ids=positions[:, cut:], past_key_values=first.past_key_values)
    expected = torch.cat([plain_logits(model, text) for text in texts], dim=1)
    assert relative(torch.cat([first.logits, second.logits], dim=1), expected) < 1e-12
    on = model(later, past_key_values=second.past_key_values).logits
    assert relative(on, plain_logits(model, torch.cat([texts[1], later], dim=1))[:, -4:]) < 1e-12


@each_way
@torch.no_grad()
def test_positions_go_on_from_those_that_were_given(kind: str) -> None:
    model, ids, later = tiny(kind), token_ids(), token_ids(length=3, seed=1)
    past = model(ids, position_ids=torch.arange(100, 111)[None]).past_key_values
    assert past.next_position.tolist() == [[111]]
    got = model(later, past_key_values=past).logits
    assert relative(got, plain_logits(model, torch.cat([ids, later], dim=1))[:, -3:]) < 1e-12


@each_way
@torch.no_grad()
def test_a_cache_goes_on_behind_the_last_real_token_of_each_row(kind: str) -> None:
    """Rows padded on the right and the left, one of padding alone, then texts of unequal length, without positions."""
    model, later = tiny(kind), token_ids(3, 4, 1)
    ids, mask = token_ids(3, 7), torch.ones(3, 11, dtype=torch.long)
    mask[0, 4:7], mask[1, :2], mask[2, :7], mask[1, 9:] = 0, 0, 0, 0
    past = model(ids, attention_mask=mask[:, :7]).past_key_values
    assert past.next_position.tolist() == [[4], [5], [0]]
    got = model(later, attention_mask=mask, past_key_values=past).logits
    whole = torch.cat([ids, later], dim=1)
    for row in range(3):
        text = whole[row : row + 1, mask[row].bool()]
        real = int(mask[row, 7:].sum())
        assert relative(got[row : row + 1, :real], plain_logits(model, text)[:, -real:]) < 1e-12
    assert past.next_position.tolist() == [[8], [7], [4]]


@torch.no_grad()
def test_padding_with_positions_of_its_own_moves_no_row() -> None:
    """As `generate` gives them: padding stands at position 0, whatever was read before it."""
    model, ids, later = tiny("lrpe and decay in all layers"), token_ids(), token_ids(length=3, seed=1)
    past = model(ids).past_key_values
    positions = torch.tensor([[0, 0], [11, 0]])
    model(ids[:, :2], attention_mask=torch.tensor([[0, 0], [1, 0]]), position_ids=positions, past_key_values=past)
    assert past.next_position.tolist() == [[11], [12]]
    got = model(later, past_key_values=past).logits
    longer = torch.cat([ids[1:], ids[1:, :1], later[1:]], dim=1)
    expected = [plain_logits(model, text)[:, -3:] for text in (torch.cat([ids, later], dim=1)[:1], longer)]
    assert relative(got, torch.cat(expected)) < 1e-12


@each_way
@torch.no_grad()
def test_a_row_of_padding_alone_changes_no_other_and_no_gradient_is_lost(kind: str) -> None:
    model, ids = tiny(kind), token_ids()
    mask = torch.ones_like(ids)
    mask[1] = 0
    with torch.enable_grad():
        out = model(ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100))
        out.loss.backward()
    assert relative(out.logits[:1], plain_logits(model, ids[:1])) < 1e-12
    assert bool(out.logits.isfinite().all())
    assert all(bool(parameter.grad.isfinite().all()) for parameter in model.parameters())


@each_way
@torch.no_grad()
def test_no_tokens_are_no_step(kind: str) -> None:
    model, ids = tiny(kind), token_ids()
    past = model(ids).past_key_values
    assert model(ids[:, :0], past_key_values=past).logits.shape == (2, 0, 64)
    assert model(ids[:, :0]).logits.shape == (2, 0, 64)
    assert model(ids[:0]).logits.shape == (0, 11, 64)
    assert past.get_seq_length() == 11
    got = model(ids, past_key_values=past).logits
    assert relative(got, plain_logits(model, torch.cat([ids, ids], dim=1))[:, 11:]) < 1e-12


@torch.no_grad()
def test_packed_documents_are_apart_in_a_compiled_forward_too() -> None:
    model = tiny("hybrid")
    texts, row, positions = packed(5, 6)
    compiled = torch.compile(model, backend="eager")
    expected = torch.cat([plain_logits(model, text) for text in texts], dim=1)
    assert relative(compiled(row, position_ids=positions).logits, expected) < 1e-12


@pytest.mark.parametrize("cast", [torch.nn.Module.half, torch.nn.Module.bfloat16])
def test_phases_stay_in_float32_where_a_model_is_cast(cast: Callable[[torch.nn.Module], torch.nn.Module]) -> None:
    model = tiny(dtype=torch.float32)
    theta = model.model.layers[0].attention.lrpe.theta
    before = theta.detach().clone().mul_(1 + 1e-5)
    theta.data = before.clone()
    cast(model)
    assert model.model.layers[0].attention.lrpe.theta is theta
    assert torch.equal(theta.detach(), before)
    assert model.model.layers[0].attention.out_proj.weight.dtype != torch.float32
    assert model.double().model.layers[0].attention.lrpe.theta.dtype == torch.float64


# ---- masks, caches, and what is asked for


@pytest.mark.parametrize("kind", SOFTMAX)
@torch.no_grad()
def test_layers_of_softmax_need_a_mask_of_the_past_too(kind: str) -> None:
    model, ids = tiny(kind), token_ids()
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    past = model(ids, attention_mask=mask).past_key_values
    with pytest.raises(ConfigError, match=r"Expected one number a token: \(2, 14\)"):
        model(ids[:, :3], attention_mask=torch.ones(2, 3), past_key_values=past)
    with pytest.raises(ConfigError, match=r"Expected one of the past too, \(2, 14\)"):
        model(ids[:, :3], past_key_values=past)
    past.reset()
    assert isinstance(past.next_position, int)
    assert past.next_position == 0
    assert relative(model(ids, past_key_values=past).logits, plain_logits(model, ids)) < 1e-12


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: tiny(num_hidden_layers=4)(token_ids()), r"has 4 layers .* the model, 3 layers"),
        (lambda: tiny("one layer")(token_ids()), r"has 1 layers .* the model, 3 layers"),
        (lambda: tiny("hybrid")(token_ids()), r"2 layers of linear and 1 of softmax"),
        (lambda: tiny(num_attention_heads=4)(token_ids()), r"\(2, 4, 8, 4\).*Expected \(2, 2, 16, 8\)"),
        (lambda: tiny()(token_ids(3)), r"\(3, 2, 16, 8\).*Expected \(2, 2, 16, 8\)"),
        (lambda: tiny()(token_ids(1)), r"\(1, 2, 16, 8\).*Expected \(2, 2, 16, 8\)"),
    ],
    ids=["more layers", "fewer layers", "other layers", "other heads", "more rows", "one row"],
)
def test_a_cache_of_another_model_or_batch_is_refused(made: Callable[[], Any], said: str) -> None:
    with torch.no_grad(), pytest.raises(ConfigError, match=said):
        tiny()(token_ids(), past_key_values=made().past_key_values)


@torch.no_grad()
def test_keys_of_another_batch_are_refused() -> None:
    model = tiny("softmax first, with lrpe")
    with pytest.raises(ConfigError, match=r"\(1, 2, 11, 16\).*Expected \(2, 2, 11, 16\)"):
        model(token_ids(), past_key_values=model(token_ids(1)).past_key_values)


@torch.no_grad()
def test_ids_without_rows_are_refused() -> None:
    for wrong in (token_ids()[0], token_ids()[None]):
        with pytest.raises(ConfigError, match="Expected ids of rows and tokens"):
            tiny()(wrong)


def test_masks_and_positions_of_other_shapes_are_refused() -> None:
    model, ids = tiny(), token_ids()
    for mask in (torch.ones(3, 11), torch.ones(1, 11), torch.ones(2, 12), torch.ones(11)):
        with pytest.raises(ConfigError, match=r"The attention mask has the shape .*: \(2, 11\)"):
            model(ids, attention_mask=mask)
    for positions in (torch.arange(11), torch.arange(5)[None], torch.zeros(3, 11), torch.zeros(3, 1, 11)):
        with pytest.raises(ConfigError, match=r"The positions have the shape .*\(2, 11\) or \(1, 11\)"):
            model(ids, position_ids=positions)


@pytest.mark.parametrize("kind", ["as released", "hybrid"])
def test_a_mask_says_1_or_0_of_each_token(kind: str) -> None:
    """One that is added to scores would be read the other way round, one that numbers documents would let them mix."""
    model, ids = tiny(kind), token_ids()
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    for given in (mask.bool(), mask.double(), mask.to(torch.int8)):
        torch.testing.assert_close(model(ids, attention_mask=given).logits, model(ids, attention_mask=mask).logits)
    documents = torch.tensor([[1] * 5 + [2] * 6] * 2)
    for wrong in ((1 - mask) * -1e9, documents, mask * 0.5, -mask, torch.full(ids.shape, torch.nan)):
        with pytest.raises(ConfigError, match="Expected 1 for each real token and 0 for padding"):
            model(ids, attention_mask=wrong)


def test_what_a_model_without_scores_cannot_give_is_refused() -> None:
    model, ids = tiny("hybrid"), token_ids()
    for part in (model, model.model):
        with pytest.raises(ConfigError, match="Expected output_attentions=False"):
            part(ids, output_attentions=True)
    past = model(ids).past_key_values
    model.train().activation_checkpointing_enable()
    with pytest.raises(ConfigError, match="trains with gradient checkpointing"):
        model(ids, past_key_values=past)


@pytest.mark.parametrize("kind", ["as released", "hybrid"])
@torch.no_grad()
def test_generation_goes_on_behind_what_a_cache_has_read(kind: str) -> None:
    model, ids = tiny(kind), token_ids()
    options: dict[str, Any] = {"max_new_tokens": 5, "pad_token_id": 0, "do_sample": False}
    expected = model.generate(ids, attention_mask=torch.ones_like(ids), use_cache=False, **options)
    past = model(ids[:, :8]).past_key_values
    got = model.generate(ids[:, 8:], attention_mask=torch.ones_like(ids), past_key_values=past, **options)
    assert torch.equal(got[:, 3:], expected[:, 11:])
    mask = torch.ones_like(ids)
    for wrong, said in (
        ({"past_key_values": model(token_ids(2, 30)).past_key_values}, "has read 30 tokens, and the text has 11"),
        ({"past_key_values": model(ids).past_key_values}, "has read 11 tokens, and the text has 11"),
        ({"past_key_values": model(ids[:, :8]).past_key_values, "use_cache": False}, "a cache and use_cache=False"),
        ({"past_key_values": ((1,),)}, "a cache of the class tuple"),
    ):
        with pytest.raises(ConfigError, match=said):
            model.generate(ids, attention_mask=mask, **options, **wrong)


# ---- configs


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        *(
            (name, (0, -16, "16", 16.0, NAN, True, None), "Expected a whole number of at least 1")
            for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        ),
        ("attention_size", (0, -16, "16", 16.0, NAN, True), "Expected a whole number of at least 1"),
        ("block_size", (0, 2.5, "4"), "Expected a whole number of at least 1"),
        ("norm_eps", (0.0, -1.0, NAN, "1e-6", float("inf"), None), "Expected a number above 0"),
        ("initializer_range", (-1, NAN, "0.02"), "Expected a number of at least 0"),
        ("pad_token_id", (64, -5, "a", 0.0), "Expected one of these, or none"),
        ("lrpe_layers", (0, "0", ["0"], [-1], [3], [0.0], [True]), "a list of numbers of layers, from 0 to 2"),
        ("decay_layers", (1, "2", [None], [-1], [3]), "a list of numbers of layers, from 0 to 2"),
        ("layer_types", ("linear_attention", [None] * 3, [["x"]] * 3, []), "'full_attention' for each"),
        ("use_gate", ("yes", None, 1), "Expected true or false"),
        ("scale_embedding", ("no", 0), "Expected true or false"),
        ("no_scale_embedding", ("x", 0), "Expected true or false"),
        ("tie_word_embeddings", (3, "true"), "Expected true or false"),
        ("decay", (None, ["hf"], "HF"), "'paper' or 'hf' or 'none'"),
        ("state_dtype", ("bfloat16", torch.float32), "'float64' or 'float32'"),
        ("linear_use_lrpe_list", ([], [1, 0], [1, 0, 0, 1], "100", 1), "Expected 1 or 0 for each"),
        ("linear_act_fun", ("relu", 3), "'silu' or '1\\+elu' or 'none'"),
        ("norm_type", ("batchnorm", ["srms"], None), "'srms' or 'rms' or 'layer'"),
    ],
)  # fmt: skip
def test_values_that_are_none_are_refused(name: str, values: tuple[Any, ...], said: str) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=said):
            TransNormerConfig(**(TINY | {name: value}))


def test_released_values_have_our_names() -> None:
    config = TransNormerConfig(
        **TINY, linear_act_fun="swish", norm_type="rmsnorm", linear_use_lrpe_list=[0, 0, 1], no_scale_embedding=True
    )
    assert (config.attention_activation, config.norm, config.lrpe_layers) == ("silu", "rms", [2])
    assert not config.scale_embedding
    wider = TransNormerConfig(decoder_embed_dim=16, hidden_dim=24, decoder_attention_heads=2, pad_token_id=None)
    assert (wider.hidden_size, wider.attention_size) == (16, 24)
    assert TransNormerConfig(**TINY, decay_layers=(2, 0, 2)).decay_layers == [0, 2]
    assert TransNormerConfig(**TINY, linear_use_lrpe_list=[0, 0, 0]).lrpe_layers == []
    assert (TransNormerConfig(**TINY).lrpe_layers, TransNormerConfig(**TINY).decay_layers) == ([0], [0, 1, 2])


@pytest.mark.parametrize("heads", [1, 2, 3, 16])
@torch.no_grad()
def test_heads_of_odd_width_and_one_channel(heads: int) -> None:
    """One head of 7 channels, two of 7, three of 7, and 16 of one."""
    model: TransNormerForCausalLM = tiny(
        "lrpe and decay in all layers", num_attention_heads=heads, attention_size=heads * (7 if heads < 16 else 1)
    )
    ids = token_ids()
    assert relative(model(ids).logits, plain_logits(model, ids)) < 1e-12
