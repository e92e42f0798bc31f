"""TransNormerLLM as a model: its formulas, its conventions, its checkpoints."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, DataCollatorWithFlattening, MiniMaxConfig
from transformers.models.minimax.modeling_minimax import MiniMaxLightningAttention

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.models.architectures.transnormer import TransNormerConfig, TransNormerForCausalLM, TransNormerModel
from neuroglot.models.architectures.transnormer.lightning import lightning_attention
from neuroglot.models.architectures.transnormer.positions import log_decays
from tests.models.transnormer.making import KINDS, TINY, plain_logits, tiny, token_ids

each_kind = pytest.mark.parametrize("kind", KINDS)


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((got - expected).abs().max() / expected.abs().max()).detach())


@each_kind
def test_every_kind_is_its_formulas(kind: str) -> None:
    model, ids = tiny(kind), token_ids()
    with torch.no_grad():
        assert relative(model(ids).logits, plain_logits(model, ids)) <= 1e-12


@pytest.mark.parametrize("kind", ["as released", "hybrid"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_dtypes_come_close(kind: str, dtype: torch.dtype) -> None:
    model, ids = tiny(kind, dtype), token_ids()
    with torch.no_grad():
        got = model(ids).logits
    assert got.dtype == dtype
    tolerance = {torch.float32: 1e-5, torch.float16: 0.03, torch.bfloat16: 0.2}[dtype]
    assert relative(got.double(), plain_logits(model, ids)) < tolerance


def test_both_ways_to_softmax_agree() -> None:
    model, ids = tiny("hybrid"), token_ids()
    padded = torch.ones_like(ids)
    padded[1, :4] = 0
    with torch.no_grad():
        found = {}
        for way in ("eager", "sdpa"):
            model.set_attn_implementation(way)
            found[way] = model(ids, attention_mask=padded).logits[padded.bool()]
    assert relative(found["eager"], found["sdpa"]) < 1e-12


# ---- padding and packing


def padded(ids: torch.Tensor, side: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The same text with five tokens of padding at a side or between its tokens, and the mask."""
    length = ids.shape[1]
    real = torch.ones(length + 5, dtype=torch.bool)
    real[{"left": slice(0, 5), "right": slice(length, None), "inner": [1, 2, 5, 9, 10]}[side]] = False
    wide = torch.zeros(len(ids), length + 5, dtype=torch.long)
    wide[:, real] = ids
    return wide, real.long().expand(len(ids), -1)


@each_kind
@pytest.mark.parametrize("side", ["left", "right", "inner"])
def test_padding_changes_neither_logits_nor_what_is_remembered(kind: str, side: str) -> None:
    model, ids, later = tiny(kind), token_ids(), token_ids(length=3, seed=1)
    wide, mask = padded(ids, side)
    with torch.no_grad():
        alone, among = model(ids), model(wide, attention_mask=mask)
        assert relative(among.logits[mask.bool()], alone.logits.flatten(0, 1)) < 1e-12
        for first, second in zip(alone.past_key_values.layers, among.past_key_values.layers, strict=True):
            if hasattr(first, "state"):
                assert relative(second.state, first.state) < 1e-12
        whole = torch.cat([mask, torch.ones_like(later)], dim=1)
        one_by_one = [
            model(later[:, [at]], attention_mask=whole[:, : wide.shape[1] + at + 1],
                  past_key_values=among.past_key_values).logits
            for at in range(3)
        ]  # fmt: skip
        expected = model(later, past_key_values=alone.past_key_values).logits
    assert relative(torch.cat(one_by_one, dim=1), expected) < 1e-12


def test_a_padded_token_alone_is_no_step() -> None:
    model, ids = tiny(), token_ids()
    with torch.no_grad():
        past = model(ids).past_key_values
        before = [layer.state.clone() for layer in past.layers]
        model(ids[:, :1], attention_mask=torch.zeros(2, 1), past_key_values=past)
    assert all(torch.equal(layer.state, state) for layer, state in zip(past.layers, before, strict=True))
    assert past.get_seq_length() == ids.shape[1] + 1
    assert past.next_position.tolist() == [[ids.shape[1]]] * 2


