"""Counts during generation against the same texts read in one pass, and against a plain loop without a cache."""

from dataclasses import replace

import pytest
import torch

from neuroglot.activity.generated import record_generated, record_generation, record_generation_by_row
from neuroglot.activity.recording import Recording
from neuroglot.errors import ConfigError, UnsupportedModelError
from neuroglot.generation.decoding import Decoding, end_tokens, generate
from neuroglot.models import view
from neuroglot.models.checks import available_sites
from tests.families import TINY_CONFIGS, tiny_model
from tests.oracles import activations
from tests.tiny import tiny_corpus, tiny_tokenizer

CORPUS = tiny_corpus(rows=6)
TOKENIZER = tiny_tokenizer()
PROMPTS = [[TOKENIZER(text)["input_ids"] for text in column] for column in CORPUS.texts.values()]
DECODERS = [name for name in TINY_CONFIGS if view(tiny_model(name)).family.kind == "decoder"]
DECODING = Decoding(max_new_tokens=6)

each_decoder = pytest.mark.parametrize("model_type", DECODERS)


def greedy(model, prompt: list[int], end: int) -> list[int]:
    """Greedy decoding by a plain loop over whole texts, without a cache."""
    token_ids = list(prompt)
    for _ in range(DECODING.max_new_tokens):
        with torch.no_grad():
            token_ids.append(int(model(torch.tensor([token_ids])).logits[0, -1].argmax()))
        if token_ids[-1] == end:
            break
    return token_ids[len(prompt) :]


@each_decoder
def test_generated_texts_and_counts_equal_a_plain_loop(model_type: str) -> None:
    located = view(tiny_model(model_type))
    site = available_sites(located)[0]
    end = located.model.generation_config.eos_token_id
    activity, generation = record_generation(located, TOKENIZER, CORPUS, Recording(site=site, tokens="all"), DECODING)
    parts = {
        tokens: record_generation(located, TOKENIZER, CORPUS, Recording(site=site, tokens=tokens), DECODING)[0]
        for tokens in ("prompt", "generated", "last", "steps")
    }
    expected = {tokens: torch.zeros_like(activity.fired[0]) for tokens in ("prompt", "generated", "last", "steps")}
    for language, prompts in enumerate(PROMPTS):
        for row, prompt in enumerate(prompts):
            new = greedy(located.model, prompt, end)
            assert generation.token_ids[CORPUS.languages[language]][row] == tuple(new)
            fired = torch.cat(activations(located.model, prompt + new[:-1], site), dim=1) > 0
            expected["prompt"][language] += fired[1 : len(prompt)].sum(0)  # without <s>
            expected["last"][language] += fired[len(prompt) - 1]
            expected["generated"][language] += fired[len(prompt) :].sum(0)
            expected["steps"][language] += fired[len(prompt) - 1 :].sum(0)
    for tokens, counts in expected.items():
        assert torch.equal(parts[tokens].fired[0], counts), tokens
    assert torch.equal(activity.fired[0], expected["prompt"] + expected["generated"])


@pytest.mark.parametrize("model_type", ["llama", "bloom", "gpt2", "mixtral", "gemma3_text"])
@pytest.mark.parametrize(
    "decoding", [DECODING, replace(DECODING, temperature=1.0, top_p=0.9), replace(DECODING, beams=3)]
)
@pytest.mark.parametrize("tokens", ["all", "prompt", "generated", "last", "steps"])
def test_one_pass_over_the_texts_gives_the_same_counts(model_type: str, decoding: Decoding, tokens) -> None:
    located = view(tiny_model(model_type))
    recording = Recording(site="write", tokens=tokens, statistics=("maximum",))
    activity, generation = record_generation(located, TOKENIZER, CORPUS, recording, decoding)
    again = record_generated(located, generation, recording, token_budget=30)
    assert torch.equal(activity.fired, again.fired)
    assert torch.equal(activity.tokens, again.tokens)
    assert torch.equal(activity.reached, again.reached)
    torch.testing.assert_close(activity.maximum(), again.maximum())
    generated = sum(len(ids) - 1 for column in generation.token_ids.values() for ids in column)
    prompt = sum(len(ids) - 1 for column in PROMPTS for ids in column)
    texts = 3 * len(CORPUS)
    total = {"prompt": prompt, "generated": generated, "last": texts}
    total |= {"all": prompt + generated, "steps": texts + generated}
    assert int(activity.tokens.sum()) == total[tokens]


def test_sampling_is_repeatable_and_seeds_differ() -> None:
    located = view(tiny_model("llama"))
    sampling = Decoding(max_new_tokens=8, temperature=1.5)
    first, again = (generate(located, TOKENIZER, CORPUS, sampling) for _ in range(2))
    other = generate(located, TOKENIZER, CORPUS, replace(sampling, seed=1))
    assert first.token_ids == again.token_ids
    assert first.token_ids != other.token_ids


