"""Adapters are merged into a model and taken away again, as their formula says."""

import json
import math
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from neuroglot.cli import app
from neuroglot.errors import ArtifactError, ConfigError, NeuroglotError
from neuroglot.models import load
from neuroglot.models.provenance import made_with
from neuroglot.recipes.export import Export
from neuroglot.signature import Signature
from neuroglot.training.low_rank import LowRankDeltas, merge_low_rank
from tests.families import tiny_model
from tests.tiny import tiny_tokenizer

FILE, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def put_adapters(folder: Path, model_type: str = "llama", **options: Any) -> PreTrainedModel:
    """Random adapters as PEFT saves them; gives the model with them, in which PEFT has merged them."""
    given: dict[str, Any] = {
        "fan_in_fan_out": model_type == "gpt2",
        "r": 3,
        "lora_alpha": 7,
        "target_modules": "all-linear",
        "init_lora_weights": False,
    }
    adapted = peft.get_peft_model(tiny_model(model_type), peft.LoraConfig(task_type="CAUSAL_LM", **given | options))
    adapted.save_pretrained(folder)
    return adapted.merge_and_unload()


def put_model(folder: Path, model_type: str = "llama") -> dict[str, Tensor]:
    tiny_model(model_type).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("rank_stable", [False, True])
def test_adapters_are_merged_and_taken_away_again(tmp_path: Path, monkeypatch, rank_stable: bool) -> None:
    monkeypatch.chdir(tmp_path)
    before = put_model(tmp_path / "model")
    put_adapters(tmp_path / "adapters", use_rslora=rank_stable)
    adapters = load_file(tmp_path / "adapters" / FILE)
    app(["export", "model", "--deltas", "adapters", "--out", "merged"], result_action="return_value")
    again = ["export", "merged", "--deltas", "adapters", "--subtract", "--out", "first"]
    app(again, result_action="return_value")
    merged, first = (load_file(tmp_path / name / "model.safetensors") for name in ("merged", "first"))
    scale, changed = 7 / (math.sqrt(3) if rank_stable else 3), 0
    for name, weight in before.items():
        start = f"base_model.model.{name.removesuffix('.weight')}.lora"
        expected = weight
        if f"{start}_A.weight" in adapters:
            expected = weight + scale * adapters[f"{start}_B.weight"] @ adapters[f"{start}_A.weight"]
            changed += not torch.allclose(expected, weight, atol=1e-3)
        torch.testing.assert_close(merged[name], expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(first[name], weight, rtol=0, atol=1e-6)
    assert changed == 21  # 7 linear layers in 3 blocks
    table = json.loads(Path("merged/report.json").read_text())["sections"][0]["tables"][0]
    path, added, size = table["rows"][0]
    a, b = (adapters[f"base_model.model.{path}.lora_{part}.weight"] for part in "AB")
    assert math.isclose(added, scale * float((b @ a).norm()), rel_tol=1e-5)
    assert math.isclose(size, float(before[f"{path}.weight"].norm()), rel_tol=1e-5)
    read = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert type(read).__name__ == "LlamaForCausalLM"


@pytest.mark.parametrize("model_type", ["gpt2", "bloom", "phi3"])
def test_they_are_merged_as_peft_merges_them(tmp_path: Path, model_type: str) -> None:
    expected = put_adapters(tmp_path, model_type).state_dict()
    model = tiny_model(model_type)
    merge_low_rank(model, LowRankDeltas.load(tmp_path / FILE))
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-5, atol=1e-6)


def lab_shortened(folder: str) -> str:
    """The lab's weights with a tokenizer that leaves a token out."""
    from neuroglot.models import load
    from neuroglot.models.shortened import shortened
    from neuroglot.models.shortening import Shortening
    from neuroglot.training.tuning import save_model

    view, tokenizer = load("lab")
    shortening = Shortening.of(tokenizer, ["నమస్కారం"])
    assert shortening is not None
    return str(save_model(view.model, shortened(tokenizer, shortening.lead), Path(folder)))


