"""Translations by direction against one text after another by a model masked by hand."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from neuroglot.corpora.corpus import Corpus
from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError, CorpusError
from neuroglot.experiments.translations import (
    Translations,
    require_translatable,
    score_translations,
    translate_directions,
)
from neuroglot.generation.decoding import Decoding
from neuroglot.prompting.translating import translation_prompts
from neuroglot.storage import Kept
from tests.families import START
from tests.specialization.making import located, random_masks, row_masked, texts, translation_tokenizer

DIRECTIONS = ("en-de", "fr-en", "de-fr")


def alone(model: PreTrainedModel, direction: Direction, source: str, beams: int) -> str:
    tokenizer, tags = translation_tokenizer(), {"en": 3, "de": 4, "fr": 5}
    ids, model_type = tokenizer.convert_tokens_to_ids(source.split()), model.config.model_type
    options = {"max_new_tokens": 6, "num_beams": beams, "do_sample": False, "eos_token_id": 2, "pad_token_id": 0}
    if not model.config.is_encoder_decoder:
        prompts = translation_prompts([source], direction.source, direction.target)
        read = tokenizer(prompts, return_tensors="pt")["input_ids"]
        written = model.generate(read, attention_mask=torch.ones_like(read), **options)[0, read.shape[1] :]
        return tokenizer.decode(written, skip_special_tokens=True).strip()
    tagged = model_type in ("m2m_100", "mbart")
    read = torch.tensor([[tags[direction.source], *ids, 2] if tagged else [*ids, 2]])
    behind = [2, tags[direction.target]] if tagged else [START[model_type]]
    start = {"decoder_start_token_id": behind[0], "decoder_input_ids": torch.tensor([behind])}
    written = model.generate(read, attention_mask=torch.ones_like(read), **start, **options)[0, len(behind) :]
    return tokenizer.decode(written, skip_special_tokens=True).strip()


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("model_type", ["m2m_100", "mbart", "marian", "llama"])
def test_each_direction_is_translated_by_its_own_neurons(model_type: str, beams: int) -> None:
    view, corpus = located(model_type, seed=2), texts()
    masks = random_masks(view.layout).with_zero_shot(["de-fr"])
    found = []
    for chosen in (masks, None):
        options = {"decoding": Decoding(6, beams=beams), "token_budget": 150}
        got = translate_directions(view, translation_tokenizer(), corpus, DIRECTIONS, chosen, **options)
        assert (list(map(str, got.texts)), got.ids, got.dropped) == (list(DIRECTIONS), corpus.ids, {})
        for direction, column in got.texts.items():
            kept = masks[direction].members if chosen else torch.ones_like(masks.kept[0])
            model = row_masked(view, kept, biases_too=True)
            assert column == tuple(alone(model, direction, text, beams) for text in corpus.texts[direction.source])
        found.append(got.texts)
    assert found[0] != found[1]
    assert all(any(column) for got in found for column in got.values())


def test_the_model_is_as_before_and_the_gate_is_open_again() -> None:
    view, corpus = located("m2m_100"), texts(2)
    options = {"decoding": Decoding(4)}
    before = translate_directions(view, translation_tokenizer(), corpus, ["en-de"], **options)
    masks = random_masks(view.layout, share=0.2)
    masked = translate_directions(view, translation_tokenizer(), corpus, ["en-de"], masks, **options)
    assert translate_directions(view, translation_tokenizer(), corpus, ["en-de"], **options).texts == before.texts
    assert masked.texts != before.texts


def test_rows_whose_source_is_too_long_are_dropped_in_all_directions() -> None:
    view, corpus, tokenizer = located("m2m_100"), texts(3), translation_tokenizer()
    long = dict(corpus.texts) | {"fr": (corpus.texts["fr"][0], " ".join(["w1"] * 70), corpus.texts["fr"][2])}
    rows = Corpus("long", corpus.ids, long)
    found = translate_directions(view, tokenizer, rows, ["en-de", "fr-en"], decoding=Decoding(3))
    whole = translate_directions(view, tokenizer, corpus.take([0, 2]), ["en-de", "fr-en"], decoding=Decoding(3))
    assert (found.ids, found.dropped, found.texts) == (("row0", "row2"), {"over_length": 1}, whole.texts)
    with pytest.raises(CorpusError, match="over_length: 1"):
        translate_directions(view, tokenizer, rows.take([1]), ["fr-en"], decoding=Decoding(3))


def test_what_cannot_be_translated_is_refused() -> None:
    view, tokenizer = located("m2m_100"), translation_tokenizer()
    with pytest.raises(ConfigError, match="no mask of de-fr"):
        translate_directions(view, tokenizer, texts(), DIRECTIONS, random_masks(view.layout))
    with pytest.raises(ConfigError, match="budget of 0"):
        translate_directions(view, tokenizer, texts(), DIRECTIONS, token_budget=0)


def test_a_baseline_is_compared_row_by_row() -> None:
    corpus, direction = texts(3), Direction("en", "de")
    right = corpus.texts["de"]
    best = Translations(("row0", "row2"), {direction: (right[0], right[2])}, {"over_length": 1})
    other = Translations(corpus.ids, {direction: (right[0], "", right[0])}, {})
    (score,) = score_translations(best, corpus, ["exact-match"], other)[direction]
    assert score.score.value == 100
    (same,) = score_translations(best, corpus, ["exact-match"], best)[direction]
    assert score.to_json() != same.to_json()
    with pytest.raises(CorpusError, match="'row1'"):
        score_translations(other, corpus, ["exact-match"], best)
    with pytest.raises(CorpusError, match="'row2'"):
        score_translations(best, corpus.take([0, 1]), ["exact-match"])


def test_texts_of_two_sources_are_kept_apart(tmp_path: Path) -> None:
    view, corpus, options = located("m2m_100"), texts(3), {"decoding": Decoding(4)}
    directions = ["en-de", "fr-de"]
    plain = translate_directions(view, translation_tokenizer(), corpus, directions, **options)
    for _ in range(2):  # made, and taken from there
        kept = translate_directions(view, translation_tokenizer(), corpus, directions, kept=Kept(tmp_path), **options)
        assert kept.texts == plain.texts


def test_translations_are_scored_in_the_language_that_they_are_in() -> None:
    direction = Direction("en", "de")
    corpus = Corpus("numbers", ("a", "b"), {"en": ("one", "two"), "de": ("1234.5", "2")})
    told = Translations(corpus.ids, {direction: ("1.234,5", "2")}, {})
    (score,) = score_translations(told, corpus, ["numeric"])[direction]
    assert score.score.value == 100
    assert score.signature["numbers"] == "de"


@pytest.mark.parametrize("model_type", ["m2m_100", "llama"])
def test_what_would_be_dropped_is_refused_before_and_nothing_else(model_type: str) -> None:
    view, corpus = located(model_type), texts(4)
    long = Corpus(
        "long", corpus.ids, corpus.texts | {"en": (corpus.texts["en"][0] + " w1" * 200, *corpus.texts["en"][1:])}
    )
    decoding = Decoding(4)
    for direction, fits in (("en-de", False), ("de-en", True)):
        found = translate_directions(view, translation_tokenizer(), long, [direction], decoding=decoding)
        assert (found.dropped == {}) is fits
        if fits:
            require_translatable(view, translation_tokenizer(), long, [direction], decoding)
        else:
            with pytest.raises(
                ConfigError, match=f"rows {corpus.ids[0]} of 'long'.*longer than the model's context in 'en'"
            ):
                require_translatable(view, translation_tokenizer(), long, [direction], decoding)
    with pytest.raises(ConfigError, match="max_new_tokens=4000 was asked for"):
        require_translatable(view, translation_tokenizer(), corpus, ["en-de"], Decoding(4000))
