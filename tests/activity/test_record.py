"""Counts against a plain loop over texts and tokens, for every family."""

from dataclasses import replace

import pytest
import torch

from neuroglot.activity.record import record, record_several_sharings, record_sharing
from neuroglot.activity.recording import Recording
from neuroglot.errors import ConfigError, CorpusError, LayoutMismatchError
from neuroglot.models import view
from neuroglot.models.checks import available_sites
from neuroglot.neurons import layer_shares_by_row
from tests.families import TINY_CONFIGS, tiny_model
from tests.oracles import activations, categories, count_fired
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus()
TOKENIZER = tiny_tokenizer()
TOKEN_IDS = [[TOKENIZER(text)["input_ids"] for text in column] for column in CORPUS.texts.values()]

each_family = pytest.mark.parametrize("model_type", TINY_CONFIGS)


@each_family
def test_counts_equal_the_oracle_whatever_the_batch(model_type: str) -> None:
    located = view(tiny_model(model_type))
    for site in available_sites(located):
        fired, tokens = count_fired(located.model, TOKEN_IDS, site, 0.1, last=False)
        for token_budget in (1, 40, 4096):
            activity = record(located, TOKENIZER, CORPUS, Recording(site=site, fires=0.1), token_budget=token_budget)
            assert activity.fired[0].tolist() == fired
            assert activity.tokens.tolist() == tokens


@each_family
def test_last_token_counts_equal_the_oracle(model_type: str) -> None:
    located = view(tiny_model(model_type))
    site = available_sites(located)[0]
    activity = record(located, TOKENIZER, CORPUS, replace(Recording.sharing_matters(), site=site))
    fired, tokens = count_fired(located.model, TOKEN_IDS, site, 0.0, last=True)
    assert (activity.fired[0].tolist(), activity.tokens.tolist()) == (fired, tokens)


@each_family
def test_categories_equal_the_oracle_whatever_the_batch(model_type: str) -> None:
    located = view(tiny_model(model_type))
    site = available_sites(located)[0]
    recording = replace(Recording.sharing_matters(), site=site)
    sharing = record_sharing(located, TOKENIZER, CORPUS, recording)
    again = record_sharing(located, TOKENIZER, CORPUS, recording, token_budget=1)
    assert torch.equal(sharing.histogram, again.histogram)
    assert torch.equal(sharing.by_row, again.by_row)
    shares = layer_shares_by_row(sharing)
    for row in range(len(CORPUS)):
        layers = [activations(located.model, language[row], site) for language in TOKEN_IDS]
        for layer in range(len(layers[0])):
            active = [(language[layer][-1] > 0).tolist() for language in layers]
            width = len(active[0])
            assert shares[row, layer].tolist() == [count / width for count in categories(active).values()]


def test_several_thresholds_in_one_pass_equal_one_pass_each() -> None:
    located = view(tiny_model("llama"))
    together = record(located, TOKENIZER, CORPUS, Recording(fires=(0.0, 0.2, -0.1)))
    for place, threshold in enumerate((0.0, 0.2, -0.1)):
        alone = record(located, TOKENIZER, CORPUS, Recording(fires=threshold))
        assert torch.equal(together.fired[place], alone.fired[0])
        assert torch.equal(together.rates(threshold), alone.rates())
    with pytest.raises(ConfigError, match=r"threshold 0.3 was asked for.*0.0, 0.2, -0.1"):
        together.rates(0.3)


def test_special_tokens_count_only_on_request() -> None:
    located = view(tiny_model("llama"))
    without = record(located, TOKENIZER, CORPUS)
    with_special = record(located, TOKENIZER, CORPUS, Recording(special_tokens=True))
    assert (with_special.tokens - without.tokens).tolist() == [len(CORPUS)] * 3


@each_family
def test_halves_add_up_to_one_pass_in_either_order(model_type: str) -> None:
    located = view(tiny_model(model_type))
    recording = Recording(site=available_sites(located)[0])
    whole = record(located, TOKENIZER, CORPUS, recording)
    first, second = (record(located, TOKENIZER, part, recording) for part in CORPUS.split(0.4))
    for merged in (first + second, second + first):
        assert torch.equal(merged.fired, whole.fired)
        assert torch.equal(merged.tokens, whole.tokens)
    assert (first + second).signature == (second + first).signature


