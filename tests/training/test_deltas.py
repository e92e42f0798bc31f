"""Tuning of neurons: only their rows and columns change, zero deltas change nothing, merged equals unmerged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError, UnsupportedModelError
from neuroglot.layout import Layout
from neuroglot.models import view
from neuroglot.models.feedforward import feed_forwards
from neuroglot.models.view import ModelView
from neuroglot.neurons import NeuronSet, at_random_like
from neuroglot.recipes.export import Export
from neuroglot.signature import Signature
from neuroglot.storage import Kept
from neuroglot.training import Lora, TuningConfig, tune
from neuroglot.training.deltas import NeuronDeltas, merge, tunable, tuned_deltas
from tests.families import EVERY_FAMILY, forward_inputs, tiny_model
from tests.tiny import tiny_tokenizer
from tests.training.making import examples
from tests.training.test_tuning import Stopping

MADE_WITH = Signature.of(model="tiny")
TOKENS = torch.randint(3, 60, (2, 9), generator=torch.Generator().manual_seed(5))
DECODERS = [family.model_type for family in EVERY_FAMILY if family.predicts_next]


def some_neurons(layout: Layout, seed: int = 0) -> NeuronSet:
    members = torch.rand(layout.neuron_count, generator=torch.Generator().manual_seed(seed)) < 0.2
    return NeuronSet(layout, members, Signature.of(rule="random"))


def logits(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        return model(**forward_inputs(model.config.model_type, TOKENS)).logits.double()


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def is_dense(viewed: ModelView) -> bool:
    try:
        return bool(feed_forwards(viewed))
    except UnsupportedModelError:
        return False


def step(model: PreTrainedModel, rate: float = 0.05) -> None:
    """One step of plain gradient descent on what takes gradients."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    inputs = forward_inputs(model.config.model_type, TOKENS)
    with torch.enable_grad():
        model(**inputs, labels=TOKENS).loss.backward()
    with torch.no_grad():
        for parameter in trained:
            parameter -= rate * parameter.grad
    model.zero_grad(set_to_none=True)


def may_change(viewed: ModelView, neurons: NeuronSet) -> Iterator[tuple[str, Tensor]]:
    """By the name of a weight, a mask of the numbers in it that belong to these neurons."""
    names = {module: name for name, module in viewed.model.named_modules()}
    networks = feed_forwards(viewed)
    for layer, members in viewed.layout.by_layer(neurons.members):
        network = networks[layer]
        for module in (*network.up, network.down):
            is_down, is_conv1d = module is network.down, type(module).__name__ == "Conv1D"
            chosen = members if is_down else members.repeat(network.halves)
            mask = torch.zeros(module.weight.shape, dtype=torch.bool)
            (mask if is_down == is_conv1d else mask.T)[chosen] = True
            yield f"{names[module]}.weight", mask
            if not is_down and module.bias is not None:
                yield f"{names[module]}.bias", chosen


@pytest.mark.parametrize("model_type", DECODERS)
def test_only_rows_and_columns_of_the_neurons_are_tuned(model_type: str) -> None:
    model = tiny_model(model_type)
    viewed, before, untouched = view(model), weights(model), logits(model)
    neurons = some_neurons(viewed.layout)
    if not is_dense(viewed):
        with pytest.raises(UnsupportedModelError, match="feed-forward network"), tunable(viewed, neurons):
            pass
        return
    with tunable(viewed, neurons):
        assert torch.equal(logits(model), untouched)
        step(model)
        step(model)
        tuned = logits(model)
        deltas = tuned_deltas(viewed, neurons, MADE_WITH)
        assert {
            name: tensor for name, tensor in model.state_dict().items() if "delta_" not in name
        }.keys() == before.keys()
        assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert weights(model).keys() == before.keys()
    assert torch.equal(logits(model), untouched)
    assert all(parameter.requires_grad for parameter in model.parameters())
    merge(viewed, deltas)
    scale = float(tuned.abs().max())
    assert float((tuned - untouched).abs().max()) > 1e-3 * scale
    assert float((logits(model) - tuned).abs().max()) <= 2e-6 * scale
    allowed, after = dict(may_change(viewed, neurons)), weights(model)
    changed = {name: (after[name] != tensor) & ~after[name].isnan() for name, tensor in before.items()}
    for name, mask in changed.items():
        assert not bool((mask & ~allowed.get(name, torch.zeros_like(mask))).any()), name
    assert {name for name, mask in changed.items() if bool(mask.any())} == {
        n for n, m in allowed.items() if bool(m.any())
    }


