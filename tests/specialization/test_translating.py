"""Translations of mixed batches against one text after another by a model masked by hand."""

import pytest
import torch
from transformers import MBart50Tokenizer, MBartTokenizer, PreTrainedModel

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ConfigError
from neuroglot.experiments.translations import translate
from neuroglot.tokens.pairs import encode_pairs
from neuroglot.tokens.tagging import decoder_tokens_given, prompt
from tests.families import START
from tests.specialization.making import located, random_masks, row_masked, texts, translation_tokenizer

DIRECTIONS = ("en-de", "fr-en", "de-fr")


def alone(model: PreTrainedModel, direction: Direction, source: str, beams: int) -> str:
    tokenizer, tags = translation_tokenizer(), {"en": 3, "de": 4, "fr": 5}
    ids, model_type = tokenizer.convert_tokens_to_ids(source.split()), model.config.model_type
    options = {"max_new_tokens": 6, "num_beams": beams, "do_sample": False, "eos_token_id": 2, "pad_token_id": 0}
    if not model.config.is_encoder_decoder:
        read = tokenizer([prompt(direction, source)], return_tensors="pt")["input_ids"]
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
def test_mixed_batches_are_translated_as_one_text_after_another(model_type: str, beams: int) -> None:
    view, corpus = located(model_type, seed=2), texts()
    masks = random_masks(view.layout).with_zero_shot(["de-fr"])
    pairs = encode_pairs(view, translation_tokenizer(), corpus, DIRECTIONS)
    found = []
    for chosen in (masks, None):
        options = {"max_new_tokens": 6, "beams": beams, "token_budget": 150}
        got = translate(view, translation_tokenizer(), pairs, chosen, **options)
        assert list(map(str, got)) == list(DIRECTIONS)
        for direction, column in got.items():
            kept = masks[direction].members if chosen else torch.ones_like(masks.kept[0])
            model = row_masked(view, kept, biases_too=True)
            assert column == tuple(alone(model, direction, text, beams) for text in corpus.texts[direction.source])
        found.append(got)
    assert found[0] != found[1]
    assert all(any(column) for got in found for column in got.values())


def test_a_tag_that_stands_last_is_what_the_decoder_starts_with() -> None:
    assert decoder_tokens_given(MBartTokenizer(), "mbart") == 1
    assert decoder_tokens_given(MBart50Tokenizer(), "mbart") == 2
    assert decoder_tokens_given(translation_tokenizer(), "t5") == 1


def test_what_cannot_be_translated_is_refused() -> None:
    view, tokenizer = located("m2m_100"), translation_tokenizer()
    pairs, masks = encode_pairs(view, tokenizer, texts(), DIRECTIONS), random_masks(view.layout)
    with pytest.raises(ConfigError, match="no mask of de-fr"):
        translate(view, tokenizer, pairs, masks)
    with pytest.raises(ConfigError, match="0 beams"):
        translate(view, tokenizer, pairs, beams=0)