def test_texts_are_decoded_without_special_tokens_and_prompts_must_leave_room() -> None:
    model = tiny_model("llama")
    located = view(model)
    generation = generate(located, TOKENIZER, CORPUS, DECODING)
    assert not any("<" in text for column in generation.texts.values() for text in column)
    model.config.max_position_embeddings = 16
    short = generate(located, TOKENIZER, CORPUS, DECODING)
    kept = [row for row in range(len(CORPUS)) if max(len(column[row]) for column in PROMPTS) <= 10]
    assert short.ids == tuple(CORPUS.ids[row] for row in kept)


def test_a_text_ends_where_the_model_or_its_tokenizer_says() -> None:
    located, tokenizer = view(tiny_model("llama")), tiny_tokenizer()
    for stated, ends in ((None, [2]), (9, [9, 2]), ([9, 2, 7], [9, 2, 7])):
        located.model.generation_config.eos_token_id = stated
        assert end_tokens(located, tokenizer) == ends
    tokenizer.eos_token = None
    assert end_tokens(located, tokenizer) == [9, 2, 7]


def test_what_cannot_be_generated_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="Expected a decoder"):
        generate(view(tiny_model("bert")), TOKENIZER, CORPUS)
    for options in ({"max_new_tokens": 0}, {"temperature": -1}, {"top_p": 0}, {"beams": 2, "temperature": 1}):
        with pytest.raises(ConfigError, match="Expected one new token"):
            Decoding(**options)
    with pytest.raises(ConfigError, match="histogram"):
        record_generation(view(tiny_model("llama")), TOKENIZER, CORPUS, Recording(statistics=("histogram",)))


@pytest.mark.parametrize("model_type", ["bloom", "llama", "qwen2", "qwen3"])
def test_the_pmi_preset_counts_the_last_position_of_each_step_of_generate(model_type: str) -> None:
    located = view(tiny_model(model_type))
    activity, _ = record_generation(located, TOKENIZER, CORPUS, Recording.pmi(), DECODING)
    for language, prompts in enumerate(PROMPTS):
        positive, zero, steps = 0, 0, 0
        for prompt in prompts:
            rows = last_positions_of_generate(located.model, prompt)
            positive, zero = positive + (rows > 0).sum(0), zero + (rows == 0).sum(0)
            steps += len(rows)
        assert torch.equal(activity.fired[0, language], positive)
        assert int(activity.tokens[language]) == steps
        assert activity.zeros()[language].tolist() == (zero.double() / steps).tolist()


def last_positions_of_generate(model, prompt: list[int]) -> torch.Tensor:
    """What each nonlinearity gave at the last position of each forward of `generate`: `[steps, N]`."""
    by_layer: dict[str, list[torch.Tensor]] = {}
    handles = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: by_layer.setdefault(name, []).append(output[0, -1].clone())
        )
        for name, module in modules_of_nonlinearities(model)
    ]
    ids = torch.tensor([prompt])
    with torch.no_grad():
        model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=DECODING.max_new_tokens, do_sample=False,
            pad_token_id=0,
        )  # fmt: skip
    for handle in handles:
        handle.remove()
    return torch.cat([torch.stack(rows) for rows in by_layer.values()], dim=1)


def modules_of_nonlinearities(model):
    return [
        (name, module)
        for name, module in model.named_modules()
        if name.endswith(("mlp.act_fn", "mlp.gelu_impl"))
    ]  # fmt: skip


@pytest.mark.parametrize("model_type", ["llama", "mixtral"])
@pytest.mark.parametrize("tokens", ["all", "steps", "last"])
def test_how_many_steps_are_counted_together_changes_nothing(model_type: str, tokens, monkeypatch) -> None:
    located = view(tiny_model(model_type))
    recording, decoding = Recording(tokens=tokens, statistics=("zeros", "maximum")), Decoding(max_new_tokens=11)
    found = []
    for together in (1, 2, 5, 100):
        monkeypatch.setattr("neuroglot.activity.generated.STEPS_TOGETHER", together)
        found.append(record_generation_by_row(located, TOKENIZER, CORPUS, recording, decoding))
    (first, first_rows, generation), *others = found
    assert max(len(ids) for column in generation.token_ids.values() for ids in column) > 8
    for activity, rows, _ in others:
        assert torch.equal(activity.fired, first.fired)
        assert torch.equal(activity.tokens, first.tokens)
        assert torch.equal(activity.reached, first.reached)
        assert torch.equal(activity.statistics["zeros"], first.statistics["zeros"])
        assert torch.equal(activity.maximum(), first.maximum())
        assert torch.equal(rows.fired, first_rows.fired)
        assert torch.equal(rows.tokens, first_rows.tokens)
    assert int(first_rows.fired.sum()) == int(first.fired.sum())
