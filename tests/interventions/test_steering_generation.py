"""Steered generation with a cache against a step-by-step loop without one; beams, batches, scopes."""

import copy

import pytest
import torch
from torch import Tensor

from neuroglot.errors import InterventionError
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.interventions.operators import Step, add, multiply, set_to
from neuroglot.interventions.steering import steering
from neuroglot.models import ModelView, view
from tests.families import TINY_CONFIGS, family_named, tiny_model
from tests.interventions.steering_oracle import Change, greedy, plainly
from tests.interventions.test_steering import indices, numbers, some
from tests.tiny import tiny_corpus, tiny_tokenizer

SCOPES = ("all", "prompt", "generated")
DENSE = ("llama", "gpt2", "bloom", "opt", "gemma2", "gemma3_text", "gpt_neox", "xglm", "falcon", "phi", "mpt", "cohere")
EXPERTS = ("mixtral", "olmoe", "qwen3_moe", "gpt_oss")
DECODERS = [name for name in TINY_CONFIGS if family_named(name).kind == "decoder"]
PROMPT = [1, 5, 9, 20, 33]
NEW = 7

each_scope = pytest.mark.parametrize("scope", SCOPES)


def three_steps(located: ModelView) -> tuple[list[Step], list[Change]]:
    a, b, c, v = some(located, 1), some(located, 2), some(located, 3), numbers(located, 4)
    steps = [set_to(a, 0.3), add(b, v, 1.5), multiply(c, -0.5)]
    changes: list[Change] = [
        ("write", indices(a), lambda n, h: 0.3),
        ("write", indices(b), lambda n, h: h + 1.5 * float(v[n])),
        ("write", indices(c), lambda n, h: -0.5 * h),
    ]
    return steps, changes


def continued(located: ModelView, prompt: list[int] = PROMPT, **options) -> list[int]:  # type: ignore[no-untyped-def]
    token_ids = torch.tensor([prompt])
    decoding = {"max_new_tokens": NEW, "do_sample": False, "eos_token_id": [1000], "pad_token_id": 0, "use_cache": True}
    mask = torch.ones_like(token_ids)
    new = located.model.generate(input_ids=token_ids, attention_mask=mask, **(decoding | options))
    return new[0, len(prompt) :].tolist()


@pytest.mark.parametrize("model_type", [*DENSE, *EXPERTS])
def test_generation_equals_a_loop_without_a_cache(model_type: str) -> None:
    located = view(tiny_model(model_type))
    steps, changes = three_steps(located)
    plain, found = continued(located), {}
    assert plain == greedy(located, [], PROMPT, NEW, "all")
    for scope in SCOPES:
        with steering(located, steps, scope):
            found[scope] = continued(located)
            assert continued(located) == found[scope]  # a second call starts with a prompt again
        assert found[scope] == greedy(located, changes, PROMPT, NEW, scope), scope
    assert found["generated"][0] == plain[0]  # the first token is chosen by the prompt
    assert found["prompt"][0] == found["all"][0]
    assert continued(located) == plain


@pytest.mark.parametrize("model_type", DECODERS)
def test_prompt_and_generated_together_are_all_tokens_in_every_decoder(model_type: str) -> None:
    located = view(tiny_model(model_type))
    step = add(some(located, 1), numbers(located, 4), 2.0)
    with steering(located, step):
        expected = continued(located)
    with steering(located, step, "prompt"), steering(located, step, "generated"):
        assert continued(located) == expected
    with steering(located, step, "prompt"):
        prompt_only = continued(located)
    with steering(located, step, "generated"):
        generated_only = continued(located)
    plain = continued(located)
    assert prompt_only[0] == expected[0]
    assert generated_only[0] == plain[0]


def test_every_decoder_was_tried() -> None:
    assert len(DECODERS) >= 40


