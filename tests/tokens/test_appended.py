"""A tokenizer that ends every text with `</s>`: whatever is to go on, goes on behind the text, as without it."""

import pytest
import torch

from neuroglot import Recording, attribute, record, record_generation, record_sharing
from neuroglot.activity.generated import record_generation_by_row
from neuroglot.experiments.deactivation import deactivate
from neuroglot.experiments.prompts import measure_setting
from neuroglot.experiments.translations import translate_directions
from neuroglot.generation.decoding import Decoding, generate
from neuroglot.generation.local import LocalBackend
from neuroglot.metrics.texts import TextOptions, choose_metrics
from neuroglot.models import view
from neuroglot.tokens.tokenizing import prompt_ids
from tests.attribution.making_tasks import tiny_task
from tests.families import tiny_model
from tests.tiny import tiny_corpus
from tests.tokens.making import tokenizer_with
from tests.training.making import prompt_sets

PAIRS = [("bos", "both"), ("neither", "eos")]
NEW = Decoding(max_new_tokens=6)


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.equal(first.nan_to_num(-1), second.nan_to_num(-1))


@pytest.mark.parametrize(("plain", "ending"), PAIRS)
def test_texts_go_on_behind_the_prompt(plain: str, ending: str) -> None:
    located, corpus = view(tiny_model("llama")), tiny_corpus()
    expected, found = (generate(located, tokenizer_with(ends), corpus, NEW) for ends in (plain, ending))
    assert (found.token_ids, found.read) == (expected.token_ids, expected.read)
    assert any(len(ids) > 1 for column in found.token_ids.values() for ids in column)
    prompts = list(corpus.texts["de"])
    expected_texts, texts = (
        LocalBackend(located, tokenizer_with(ends), keep_truncated=True).complete(prompts, NEW)
        for ends in (plain, ending)
    )
    assert texts == expected_texts
    assert prompt_ids(tokenizer_with(ending), prompts) == tokenizer_with(plain)(prompts)["input_ids"]


@pytest.mark.parametrize(("plain", "ending"), PAIRS)
def test_what_is_counted_while_generating_and_at_the_last_token_is_the_same(plain: str, ending: str) -> None:
    located, corpus = view(tiny_model("llama")), tiny_corpus()
    for recording in (Recording.pmi(), Recording(tokens="all", special_tokens=True), Recording.sharing_matters()):
        expected, found = (
            record_generation(located, tokenizer_with(ends), corpus, recording, NEW)[0] for ends in (plain, ending)
        )
        assert torch.equal(found.fired, expected.fired)
        assert torch.equal(found.tokens, expected.tokens)
    last = Recording.sharing_matters()
    expected, found = (record(located, tokenizer_with(ends), corpus, last) for ends in (plain, ending))
    assert torch.equal(found.fired, expected.fired)
    expected_sharing, sharing = (record_sharing(located, tokenizer_with(ends), corpus) for ends in (plain, ending))
    assert torch.equal(sharing.histogram, expected_sharing.histogram)


@pytest.mark.parametrize("model_type", ["t5", "bert"])
def test_the_last_token_of_an_encoder_is_the_texts_own(model_type: str) -> None:
    """Its end is read, and may be counted, but is not the last token."""
    located, corpus, tokenizer = view(tiny_model(model_type)), tiny_corpus(rows=3), tokenizer_with("both")
    with_special = record(located, tokenizer, corpus, Recording(tokens="last", special_tokens=True))
    without = record(located, tokenizer, corpus, Recording(tokens="last"))
    assert torch.equal(with_special.fired, without.fired)
    assert int(with_special.tokens.sum()) == 9


@pytest.mark.parametrize(("plain", "ending"), PAIRS)
def test_questions_prompts_and_translations_are_the_same(plain: str, ending: str) -> None:
    located, task = view(tiny_model("llama")), tiny_task(5)
    expected, found = (attribute(located, tokenizer_with(ends), task) for ends in (plain, ending))
    assert torch.equal(found.sizes, expected.sizes)
    assert all(same(found.values[name], expected.values[name]) for name in expected.values)
    options = {"draws": 1, "level": "corpus", "by_generation": True, "categories": ("specific",), "same_rows": "allow"}
    off = [deactivate(located, tokenizer_with(ends), task, **options) for ends in (plain, ending)]  # type: ignore[arg-type]
    assert same(off[0].deactivated, off[1].deactivated)
    (direct, several) = prompt_sets(4)
    (metric,) = choose_metrics(["exact-match"], TextOptions(language="en")).values()
    for prompts in (direct, several):
        expected, found = (
            measure_setting(
                located, tokenizer_with(ends), prompts, "de", metric, decoding=NEW, stop="\n", forced_too=True,
                by_segment=True,
            )
            for ends in (plain, ending)
        )  # fmt: skip
        assert found.answers == expected.answers
        assert torch.equal(found.result.prompt_tokens, expected.result.prompt_tokens)
        for role, counted in expected.result.firing.items():
            assert torch.equal(found.result.firing[role].fired, counted.fired)
            assert torch.equal(found.result.firing[role].tokens, counted.tokens)
    corpus, options = tiny_corpus(3, ("de", "sw")), {"decoding": Decoding(5)}
    translated = [
        translate_directions(located, tokenizer_with(ends), corpus, ["de-sw"], **options) for ends in PAIRS[0]
    ]  # type: ignore[arg-type]
    assert translated[0].texts == translated[1].texts


def test_rows_of_generation_are_counted_alike() -> None:
    located, corpus = view(tiny_model("gpt2")), tiny_corpus(rows=4, languages=("de",))
    (_, expected, _), (_, rows, _) = (
        record_generation_by_row(located, tokenizer_with(ends), corpus, Recording.pmi(), NEW) for ends in PAIRS[0]
    )
    assert torch.equal(rows.fired, expected.fired)


def test_a_chat_template_writes_the_only_special_tokens() -> None:
    """A tokenizer that begins every text with `<s>` would begin a chat twice."""
    tokenizer = tokenizer_with("bos")
    tokenizer.chat_template = "<s> {{ messages[0]['content'] }} </s>"
    (direct, _) = prompt_sets(3)
    chat = direct.as_chat(tokenizer)
    (metric,) = choose_metrics(["exact-match"], TextOptions(language="en")).values()
    measured = measure_setting(
        view(tiny_model("llama")), tokenizer, chat, "de", metric, decoding=NEW, stop="\n", forced_too=True,
        by_segment=True,
    )  # fmt: skip
    written = [tokenizer(prompt.text, add_special_tokens=False)["input_ids"] for prompt in chat.prompts]
    assert all(ids.count(tokenizer.bos_token_id) == 1 for ids in written)
    assert measured.result.prompt_tokens[:, 0].tolist() == [len(ids) for ids in written]
