"""What a stage costs depends on what it trains: counted by hand for whole weights, adapters, neurons, and modules."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig

from neuroglot.errors import ConfigError
from neuroglot.models import load
from neuroglot.neurons import NeuronSet
from neuroglot.recipes.curriculum import Curriculum
from neuroglot.recipes.steps import Learned
from neuroglot.recipes.tune import Tune
from neuroglot.runs.identity import Identity
from tests.recipes.test_curriculum import TWO_STAGES, job, put_files, written
from tests.tiny import tiny_tokenizer

ROOT = Path(__file__).parents[2]
# The tiny llama: 3 layers of width 16 with 2 heads of 8, 24 neurons, 64 tokens, input and output apart.
ATTENTION, NETWORK, NORMS, TABLE = 4 * 16 * 16, 3 * 16 * 24, 2 * 16, 64 * 16
LAYERS = 3 * (ATTENTION + NETWORK + NORMS)
ALL = LAYERS + 2 * TABLE + 16
ADAPTERS = 3 * 8 * (4 * (16 + 16) + 3 * (16 + 24))  # of rank 8 on seven projections a layer
FORWARD = ALL - TABLE  # input embeddings are looked up


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    put_files(tmp_path)
    return tmp_path


STAGES: dict[str, tuple[dict[str, Any], int, int, int]] = {  # trained, in all, and what a token costs
    "all": ({}, ALL, ALL, 6 * FORWARD),
    "adapters": ({"train": "adapters"}, ADAPTERS, ALL + ADAPTERS, 4 * (FORWARD + ADAPTERS) + 2 * ADAPTERS),
    "neurons": ({"train": "neurons", "neurons": "neurons.safetensors"}, 2 * 48, ALL + 96, 4 * (FORWARD + 96) + 2 * 96),
    "embeddings": ({"train": ["embeddings"]}, TABLE, ALL, 4 * FORWARD),
    "frozen": ({"freeze": ["mlp"]}, ALL - 3 * NETWORK, ALL, 6 * FORWARD - 2 * 3 * NETWORK),
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_priced_by_what_it_trains(here: Path, name: str) -> None:
    NeuronSet.of(load("model", device="cpu")[0].layout, {("decoder", 1): [2, 3]}).save("neurons.safetensors")
    change, trained, parameters, operations = STAGES[name]
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["stages"] = [{"name": "other", "counts": {"answers": 3}, "train": "adapters"},
                        {"name": "priced", "counts": {"answers": 6}, **change}]  # fmt: skip
    recipe = job(written(stored))
    inputs = recipe.read(Identity())
    priced = recipe.price(inputs)
    tokens = sum(len(text.token_ids) for text in inputs.stages[1].texts)
    assert priced.remarks[1].startswith(
        f"Stage priced trains {trained:,} of {parameters:,} parameters on {tokens:,} tokens, "
        f"{operations * tokens:.2e} operations;"
    )
    assert priced.kept_bytes == 3 * 4 * max(trained, ADAPTERS)
    assert [line.step for line in priced.lines] == ["stage other", "stage priced"]
    assert sum(part.numel() for part in inputs.view.model.parameters()) == ALL  # nothing stays in the model
    assert all(part.requires_grad for part in inputs.view.model.parameters())


def test_each_rate_that_is_tried_is_priced(here: Path) -> None:
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["data"]["answers"]["selection"] = 2
    stored["stages"] = [{"name": "once", "counts": {"answers": 6}},
                        {"name": "thrice", "counts": {"answers": 6}, "learning_rates": [1e-4, 1e-3, 1e-2]}]  # fmt: skip
    recipe = job(written(stored))
    once, thrice = recipe.price(recipe.read(Identity())).lines
    assert thrice.times == 3 * once.times


def test_shared_embeddings_cost_what_the_unembedding_costs() -> None:
    model = load("lab", device="cpu")[0].model
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    every = sum(part.numel() for part in model.parameters())
    looked_up = 0 if tied else model.get_input_embeddings().weight.numel()
    assert Learned.of(model).operations == 6 * (every - looked_up)


SEVEN = {
    "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 32, "vocab_size": 32000, "max_position_embeddings": 4096, "dtype": "bfloat16",
}  # fmt: skip


@pytest.fixture
def seven(here: Path) -> Path:
    """The form of LLaMA 2 7B, without weights, and files in the layout that the examples name."""
    LlamaConfig(**SEVEN).save_pretrained(here / "seven")
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.pre_tokenizer = Whitespace()  # the published prompts end in a colon without a space
    tokenizer.save_pretrained(here / "seven")
    for language in ("de", "es", "fr", "ja", "ru", "sw", "zh"):
        (here / "questions" / f"{language}-en").mkdir(parents=True)
        for side in (language, "en"):
            lines = "".join(f"w{row % 60} w{row % 7} {side}\n" for row in range(260))
            (here / "questions" / f"{language}-en" / f"train.{side}").write_text(lines)
    rows = [{"query": f"w{row} w{row + 1}", "response": f"w{row % 9}"} for row in range(260)]
    (here / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for language in ("en", "ar", "el", "hi", "tr", "vi", "zh"):
        records = [{"instruction": f"w{row} {language}", "input": "", "output": f"w{row}"} for row in range(260)]
        (here / f"alpaca_{language}.json").write_text(json.dumps(records))
    for language in ("ar", "el", "hi", "tr", "vi", "zh"):
        (here / "translation" / f"en-{language}").mkdir(parents=True)
        for side in ("en", language):
            lines = "".join(f"w{row} {side}\n" for row in range(260))
            (here / "translation" / f"en-{language}" / f"train.{side}").write_text(lines)
    return here


PARAMETERS = 6_738_415_616  # of LLaMA 2 7B


@pytest.mark.parametrize("name", ["qalign-7b", "x-llm-7b"])
def test_the_examples_of_7b_models_are_priced_without_weights(seven: Path, name: str) -> None:
    stated = yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text())
    for stage in stated["stages"]:  # as many steps fewer as the files have rows fewer
        for length in ("examples", "tokens"):
            if length in stage:
                stage[length] //= 200
    Path("stages.yaml").write_text(yaml.safe_dump(stated))
    price = Curriculum(model="seven", stages=Path("stages.yaml"), device="meta").estimate()
    assert len(price.remarks) == len(stated["stages"])
    for remark in price.remarks:
        assert f" trains {PARAMETERS:,} of {PARAMETERS:,} parameters" in remark
    assert price.kept_bytes == 3 * 2 * PARAMETERS
    assert (price.seconds, price.device) == (0, "meta")
    assert any("Time is not known" in note for note in price.notes)
    for stage in stated["stages"]:
        assert stage["pack"]
        assert (stage["batch_size"] * stage["accumulation"], stage["accumulation"] % 8) == (128, 0)


def test_nothing_is_trained_without_weights(seven: Path) -> None:
    LlamaConfig(**SEVEN | {"num_hidden_layers": 1, "hidden_size": 64}).save_pretrained("seven")
    stored = json.loads(json.dumps(TWO_STAGES))
    stored["stages"] = [{"name": "one", "counts": {"answers": 3}}]
    stored["data"].pop("questions")
    with pytest.raises(ConfigError, match="no weights on the device 'meta'"):
        Curriculum(model="seven", stages=written(stored), device="meta").run("run")
    assert not Path("run").exists()


def test_tune_says_what_it_trains() -> None:
    recipe = Tune(
        model="lab", corpus="lab", task="sum", originals=("de",), languages=("en",), end="newline", steps=2,
        batch_size=4, limit=8, device="cpu",
    )  # fmt: skip
    inputs = recipe.read(Identity())
    price = recipe.price(inputs)
    names = dict(inputs.view.model.named_parameters())
    trained = sum(part.numel() for name, part in names.items() if "lora_" in name)
    assert trained > 0
    assert price.remarks[0].startswith(f"The training trains {trained:,} of")
    assert price.kept_bytes == 12 * trained
    assert torch.get_default_dtype() == torch.float32
