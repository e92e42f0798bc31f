"""made_with: what every signature begins with; and what steers decoding wherever it is stored."""

from dataclasses import replace

import pytest
import torch

from neuroglot.generation.decoding import Decoding, generate
from neuroglot.models import made_with, model_signature, view
from neuroglot.models.provenance import generation_signature, prompts_signature, reads_clock, tokenizer_signature
from neuroglot.signature import Signature, merged, short_hash, versions
from tests.families import tiny_model
from tests.tiny import tiny_corpus, tiny_tokenizer

LLAMA_3 = "{% if date is not defined %}{% set date = strftime_now('%d %b %Y') %}{% endif %}{{ messages[0].content }}"


def test_each_part_stands_in_it_where_it_is_given() -> None:
    located, tokenizer, corpus = view(tiny_model("llama")), tiny_tokenizer(), tiny_corpus()
    whole = made_with(located, tokenizer, corpus, rows=7, dropped=2)
    assert [key for key, _ in whole.fields] == [
        "model", "revision", "config", "weights", "dtype", "device", "tokenizer", "chat_template", "corpus",
        "corpus_hash", "rows", "rows_dropped", "interventions", "neuroglot", "torch", "transformers", "python",
    ]  # fmt: skip
    assert (whole["corpus"], whole["corpus_hash"], whole["rows"], whole["rows_dropped"]) == (
        "tiny", corpus.hash, 7, 2
    )  # fmt: skip
    assert made_with(data=corpus)["rows"] == len(corpus)
    assert made_with() == versions()
    assert made_with(located.model, tokenizer, corpus, rows=7, dropped=2) == whole
    assert model_signature(located) | Signature() == Signature(whole.fields[:6])


def test_what_makes_products_coarser_than_the_weights_is_told() -> None:
    model = tiny_model("llama")
    assert model_signature(model)["dtype"] == "float32"
    with torch.autocast("cpu", torch.bfloat16):
        assert model_signature(model)["dtype"] == "float32, autocast to bfloat16"
    torch.set_float32_matmul_precision("medium")
    try:
        assert model_signature(model)["dtype"] == "float32, float32 products medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_signatures_are_read_by_key_and_tell_how_they_differ() -> None:
    signature = Signature.of(rows=9, seed=None, chat=True)
    assert signature["rows"] == signature.get("rows") == 9
    assert (signature.get("metric"), signature.get("metric", "none")) == (None, "none")
    with pytest.raises(KeyError):
        signature["metric"]
    other = Signature.of(rows=8, seed=None, metric="bleu")
    assert (
        other.differing_from(signature)
        == "rows: 9 there, 8 here; chat: yes there, none here; metric: none there, bleu here"
    )
    assert signature.differing_from(Signature.of(seed=None, chat=True, rows=9)) == ""
    assert Signature.of(a=None).differing_from(Signature()) != ""
    assert signature.inline == "rows=9,seed=none,chat=yes"
    assert merged([signature, signature | Signature.of(rows=8)]) == Signature.of(rows="9 + 8", seed=None, chat=True)


def test_short_hashes_tell_parts_apart() -> None:
    values = torch.zeros(4)
    kinds = [
        ("ab", "c"),
        ("a", "bc"),
        (values,),
        (values.bfloat16(),),
        (values.reshape(2, 2),),
        (values.long(),),
        ("",),
        (),
    ]
    assert len({short_hash(*parts) for parts in kinds}) == len(kinds)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repetition_penalty", 1.3),
        ("no_repeat_ngram_size", 2),
        ("forced_bos_token_id", 5),
        ("suppress_tokens", [4, 6]),
        ("eos_token_id", [2, 9]),
        ("min_length", 3),
        ("min_p", 0.1),
    ],
)
def test_what_steers_decoding_in_the_models_own_config_is_told(name: str, value: object) -> None:
    model = tiny_model("llama")
    before = generation_signature(model)
    setattr(model.generation_config, name, value)
    after = generation_signature(model)
    assert after != before
    assert f"{name}={str(value).replace(chr(39), '')}" in str(after)


@pytest.mark.parametrize("name", ["temperature", "do_sample", "max_length", "use_cache", "pad_token_id"])
def test_what_decoding_replaces_is_left_out(name: str) -> None:
    model = tiny_model("llama")
    before = generation_signature(model)
    setattr(model.generation_config, name, {"do_sample": True, "use_cache": False}.get(name, 7))
    assert generation_signature(model) == before


def test_a_repetition_penalty_changes_texts_and_their_signature() -> None:
    located, tokenizer, prompts = view(tiny_model("llama")), tiny_tokenizer(), tiny_corpus(3)
    plain = generate(located, tokenizer, prompts, Decoding(8))
    located.model.generation_config.repetition_penalty = 3.0
    other = generate(located, tokenizer, prompts, Decoding(8))
    assert other.texts != plain.texts
    assert other.signature.differing_from(plain.signature).startswith("generation: ")


def test_batches_are_told_where_texts_are_drawn() -> None:
    located, tokenizer, prompts = view(tiny_model("llama")), tiny_tokenizer(), tiny_corpus(3)
    made = [
        generate(located, tokenizer, prompts, Decoding(2, temperature), token_budget=budget).signature
        for temperature in (0.0, 1.0)
        for budget in (20, 200)
    ]
    assert made[0] == made[1]
    assert made[3].differing_from(made[2]) == "token_budget: 20 there, 200 here"


def test_a_template_that_reads_the_clock_is_told() -> None:
    tokenizer = tiny_tokenizer()
    assert not reads_clock(tokenizer)
    tokenizer.chat_template = "{{ messages[0].content }}"
    assert "clock" not in str(tokenizer_signature(tokenizer))
    assert "clock" not in str(prompts_signature(tokenizer, ["a"]))
    for template in (LLAMA_3, {"default": "{{ messages }}", "tools": LLAMA_3}):
        tokenizer.chat_template = template
        assert "reads the clock" in str(tokenizer_signature(tokenizer))
        assert "the chat template reads the clock" in str(prompts_signature(tokenizer, ["a"]))
    assert prompts_signature(tokenizer, ["a", "b"]) != prompts_signature(tokenizer, ["ab"])


def test_thresholds_keep_all_their_digits() -> None:
    from neuroglot import Recording

    base = Recording(fires=(0.1234567,))
    assert base.signature != replace(base, fires=(0.1234568,)).signature
    assert "fires:>0,0.1|" in f"{Recording(fires=(0.0, 0.1)).signature}|"


def test_the_commit_of_a_model_of_the_hub_is_told() -> None:
    model = tiny_model("llama")
    assert model_signature(model)["revision"] is None
    model.config._commit_hash = "0a1b2c"
    assert model_signature(model)["revision"] == "0a1b2c"


def test_rows_that_were_dropped_are_counted() -> None:
    assert made_with(data=tiny_corpus(), rows=7, dropped=2)["rows_dropped"] == 2
