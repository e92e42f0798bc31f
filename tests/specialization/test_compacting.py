"""Models with neurons cut out against gated ones, and what cutting saves."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError, UnsupportedModelError
from neuroglot.interventions.compacting import (
    WEIGHTS,
    compact,
    load_compacted,
    measure_cost,
    parameter_count,
    save_compacted,
)
from neuroglot.interventions.gating import Semantics, gating
from neuroglot.storage import load_tensors, save_tensors
from tests.specialization.making import (
    DECODERS,
    PAIRS,
    located,
    random_masks,
    translation_tokenizer,
    up_projections,
)  # fmt: skip
from tests.specialization.test_gating import BOTH, close, inputs_of, logits, token_ids


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize("model_type", [*PAIRS, *DECODERS])
def test_a_compacted_model_computes_what_the_gated_one_does(model_type: str, semantics: Semantics) -> None:
    view = located(model_type)
    weights = copy.deepcopy(view.model.state_dict())
    masks, inputs = random_masks(view.layout), inputs_of(view, token_ids())
    compacted = compact(view, masks, "fr-en", semantics)
    with gating(view, masks, "fr-en", semantics=semantics):
        close(logits(compacted.model, inputs), logits(view.model, inputs))
    assert all(torch.equal(value, weights[name]) for name, value in view.model.state_dict().items())
    kept = masks["fr-en"].counts_by_layer()
    assert compacted.widths == tuple(kept)
    assert max(kept) < max(layer.width for layer in view.layout.layers)


@pytest.mark.parametrize("model_type", ["m2m_100", "gpt2", "mt5", "phi3"])
def test_the_parameters_removed_are_those_of_the_neurons(model_type: str) -> None:
    view = located(model_type)
    masks = random_masks(view.layout)
    compacted = compact(view, masks, "en-de")
    width, expected = view.model.config.get_text_config().hidden_size, 0
    for layer, part in view.layout.by_layer(masks["en-de"].members):
        first = [module for place, module in up_projections(view.model) if place == (layer.stack, layer.index)]
        halves = sum(module.weight.numel() for module in first) // (layer.width * width)
        biases = sum(module.bias is not None for module in first)
        expected += int((~part).sum()) * (width * (halves + 1) + biases)
    assert compacted.parameters_removed == expected > 0
    assert compacted.parameters == parameter_count(view.model) - expected


def test_what_removed_neurons_wrote_makes_a_bias_where_there_was_none() -> None:
    view = located("m2m_100")
    layer = view.model.model.encoder.layers[0]
    layer.fc2.bias = None
    masks, inputs = random_masks(view.layout), inputs_of(view, token_ids())
    compacted = compact(view, masks, "en-de", "weight row").model
    assert compacted.model.encoder.layers[0].fc2.bias is not None
    with gating(view, masks, "en-de", semantics="weight row"):
        close(logits(compacted, inputs), logits(view.model, inputs))
    assert compact(view, masks, "en-de").model.model.encoder.layers[0].fc2.bias is None


def test_a_compacted_model_generates_trains_and_is_cheaper() -> None:
    view = located("m2m_100")
    masks, ids = random_masks(view.layout), token_ids()
    compacted = compact(view, masks, "en-de").model
    with gating(view, masks, "en-de", beams=2):
        expected = view.model.generate(input_ids=ids, max_new_tokens=6, num_beams=2, do_sample=False)
    assert torch.equal(compacted.generate(input_ids=ids, max_new_tokens=6, num_beams=2, do_sample=False), expected)
    compacted(**inputs_of(view, ids)).logits.sum().backward()
    assert all(parameter.requires_grad for parameter in compacted.parameters())
    before, after = (measure_cost(model, inputs_of(view, ids), repeats=2) for model in (view.model, compacted))
    assert (after.parameters, after.bytes) < (before.parameters, before.bytes)
    assert before.bytes == 4 * before.parameters
    assert min(before.seconds, after.seconds) > 0
    assert before.peak_bytes is None
    with pytest.raises(ConfigError, match="repeats=0"):
        measure_cost(view.model, inputs_of(view, ids), repeats=0)


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize("model_type", ["m2m_100", "t5", "gpt2", "phi3", "bloom"])
def test_a_compacted_model_is_kept_on_disk(model_type: str, semantics: Semantics, tmp_path: Path) -> None:
    view = located(model_type)
    compacted = compact(view, random_masks(view.layout), "en-de", semantics)
    save_compacted(compacted, tmp_path / "small", translation_tokenizer())
    again = load_compacted(tmp_path / "small")
    inputs = inputs_of(view, token_ids())
    assert torch.equal(logits(again.model, inputs), logits(compacted.model, inputs))
    for name in ("direction", "semantics", "widths", "parameters", "parameters_removed"):
        assert getattr(again, name) == getattr(compacted, name), name
    with pytest.raises(ArtifactError, match="exists already"):
        save_compacted(compacted, tmp_path / "small")


def test_a_made_bias_and_half_precision_are_kept_on_disk(tmp_path: Path) -> None:
    view = located("m2m_100")
    view.model.model.decoder.layers[1].fc2.bias = None
    view.model.bfloat16()
    compacted = compact(view, random_masks(view.layout), "en-de", "weight row")
    tensors = compacted.model.state_dict()
    save_compacted(compacted, tmp_path / "small")
    again = load_compacted(tmp_path / "small").model
    assert again.dtype == torch.bfloat16
    assert {name: tensor.tolist() for name, tensor in again.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in tensors.items()
    }


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    view = located("m2m_100")
    folder = save_compacted(compact(view, random_masks(view.layout), "en-de"), tmp_path / "small")
    with pytest.raises(ArtifactError, match="not a file"):
        load_compacted(tmp_path)
    tensors, header = load_tensors(folder / WEIGHTS, "compacted model")
    for change, message in (
        ({"widths": [1, 2]}, "states 2 widths"),
        ({"widths": [width + 1 for width in header["widths"]]}, "other weights"),
        ({"semantics": "other"}, "semantics = 'other'"),
        ({"direction": ["en"]}, "Field required"),
    ):
        save_tensors(folder / WEIGHTS, "compacted model", tensors, header | change)
        with pytest.raises(ArtifactError, match=message):
            load_compacted(folder)
    save_tensors(folder / WEIGHTS, "compacted model", tensors, header)
    (folder / "config.json").unlink()
    with pytest.raises(ArtifactError, match="no config"):
        load_compacted(folder)


def test_what_cannot_be_cut_is_refused() -> None:
    view = located("m2m_100")
    with pytest.raises(LayoutMismatchError):
        compact(view, random_masks(located("gpt2").layout), "en-de")
    with pytest.raises(ConfigError, match="no mask of en-sw"):
        compact(view, random_masks(view.layout), "en-sw")
    mixtral = located("mixtral")
    with pytest.raises(UnsupportedModelError, match="has experts"):
        compact(mixtral, random_masks(mixtral.layout), "en-de")

    class Quantised(nn.Parameter):
        pass

    fc1 = view.model.model.encoder.layers[0].fc1
    fc1.weight = Quantised(fc1.weight.detach())
    with pytest.raises(UnsupportedModelError, match="weights as Quantised"):
        compact(view, random_masks(view.layout), "en-de")