def test_the_gradient_is_that_of_the_rows_in_full_tuning() -> None:
    masked, full = tiny_model("gpt2"), tiny_model("gpt2")
    viewed = view(masked)
    neurons = some_neurons(viewed.layout)
    with tunable(viewed, neurons):
        step(masked)
        merge_later = tuned_deltas(viewed, neurons, MADE_WITH)
    step(full)
    merge(viewed, merge_later)
    for name, mask in may_change(viewed, neurons):
        torch.testing.assert_close(masked.state_dict()[name][mask], full.state_dict()[name][mask], rtol=1e-5, atol=1e-6)


def tuned_on_neurons(save: str = "merged", **options):  # type: ignore[no-untyped-def]
    model = tiny_model("llama")
    neurons = some_neurons(view(model).layout)
    config = TuningConfig(
        steps=6, batch_size=3, learning_rate=1e-2, neurons=neurons, weight_decay=0.1, save=save, checkpoint_every=2
    )
    return tune(model, tiny_tokenizer(), examples(), config, **options)


def test_deltas_are_saved_loaded_merged_and_taken_away(tmp_path: Path) -> None:
    alone, merged = tuned_on_neurons("adapter"), tuned_on_neurons()
    base = weights(tiny_model("llama"))
    assert all(torch.equal(tensor, base[name]) for name, tensor in weights(alone.model).items())
    alone.save(tmp_path / "alone")
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["deltas.safetensors"]
    loaded = NeuronDeltas.load(tmp_path / "alone" / "deltas.safetensors")
    assert (loaded.hash, loaded.signature) == (alone.deltas.hash, alone.deltas.signature)
    assert loaded.signature["neurons"] == len(loaded.neurons)
    merge(view(alone.model), loaded)
    assert all(torch.equal(tensor, weights(merged.model)[name]) for name, tensor in weights(alone.model).items())
    merge(view(alone.model), loaded.scaled(-1))
    for name, tensor in weights(alone.model).items():
        torch.testing.assert_close(tensor, base[name], rtol=0, atol=1e-6)


def test_exported_deltas_are_subtracted_again(tmp_path: Path) -> None:
    """Each changed weight is w + d − d in float32: back within the rounding of one sum; all others to the bit."""
    tiny_model("llama").save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path / "model"), tiny_tokenizer()
    neurons = some_neurons(view(model).layout)
    config = TuningConfig(steps=3, batch_size=3, learning_rate=1e-2, neurons=neurons, save="adapter")
    tune(model, tokenizer, examples(), config).save(tmp_path / "tuned")
    deltas = tmp_path / "tuned" / "deltas.safetensors"
    Export(model=str(tmp_path / "model"), deltas=deltas).run(tmp_path / "added")
    Export(model=str(tmp_path / "added"), deltas=deltas, subtract=True).run(tmp_path / "back")
    base, added, back = (load_file(tmp_path / name / "model.safetensors") for name in ("model", "added", "back"))
    for name, weight in base.items():
        most = torch.finfo(torch.float32).eps * torch.maximum(weight.abs(), added[name].abs())
        assert bool(((back[name] - weight).abs() <= most).all()), name
        assert torch.equal(back[name][added[name] == weight], weight[added[name] == weight]), name
    assert any(not torch.equal(weight, added[name]) for name, weight in base.items())
    with pytest.raises(ConfigError, match="learned on a model with the weights"):
        Export(model=str(tmp_path / "added"), deltas=deltas).run(tmp_path / "twice")
    with pytest.raises(ConfigError, match="to be subtracted"):
        Export(model=str(tmp_path / "model"), ablate=deltas, subtract=True).run(tmp_path / "none")


def test_a_resumed_tuning_of_neurons_ends_with_the_same_deltas(tmp_path: Path) -> None:
    whole = tuned_on_neurons()
    kept = Kept(tmp_path / "kept")
    with pytest.raises(KeyboardInterrupt):
        tuned_on_neurons(kept=kept, on_step=Stopping(5))
    steps: list[int] = []
    part = tuned_on_neurons(kept=kept, on_step=lambda step, *_: steps.append(step))
    assert steps == [5, 6]
    assert (part.losses, part.deltas.hash) == (whole.losses, whole.deltas.hash)


