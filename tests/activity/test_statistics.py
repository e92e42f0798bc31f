"""Statistics beside counts, against a plain loop over texts and tokens, for every family."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.activity.activity import Activity
from neuroglot.activity.record import record, record_several
from neuroglot.activity.recording import HISTOGRAM_EDGES, Recording
from neuroglot.activity.tallies import count_true
from neuroglot.errors import ConfigError
from neuroglot.models import view
from neuroglot.models.checks import available_sites
from tests.families import TINY_CONFIGS, tiny_model
from tests.oracles import activations
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus()
TOKENIZER = tiny_tokenizer()
TOKEN_IDS = [[TOKENIZER(text)["input_ids"] for text in column] for column in CORPUS.texts.values()]
EVERYTHING = ("moments", "magnitude", "maximum", "histogram", "zeros")
SAMPLED_EVERY = 32

each_family = pytest.mark.parametrize("model_type", TINY_CONFIGS)


def values_by_neuron(model: torch.nn.Module, site: str, language: int) -> tuple[list[list[float]], list[list[float]]]:
    """For each neuron its activations on all counted tokens, and those on sampled ones."""
    pair, everything, sampled = model.config.is_encoder_decoder, None, None
    for row, token_ids in enumerate(TOKEN_IDS[language]):
        layers = activations(model, token_ids, site)
        neurons = [(layer, n) for layer in range(len(layers)) for n in range(layers[layer].shape[1])]
        everything = everything or [[] for _ in neurons]
        sampled = sampled or [[] for _ in neurons]
        for place, (layer, n) in enumerate(neurons):
            shifted = pair and layer >= model.config.num_hidden_layers
            for position in range(2 if shifted else 1, len(token_ids)):
                value = float(layers[layer][position, n])
                if value > -math.inf:  # -inf: an expert that the token was not routed to
                    everything[place].append(value)
                    if (position + 7 * row + 3 * language) % SAMPLED_EVERY == 0:
                        sampled[place].append(value)
    assert everything is not None
    assert sampled is not None
    return everything, sampled


@each_family
def test_statistics_equal_the_oracle_whatever_the_batch(model_type: str) -> None:
    located = view(tiny_model(model_type))
    site = available_sites(located)[-1]
    oracles = [values_by_neuron(located.model, site, language) for language in range(3)]
    for token_budget in (30, 4096):
        recording = Recording(site=site, statistics=EVERYTHING)
        activity = record(located, TOKENIZER, CORPUS, recording, token_budget=token_budget)
        assert torch.equal(activity.fired, record(located, TOKENIZER, CORPUS, Recording(site=site)).fired)
        for language, (values, sampled) in enumerate(oracles):
            check_statistics(activity, language, values)
            check_histogram(activity, language, sampled)


def check_statistics(activity: Activity, language: int, values: list[list[float]]) -> None:
    means, variances = activity.mean()[language].tolist(), activity.variance()[language].tolist()
    magnitudes, maxima = activity.mean_magnitude()[language].tolist(), activity.maximum()[language].tolist()
    zeros = activity.zeros()[language].tolist()
    for neuron, of_neuron in enumerate(values):
        if not of_neuron:
            assert math.isnan(means[neuron])
            assert maxima[neuron] == -math.inf
            continue
        mean = math.fsum(of_neuron) / len(of_neuron)
        assert zeros[neuron] == sum(value == 0 for value in of_neuron) / len(of_neuron)
        assert means[neuron] == pytest.approx(mean, rel=1e-4, abs=1e-5)
        variance = math.fsum((value - mean) ** 2 for value in of_neuron) / len(of_neuron)
        assert variances[neuron] == pytest.approx(variance, rel=1e-3, abs=1e-5)
        magnitude = math.fsum(map(abs, of_neuron)) / len(of_neuron)
        assert magnitudes[neuron] == pytest.approx(magnitude, rel=1e-4, abs=1e-5)
        assert maxima[neuron] == pytest.approx(max(of_neuron), rel=1e-4, abs=1e-5)


def check_histogram(activity: Activity, language: int, sampled: list[list[float]]) -> None:
    found = activity.statistics["histogram"][language]
    assert found.sum(-1).tolist() == [len(of_neuron) for of_neuron in sampled]
    medians = activity.quantile(0.5)[language].tolist()
    misplaced = 0  # a value next to an edge may fall on either side of it in another batch
    for neuron, of_neuron in enumerate(sampled):
        expected = [0] * (len(HISTOGRAM_EDGES) + 1)
        for value in of_neuron:
            expected[sum(edge < value for edge in HISTOGRAM_EDGES)] += 1
        misplaced += expected != found[neuron].tolist()
        if not of_neuron:
            assert math.isnan(medians[neuron])
        elif expected == found[neuron].tolist():
            median = sorted(of_neuron)[math.ceil(0.5 * len(of_neuron)) - 1]
            assert medians[neuron] == next(edge for edge in (*HISTOGRAM_EDGES, math.inf) if median <= edge)
    assert misplaced <= 0.02 * len(sampled)


@given(st.integers(0, 700), st.sampled_from([1, 7, 8, 24, 40]), st.floats(0, 1))
def test_columns_are_counted_exactly(rows: int, columns: int, share: float) -> None:
    fired = torch.rand(rows, columns, generator=torch.Generator().manual_seed(rows)) < share
    assert count_true(fired).tolist() == [int(sum(fired[:, column].tolist())) for column in range(columns)]


def test_a_counter_of_one_byte_does_not_overflow() -> None:
    assert count_true(torch.ones(5000, 16, dtype=torch.bool)).tolist() == [5000] * 16


def test_several_recordings_in_one_pass_equal_one_pass_each() -> None:
    located = view(tiny_model("llama"))
    recordings = [
        Recording(statistics=("maximum",)), Recording(site="write", fires=(0.0, 0.1)), Recording.lape(),
        Recording.sharing_matters(),
    ]  # fmt: skip
    together = record_several(located, TOKENIZER, CORPUS, recordings)
    for activity, recording in zip(together, recordings, strict=True):
        alone = record(located, TOKENIZER, CORPUS, recording)
        assert torch.equal(activity.fired, alone.fired)
        assert activity.signature == alone.signature
        assert activity.statistics.keys() == alone.statistics.keys()


def test_halves_combine_and_a_file_keeps_everything(tmp_path: object) -> None:
    located = view(tiny_model("llama"))
    recording = Recording(statistics=EVERYTHING)
    first, second = (record(located, TOKENIZER, part, recording) for part in CORPUS.split(0.4))
    whole, merged = record(located, TOKENIZER, CORPUS, recording), first + second
    torch.testing.assert_close(merged.mean(), whole.mean(), rtol=1e-4, atol=1e-6)
    assert torch.allclose(merged.maximum(), whole.maximum(), rtol=1e-5)
    loaded = Activity.load(whole.save(tmp_path / "activity.safetensors"))  # type: ignore[operator]
    assert loaded.statistics.keys() == whole.statistics.keys()
    assert all(torch.equal(loaded.statistics[name], values) for name, values in whole.statistics.items())
    assert loaded.recording == recording


def test_a_statistic_that_was_not_kept_is_refused_by_name() -> None:
    activity = record(view(tiny_model("llama")), TOKENIZER, CORPUS)
    for reading, name in ((activity.mean, "moments"), (activity.maximum, "maximum")):
        with pytest.raises(ConfigError, match=f"'{name}' was not recorded"):
            reading()
    with pytest.raises(ConfigError, match="statistics='median'"):
        Recording(statistics=("median",))  # type: ignore[arg-type]
