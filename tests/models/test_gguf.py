"""GGUF files: their weights are those that were written, they are converted once, and what is no model is refused."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Barrier, Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from torch import Tensor
from transformers import (
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)  # fmt: skip

from neuroglot import models
from neuroglot.corpora import storing
from neuroglot.errors import ArtifactError, ConfigError, MissingExtraError, UnsupportedModelError
from neuroglot.models import gguf as module
from neuroglot.models.gguf_positions import state_positions
from neuroglot.models.loading import load_tokenizer
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


SIZES: dict[str, Any] = {
    "vocab_size": len(TOKENS), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": False,
}  # fmt: skip
Said = Callable[[Any], object]  # what a file says besides, to its writer


def tiny(**options: Any) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    return Qwen2ForCausalLM(Qwen2Config(**SIZES, **options)).eval()


def write(
    path: Path, model: PreTrainedModel, architecture: str = "qwen2", *, half: bool = False, without: str = "",
    say: Said = lambda writer: None,
) -> Path:  # fmt: skip
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
    say(writer)
    for name, weights in model.state_dict().items():
        if _named(name) != without:
            weights = in_pairs(weights, 2 if "q_proj" in name else 1) if _turned(architecture, name) else weights
            writer.add_tensor(_named(name), (weights.half() if half and weights.dim() > 1 else weights).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _turned(architecture: str, name: str) -> bool:
    return architecture == "llama" and ("q_proj" in name or "k_proj" in name)


def in_pairs(weights: Tensor, heads: int) -> Tensor:
    """llama.cpp turns neighbouring dimensions of a head, transformers those that are half a head apart."""
    return weights.reshape(heads, 2, -1, weights.shape[-1]).swapaxes(1, 2).reshape(weights.shape)


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
    (kept,) = (path for path in (cache / "neuroglot/gguf/models").iterdir() if path.is_dir())
    assert len({path.stat().st_mode for path in kept.iterdir()}) == 1  # whoever may read one may read all
    monkeypatch.setattr(module, "_read", None)  # would fail if it were called
    again, _ = models.load(str(file), device="cpu")
    assert torch.equal(again.model.lm_head.weight, model.lm_head.weight)
    assert [path for path in kept.parent.iterdir() if path.is_dir()] == [kept]


def test_another_file_of_the_same_name_is_another_model(tmp_path, cache) -> None:
    file = write(tmp_path / "tiny.gguf", tiny())
    models.load(str(file), device="cpu")
    changed = tiny()
    changed.lm_head.weight.data.mul_(2)
    view, _ = models.load(str(write(file, changed)), device="cpu")
    assert torch.equal(view.model.lm_head.weight, changed.lm_head.weight)


def test_a_conversion_that_fails_leaves_nothing(tmp_path, cache) -> None:
    whole = write(tmp_path / "tiny.gguf", tiny()).read_bytes()
    damaged = {"half": whole[: len(whole) // 2], "empty": b"", "text": b"no model at all", "cut": whole[:-500]}
    for name, content in damaged.items():
        (tmp_path / f"{name}.gguf").write_bytes(content)
        with pytest.raises(UnsupportedModelError, match=r"cannot be loaded: .*\S\. Expected"):
            models.load(str(tmp_path / f"{name}.gguf"), device="cpu")
    assert not any(path for path in cache.rglob("*") if path.is_file() and path.name != "lock")


def test_what_is_no_such_file_or_architecture_is_refused(tmp_path, cache) -> None:
    (tmp_path / "a file").write_text("no model")
    with pytest.raises(UnsupportedModelError, match="it is a file"):
        models.load(str(tmp_path / "a file"), device="cpu")
    for name in (str(tmp_path / "none.gguf"), "./none.gguf", "none.gguf", "owner/none.gguf"):
        with pytest.raises(UnsupportedModelError, match="there is no such file"):
            models.load(name, device="cpu")
    file = write(tmp_path / "tiny.gguf", tiny(), "rwkv6")
    with pytest.raises(UnsupportedModelError, match="rwkv6"):
        models.load(str(file), device="cpu")
    write(tmp_path / "blob", tiny(), "gpt-oss-of-tomorrow")
    (tmp_path / "link.gguf").symlink_to("blob")
    with pytest.raises(UnsupportedModelError, match="link"):
        models.load(str(tmp_path / "link.gguf"), device="cpu")
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
    for package in ("gguf", "accelerate"):
        with monkeypatch.context() as lacking:
            lacking.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtraError, match=rf"'{package}'.* pip install 'neuroglot\[gguf\]'"):
                models.load(str(tmp_path / "tiny.gguf"), device="cpu")


def scores(model: PreTrainedModel, positions: Tensor) -> Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([[0, 3, 5, 7]]), position_ids=positions[None]).logits


FAR = torch.tensor([0, 50, 9000, 40_000])


def test_a_file_of_that_name_in_the_working_folder_is_not_read_instead(tmp_path, cache, monkeypatch) -> None:
    asked, other = tiny(), tiny()
    other.lm_head.weight.data.mul_(2)
    for folder, model in (("asked", asked), ("here", other)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "tiny.gguf", model)
    monkeypatch.chdir(tmp_path / "here")
    view, _ = models.load("../asked/tiny.gguf", device="cpu")
    assert torch.equal(view.model.lm_head.weight, asked.lm_head.weight)


def test_a_file_that_lacks_a_weight_is_no_model(tmp_path, cache) -> None:
    for lost in ("blk.1.ffn_up.weight", "output_norm.weight"):
        file = write(tmp_path / "tiny.gguf", tiny(), without=lost)
        with pytest.raises(UnsupportedModelError, match=r"lacks (model\.layers\.1\.mlp\.up_proj|model\.norm)\.weight"):
            models.load(str(file), device="cpu")
    assert not any(path.is_dir() for path in (cache / "neuroglot/gguf/models").iterdir())


def test_a_part_of_a_file_says_how_to_join_it(tmp_path, cache) -> None:
    file = write(tmp_path / "tiny-00001-of-00002.gguf", tiny())
    for name in (str(file), "owner/model/tiny-00001-of-00002.gguf"):
        with pytest.raises(UnsupportedModelError, match="llama-gguf-split --merge"):
            models.load(name, device="cpu")


def test_weights_in_half_precision_become_float32(tmp_path, cache) -> None:
    model = tiny()
    view, _ = models.load(str(write(tmp_path / "tiny.gguf", model, half=True)), device="cpu")
    assert view.model.dtype == torch.float32
    assert torch.equal(view.model.lm_head.weight, model.lm_head.weight.half().float())


@pytest.mark.parametrize("lost", ["model.safetensors", "tokenizer.json", "config.json", "neuroglot-sizes.json"])
def test_a_conversion_that_lost_something_is_made_again(tmp_path, cache, lost: str) -> None:
    model = tiny()
    file = write(tmp_path / "tiny.gguf", model)
    models.load(str(file), device="cpu")
    (kept,) = (path for path in (cache / "neuroglot/gguf/models").iterdir() if path.is_dir())
    content = (kept / lost).read_bytes()
    (kept / lost).write_bytes(content[: len(content) // 2])
    view, _ = models.load(str(file), device="cpu")
    assert torch.equal(view.model.lm_head.weight, model.lm_head.weight)
    assert (kept / lost).read_bytes() == content


def test_two_that_ask_at_once_convert_once(tmp_path, cache, monkeypatch) -> None:
    file, both, read, found = write(tmp_path / "tiny.gguf", tiny()), Barrier(2, timeout=60), [], []
    hashed, really = module._hash, module._read

    def together(path: Path) -> str:
        both.wait()
        return hashed(path)

    monkeypatch.setattr(module, "_hash", together)
    monkeypatch.setattr(module, "_read", lambda *given: read.append(given) or really(*given))
    threads = [Thread(target=lambda: found.append(module.converted(str(file)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(read), len(found), len({*found})) == (1, 2, 1)


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path, cache, monkeypatch) -> None:
    file = write(tmp_path / "tiny.gguf", tiny())
    (tmp_path / "a file").write_text("")
    monkeypatch.setattr(module, "cached_assets_path", lambda *parts: (tmp_path / "a file").joinpath(*parts))
    with pytest.raises(ArtifactError, match="HF_ASSETS_CACHE"):
        models.load(str(file), device="cpu")
    monkeypatch.setattr(module, "cached_assets_path", lambda *parts: cache.joinpath(*parts))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(ArtifactError, match=r"No space left on device.*four bytes a weight.*HF_ASSETS_CACHE"):
        models.load(str(file), device="cpu")
    assert not any(path.is_dir() for path in (cache / "neuroglot/gguf/models").iterdir())


def test_a_whole_conversion_needs_no_cache_that_can_be_written(tmp_path, cache, monkeypatch) -> None:
    file = write(tmp_path / "tiny.gguf", tiny())
    models.load(str(file), device="cpu")
    monkeypatch.setattr(module, "locked_file", None)  # would fail if it were called
    models.load(str(file), device="cpu")


def test_a_damaged_file_asks_for_a_whole_copy(tmp_path, cache) -> None:
    (tmp_path / "tiny.gguf").write_bytes(write(tmp_path / "whole.gguf", tiny()).read_bytes()[:2000])
    with pytest.raises(UnsupportedModelError, match="Get a whole copy of it"):
        models.load(str(tmp_path / "tiny.gguf"), device="cpu")


def test_names_of_disks_and_links_may_be_any(tmp_path, cache) -> None:
    odd = tmp_path / "my models: v2"
    odd.mkdir()
    file = write(odd / "tiny model:Q4 (1).GGUF", tiny())
    (odd / "link.gguf").symlink_to(file.rename(odd / "0123abcd"))
    assert models.load(str(odd / "0123abcd"), device="cpu")[0].layout.neuron_count == 128
    view, _ = models.load(str(odd / "link.gguf"), device="cpu")
    assert model_name(view) == "link.gguf"
    model = tiny()
    model.save_pretrained(folder := tmp_path / "folder.gguf")
    load_tokenizer(str(odd / "link.gguf")).save_pretrained(folder)
    assert torch.equal(models.load(str(folder), device="cpu")[0].model.lm_head.weight, model.lm_head.weight)


def test_a_file_in_the_cache_of_the_hub_is_read_without_a_network(tmp_path, cache, monkeypatch) -> None:
    repository, model = tmp_path / "hub" / "models--owner--model", tiny()
    for part in ("refs", "blobs", "snapshots/abc/q4"):
        (repository / part).mkdir(parents=True)
    (repository / "refs/main").write_text("abc")
    write(repository / "blobs/hash", model)
    (repository / "snapshots/abc/q4/tiny.gguf").symlink_to("../../../blobs/hash")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    view, _ = models.load("owner/model/q4/tiny.gguf", device="cpu")
    assert torch.equal(view.model.lm_head.weight, model.lm_head.weight)


def llama3_factors(size: int, theta: float, factor: float) -> list[float]:
    """What llama.cpp divides angles by (convert_hf_to_gguf.py), of a head of so many dimensions."""
    factors = []
    for pair in range(size // 2):
        wavelength = 2 * math.pi * theta ** (2 * pair / size)
        if wavelength < 8192 / 4:
            factors.append(1.0)
        elif wavelength > 8192:
            factors.append(factor)
        else:
            smooth = (8192 / wavelength - 1) / (4 - 1)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return factors


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama_3_turns_as_it_was_trained_to(tmp_path, cache, factor: float) -> None:
    angles = {
        "rope_type": "llama3", "rope_theta": 5e5, "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=angles)).eval()
    factors = np.array(llama3_factors(16, 5e5, factor), dtype=np.float32)
    assert {1.0, factor} < {*factors.tolist()}

    def say(writer: Any) -> None:
        writer.add_rope_dimension_count(16)
        writer.add_tensor("rope_freqs.weight", factors)

    view, _ = models.load(str(write(tmp_path / "tiny.gguf", model, "llama", say=say)), device="cpu")
    torch.testing.assert_close(scores(view.model, FAR), scores(model, FAR))
    unstretched = LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters={"rope_type": "default", "rope_theta": 5e5}))
    unstretched.load_state_dict(model.state_dict())
    assert not torch.allclose(scores(unstretched.eval(), FAR), scores(model, FAR))  # the texts tell


def test_one_factor_for_all_angles_is_read(tmp_path, cache) -> None:
    model = tiny(rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0})

    def say(writer: Any) -> None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(4.0)

    view, _ = models.load(str(write(tmp_path / "tiny.gguf", model, say=say)), device="cpu")
    torch.testing.assert_close(scores(view.model, FAR), scores(model, FAR))
    assert not torch.allclose(scores(view.model, FAR), scores(tiny(), FAR))


def test_only_layers_without_a_window_are_stretched_in_gemma_3() -> None:
    config = Gemma3TextConfig(num_hidden_layers=6)
    window, whole = (dict(config.rope_parameters[kind]) for kind in ("sliding_attention", "full_attention"))
    said = {"general.architecture": "gemma3", "gemma3.rope.scaling.type": "linear", "gemma3.rope.scaling.factor": 8.0}
    fields = {key: SimpleNamespace(contents=lambda value=value: value) for key, value in said.items()}
    state_positions(config, SimpleNamespace(tensors=[], get_field=fields.get), "gemma.gguf")
    assert config.rope_parameters["sliding_attention"] == window
    assert config.rope_parameters["full_attention"] == whole | {"rope_type": "linear", "factor": 8.0}


@pytest.mark.parametrize(
    ("say", "what"),
    [
        (lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.YARN), r"\(yarn\)"),
        (lambda writer: writer.add_tensor("rope_factors_long.weight", np.ones(8, np.float32)), r"\(longrope\)"),
        (lambda writer: writer.add_tensor("rope_freqs.weight", np.full(8, 3, np.float32)), "not those of Llama 3"),
        (lambda writer: writer.add_tensor("rope_freqs.weight", np.full(3, 8, np.float32)), "not those of Llama 3"),
    ],
)
def test_other_ways_to_stretch_positions_are_refused(tmp_path, cache, say: Said, what: str) -> None:
    with pytest.raises(UnsupportedModelError, match=what):
        models.load(str(write(tmp_path / "tiny.gguf", tiny(), say=say)), device="cpu")


def test_files_that_stretch_nothing_say_so(tmp_path, cache) -> None:
    model = tiny()
    file = write(tmp_path / "a.gguf", model, say=lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.NONE))
    view, _ = models.load(str(file), device="cpu")
    torch.testing.assert_close(scores(view.model, FAR), scores(model, FAR))


def test_doctor_shows_conversions_and_removes_them(tmp_path, cache, monkeypatch, capsys) -> None:
    monkeypatch.setattr(storing, "cached_assets_path", lambda *_: tmp_path)
    folder = cache / "neuroglot/gguf/models"
    folder.mkdir(parents=True)
    models.load(str(write(tmp_path / "tiny.gguf", tiny())), device="cpu")
    (kept,) = (path for path in folder.iterdir() if path.is_dir())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = folder / module.beside(kept).name.replace(f"-{os.getpid()}-", f"-{ended.pid}-")
    left.mkdir()
    for other in ("mine", "0" * 24):
        (folder / other).mkdir()
    doctoring = import_module("neuroglot.cli.doctor")
    monkeypatch.setattr(doctoring, "LOOKS", (doctoring._conversions,))

    def said(clean: bool) -> str:
        with pytest.raises(SystemExit):
            doctoring.doctor(clean=clean, json=True)
        return json.loads(capsys.readouterr().out)["checks"][0]["found"]

    assert said(False).startswith("1 converted, ")
    assert "neuroglot doctor --clean removes them" in said(False)
    assert said(True) == f"0 converted, 0 bytes in {folder}"
    assert {path.name for path in folder.iterdir()} == {"mine", "0" * 24, "lock"}