@each_kind
def test_packed_documents_are_as_if_alone(kind: str) -> None:
    model = tiny(kind)
    texts = [token_ids(1, length, length)[0].tolist() for length in (5, 1, 9, 4)]
    batch = DataCollatorWithFlattening(return_tensors="pt")([{"input_ids": text} for text in texts])
    with torch.no_grad():
        packed = model(batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits[0]
        alone = [model(torch.tensor([text])).logits[0] for text in texts]
    assert relative(packed, torch.cat(alone)) < 1e-12


# ---- conventions


def test_the_auto_classes_know_it(tmp_path: Path) -> None:
    model, ids = tiny(dtype=torch.float32), token_ids()
    model.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), TransNormerConfig)
    assert isinstance(AutoModel.from_pretrained(tmp_path), TransNormerModel)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert isinstance(again, TransNormerForCausalLM)
    assert again.config.to_diff_dict() | {"_name_or_path": ""} == model.config.to_diff_dict() | {"_name_or_path": ""}
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(ids).logits, model(ids).logits)


@each_kind
def test_every_kind_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    model, ids = tiny(kind, torch.float32), token_ids()
    model.save_pretrained(tmp_path)
    again, said = TransNormerForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(said[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(ids).logits, model(ids).logits)


def test_weights_that_are_new_are_drawn_by_the_config() -> None:
    torch.manual_seed(0)
    model = TransNormerForCausalLM(TransNormerConfig(**TINY, initializer_range=0.05, norm="layer"))
    theta = model.model.layers[0].attention.lrpe.theta
    expected = 10_000 ** (-2 * torch.arange(16, dtype=torch.float64) / 16)
    torch.testing.assert_close(theta.flatten().double(), expected, rtol=1e-6, atol=0)
    weight = model.model.layers[1].mlp.gate_proj.weight
    assert float(weight.detach().std()) == pytest.approx(0.05, rel=0.2)
    assert bool((model.model.final_norm.weight == 1).all())
    assert bool((model.model.final_norm.bias == 0).all())


def test_phases_stay_in_float32_where_a_model_is_loaded_in_half_precision(tmp_path: Path) -> None:
    model = tiny(dtype=torch.float32)
    model.save_pretrained(tmp_path)
    half = TransNormerForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half.model.layers[0].attention.lrpe.theta.dtype == torch.float32
    assert torch.equal(half.model.layers[0].attention.lrpe.theta, model.model.layers[0].attention.lrpe.theta)
    assert half.model.layers[0].attention.qkvu_proj.weight.dtype == torch.bfloat16
    assert bool(half(token_ids()).logits.isfinite().all())


def test_tied_and_resized(tmp_path: Path) -> None:
    model, ids = tiny(tie_word_embeddings=True, dtype=torch.float32), token_ids()
    assert model.lm_head.weight is model.model.embed_tokens.weight
    before = model(ids).logits
    model.resize_token_embeddings(70)
    assert model.config.vocab_size == 70
    torch.testing.assert_close(model(ids).logits[..., :64], before)
    model.save_pretrained(tmp_path)
    again = TransNormerForCausalLM.from_pretrained(tmp_path)
    assert again.lm_head.weight is again.model.embed_tokens.weight
    assert again.lm_head.weight.shape == (70, 16)
    untied = tiny(dtype=torch.float32)
    untied.resize_token_embeddings(70)
    assert untied(ids, labels=ids).logits.shape[-1] == 70


@each_kind
@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_changes_no_gradient(kind: str, reentrant: bool) -> None:
    model, ids = tiny(kind).train(), token_ids()
    grads = []
    for _ in range(2):
        model.zero_grad()
        model(ids, labels=ids).loss.backward()
        grads.append([parameter.grad.clone() for parameter in model.parameters()])
        model.activation_checkpointing_enable({"use_reentrant": reentrant})
        model.enable_input_require_grads()
    assert model.model.is_gradient_checkpointing
    assert all(relative(got, expected) < 1e-10 for got, expected in zip(*grads, strict=True))


def test_it_learns() -> None:
    model, ids = tiny(dtype=torch.float32).train(), token_ids(4, 16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = model(ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_the_forward_is_compiled() -> None:
    model, ids = tiny(dtype=torch.float32), token_ids(length=9)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    mask = torch.ones_like(ids)
    mask[0, :3] = 0
    with torch.no_grad():
        torch.testing.assert_close(compiled(ids, use_cache=False).logits, model(ids).logits)
        got = compiled(ids, attention_mask=mask, use_cache=False).logits
        torch.testing.assert_close(got, model(ids, attention_mask=mask).logits)


def test_hidden_states_and_kept_logits() -> None:
    model, ids = tiny(), token_ids()
    with torch.no_grad():
        out = model(ids, output_hidden_states=True)
        assert len(out.hidden_states) == 4
        torch.testing.assert_close(model.lm_head(out.hidden_states[-1]), out.logits)
        torch.testing.assert_close(model(ids, logits_to_keep=2).logits, out.logits[:, -2:])
        embedded = model(inputs_embeds=model.model.embed_tokens(ids)).logits
        assert torch.equal(embedded, out.logits)
        assert model(ids, return_dict=False)[0].shape == out.logits.shape


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"decay": "exponential"}, "'paper' or 'hf' or 'none'"),
        ({"norm": "batch"}, "'srms'"),
        ({"num_attention_heads": 3}, "16 channels among 3"),
        ({"layer_types": ["linear_attention"]}, "of 3 layers"),
        ({"layer_types": ["sliding_attention"] * 3}, "'linear_attention' or 'full_attention'"),
        ({"lrpe_layers": [3]}, "from 0 to 2"),
        ({"num_hidden_layers": 0}, "at least 1"),
        ({"bias": True}, "without biases"),
    ],
)
def test_a_config_that_is_none_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TransNormerConfig(**(TINY | wrong))