@pytest.mark.parametrize("options", [{"bf16": True}, {"gradient_checkpointing": True}], ids=str)
def test_deltas_are_learned_in_every_way_of_computing(options: dict[str, bool]) -> None:
    model = tiny_model("llama")
    neurons = some_neurons(view(model).layout)
    base = {"steps": 4, "batch_size": 3, "learning_rate": 1e-2, "neurons": neurons}
    plain = tune(model, tiny_tokenizer(), examples(), TuningConfig(**base))
    other = tune(tiny_model("llama"), tiny_tokenizer(), examples(), TuningConfig(**base, **options))
    for name, value in plain.deltas.values.items():
        assert other.deltas.values[name].dtype == torch.float32
        away = float((value - other.deltas.values[name]).abs().mean()) / float(value.abs().mean())
        assert away < (0.1 if "bf16" in options else 1e-5)


def test_deltas_of_a_model_in_half_precision_are_float32_and_merge_by_rounding() -> None:
    model = tiny_model("llama").bfloat16()
    neurons = some_neurons(view(model).layout)
    config = TuningConfig(steps=3, batch_size=3, learning_rate=1e-2, neurons=neurons)
    tuned = tune(model, tiny_tokenizer(), examples(), config)
    assert {value.dtype for value in tuned.deltas.values.values()} == {torch.float32}
    base = tiny_model("llama").bfloat16().state_dict()["model.layers.0.mlp.up_proj.weight"]
    rows = torch.tensor(neurons.indices()["decoder", 0])
    expected = (base[rows].float() + tuned.deltas.values["decoder.0.up1.delta_rows"]).bfloat16()
    assert torch.equal(model.state_dict()["model.layers.0.mlp.up_proj.weight"][rows], expected)


def test_neurons_at_random_are_as_many_in_each_layer_and_others() -> None:
    neurons = some_neurons(view(tiny_model("llama")).layout)
    control = at_random_like(neurons, 3)
    assert control.counts_by_layer() == neurons.counts_by_layer()
    assert control != neurons


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    viewed = view(tiny_model("llama"))
    neurons = some_neurons(viewed.layout)
    with pytest.raises(ConfigError, match="no members"), tunable(viewed, NeuronSet.empty(viewed.layout)):
        pass
    other = some_neurons(Layout((("decoder", (5,)),)))
    with pytest.raises(LayoutMismatchError), tunable(viewed, other):
        pass
    with pytest.raises(ConfigError, match="hold nothing for decoder"):
        merge(viewed, NeuronDeltas(neurons, {}, MADE_WITH))
    with tunable(viewed, neurons):
        deltas = tuned_deltas(viewed, neurons, MADE_WITH)
    name = next(iter(deltas.values))
    nan = NeuronDeltas(neurons, {**deltas.values, name: deltas.values[name] * float("nan")}, MADE_WITH)
    with pytest.raises(ArtifactError, match="finite"):
        NeuronDeltas.load(nan.save(tmp_path / "nan.safetensors"))
    for options in ({"lora": Lora()}, {"modules": ("mlp",)}, {"frozen": ("mlp",)}):
        with pytest.raises(ConfigError):
            TuningConfig(steps=1, neurons=neurons, **options)


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"modules": ("embeddings",)}, "model.embed_tokens"),
        ({"modules": ("unembedding",)}, "lm_head"),
        ({"modules": ("layers.1.mlp",)}, "model.layers.1.mlp."),
        ({"frozen": ("embeddings", "layers", "norm")}, "lm_head"),
    ],
)
def test_modules_are_trained_or_frozen_by_name(options: dict[str, tuple[str, ...]], changed: str) -> None:
    model = tiny_model("llama")
    before = weights(model)
    tune(model, tiny_tokenizer(), examples(), TuningConfig(steps=1, learning_rate=1e-2, **options))
    differing = {name for name, tensor in weights(model).items() if not torch.equal(tensor, before[name])}
    assert differing == {name for name in before if name.startswith(changed)}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_unknown_modules_are_refused_by_name() -> None:
    for options, message in (
        ({"modules": ("mlpp",)}, "no module 'mlpp'"),
        ({"frozen": ("model", "lm_head")}, "is left"),
    ):
        with pytest.raises(ConfigError, match=message):
            tune(tiny_model("llama"), tiny_tokenizer(), examples(), TuningConfig(steps=1, **options))