@each_scope
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "bloom", "opt", "mixtral", "gemma3_text"])
def test_batches_of_different_lengths_equal_each_text_alone(model_type: str, scope) -> None:  # type: ignore[no-untyped-def]
    located, tokenizer, corpus = view(tiny_model(model_type)), tiny_tokenizer(), tiny_corpus(rows=4)
    steps, changes = three_steps(located)
    with steering(located, steps, scope):
        generation = generate(located, tokenizer, corpus, Decoding(max_new_tokens=5))
    for language, column in corpus.texts.items():
        for text, token_ids in zip(column, generation.token_ids[language], strict=True):
            expected = greedy(located, changes, tokenizer(text)["input_ids"], 5, scope)
            assert tuple(expected[: len(token_ids)]) == token_ids


@each_scope
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "mixtral"])
def test_beams_equal_plain_hooks_without_a_cache(model_type: str, scope) -> None:  # type: ignore[no-untyped-def]
    located = view(tiny_model(model_type))
    steps, changes = three_steps(located)
    with steering(located, steps, scope):
        found = continued(located, num_beams=3)
    expected = _beams_by_plain_hooks(located, changes, scope)
    assert found == expected
    assert found != continued(located, num_beams=3)


def _beams_by_plain_hooks(located: ModelView, changes: list[Change], scope: str) -> list[int]:
    """Beams over whole texts: rows of the flattened batch are positions, as long as the texts are."""
    length = [0]
    inside = {"all": lambda place: True, "prompt": lambda place: place % length[0] < len(PROMPT)}
    acts_at = inside.get(scope, lambda place: place % length[0] >= len(PROMPT))
    with plainly(located, changes, acts_at) as model:
        model.register_forward_pre_hook(
            lambda _module, _arguments, named: length.__setitem__(0, named["input_ids"].shape[1]), with_kwargs=True
        )
        plain = copy.copy(located)
        object.__setattr__(plain, "model", model)
        return continued(plain, num_beams=3, use_cache=False)


@pytest.mark.parametrize("model_type", ["llama", "mixtral"])
def test_sampling_is_repeatable_under_steering(model_type: str) -> None:
    located, tokenizer, corpus = view(tiny_model(model_type)), tiny_tokenizer(), tiny_corpus(rows=2)
    steps, _ = three_steps(located)
    drawn = Decoding(max_new_tokens=5, temperature=1.0, top_p=0.9)
    with steering(located, steps, "generated"):
        first, again = (generate(located, tokenizer, corpus, drawn).token_ids for _ in range(2))
    assert first == again


@pytest.mark.parametrize("model_type", ["bart", "m2m_100"])
def test_encoder_decoders_are_steered_on_all_tokens(model_type: str) -> None:
    located = view(tiny_model(model_type))
    step = set_to(some(located, 1, 0.8), 2.0)

    def run(use_cache: bool) -> Tensor:
        token_ids = torch.tensor([PROMPT])
        return located.model.generate(
            input_ids=token_ids, attention_mask=torch.ones_like(token_ids), max_new_tokens=NEW, do_sample=False,
            use_cache=use_cache,
        )  # fmt: skip

    with steering(located, step):
        assert torch.equal(run(True), run(False))


@pytest.mark.parametrize("scope", ["prompt", "generated"])
def test_forwards_in_which_scopes_cannot_be_told_are_refused(scope) -> None:  # type: ignore[no-untyped-def]
    located = view(tiny_model("llama"))
    step, token_ids = set_to(some(located, 1)), torch.tensor([PROMPT])
    before = continued(located)
    with steering(located, step, scope), torch.no_grad():
        with pytest.raises(InterventionError, match="without a cache"):
            located.model(input_ids=token_ids, use_cache=False)
        with pytest.raises(InterventionError, match="without its head"):
            located.model.base_model(input_ids=token_ids)
        with pytest.raises(InterventionError, match="without a cache"):
            continued(located, use_cache=False)
        with pytest.raises(InterventionError, match="behind 2 cached"):
            continued(located, prefill_chunk_size=2)
    assert continued(located) == before