def test_inputs_that_are_none_are_refused() -> None:
    model, ids = tiny(), token_ids()
    with pytest.raises(ConfigError, match="input_ids and inputs_embeds"):
        model()
    with pytest.raises(ConfigError, match=r"Expected one number a token: \(2, 11\)"):
        model(ids, attention_mask=torch.ones(2, 1, 11, 11))


# ---- sizes, and others' layers


@pytest.mark.parametrize(
    ("layers", "width", "heads", "glu", "vocabulary", "blocks"),
    [
        (24, 1024, 8, 2816, 50272, 333_447_168),
        (16, 2048, 16, 5632, 50272, 889_192_448),
        (30, 4096, 32, 11008, 64000, 6_574_571_520),
    ],
)
def test_parameters_of_the_published_sizes(
    layers: int, width: int, heads: int, glu: int, vocabulary: int, blocks: int
) -> None:
    config = TransNormerConfig(
        num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads, intermediate_size=glu,
        vocab_size=vocabulary, tie_word_embeddings=True,
    )  # fmt: skip
    with torch.device("meta"):
        model = TransNormerForCausalLM(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == blocks + vocabulary * width + width


@pytest.mark.parametrize(("heads", "length"), [(1, 1), (2, 37), (4, 64), (8, 70)])
@pytest.mark.parametrize("layers", [1, 3])
def test_a_layer_of_minimax_is_lightning_attention(heads: int, length: int, layers: int) -> None:
    torch.manual_seed(0)
    width = 8 * heads
    config = MiniMaxConfig(
        hidden_size=width, num_attention_heads=heads, num_key_value_heads=heads, num_hidden_layers=layers,
        block_size=16, layer_types=["linear_attention"] * layers,
    )  # fmt: skip
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        theirs = MiniMaxLightningAttention(config, 0)
    finally:
        torch.set_default_dtype(default)
    states = torch.randn(2, length, width, dtype=torch.float64)
    fused = torch.nn.functional.silu(theirs.qkv_proj(states)).reshape(2, length, heads, 24).transpose(1, 2)
    rates = torch.tensor(log_decays("hf", heads, 0, layers), dtype=torch.float64)
    attended, state = lightning_attention(*fused.split(8, dim=-1), rates, block=16)
    mixed = theirs.norm(attended.transpose(1, 2).flatten(2)) * torch.sigmoid(theirs.output_gate(states))
    expected, their_state = theirs(states, None, None)
    assert relative(theirs.out_proj(mixed), expected) < 1e-6  # their norm is in float32
    assert relative(state, their_state) < 1e-12


def released_folder(model: TransNormerForCausalLM, folder: Path) -> None:
    """What the authors' own code would write of this model: their names in the config and in the checkpoint."""
    config = model.config
    told = {
        "model_type": "transnormer", "decoder_embed_dim": config.hidden_size,
        "decoder_layers": config.num_hidden_layers,
        "decoder_attention_heads": config.num_attention_heads, "glu_dim": config.intermediate_size,
        "hidden_dim": config.attention_size, "linear_act_fun": "silu", "norm_type": "simplermsnorm", "init_std": 0.02,
        "linear_use_lrpe_list": [1, 0, 0], "no_scale_embedding": False, "bias": False, "vocab_size": config.vocab_size,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "add_bos_token": False,
        "auto_map": {"AutoModelForCausalLM": "modeling_transnormer.TransnormerForCausalLM"},
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(told))
    own = model.state_dict()
    weights = {name: own[name] for name in ("model.embed_tokens.weight", "lm_head.weight")}
    for layer in range(config.num_hidden_layers):
        here = f"model.layers.{layer}"
        for theirs, ours in (
            ("token_mixer.qkvu_proj.weight", "attention.qkvu_proj.weight"),
            ("token_mixer.out_proj.weight", "attention.out_proj.weight"),
            ("token_mixer.lrpe.theta", "attention.lrpe.theta"),
            ("channel_mixer.l1.weight", "mlp.gate_proj.weight"),
            ("channel_mixer.l2.weight", "mlp.up_proj.weight"),
            ("channel_mixer.l3.weight", "mlp.down_proj.weight"),
        ):
            if f"{here}.{ours}" in own:
                weights[f"{here}.{theirs}"] = own[f"{here}.{ours}"]
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "model.safetensors")


