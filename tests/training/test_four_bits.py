"""Adapters on weights of 4 bits: what is merged is what was trained, and all else is as it was."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel

from neuroglot import models
from neuroglot.errors import ConfigError, MissingExtraError
from neuroglot.recipes.curriculum import Curriculum
from neuroglot.recipes.tune import Tune, options_of
from neuroglot.storage import Kept
from neuroglot.training import Lora, Tuned, TuningConfig, tune
from neuroglot.training.four_bits import require_four_bits, restore_whole, to_four_bits
from tests.families import tiny_model
from tests.recipes.test_curriculum import TWO_STAGES, put_files, written
from tests.tiny import tiny_tokenizer
from tests.training.making import examples

IS_THERE = find_spec("bitsandbytes") is not None
with_bitsandbytes = pytest.mark.skipif(not IS_THERE, reason="bitsandbytes is not installed")
LORA = Lora(rank=2, alpha=6)
TOKENS = torch.tensor([[1, 5, 6, 7, 8, 9]])
NF4 = [  # the quantiles of a normal distribution that 4 bits stand for: Dettmers et al. 2023, appendix E
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip


def config(**options: Any) -> TuningConfig:
    return TuningConfig(steps=3, batch_size=3, learning_rate=1e-2, lora=LORA, four_bits=True, **options)


def tuned(model: PreTrainedModel, given: TuningConfig, kept: Path | None = None) -> Tuned:
    place = {} if kept is None else {"kept": Kept(kept)}
    return tune(model, tiny_tokenizer(), examples(), given, **place)


def in_nf4(weight: torch.Tensor) -> torch.Tensor:
    """Blocks of 64 numbers, each over the largest of its block, at the nearest of the 16 quantiles."""
    blocks = weight.reshape(-1, 64)
    largest = blocks.abs().amax(1, keepdim=True)
    nearest = (blocks[:, :, None] / largest[:, :, None] - torch.tensor(NF4)).abs().argmin(-1)
    return (torch.tensor(NF4)[nearest] * largest).reshape(weight.shape)


def wide_model() -> PreTrainedModel:
    """Rows of 64 weights, as a block has."""
    return tiny_model("llama", hidden_size=64, intermediate_size=128, head_dim=32)


@pytest.fixture
def model() -> PreTrainedModel:
    return wide_model()


@with_bitsandbytes
def test_what_is_merged_is_what_4_bits_stand_for_and_what_the_adapters_learned(
    tmp_path: Path, model: PreTrainedModel
) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    after = tuned(model, config()).model.state_dict()
    tuned(wide_model(), config(save="adapter")).save(tmp_path)
    adapters = load_file(tmp_path / "adapter_model.safetensors")
    assert after.keys() == before.keys()
    seen = 0
    for name, weight in before.items():
        start = f"base_model.model.{name.removesuffix('.weight')}.lora"
        if f"{start}_A.weight" not in adapters:
            assert torch.equal(after[name], weight)
            continue
        learned = LORA.alpha / LORA.rank * adapters[f"{start}_B.weight"] @ adapters[f"{start}_A.weight"]
        base = after[name] - learned
        assert (base - in_nf4(weight)).abs().max() <= 0.01 * weight.abs().max()  # double quantisation of the largest
        assert (base - weight).abs().max() > 0.01 * weight.abs().max()
        seen += 1
    assert seen == 7 * model.config.num_hidden_layers


@with_bitsandbytes
def test_the_merged_model_computes_what_was_trained(model: PreTrainedModel) -> None:
    apart = tuned(wide_model(), config(save="adapter"))
    merged = tuned(model, config())
    assert apart.losses == merged.losses
    with torch.no_grad():
        torch.testing.assert_close(apart.model(TOKENS).logits, merged.model(TOKENS).logits, rtol=1e-4, atol=1e-4)


@with_bitsandbytes
def test_a_model_is_held_in_4_bits_and_is_afterwards_as_it_was(model: PreTrainedModel) -> None:
    layers, logits = dict(model.named_modules()), model(TOKENS).logits
    to_four_bits(model)
    block = model.model.layers[0]
    assert block.mlp.up_proj.weight.nbytes * 8 <= layers["model.layers.0.mlp.up_proj"].weight.nbytes
    assert type(model.lm_head) is torch.nn.Linear
    assert (model(TOKENS).logits - logits).abs().max() > 1e-4
    restore_whole(model)
    assert dict(model.named_modules()) == layers
    assert torch.equal(model(TOKENS).logits, logits)


@with_bitsandbytes
@pytest.mark.parametrize("wrong", [{"lora": Lora(targets=("nowhere",))}, {"learning_rate": 1e30}])
def test_a_training_that_fails_leaves_the_model_as_it_was(model: PreTrainedModel, wrong: dict[str, Any]) -> None:
    before = model(TOKENS).logits
    asked = TuningConfig(**{"steps": 3, "learning_rate": 1e-2, "lora": LORA, "four_bits": True} | wrong)
    with pytest.raises(ConfigError):
        tuned(model, asked)
    assert torch.equal(model(TOKENS).logits, before)


@with_bitsandbytes
def test_a_stopped_training_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole = tuned(wide_model(), config()).model.state_dict()

    def stop(step: int, _steps: int, _loss: float) -> None:
        if step == 2:
            raise KeyboardInterrupt

    place = Kept(tmp_path / "kept")
    often = config(checkpoint_every=1)
    with pytest.raises(KeyboardInterrupt):
        tune(wide_model(), tiny_tokenizer(), examples(), often, kept=place, on_step=stop)
    again = tuned(wide_model(), often, tmp_path / "kept").model.state_dict()
    assert all(torch.equal(whole[name], weight) for name, weight in again.items())


@with_bitsandbytes
def test_stages_train_on_4_bits_and_the_next_ones_on_whole_weights(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    put_files(tmp_path)
    wide_model().save_pretrained("model")
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["stages"] = [
        {"name": "few", "counts": {"answers": 6}, "train": "qlora", "learning_rate": 1e-2},
        {"name": "all", "counts": {"answers": 6}, "learning_rate": 1e-2},
    ]
    job = Curriculum(model="model", stages=written(stored), device="cpu", keep_stages=True)
    job.run("run")
    before, few, after = (models.load(name, device="cpu")[0].model for name in ("model", "run/few", "run"))
    assert torch.equal(before.lm_head.weight, few.lm_head.weight)
    projections = [part.model.layers[1].mlp.down_proj for part in (before, few, after)]
    assert {type(part) for part in projections} == {torch.nn.Linear}
    assert not any(torch.equal(projections[0].weight, part.weight) for part in projections[1:])
    assert not torch.equal(few.lm_head.weight, after.lm_head.weight)


@with_bitsandbytes
def test_models_without_linear_layers_and_devices_without_4_bits_are_refused() -> None:
    with pytest.raises(ConfigError, match="GPT2LMHeadModel has no linear layers .* plain adapters"):
        tuned(tiny_model("gpt2"), config())
    with pytest.raises(ConfigError, match=r"layer of \[16, 16\] weights back from 4 bits wrongly .* plain adapters"):
        tuned(tiny_model("llama"), config())  # bitsandbytes 0.50 on a processor
    with pytest.raises(ConfigError, match=r"no 4-bit weights on the device 'auto' .* plain adapters"):
        require_four_bits("auto")
    require_four_bits("cpu")
    require_four_bits("meta")


@pytest.mark.parametrize("recipe", ["tune", "curriculum"])
def test_without_bitsandbytes_nothing_is_loaded(tmp_path: Path, monkeypatch, recipe: str) -> None:
    from neuroglot import extras

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.chdir(tmp_path)
    put_files(tmp_path)
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["stages"][1]["train"] = "qlora"
    job = (
        Curriculum(model="model", stages=written(stored))
        if recipe == "curriculum"
        else Tune(model="model", corpus="lab", task="iso_date", originals=("de",), steps=1, qlora=True)
    )
    monkeypatch.setattr(extras, "import_module", missing)
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("a model was read"))
    with pytest.raises(MissingExtraError, match=r"'bitsandbytes' is not installed.* \(LoRA\) .*neuroglot\[qlora\]"):
        job.run("run")
    assert not Path("run").exists()


def test_4_bits_without_adapters_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="four_bits=True"):
        TuningConfig(steps=1, four_bits=True)


def test_the_signature_says_how_the_model_was_held() -> None:
    assert options_of(config()).get("held") == "nf4"
    assert options_of(TuningConfig(steps=1, lora=LORA)).get("held") is None