def test_what_tune_saves_alone_is_merged_and_stays_with_its_model(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tune = ["tune", "lab", "--corpus", "lab", "--task", "iso_date", "--originals", "de", "--languages", "en", "--end",
            "newline", "--steps", "2", "--limit", "6"]  # fmt: skip
    app([*tune, "--out", "merged"], result_action="return_value")
    app([*tune, "--adapter", "--out", "alone"], result_action="return_value")
    app(["export", "lab", "--deltas", "alone", "--out", "exported"], result_action="return_value")
    expected, got = (load_file(Path(name, "model.safetensors")) for name in ("merged", "exported"))
    for name, weight in expected.items():
        torch.testing.assert_close(got[name], weight, rtol=1e-5, atol=1e-6)
    with pytest.raises(ConfigError, match="learned on a model with the weights"):
        Export(model="merged", deltas=Path("alone")).run("no")
    with pytest.raises(ConfigError, match="which is without them"):
        Export(model="lab", deltas=Path("alone"), subtract=True).run("no")
    folder = Path(lab_shortened("short"))
    with pytest.raises(ConfigError, match="learned on a model with the tokenizer"):
        Export(model=str(folder), deltas=Path("alone")).run("no")
    with pytest.raises(ArtifactError, match="neither deltas.safetensors nor adapter_config.json"):
        Export(model="lab", deltas=Path("merged")).run("no")
    assert not Path("no").exists()
    targets = json.loads(Path("alone", CONFIG).read_text())["target_modules"]
    assert targets == sorted(targets)
    Export(model="exported", deltas=Path("alone"), subtract=True).run("back")
    note = "on whole ones they compute what they did not learn"
    assert note not in Path("exported/report.json").read_text()
    recipe = json.loads(Path("alone/recipe.json").read_text())
    Path("alone/recipe.json").write_text(json.dumps(recipe | {"qlora": True}))
    Export(model="lab", deltas=Path("alone")).run("noted")
    assert note in Path("noted/report.json").read_text()


MODEL_OF = {"weights": "aaaaaaaaaaaa", "tokenizer": "bbbbbbbbbbbb"}
UNREADABLE = {
    "half a file": '{"weights": "aaaa', "nothing": "", "a list": "[]",
    "no hashes": '{"weights": null, "tokenizer": null}',
    "no tokenizer": '{"weights": "aaaaaaaaaaaa"}',
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("file", ["learned-on.json", "neuroglot-run.json"])
def test_what_adapters_were_learned_on_is_not_passed_over(tmp_path: Path, monkeypatch, file: str, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    put_model(tmp_path / "model")
    put_adapters(tmp_path / "adapters")
    text = UNREADABLE[name]
    if file == "neuroglot-run.json" and text.startswith("{") and text.endswith("}"):
        text = json.dumps({"identity": {"model": json.loads(text)}})
    Path("adapters", file).write_text(text)
    with pytest.raises(ArtifactError, match=rf"{file} does not say on which model"):
        Export(model="model", deltas=Path("adapters")).run("no")
    assert not Path("no").exists()


def test_the_page_says_what_nothing_says_of_adapters(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    put_model(tmp_path / "model")
    put_adapters(tmp_path / "adapters")
    unknown = "Nothing beside the adapters says on which model they were learned"
    assert unknown in "".join(Export(model="model", deltas=Path("adapters")).run("merged").notes)
    Path("adapters/neuroglot-run.json").write_text(json.dumps({"identity": {}}))  # of a job that reads no model
    assert unknown in "".join(Export(model="model", deltas=Path("adapters")).run().notes)
    here = Signature.of(**{name: made_with(*load("model"))[name] for name in MODEL_OF})
    for four_bits in (False, True):
        stated = here.to_json() | ({"four_bits": True} if four_bits else {})
        Path("adapters/learned-on.json").write_text(json.dumps(stated))
        notes = "".join(Export(model="model", deltas=Path("adapters")).run().notes)
        assert unknown not in notes
        assert ("on whole ones they compute what they did not learn" in notes) == four_bits
        back = "".join(Export(model="merged", deltas=Path("adapters"), subtract=True).run().notes)
        assert "that it was in them is taken for granted" in back
        assert ("without them the weights are those that the 4 bits stand for" in back) == four_bits
    Path("adapters/learned-on.json").write_text(json.dumps(here.to_json() | {"tokenizer": MODEL_OF["tokenizer"]}))
    for model, subtract in (("model", False), ("merged", True)):
        with pytest.raises(ConfigError, match="learned on a model with the tokenizer bbbbbbbbbbbb"):
            Export(model=model, deltas=Path("adapters"), subtract=subtract).run()


def test_other_weights_beside_the_same_config_are_another_job(tmp_path: Path, monkeypatch) -> None:
    from neuroglot.runs.identity import Identity

    monkeypatch.chdir(tmp_path)
    put_model(tmp_path / "model")
    noted = []
    for seed in range(2):
        torch.manual_seed(seed)
        put_adapters(tmp_path / "adapters")
        tensors = {name: value + seed for name, value in load_file(tmp_path / "adapters" / FILE).items()}
        save_file(tensors, tmp_path / "adapters" / FILE)
        identity = Identity()
        Export(model="model", deltas=Path("adapters"), device="cpu").read(identity)
        noted.append(identity.noted)
    assert noted[0]["model"] == noted[1]["model"]
    assert noted[0]["deltas"] != noted[1]["deltas"]


def without_b(folder: Path) -> None:
    tensors = load_file(folder / FILE)
    save_file({name: tensor for name, tensor in tensors.items() if "q_proj.lora_B" not in name}, folder / FILE)


def not_finite(folder: Path) -> None:
    tensors = load_file(folder / FILE)
    next(iter(tensors.values()))[0, 0] = torch.nan
    save_file(tensors, folder / FILE)


def of_another_model(folder: Path) -> None:
    put_adapters(folder, "gpt2")


def of_another_width(folder: Path) -> None:
    tensors = load_file(folder / FILE)
    wider = {name: torch.cat([tensor, tensor]) if "lora_B" in name else tensor for name, tensor in tensors.items()}
    save_file(wider, folder / FILE)


def stating(**changes: Any):  # type: ignore[no-untyped-def]
    def change(folder: Path) -> None:
        stated = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(stated | changes))

    return change


REFUSED = {
    "half a pair": (without_b, ArtifactError, "holds or lacks .*q_proj.lora_B"),
    "numbers": (not_finite, ArtifactError, "Expected finite pairs"),
    "another model": (of_another_model, ConfigError, "has no module 'transformer"),
    "another width": (of_another_width, ConfigError, "as the model's"),
    "no weights": (lambda folder: (folder / FILE).unlink(), NeuroglotError, "cannot be read"),
    "no safetensors": (lambda folder: (folder / FILE).write_bytes(b"{"), ArtifactError, "cannot be read"),
    "no JSON": (lambda folder: (folder / CONFIG).write_text("{"), ArtifactError, "cannot be read"),
    "a list": (lambda folder: (folder / CONFIG).write_text("[]"), ArtifactError, "names no rank"),
    "no alpha": (stating(lora_alpha=None), ArtifactError, "names no finite lora_alpha"),
    "alpha that is no number": (stating(lora_alpha=math.nan), ArtifactError, "names no finite lora_alpha"),
    "alpha without end": (stating(lora_alpha=1e300), ArtifactError, "names no finite lora_alpha"),
    "another rank": (stating(r=5), ArtifactError, "names the rank 5"),
    "another kind": (stating(peft_type="IA3"), ConfigError, "of the type IA3"),
    "magnitudes": (stating(use_dora=True), ConfigError, "sets use_dora: True"),
    "biases": (stating(bias="all"), ConfigError, "sets bias: all"),
    "a start of its own": (stating(init_lora_weights="pissa"), ConfigError, "sets init_lora_weights: pissa"),
    "alphas by module": (stating(alpha_pattern={"q_proj": 3}), ConfigError, "sets alpha_pattern"),
    "what is to come": (stating(use_more=True), ConfigError, "sets use_more: True"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_other_adapters_are_refused_by_name_and_nothing_is_written(tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    put_model(tmp_path / "model")
    put_adapters(tmp_path / "adapters")
    change, error, message = REFUSED[name]
    change(tmp_path / "adapters")
    with pytest.raises(error, match=message):
        Export(model="model", deltas=Path("adapters"), device="cpu").run("out")
    assert not Path("out").exists()