def test_a_checkpoint_with_the_released_names_is_loaded_and_saved_again(tmp_path: Path) -> None:
    model, ids = tiny(dtype=torch.float32), token_ids()
    with torch.no_grad():
        model.model.layers[0].attention.lrpe.theta.mul_(1.5)
    released_folder(model, tmp_path / "released")
    loaded, said = AutoModelForCausalLM.from_pretrained(
        tmp_path / "released", output_loading_info=True, trust_remote_code=False
    )
    assert not any(said[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert (loaded.config.decay, loaded.config.lrpe_layers, loaded.config.intermediate_size) == ("hf", [0], 24)
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(ids).logits, model(ids).logits)
        loaded.save_pretrained(tmp_path / "again")
        again = TransNormerForCausalLM.from_pretrained(tmp_path / "again")
        torch.testing.assert_close(again.eval()(ids).logits, model(ids).logits)
    assert set(names(tmp_path / "again")) == set(names(tmp_path / "released"))


def names(folder: Path) -> list[str]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return list(file.keys())


def rewritten(folder: Path, **added: torch.Tensor) -> None:
    path = folder / "model.safetensors"
    save_file(load_file(path) | added, path, metadata={"format": "pt"})


def test_a_weight_under_two_names_is_refused(tmp_path: Path) -> None:
    """Of which the one that stands last in the alphabet would be taken."""
    model = tiny(dtype=torch.float32)
    released_folder(model, tmp_path)
    ours, theirs = "model.layers.1.mlp.up_proj.weight", "model.layers.1.channel_mixer.l2.weight"
    weights = load_file(tmp_path / "model.safetensors") | {ours: torch.ones(24, 16)}
    rewritten(tmp_path, **{ours: torch.ones(24, 16)})
    said = rf"holds 1 of its weights twice, such as {ours}: {theirs} and {ours}. Expected each once"
    with pytest.raises(UnsupportedModelError, match=said):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    with pytest.raises(UnsupportedModelError, match="holds 1 of its weights twice"):
        TransNormerForCausalLM.from_pretrained(None, config=model.config, state_dict=weights)


def test_a_trunk_under_its_own_names_and_the_heads_is_refused(tmp_path: Path) -> None:
    tiny(dtype=torch.float32).save_pretrained(tmp_path)
    rewritten(tmp_path, **{"layers.0.mlp.up_proj.weight": torch.ones(24, 16)})
    with pytest.raises(UnsupportedModelError, match="holds 1 of its weights twice"):
        TransNormerForCausalLM.from_pretrained(tmp_path)


def test_a_tied_weight_of_two_values_is_refused(tmp_path: Path) -> None:
    model = tiny(dtype=torch.float32, tie_word_embeddings=True)
    model.save_pretrained(tmp_path)
    rewritten(tmp_path, **{"lm_head.weight": model.lm_head.weight.detach().clone()})
    assert TransNormerForCausalLM.from_pretrained(tmp_path).config.tie_word_embeddings
    rewritten(tmp_path, **{"lm_head.weight": model.lm_head.weight.detach() + 1})
    with pytest.raises(UnsupportedModelError, match=r"other values for lm_head.weight than for model.embed_tokens"):
        TransNormerForCausalLM.from_pretrained(tmp_path)
