"""Models of our own: described by a Family, found in their folder, fed with something else than token ids."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import GenerationConfig, LlamaConfig, LlamaModel, PreTrainedModel

import neuroglot as ng
from neuroglot import models
from neuroglot.activity.passes import Pass
from neuroglot.activity.recording import Recording
from neuroglot.activity.tallies import ActivityTally
from neuroglot.errors import InterventionError, UnsupportedModelError
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.models import Dense, Family, StackPlan, architectures
from neuroglot.models.feedforward import feed_forwards
from neuroglot.neurons import NeuronSet
from tests.families import tiny_model
from tests.models.clips import FAMILY, Clip, ClipEncoder, ClipReading, clips, encoder
from tests.tiny import tiny_corpus, tiny_tokenizer

FEW = Decoding(max_new_tokens=4)
LLAMA_LIKE = Family("my_llama", (StackPlan("decoder", "layers", Dense("mlp.act_fn", "mlp.down_proj", True)),))


def plain_activations(model: ClipEncoder, clip: Clip) -> list[torch.Tensor]:
    """What the nonlinearity of each block gives for one clip alone, by hand: `[positions, N]` each."""
    states = model.patches(clip.frames.reshape(len(clip.frames) // 2, -1))
    found = []
    for block in model.blocks:
        fired = torch.nn.functional.gelu(states @ block.fc1.weight.T + block.fc1.bias)
        states = states + fired @ block.fc2.weight.T + block.fc2.bias
        found.append(fired)
    return found


def test_a_model_that_reads_clips_is_viewed_and_its_neurons_are_proved() -> None:
    located = ng.view(encoder(), family=FAMILY)
    assert located.layout.stacks == (("encoder", (12, 12)),)
    assert located.family is FAMILY
    assert len(feed_forwards(located)) == 2


def test_clips_are_recorded_as_a_plain_loop_counts_them() -> None:
    located = ng.view(encoder(), family=FAMILY)
    tally = ActivityTally(located.layout, 2, Recording(statistics=("moments",)), torch.device("cpu"))
    Pass(located, ClipReading(clips()), [tally]).run()
    with torch.no_grad():
        for language in range(2):
            rows = [plain_activations(located.model, clip) for clip in clips() if clip.language == language]
            values = torch.cat([torch.cat(layers, dim=1) for layers in rows])
            assert torch.equal(tally.totals["fired"][0, language], (values > 0).sum(0))
            assert int(tally.totals["tokens"][language]) == len(values)
            torch.testing.assert_close(tally.totals["sum"][language].float(), values.sum(0))


def test_neurons_of_a_model_that_reads_clips_are_switched_off() -> None:
    located = ng.view(encoder(), family=FAMILY)
    pixels = clips()[1].frames[None]
    with torch.no_grad():
        before = located.model(pixels)
        with ng.interventions.switch_off(located, NeuronSet.of(located.layout, {("encoder", 1): range(12)})):
            off = located.model(pixels)
        assert torch.equal(located.model(pixels), before)
        located.model.blocks[1].fc2.weight.zero_()
        torch.testing.assert_close(off, located.model(pixels))
    assert not torch.equal(off, before)


def test_without_a_family_it_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedModelError, match=r"'test_clips'.*Describe it by a Family and give that as family="):
        ng.view(encoder())


def test_a_family_that_describes_another_model_is_refused() -> None:
    wrong = replace(FAMILY, stacks=(StackPlan("encoder", "blocks", Dense("act", "fc2", width="width"), "depth"),))
    with pytest.raises(UnsupportedModelError, match="width 12 in layer 0.*width = 8"):
        ng.view(encoder(), family=wrong)


def test_a_folder_is_loaded_by_its_family(tmp_path: Path) -> None:
    encoder().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    located, tokenizer = models.load(str(tmp_path), device="cpu", family=FAMILY)
    assert isinstance(located.model, ClipEncoder)
    assert len(tokenizer) == 64
    pixels = clips()[1].frames[None]
    with torch.no_grad():
        assert torch.equal(located.model(pixels), encoder()(pixels))
    with pytest.raises(UnsupportedModelError, match="'test_clips'"):
        models.load(str(tmp_path))


@pytest.fixture
def one_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Family:
    """The clips' family as the only file of the folder of architectures."""
    (tmp_path / "clips_of_ours.py").write_text("from tests.models.clips import FAMILY as FAMILY\n")
    monkeypatch.setattr(architectures, "__path__", [str(tmp_path)])
    yield FAMILY
    sys.modules.pop("neuroglot.models.architectures.clips_of_ours", None)


