"""GGUF files: their weights are those that were written, they are converted once, and what is no model is refused."""

from pathlib import Path

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from neuroglot import models
from neuroglot.errors import ConfigError, MissingExtraError, UnsupportedModelError
from neuroglot.models import gguf as module
from neuroglot.models.provenance import model_name

gguf = pytest.importorskip("gguf", reason="needs the extra gguf")

TOKENS = [*"abcdefghijklmnopqrstuvwxyz", "Ġ", "ab", "Ġc", "<|endoftext|>"]
NAMES = {
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}  # fmt: skip
PARTS = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def tiny() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(TOKENS), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=False,
        )
    ).eval()  # fmt: skip


def write(path: Path, model: Qwen2ForCausalLM, architecture: str = "qwen2") -> Path:
    writer, config = gguf.GGUFWriter(path, architecture), model.config
    writer.add_context_length(64)
    writer.add_block_count(2)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * (len(TOKENS) - 1) + [3])
    writer.add_token_merges(["a b", "Ġ c"])
    writer.add_eos_token_id(len(TOKENS) - 1)
    writer.add_pad_token_id(len(TOKENS) - 1)
    for name, weights in model.state_dict().items():
        writer.add_tensor(_named(name), weights.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _named(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    _, _, layer, part = name.split(".", 3)
    part, _, kind = part.rpartition(".")
    return f"blk.{layer}.{PARTS[part]}.{kind}"


@pytest.fixture
def cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kept = tmp_path / "cache"
    monkeypatch.setattr(module, "cached_assets_path", lambda *parts: kept.joinpath(*parts))
    return kept


def test_the_weights_are_those_in_the_file_and_it_is_converted_once(tmp_path, cache, monkeypatch) -> None:
    model = tiny()
    file = write(tmp_path / "tiny.F32.gguf", model)
    view, tokenizer = models.load(str(file), device="cpu")
    assert (model_name(view), view.layout.neuron_count, view.model.dtype) == ("tiny.F32.gguf", 128, torch.float32)
    ids = tokenizer("ab cab", return_tensors="pt").input_ids
    assert [tokenizer.decode(token) for token in ids[0]] == ["ab", " c", "ab"]
    with torch.no_grad():
        assert torch.equal(view.model(input_ids=ids).logits, model(input_ids=ids).logits)
    (kept,) = (path for path in (cache / "neuroglot/gguf/models").iterdir())
    monkeypatch.setattr(module, "_convert", None)  # would fail if it were called
    again, _ = models.load(str(file), device="cpu")
    assert torch.equal(again.model.lm_head.weight, model.lm_head.weight)
    assert list(kept.parent.iterdir()) == [kept]


def test_another_file_of_the_same_name_is_another_model(tmp_path, cache) -> None:
    file = write(tmp_path / "tiny.gguf", tiny())
    models.load(str(file), device="cpu")
    changed = tiny()
    changed.lm_head.weight.data.mul_(2)
    view, _ = models.load(str(write(file, changed)), device="cpu")
    assert torch.equal(view.model.lm_head.weight, changed.lm_head.weight)


def test_a_conversion_that_fails_leaves_nothing(tmp_path, cache) -> None:
    whole = write(tmp_path / "tiny.gguf", tiny()).read_bytes()
    damaged = {"half": whole[: len(whole) // 2], "empty": b"", "text": b"no model at all"}
    for name, content in damaged.items():
        (tmp_path / f"{name}.gguf").write_bytes(content)
        with pytest.raises(UnsupportedModelError, match=r"cannot be loaded: .*\S\. Expected"):
            models.load(str(tmp_path / f"{name}.gguf"), device="cpu")
    assert not any(path for path in cache.rglob("*") if path.is_file())


def test_what_is_no_such_file_or_architecture_is_refused(tmp_path, cache) -> None:
    for name in (str(tmp_path / "none.gguf"), "./none.gguf", "none.gguf", "owner/none.gguf"):
        with pytest.raises(UnsupportedModelError, match="there is no such file"):
            models.load(name, device="cpu")
    file = write(tmp_path / "tiny.gguf", tiny(), "rwkv6")
    with pytest.raises(UnsupportedModelError, match="rwkv6"):
        models.load(str(file), device="cpu")
    with pytest.raises(ConfigError, match="Only the hub has revisions"):
        models.load(str(file), revision="main")


def test_a_file_of_the_hub_is_fetched_by_its_name_and_revision(tmp_path, cache, monkeypatch) -> None:
    asked = []

    def fetched(*parts: str, revision: str | None) -> str:
        asked.append((*parts, revision))
        return str(write(tmp_path / "tiny.gguf", tiny()))

    monkeypatch.setattr(module, "hf_hub_download", fetched)
    view, _ = models.load("owner/model/q4/tiny.gguf", revision="v1", device="cpu")
    assert asked == [("owner/model", "q4/tiny.gguf", "v1")]
    assert model_name(view) == "tiny.gguf"


def test_without_its_package_the_extra_is_named(tmp_path, cache, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'neuroglot\[gguf\]'"):
        models.load(str(tmp_path / "tiny.gguf"), device="cpu")
