"""Local completions equal the model's own greedy generation of one unpadded prompt after another."""

import pytest

from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.generation.backend import Completion
from neuroglot.generation.decoding import Decoding
from neuroglot.generation.local import LocalBackend
from neuroglot.models import view
from tests.families import TINY_CONFIGS, tiny_model
from tests.inference.oracle import NEW, ending, one_by_one, prompts
from tests.tiny import tiny_tokenizer


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "bloom", "xglm", "t5", "m2m_100", "marian"])
@pytest.mark.parametrize("budget", [1, 60])
def test_batches_equal_one_prompt_at_a_time(model_type: str, budget: int) -> None:
    model, tokenizer, texts = ending(model_type), tiny_tokenizer(), prompts()
    expected = one_by_one(model, tokenizer, texts, keep_truncated=True)
    assert LocalBackend(view(model), tokenizer, budget, keep_truncated=True).complete(texts, NEW) == expected
    assert not model.training


def test_t5_keeps_a_cache_where_transformers_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TINY_CONFIGS, "t5", TINY_CONFIGS["t5"] | {"num_decoder_layers": 2})
    model, tokenizer = ending("t5"), tiny_tokenizer()
    backend = LocalBackend(view(model), tokenizer, keep_truncated=True)
    used = []
    model.register_forward_pre_hook(lambda _, __, given: used.append(given["use_cache"]), with_kwargs=True)
    found = backend.complete(prompts(), NEW)
    assert all(used)
    assert found == one_by_one(model, tokenizer, prompts(), keep_truncated=True)
    assert not all(used)  # the oracle goes without


@pytest.mark.parametrize("model_type", ["llama", "t5"])
def test_a_text_that_does_not_end_is_a_failure(model_type: str) -> None:
    model, tokenizer, texts = ending(model_type), tiny_tokenizer(), prompts(16)
    expected = one_by_one(model, tokenizer, texts)
    assert LocalBackend(view(model), tokenizer).complete(texts, NEW) == expected
    assert {None, "truncated"} <= {completion.failure for completion in expected}


@pytest.mark.parametrize("model_type", ["llama", "m2m_100"])
def test_beams_equal_one_prompt_at_a_time(model_type: str) -> None:
    model, tokenizer, texts, beams = ending(model_type), tiny_tokenizer(), prompts(), Decoding(10, beams=3)
    assert LocalBackend(view(model), tokenizer).complete(texts, beams) == one_by_one(model, tokenizer, texts, beams)


def test_truncated_texts_are_kept_on_request_and_sampling_has_a_seed() -> None:
    backend = LocalBackend(view(tiny_model("llama")), tiny_tokenizer(), keep_truncated=True)
    drawn = [backend.complete(prompts(), Decoding(8, temperature=1.0, seed=seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(completion.failure is None for completion in drawn[0])


def test_too_long_prompts_are_failures_and_change_no_other() -> None:
    model, tokenizer, texts = tiny_model("llama"), tiny_tokenizer(), prompts(4)
    backend, long = LocalBackend(view(model), tokenizer), " ".join(["w1"] * 56)
    assert backend.complete([long, *texts], NEW) == [Completion(None, "over_length", 57), *backend.complete(texts, NEW)]
    assert backend.complete([long.removesuffix(" w1")], NEW)[0].failure != "over_length"
    pair = LocalBackend(view(tiny_model("m2m_100")), tokenizer)
    assert [each.failure == "over_length" for each in pair.complete([long, f"{long} {long}"], NEW)] == [False, True]
    with pytest.raises(ConfigError, match="max_new_tokens"):
        pair.complete(texts, Decoding(64))


@pytest.mark.parametrize("model_type", ["llama", "m2m_100"])
def test_a_text_ends_before_a_stop_string(model_type: str) -> None:
    model, tokenizer, texts = tiny_model(model_type), tiny_tokenizer(), prompts()
    backend = LocalBackend(view(model), tokenizer, keep_truncated=True)
    whole = backend.complete(texts, NEW)
    stop = next(each.text.split()[3] for each in whole if each.text and len(each.text.split()) > 4)
    shorter = counted = 0
    for found, full in zip(backend.complete(texts, NEW, [f" {stop}"]), whole):
        expected = (full.text or "").split(f" {stop}")[0]
        assert (found.text or "") == expected
        words = (full.text or "").split()
        if stop in words[1:] and len(words) == full.generated_tokens:  # each word is one token
            assert found.generated_tokens == words.index(stop, 1) + 1
            counted += 1
        shorter += (found.text or "") != (full.text or "")
    assert shorter
    assert counted
    fails = LocalBackend(view(model), tokenizer).complete(texts, NEW, [f" {stop}"])
    assert sum(each.failure is None for each in fails) >= shorter


def test_messages_are_written_by_the_chat_template() -> None:
    model, tokenizer = tiny_model("llama"), tiny_tokenizer()
    backend = LocalBackend(view(model), tokenizer)
    messages = [[{"role": "user", "content": text}] for text in prompts(5)]
    assert not backend.chat
    with pytest.raises(ConfigError, match="chat template"):
        backend.complete(messages, NEW)
    tokenizer.chat_template = (
        "{% for message in messages %}{{ '<s> w1 ' + message['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}{{ ' w2 w3' }}{% endif %}"
    )
    assert backend.chat
    plain = tiny_tokenizer(bos=False)
    written = [plain(f"<s> w1 {message[0]['content']} w2 w3")["input_ids"] for message in messages]
    assert backend.complete(messages, NEW) == one_by_one(model, tokenizer, written)
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(ConfigError, match="roles must alternate"):
        backend.complete(messages, NEW)


def test_encoders_and_prompts_without_tokens_are_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="is an encoder"):
        LocalBackend(view(tiny_model("bert")), tiny_tokenizer())
    assert LocalBackend(view(tiny_model("llama")), tiny_tokenizer()).complete([], NEW) == []