def test_activities_that_do_not_belong_together_do_not_add() -> None:
    located = view(tiny_model("llama"))
    activity = record(located, TOKENIZER, CORPUS)
    first, second = CORPUS.split(0.4)
    with pytest.raises(LayoutMismatchError, match="counts twice"):
        activity + activity
    with pytest.raises(LayoutMismatchError, match="all but the corpus"):
        record(located, TOKENIZER, first) + record(located, TOKENIZER, second, Recording(site="write"))
    with pytest.raises(LayoutMismatchError, match="Expected decoder 3×24"):
        record(located, TOKENIZER, first) + record(view(tiny_model("bloom")), TOKENIZER, second)


def test_rows_with_an_over_long_text_are_left_out_whole_and_counted() -> None:
    model = tiny_model("llama")
    model.config.max_position_embeddings = 10
    long = max(max(len(ids) for ids in column) for column in TOKEN_IDS)
    assert long > 10
    kept = [row for row in range(len(CORPUS)) if max(len(column[row]) for column in TOKEN_IDS) <= 10]
    activity = record(view(model), TOKENIZER, CORPUS)
    fields = dict(activity.signature.fields)
    assert (fields["rows"], fields["rows_dropped"]) == (len(kept), len(CORPUS) - len(kept))
    assert torch.equal(activity.fired, record(view(model), TOKENIZER, CORPUS.take(kept)).fired)
    model.config.max_position_embeddings = 1
    with pytest.raises(CorpusError, match="more than 1 tokens"):
        record(view(model), TOKENIZER, CORPUS)


def test_sharing_refuses_what_it_is_not_defined_for() -> None:
    located = view(tiny_model("llama"))
    with pytest.raises(ConfigError, match="two languages or more"):
        record_sharing(located, TOKENIZER, CORPUS.select(["de"]))
    with pytest.raises(ConfigError, match="one threshold"):
        record_sharing(located, TOKENIZER, CORPUS, Recording(fires=(0.0, 1.0)))
    with pytest.raises(ConfigError, match="no other statistics"):
        record_sharing(located, TOKENIZER, CORPUS, Recording(statistics=("moments",)))
    with pytest.raises(ConfigError, match="record_generation"):
        record_sharing(located, TOKENIZER, CORPUS, Recording(tokens="generated"))


def test_sharing_over_all_tokens_is_about_texts_on_which_a_neuron_fires_at_all() -> None:
    for model_type in ("llama", "opt", "mixtral"):
        located = view(tiny_model(model_type))
        recordings = [Recording(tokens="all"), Recording.sharing_matters(), Recording(tokens="all", fires=0.3)]
        for recording, sharing in zip(recordings, record_several_sharings(located, TOKENIZER, CORPUS, recordings)):
            for row in range(len(CORPUS)):
                layers = [activations(located.model, language[row], "post_act") for language in TOKEN_IDS]
                for layer in range(len(layers[0])):
                    of_languages = [language[layer][-1 if recording.tokens == "last" else 1 :] for language in layers]
                    fired = torch.stack(
                        [(values.reshape(-1, values.shape[-1]) > recording.fires[0]).any(0) for values in of_languages]
                    )
                    assert sharing.active[row, layer].tolist() == fired.sum(1).tolist()
                    expected = [int((fired.sum(0) == count).sum()) for count in range(4)]
                    assert sharing.by_row[row, layer].tolist() == expected


def test_recording_leaves_weights_mode_and_outputs_alone() -> None:
    model = tiny_model("llama").train()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    record(view(model), TOKENIZER, CORPUS)
    assert model.training
    assert all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"site": "gate"}, "site='gate'.*'post_act', 'write'"),
        ({"tokens": "first"}, "tokens='first'"),
        ({"fires": ()}, "thresholds"),
        ({"fires": float("nan")}, "finite"),
        ({"fires": (0.0, 0.0)}, "each once"),
    ],
)
def test_recordings_outside_the_definition_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Recording(**options)
