"""Quantised checkpoints are read as the weights that their numbers stand for, or refused by name."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from neuroglot import extras
from neuroglot.errors import MissingExtraError, UnsupportedModelError
from neuroglot.models import load
from neuroglot.models.loading import load_config
from neuroglot.models.quantised import BY_CONFIG, make_plain, method_of, require_readable
from neuroglot.recipes.export import Export
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer

FP4 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0])


def needs(package: str) -> Any:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


def put(folder: Path, model_type: str, stated: Any, **changes: int) -> dict[str, Tensor]:
    """A tiny model whose config says that it is quantised; gives its plain weights."""
    tiny_model(model_type, **changes).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    said = {} if stated is None else {"quantization_config": stated}
    (folder / "config.json").write_text(json.dumps(config | said))
    return load_file(folder / "model.safetensors")


def is_projection(name: str) -> bool:
    return name.endswith("_proj.weight")


def read(folder: Path) -> PreTrainedModel:
    """The model, which is then saved and read again as plain weights."""
    view, tokenizer = load(str(folder), device="cpu")
    assert getattr(view.model.config, "quantization_config", None) is None
    again = folder.with_name("again")
    view.model.save_pretrained(again)
    tokenizer.save_pretrained(again)
    plain = load(str(again), device="cpu")[0].model.state_dict()
    assert all(torch.equal(weight, plain[name]) for name, weight in view.model.state_dict().items())
    return view.model


def test_fp8_is_read_as_numbers_times_the_scales_of_their_blocks(tmp_path: Path) -> None:
    stated = {"quant_method": "fp8", "weight_block_size": [8, 8], "activation_scheme": "dynamic", "fmt": "e4m3"}
    plain = put(tmp_path / "model", "llama", stated)
    stored, expected = {}, {}
    for name, weight in plain.items():
        expected[name] = weight
        if is_projection(name):
            rows, columns = weight.shape
            scales = torch.rand(rows // 8, columns // 8) + 0.5
            spread = scales.repeat_interleave(8, 0).repeat_interleave(8, 1)
            stored[name] = (weight / spread).to(torch.float8_e4m3fn)
            stored[f"{name}_scale_inv"] = scales
            expected[name] = stored[name].float() * spread
        else:
            stored[name] = weight
    save_file(stored, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    got = read(tmp_path / "model").state_dict()
    assert sum(map(is_projection, expected)) == 21  # 7 in each of 3 layers
    for name, weight in expected.items():
        torch.testing.assert_close(got[name], weight, rtol=1e-6, atol=1e-7)


def test_mxfp4_is_read_as_halves_of_bytes_times_powers_of_two(tmp_path: Path) -> None:
    plain = put(tmp_path / "model", "gpt_oss", {"quant_method": "mxfp4"}, hidden_size=64, intermediate_size=96)
    stored, expected = dict(plain), dict(plain)
    for name, weight in plain.items():
        if not name.endswith(("gate_up_proj", "down_proj")):
            continue
        experts, inputs, outputs = weight.shape  # [E, N, D] or [E, D, 2N]; the file has outputs first
        halves = torch.randint(16, (experts, outputs, inputs))
        scales = torch.randint(120, 130, (experts, outputs, -(-inputs // 32)))
        pairs = halves.reshape(experts, outputs, -1, 2)
        packed = (pairs[..., 0] + 16 * pairs[..., 1]).to(torch.uint8)
        stored[f"{name}_blocks"] = packed.reshape(experts, outputs, -1, 16)
        stored[f"{name}_scales"] = scales.to(torch.uint8)
        expected[name] = (FP4[halves] * 2.0 ** (scales.repeat_interleave(32, -1) - 127)).transpose(1, 2)
        del stored[name]
    assert len(stored) > len(plain)
    save_file(stored, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    got = read(tmp_path / "model").state_dict()
    for name, weight in expected.items():
        torch.testing.assert_close(got[name].float(), weight.float(), rtol=0, atol=0)


@needs("bitsandbytes")
@pytest.mark.parametrize("bits", [{"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, {"load_in_8bit": True}])
@pytest.mark.filterwarnings("ignore:MatMul8bitLt")
def test_bitsandbytes_is_read_as_the_weights_it_was_made_from_up_to_its_steps(tmp_path: Path, bits: Any) -> None:
    from transformers import BitsAndBytesConfig

    plain = put(tmp_path / "plain", "llama", None)
    config = BitsAndBytesConfig(**bits)
    AutoModelForCausalLM.from_pretrained(tmp_path / "plain", quantization_config=config).save_pretrained(
        tmp_path / "model"
    )
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    got = read(tmp_path / "model").state_dict()
    for name, weight in plain.items():
        if not is_projection(name):
            assert torch.equal(got[name], weight)
            continue
        size = 64 if "load_in_4bit" in bits else weight.shape[1]  # blocks of 64 weights, or rows
        blocks, read_blocks = weight.reshape(-1, size), got[name].reshape(-1, size)
        # half the widest step; rows of 8 bits are rounded in float16 first
        largest = blocks.abs().amax(1, keepdim=True)
        furthest = 0.153 if "load_in_4bit" in bits else 0.55 / 127
        assert bool(((blocks - read_blocks).abs() <= furthest * largest).all())
        assert not torch.equal(got[name], weight)


@needs("torchao")
def test_torchao_is_read_as_the_weights_it_was_made_from_up_to_its_steps(tmp_path: Path) -> None:
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import TorchAoConfig

    plain = put(tmp_path / "plain", "llama", None)
    config = TorchAoConfig(quant_type=Int8WeightOnlyConfig())
    AutoModelForCausalLM.from_pretrained(tmp_path / "plain", quantization_config=config).save_pretrained(
        tmp_path / "model"
    )
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    got = read(tmp_path / "model").state_dict()
    for name, weight in plain.items():
        step = weight.abs().amax(1, keepdim=True) / 127 if is_projection(name) else torch.zeros(1)
        assert bool(((got[name] - weight).abs() <= 0.51 * step).all())


@needs("compressed_tensors")
def test_compressed_tensors_are_numbers_times_the_scales_of_their_rows(tmp_path: Path) -> None:
    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
    stated = {
        "quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed",
        "ignore": ["lm_head"], "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
    }  # fmt: skip
    plain = put(tmp_path / "model", "llama", stated)
    stored, expected = dict(plain), dict(plain)
    for name, weight in plain.items():
        if is_projection(name):
            scales = weight.abs().amax(1, keepdim=True) / 127
            stored[name] = (weight / scales).round().to(torch.int8)
            stored[f"{name}_scale"] = scales
            expected[name] = stored[name] * scales
    save_file(stored, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    got = read(tmp_path / "model").state_dict()
    for name, weight in expected.items():
        torch.testing.assert_close(got[name], weight, rtol=1e-5, atol=1e-7)


class Int8Params(torch.nn.Parameter):
    """Numbers of one byte with the largest of each row, as bitsandbytes keeps them."""

    SCB: Tensor


def test_numbers_of_a_byte_stand_for_parts_of_the_largest_of_their_row() -> None:
    model = tiny_model("llama")
    projection = model.model.layers[0].mlp.up_proj
    numbers = torch.randint(-127, 128, projection.weight.shape, dtype=torch.int8)
    largest = torch.rand(len(numbers)) + 0.5
    projection.weight = Int8Params(numbers, requires_grad=False)
    projection.weight.SCB = largest
    read = make_plain(model).model.layers[0].mlp.up_proj.weight
    expected = [[int(number) / 127 * float(most) for number in row] for row, most in zip(numbers, largest, strict=True)]
    torch.testing.assert_close(read.detach(), torch.tensor(expected))


@pytest.mark.parametrize("method", BY_CONFIG)
def test_transformers_is_asked_for_plain_weights_also_where_a_device_could_do_without(method: str, monkeypatch) -> None:
    config = tiny_model("llama").config
    config.quantization_config = {"quant_method": method}
    monkeypatch.setattr(extras, "import_module", lambda name: None)
    require_readable(config, "model")
    assert config.quantization_config["dequantize"] is True


@pytest.mark.parametrize(
    "method", ["gptq", "awq", "aqlm", "hqq", "eetq", "quanto", "bitnet", "fbgemm_fp8", "vptq", "nvfp4", "of tomorrow"]
)
def test_other_kinds_are_refused_by_name_before_a_weight_is_read(tmp_path: Path, method: str) -> None:
    put(tmp_path / "model", "llama", {"quant_method": method, "bits": 4, "group_size": 128})
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModelError, match=rf"quantised \({method}\).*full precision, or a GGUF"):
        load(str(tmp_path / "model"), device="cpu")


@pytest.mark.parametrize(
    ("stated", "package"),
    [
        ({"load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "torchao"}, "torchao"), ({"quant_method": "compressed-tensors"}, "compressed_tensors"),
    ],
)  # fmt: skip
def test_a_missing_package_is_named_before_a_weight_is_read(tmp_path: Path, monkeypatch, stated, package: str) -> None:
    put(tmp_path / "model", "llama", stated)
    (tmp_path / "model" / "model.safetensors").unlink()

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(extras, "import_module", missing)
    installs = package.replace("_", "-")
    with pytest.raises(MissingExtraError, match=rf"'{package}' is not .*full precision.*pip install '{installs}'"):
        load(str(tmp_path / "model"), device="cpu")


@pytest.mark.parametrize("stated", [{"quant_method": None}, {"nothing": 3}, ["fp8"], "fp8", 3])
def test_what_says_nothing_of_its_kind_is_refused_in_one_sentence(tmp_path: Path, stated: Any) -> None:
    put(tmp_path / "model", "llama", stated)
    said = r"quantised \(by an unknown method\)" if isinstance(stated, dict) else "one of its files is damaged"
    with pytest.raises(UnsupportedModelError, match=said):
        load(str(tmp_path / "model"), device="cpu")


def test_plain_models_are_said_to_be_plain(tmp_path: Path) -> None:
    put(tmp_path / "model", "llama", None)
    assert method_of(load_config(tmp_path / "model", "model")[1]) is None


def test_damaged_numbers_are_refused_in_one_sentence(tmp_path: Path) -> None:
    plain = put(tmp_path / "model", "llama", {"quant_method": "fp8", "weight_block_size": [8, 8]})
    stored = {name: weight.to(torch.float8_e4m3fn) if is_projection(name) else weight for name, weight in plain.items()}
    stored |= {f"{name}_scale_inv": torch.ones(3, 5) for name in plain if is_projection(name)}
    save_file(stored, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    with pytest.raises(UnsupportedModelError, match="cannot be loaded"):
        load(str(tmp_path / "model"), device="cpu")


def test_what_was_quantised_is_exported_in_plain_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neuroglot.neurons import NeuronSet

    plain = put(tmp_path / "model", "llama", {"quant_method": "fp8", "weight_block_size": [8, 8]})
    stored = {name: weight.to(torch.float8_e4m3fn) if is_projection(name) else weight for name, weight in plain.items()}
    stored |= {
        f"{name}_scale_inv": torch.ones(weight.shape[0] // 8, weight.shape[1] // 8)
        for name, weight in plain.items() if is_projection(name)
    }  # fmt: skip
    save_file(stored, tmp_path / "model" / "model.safetensors", {"format": "pt"})
    monkeypatch.chdir(tmp_path)
    NeuronSet.of(load("model", device="cpu")[0].layout, {("decoder", 1): [3]}).save("set.safetensors")
    Export(model="model", ablate=Path("set.safetensors")).run("out")
    down = load_file("out/model.safetensors")["model.layers.1.mlp.down_proj.weight"]
    expected = stored["model.layers.1.mlp.down_proj.weight"].float()
    expected[:, 3] = 0
    assert torch.equal(down, expected)
