"""Values from activities, steering files, and the commands around them."""

from dataclasses import replace

import pytest
import torch

from neuroglot.activity.activity import Activity
from neuroglot.activity.record import record
from neuroglot.activity.recording import Recording
from neuroglot.errors import ArtifactError, ConfigError, LayoutMismatchError
from neuroglot.interventions.operators import add, language_arithmetic, multiply, set_to, two_set_scaling, values_of
from neuroglot.interventions.steering import Steering, steering
from neuroglot.models import view
from neuroglot.neurons import NeuronSet
from neuroglot.storage import load_tensors, save_tensors
from tests.families import tiny_model
from tests.interventions.test_steering import indices, logits, numbers, some
from tests.oracles import activations
from tests.tiny import tiny_corpus, tiny_tokenizer

TOKENIZER, CORPUS = tiny_tokenizer(), tiny_corpus(rows=5)


def recorded(model_type: str = "llama", site: str = "write") -> Activity:
    recording = Recording(site=site, statistics=("moments", "histogram"))  # type: ignore[arg-type]
    return record(view(tiny_model(model_type)), TOKENIZER, CORPUS, recording)


@pytest.mark.parametrize("site", ["write", "post_act"])
def test_values_equal_plain_means(site: str) -> None:
    activity, model = recorded("llama", site), tiny_model("llama")
    means = {}
    for language, column in CORPUS.texts.items():
        rows = [torch.cat(activations(model, TOKENIZER(text)["input_ids"], site), dim=1)[1:] for text in column]
        means[language] = torch.cat(rows).mean(0)
    others = (means["sw"] + means["zh"]) / 2
    for reading, expected in {
        "mean": means["de"],
        "mean of others": others,
        "mean minus others": means["de"] - others,
    }.items():
        found = values_of(activity, "de", reading)  # type: ignore[arg-type]
        assert found.site == site
        torch.testing.assert_close(found.values, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        values_of(activity, "sw", "quantile", 0.5).values, activity.quantile(0.5)[1].float(), equal_nan=True
    )


def test_values_bring_their_site_and_refuse_another() -> None:
    activity = recorded(site="post_act")
    values, neurons = values_of(activity, "de"), some(view(tiny_model("llama")), 1)
    assert add(neurons, values).site == "post_act"
    written = values_of(recorded(site="write"), "de")
    for given, site in ((values, "post_act"), (written, "write"), (2.0, "post_act")):
        assert [step.site for step in language_arithmetic(neurons, neurons, given)] == [site] * 2
    with pytest.raises(ConfigError, match="Expected the same site"):
        set_to(neurons, values, site="write")
    with pytest.raises(ConfigError, match="Name one of them"):
        values_of(activity, "fr")
    with pytest.raises(LayoutMismatchError):
        add(some(view(tiny_model("bloom")), 1), values)


def test_neurons_that_were_never_reached_have_no_value_and_are_refused_by_name() -> None:
    located = view(tiny_model("mixtral"))
    activity = recorded("mixtral")
    reached, statistics = activity.reached.clone(), dict(activity.statistics)
    fired = activity.fired.clone()
    width = located.layout.network_widths[0]
    reached[0, 0], fired[:, 0, :width] = 0, 0
    statistics["sum"] = statistics["sum"].clone()
    statistics["sum"][0, :width] = 0
    values = values_of(replace(activity, reached=reached, fired=fired, statistics=statistics), "de")
    everything = NeuronSet(located.layout, torch.ones(located.layout.neuron_count, dtype=torch.bool))
    with pytest.raises(ConfigError, match=f"{width} of .* neurons have no finite value"):
        add(everything, values)
    assert len(add(everything & values.known(), values).neurons) == located.layout.neuron_count - width


@pytest.mark.parametrize("model_type", ["llama", "bloom", "mixtral"])
def test_files_round_trip_exactly(model_type: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    located = view(tiny_model(model_type))
    a, b, v = some(located, 1), some(located, 2), numbers(located, 3)
    steps = (set_to(a, -0.5), add(b, v, 0.7), multiply(a, 1.2, "post_act"), *two_set_scaling(a, b, site="post_act"))
    made = Steering((*steps, add(b, values_of(recorded(model_type), "de"), 0.5)))
    first = made.save(tmp_path / "first.safetensors").read_bytes()
    loaded = Steering.load(tmp_path / "first.safetensors", located.layout)
    assert loaded.save(tmp_path / "second.safetensors").read_bytes() == first
    assert loaded.signature == made.signature
    assert [step.origin for step in loaded.steps] == [step.origin for step in made.steps]
    with steering(located, made):
        expected = logits(located)
    with steering(located, loaded):
        assert torch.equal(logits(located), expected)
    assert Steering(steps, "prompt").signature != Steering(steps).signature
    assert Steering((set_to(a),)).signature != Steering((set_to(b),)).signature


def test_other_layouts_and_damaged_files_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    located, path = view(tiny_model("llama")), tmp_path / "steering.safetensors"
    made = Steering((add(some(located, 1), numbers(located, 3)),), "generated")
    made.save(path)
    with pytest.raises(LayoutMismatchError, match="same model architecture"):
        Steering.load(path, view(tiny_model("bloom")).layout)
    with pytest.raises(LayoutMismatchError), steering(view(tiny_model("bloom")), Steering.load(path)):
        pass
    some(located, 1).save(tmp_path / "neurons.safetensors")
    with pytest.raises(ArtifactError, match="Expected 'steering'"):
        Steering.load(tmp_path / "neurons.safetensors")
    tensors, header = load_tensors(path, "steering")
    step = header["steps"][0]
    damaged_headers = [
        header | {"scope": "last"}, header | {"scope": "all"}, header | {"steps": []}, header | {"steps": [step, step]},
        header | {"steps": [step | {"operator": "multiply"}]}, header | {"steps": [step | {"operator": "eval"}]},
        header | {"steps": [step | {"site": "residual"}]}, {key: header[key] for key in ("layout", "scope", "steps")},
    ]  # fmt: skip
    indices_, values = tensors["0.indices"], tensors["0.values"]
    damaged_tensors = [
        {}, {"0.indices": indices_ + 10**6, "0.values": values}, {"0.indices": indices_ - 10**6, "0.values": values},
        {"0.indices": indices_, "0.values": values * float("nan")}, {"0.indices": indices_, "0.values": values[1:]},
        {"0.indices": indices_, "0.values": values + 1},
    ]  # fmt: skip
    for found in [(tensors, damaged) for damaged in damaged_headers] + [(wrong, header) for wrong in damaged_tensors]:
        save_tensors(path, "steering", *found)
        with pytest.raises(ArtifactError):
            Steering.load(path)


def test_steerings_join_where_their_scope_is_the_same() -> None:
    located = view(tiny_model("llama"))
    one, two = Steering((set_to(some(located, 1)),)), Steering((add(some(located, 2), 1.0),))
    assert [step.operator for step in (one + two).steps] == ["set", "add"]
    with pytest.raises(ConfigError, match="Nest two blocks"):
        _ = one + Steering(two.steps, "prompt")


def test_indices_of_the_helper_are_those_of_the_set() -> None:
    located = view(tiny_model("llama"))
    assert len(indices(some(located, 1))) == len(some(located, 1))
