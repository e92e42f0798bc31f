"""Texts that an encoder writes: in batches as alone, by beams as by all paths, in passes that do not grow."""

from typing import Any

import pytest

from neuroglot.errors import ConfigError
from neuroglot.generation.ctc import BeamOptions, prefix_beam_search
from neuroglot.generation.sga import CanvasDecoding, canvas_batches, translate_texts, write_texts
from neuroglot.tokens.canvases import canvas_batch, canvas_pairs
from neuroglot.tokens.pairs import Pairs
from tests.models.sga.making import tiny_sga, tiny_writer
from tests.tiny import masking_tokenizer, tiny_corpus


def made(rows: int = 5, **options: Any) -> tuple[Any, Any, Pairs]:
    model, tokenizer, corpus = tiny_sga(**options), masking_tokenizer(), tiny_corpus(rows, ("de", "sw"))
    return model, tokenizer, canvas_pairs(model, tokenizer, corpus, ("de-sw", "sw-de"), ask_for_targets=False)


@pytest.mark.parametrize("beams", [None, BeamOptions(3)])
def test_texts_are_the_same_in_any_batch_and_in_their_order(beams: BeamOptions | None) -> None:
    model, tokenizer, pairs = made()
    together = write_texts(model, tokenizer, pairs, CanvasDecoding(3, beams))
    few = write_texts(model, tokenizer, pairs, CanvasDecoding(3, beams, token_budget=1))
    assert few == together
    assert len(together) == 10
    assert all(2 <= text.passes <= 5 for text in together)
    for place, pair in enumerate(pairs.pairs):
        given = canvas_batch([pair], pairs.pad_id)
        written = model.write(given["input_ids"], given["attention_mask"], denoising_passes=3)
        if beams is None:
            (ids,) = written.texts(model.config)
            assert tokenizer.decode(ids, skip_special_tokens=True).strip() == together[place].text


def test_batches_hold_every_pair_once_within_their_budget() -> None:
    model, _, pairs = made(20)
    cut = list(canvas_batches(model, pairs.pairs, 120))
    assert sorted(place for batch in cut for place in batch) == list(range(40))
    assert len(cut) > 4
    for batch in cut:
        longest = max(len(pairs.pairs[place].token_ids) for place in batch)
        assert len(batch) <= 3 or len(batch) * (longest + model.frames_for(longest)) <= 160


def test_beams_are_those_of_the_frames_of_the_last_pass() -> None:
    model, tokenizer, pairs = made(1)
    given = canvas_batch(pairs.pairs[:1], pairs.pad_id)
    written = model.write(given["input_ids"], given["attention_mask"], denoising_passes=2, keep_log_probs=True)
    (found,) = prefix_beam_search(written.log_probs, written.frames, model.config.blank, BeamOptions(4))
    text = write_texts(model, tokenizer, pairs, CanvasDecoding(2, BeamOptions(4)))[0].text
    assert text == tokenizer.decode(found[0].symbols, skip_special_tokens=True).strip()


def test_more_texts_are_given_best_first() -> None:
    model, tokenizer, pairs = made(2)
    three = write_texts(model, tokenizer, pairs, CanvasDecoding(1, BeamOptions(4), n_best=3))
    one = write_texts(model, tokenizer, pairs, CanvasDecoding(1, BeamOptions(4)))
    assert [text.text for text in three] == [text.text for text in one]
    assert all(len(text.others) == 2 for text in three)


def test_a_corpus_is_translated_and_what_is_too_long_is_a_failure() -> None:
    model, tokenizer, corpus = tiny_sga(), masking_tokenizer(), tiny_corpus(4, ("de",))
    long = type(corpus)("long", corpus.ids, {"de": (*corpus.texts["de"][:3], "w1 " * 80)})
    translated, written = translate_texts(model, tokenizer, long, ("sw", "fr"))
    assert list(translated.completions) == ["sw", "fr"]
    assert [completion.failure for completion in translated.completions["sw"]][3] == "over_length"
    assert set(written["fr"]) == set(corpus.ids[:3])
    assert translated.signature["denoising_passes"] == 4


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="2 of 1 texts"):
        CanvasDecoding(n_best=2)
    model, tokenizer, pairs = made(1, writing="mask-predict")
    with pytest.raises(ConfigError, match="Beams were asked for of 'mask-predict'"):
        write_texts(model, tokenizer, pairs, CanvasDecoding(beams=BeamOptions(2)))


def test_a_shuffled_memory_is_that_of_another_row_of_the_same_direction() -> None:
    model, _, pairs = made(5, memory="shuffled")
    for budget in (1, 10_000):
        for batch in canvas_batches(model, pairs.pairs, budget):
            assert len(batch) >= 2
            assert len({pairs.pairs[place].language for place in batch}) == 1
    assert {len(batch) for batch in canvas_batches(model, pairs.pairs, 1)} == {2, 3}


def test_each_language_has_its_own_texts() -> None:
    model, tokenizer = tiny_writer(tiny_corpus(12, ("de", "sw", "en")))
    corpus = tiny_corpus(4, ("de",))
    _, written = translate_texts(model, tokenizer, corpus, ("sw", "en"))
    for language in ("sw", "en"):
        assert translate_texts(model, tokenizer, corpus, (language,))[1][language] == written[language]
    assert written["sw"] != written["en"]


def test_beams_of_a_denoiser_behind_mask_predict_are_refused() -> None:
    model, tokenizer, pairs = made(1, writing="mask-predict, denoised")
    with pytest.raises(ConfigError, match="Beams were asked for of 'mask-predict, denoised'"):
        write_texts(model, tokenizer, pairs, CanvasDecoding(beams=BeamOptions(2)))