def test_an_architecture_is_found_by_its_file(one_of_ours: Family, tmp_path: Path) -> None:
    assert architectures.own_families() == (one_of_ours,)
    assert ng.view(encoder()).family is one_of_ours
    folder = tmp_path / "model"
    encoder().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    assert models.load(str(folder), device="cpu")[0].family is one_of_ours
    with pytest.raises(UnsupportedModelError, match="It knows llama.*test_clips"):
        ng.view(SimpleNamespace(config=SimpleNamespace(model_type="unknown")))  # type: ignore[arg-type]


def test_every_architecture_of_ours_brings_its_family() -> None:
    folder = Path(architectures.__file__).parent
    files = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    without = {"sga", "tscm"}  # the one has its encoder's neurons, the other channels of convolutions
    assert len(architectures.own_families()) == len(files) - 1 - len(without) >= 1  # the folder's own face is none
    for family in architectures.own_families():
        assert isinstance(family.model_class, type)
        assert issubclass(family.model_class, PreTrainedModel)
        assert family.config_loader.model_type == family.model_type


def test_a_known_model_is_read_by_a_family_of_ones_own() -> None:
    model = tiny_model("llama")
    assert ng.view(model, family=LLAMA_LIKE).layout == ng.view(model).layout
    assert ng.view(model, LLAMA_LIKE).family.model_type == "my_llama"


def test_what_a_model_cannot_give_is_refused_with_what_to_use_instead() -> None:
    clip_view = ng.view(encoder(), family=FAMILY)
    with pytest.raises(
        UnsupportedModelError, match="ClipEncoder gives no next-token predictions: test_clips is a video"
    ):
        clip_view.require("next-token predictions")
    with pytest.raises(UnsupportedModelError, match=r"no generated text.*transformers\.GenerationMixin"):
        clip_view.require("generated text")
    ng.view(tiny_model("t5")).require("generated text")
    ng.view(tiny_model("llama")).require("next-token predictions")
    with pytest.raises(UnsupportedModelError, match="switched off by direction of translation"):
        ng.view(tiny_model("t5")).require("next-token predictions")


def test_a_model_without_a_generation_config_is_refused_not_ended_in_an_attribute_error() -> None:
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2
    )
    headless = LlamaModel(config).eval()
    assert not hasattr(headless, "generate")
    without = tiny_model("llama")
    without.generation_config = None
    for model in (headless, without):
        with pytest.raises(UnsupportedModelError, match=r"generation_config = transformers\.GenerationConfig\(\)"):
            generate(ng.view(model), tiny_tokenizer(), tiny_corpus(2), FEW)
    without.generation_config = GenerationConfig()
    assert len(generate(ng.view(without), tiny_tokenizer(), tiny_corpus(2), FEW).ids) == 2


def test_a_forward_that_misses_a_layer_of_clips_is_an_error() -> None:
    located = ng.view(encoder(), family=FAMILY)
    located.model.blocks[1].fc2.forward = lambda hidden: hidden[..., :8]
    located.model.blocks[1].forward = lambda states: states
    with (
        pytest.raises(InterventionError, match="did not pass write of layer 1"),
        ng.interventions.switch_off(located, NeuronSet.of(located.layout, {("encoder", 1): [0]})),
    ):
        located.model(clips()[1].frames[None])
