"""Values that are not finite are refused with the layer, the languages, the rows, and what to do."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from neuroglot import Recording, evaluate, generate, record, record_sharing, view
from neuroglot.activity.recording import threshold_in
from neuroglot.activity.rows import record_rows
from neuroglot.activity.text_means import record_text_means
from neuroglot.attribution.gradients import gradient_times_activation
from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.experiments.deactivation import deactivate
from neuroglot.generation.decoding import Decoding
from neuroglot.metrics import ExactAnswer, NatsPerToken
from neuroglot.models import ModelView
from neuroglot.models.finite import broken_weights, last_layers, not_finite, tokens_not_finite
from neuroglot.models.offloaded import is_offloaded
from neuroglot.tokens.tokenizing import Text
from tests.attribution.making_tasks import tiny_task
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

TOKENIZER, CORPUS = tiny_tokenizer(), tiny_corpus(6, ("de", "en", "sw"))


def with_a_broken_text(located: ModelView, word: str, layer: int) -> None:
    """From this layer on, tokens of one word are infinite, as where half precision overflows."""
    token = TOKENIZER.convert_tokens_to_ids(word)
    held: dict[str, torch.Tensor] = {}
    located.model.model.embed_tokens.register_forward_pre_hook(lambda _, inputs: held.update(ids=inputs[0]))

    def overflow(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        return output.masked_fill((held["ids"] == token)[..., None], torch.inf)

    located.model.model.layers[layer].mlp.act_fn.register_forward_hook(overflow)


@pytest.fixture
def broken() -> ModelView:
    located = view(tiny_model("llama"))
    with_a_broken_text(located, WORD, 1)
    return located


WORD = CORPUS.texts["en"][2].split()[0]


@pytest.mark.parametrize(
    "measure",
    [
        lambda located, folder: record(located, TOKENIZER, CORPUS),
        lambda located, folder: record(located, TOKENIZER, CORPUS, Recording(site="write", statistics=("moments",))),
        lambda located, folder: record_sharing(located, TOKENIZER, CORPUS),
        lambda located, folder: record_rows(located, TOKENIZER, CORPUS, folder),
        lambda located, folder: record_text_means(located, TOKENIZER, CORPUS),
    ],
    ids=["record", "write", "sharing", "rows", "means"],
)
def test_what_reads_activations_names_layer_languages_and_rows(broken: ModelView, measure, tmp_path) -> None:
    with pytest.raises(
        ConfigError, match=r"Values of layer 1 \(decoder\) are not finite at \d+ tokens of a batch"
    ) as refusal:
        measure(broken, tmp_path / "rows")
    said = str(refusal.value)
    assert "No weight is damaged" in said
    rows = {int(row) for row in said.split("rows ")[1].split(")")[0].replace("and", ",").split(",")[0].split()}
    assert rows <= {row + 1 for column in CORPUS.texts.values() for row, text in enumerate(column) if WORD in text}


@pytest.mark.parametrize(
    "measure",
    [
        lambda located: evaluate(located, TOKENIZER, CORPUS, NatsPerToken()),
        lambda located: evaluate(located, TOKENIZER, tiny_task(), ExactAnswer()),
        lambda located: deactivate(located, TOKENIZER, tiny_task(), draws=1),
        lambda located: generate(located, TOKENIZER, CORPUS, Decoding(3)),
    ],
    ids=["loss", "accuracy", "deactivation", "generation"],
)
def test_what_reads_predictions_refuses_them(measure) -> None:
    located = view(tiny_model("llama"))
    located.model.lm_head.register_forward_hook(lambda _, inputs, output: output * torch.nan)
    with pytest.raises(ConfigError, match="Scores of (next )?tokens are not finite"):
        measure(located)


def test_gradients_are_refused(broken: ModelView) -> None:
    with pytest.raises(ConfigError, match="gradients .* not finite"):
        gradient_times_activation(broken, TOKENIZER, CORPUS)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_one_broken_weight_is_named_before_anything_is_read(value: float) -> None:
    model = tiny_model("llama")
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[3, 5] = value
    with pytest.raises(ConfigError, match=r"model\.layers\.0\.mlp\.up_proj\.weight \(1 of"):
        view(model)
    assert broken_weights(model) == [
        f"model.layers.0.mlp.up_proj.weight (1 of {model.model.layers[0].mlp.up_proj.weight.numel():,} values)"
    ]


def test_what_is_finite_passes_though_large() -> None:
    located = view(tiny_model("llama").to(torch.float16))
    located.model.model.layers[1].mlp.act_fn.register_forward_hook(lambda _m, _i, output: output.abs() + 3e3)
    record(located, TOKENIZER, CORPUS, Recording(site="post_act"))  # its sums are beyond float16


def test_padding_may_be_anything() -> None:
    values, real = torch.ones(6, 2), torch.tensor([[True, True, False], [True, True, True]])
    values[2], values[4, 1] = torch.nan, torch.inf
    assert tokens_not_finite(values, torch.arange(6), real) == {1: 1}


def test_the_last_layer_of_each_stack_is_watched() -> None:
    layers = view(tiny_model("t5")).layout.layers
    assert sorted((layer.stack, layer.index) for layer in last_layers(layers)) == [
        (stack, max(layer.index for layer in layers if layer.stack == stack)) for stack in ("decoder", "encoder")
    ]


def test_weights_on_disk_and_in_other_memory_are_read_as_if_they_were_here(tmp_path) -> None:
    model = tiny_model("llama")
    expected = record(view(model), TOKENIZER, CORPUS)
    model.save_pretrained(tmp_path / "model")
    places = {"model.embed_tokens": "cpu", "lm_head": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu"}
    places |= {f"model.layers.{index}": "disk" if index else "cpu" for index in range(len(model.model.layers))}
    spread = type(model).from_pretrained(tmp_path / "model", device_map=places, offload_folder=tmp_path / "disk")
    located = view(spread.eval())
    assert torch.equal(record(located, TOKENIZER, CORPUS).fired, expected.fired)
    layer = located.layout.layers[-1]
    assert torch.equal(located.value_vectors(layer), view(model).value_vectors(layer))


def test_a_model_without_any_weight_in_memory_says_what_to_do() -> None:
    from accelerate import cpu_offload

    model = tiny_model("llama")
    cpu_offload(model, execution_device=torch.device("cpu"))
    with pytest.raises(UnsupportedModelError, match="device_map='auto'"):
        view(model)


@pytest.mark.parametrize(
    ("places", "offloaded"),
    [
        ({}, False), ({"": "cpu"}, False), ({"": 0}, False), ({"model": 0, "lm_head": 1}, False),
        ({"model": 0, "lm_head": "cpu"}, True), ({"model": "cpu", "lm_head": "disk"}, True),
        ({"model": 0, "lm_head": "disk"}, True),
    ],
)  # fmt: skip
def test_weights_are_fetched_where_some_lie_in_other_memory(places: dict[str, object], offloaded: bool) -> None:
    model = tiny_model("llama")
    model.hf_device_map = places
    assert is_offloaded(model) == offloaded


def test_weights_that_are_not_in_memory_are_not_looked_at() -> None:
    model = tiny_model("llama")
    model.model.layers[0].mlp.down_proj.weight = nn.Parameter(torch.empty(3, 3, device="meta"))
    with torch.no_grad():
        model.model.norm.weight[0] = torch.nan
    assert is_offloaded(model)
    assert broken_weights(model) == [f"model.norm.weight (1 of {len(model.model.norm.weight)} values)"]


@given(st.floats(-4, 4), st.sampled_from([torch.float16, torch.bfloat16, torch.float32]))
def test_values_are_above_a_threshold_as_real_numbers_are(threshold: float, dtype: torch.dtype) -> None:
    near = torch.tensor(threshold, dtype=torch.float64).to(dtype)
    steps = [torch.nextafter(near, torch.tensor(end, dtype=dtype)) for end in (-torch.inf, torch.inf)]
    for value in (near, *steps):
        assert bool(value > threshold_in(threshold, dtype)) == (float(value) > threshold)


def test_a_rounded_threshold_is_told() -> None:
    value = torch.tensor([0.10009765625], dtype=torch.bfloat16)
    assert not bool(value > 0.1)  # what torch says
    assert bool(value > threshold_in(0.1, torch.bfloat16))


def test_the_language_with_most_broken_tokens_is_named_first() -> None:
    texts = {0: Text.of([1, 2], 4), 1: Text.of([1, 2], 2, 1), 2: Text.of([3], 7, 1)}
    error = not_finite(tiny_model("llama"), "Values are", texts, {0: 1, 1: 2, 2: 3}, ("de", "sw"))
    assert "not finite at 6 tokens of a batch (sw: 5, de: 1; rows 3, 5, 8)" in str(error)
